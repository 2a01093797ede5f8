"""Fields of request bodies beyond those of a callout: optional texts, counts, scores, instants, degrees sent as text.

Pure, beside `bodies` and as strict: a field of the wrong type is `Refused` BAD with a message that names it. A null counts as absent,
because a client may fill a field that it has nothing for.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from simulator import bodies
from simulator.bodies import Body, bad


def optional_text(body: Body, key: str) -> str | None:
    """A string that is not blank, None where it is absent."""
    return None if body.get(key) is None else bodies.text(body, key)


def optional_flag(body: Body, key: str) -> bool | None:
    """True or false, None where it is absent."""
    value = body.get(key)
    if value is not None and not isinstance(value, bool):
        bad(f"{key} must be true or false")
    return value


def optional_integer(body: Body, key: str) -> int | None:
    """A positive integer, None where it is absent."""
    return None if body.get(key) is None else bodies.integer(body, key)


def score(body: Body, key: str) -> int:
    """A whole number from 1 to 5."""
    if (value := bodies.integer(body, key)) > 5:
        bad(f"{key} must be from 1 to 5")
    return value


def percent(body: Body, key: str) -> float:
    """A number from 0 to 100."""
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        bad(f"{key} is required and must be a number from 0 to 100")
    return float(value)


def label(body: Body, key: str) -> str:
    """A name that comes as a text or as a whole number, as a text."""
    value = body.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(bodies.integer(body, key))
    return bodies.text(body, key).strip()


def degrees(body: Body, key: str, most: float) -> float:
    """Degrees that are sent as a text, between -most and most."""
    try:
        value = float(bodies.text(body, key))
    except ValueError:
        bad(f"{key} must be a number as a string")
    if not math.isfinite(value) or abs(value) > most:
        bad(f"{key} must be between {-most:g} and {most:g}")
    return value


def instant(body: Body, key: str) -> float:
    """A date or an instant of ISO 8601 as UTC seconds; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(bodies.text(body, key))
        wall = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        datetime.fromtimestamp(wall, UTC)  # as it will be told: its zone may put it before the first year or behind the last
    except (ValueError, OverflowError):
        bad(f"{key} must be an instant such as 2026-03-02T10:11:12Z")
    return wall


def record(body: Body, key: str) -> dict[str, Any]:
    """A required object."""
    value = body.get(key)
    if not isinstance(value, dict):
        bad(f"{key} is required and must be an object")
    return value


def chosen(key: str, value: int | None, known: tuple[tuple[int, str], ...]) -> None:
    """Refuse an id that is in no row of what is known; None is none."""
    if value is not None and value not in dict(known):
        bad(f"Unknown {key} {value}")
