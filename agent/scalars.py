"""JSON values -> numbers, texts, ids and instants, one value at a time.

Pure. Knows no key and no shape (those are `wire`, `paper_wire` and `help_wire`) and must not raise for anything that came in: what
cannot be understood is None.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

from agent.model import CalloutId

INSTANT_FROM: Final = 1e9  # a number above this is seconds since 1970, not a span
MILLISECONDS_FROM: Final = 1e11  # an instant above this is in ms: as seconds it would be the year 5138
MAX_ID_CHARS: Final = 128
MAX_ID: Final = 2**63 - 1  # what the store can hold as a number; a larger one is kept as text


def id_of(value: Any) -> CalloutId | None:
    """An id as int where it is one; any other non-empty string as it is, unless it could not stand in a path."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int | str):
        return None
    text = str(value).strip()
    if text.isascii() and text.removeprefix("-").isdigit() and len(text) <= MAX_ID_CHARS and abs(int(text)) <= MAX_ID:
        return int(text)
    return text if 0 < len(text) <= MAX_ID_CHARS and text.isprintable() and text not in (".", "..") else None


def exact_id_of(value: Any) -> CalloutId | None:
    """An id that is a name, like a device's: digits become an int only where that changes nothing, so never with a leading zero."""
    found = id_of(value)
    return value.strip() if isinstance(value, str) and isinstance(found, int) and str(found) != value.strip() else found


def wall_of(value: Any) -> float | None:
    """UTC s of an ISO 8601 text or a number of s or ms since 1970; a text without a zone is UTC."""
    number = number_of(value)
    if number is not None:
        return number / 1000 if number > MILLISECONDS_FROM else number
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def number_of(value: Any) -> float | None:
    """A finite number, also from a string of one (fixed locations tell theirs as strings)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > 64):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def text_of(value: Any) -> str | None:
    """A string that is not blank, as it is."""
    return value if isinstance(value, str) and value.strip() else None


def line_of(value: Any, longest: int) -> str | None:
    """A string as one line of printable characters, cut to so many."""
    if not isinstance(value, str):
        return None
    line = " ".join("".join(each if each.isprintable() else " " for each in value[: 4 * longest]).split())
    return line[:longest].rstrip() or None


def first_text(raw: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of these keys that holds a text."""
    return next((text for text in (text_of(raw.get(key)) for key in keys) if text is not None), None)
