"""How far help has come, out of a part of the callout whose key names no document tells.

Decides by what keys mean, whatever their case and separators: dispatched, arrived, completed with a time; when they are expected; a
responder's name. It must not guess: a number without a unit is no span, an estimate is no arrival, an hour to come is not past. Must not
raise for anything that came in, and looks at a bounded part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from agent.model import Help
from agent.scalars import INSTANT_FROM, line_of, number_of, wall_of

MAX_DEPTH: Final = 6
MAX_ENTRIES: Final = 400  # of all objects together
MAX_INCIDENTS: Final = 16
MAX_KEY_CHARS: Final = 64
MAX_TEXT_CHARS: Final = 60
LONGEST_S: Final = 7 * 86_400.0  # a span beyond this is no estimate of an arrival
LAST_INSTANT: Final = 1e10  # the year 2286
AHEAD_S: Final = 120.0  # what is said to have happened later than this after the answer has not happened

UNITS_S: Final = {"ms": 0.001, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "hr": 3600.0, "hour": 3600.0}
UNIT: Final = r"ms|millis(?:econds?)?|secs?|seconds?|mins?|minutes?|hrs?|hours?"
# A bare "min" may be the lower bound of two: it is a unit after "in" only.
ETA: Final = re.compile(
    r"(?:responder|vehicle|unit|dispatch|current|latest)?"
    r"(?:eta|(?:estimated|expected|predicted)(?:timeof|time)?arrival(?:time)?|(?:estimated|expected)timetoarrival|arrivaleta)"
    rf"(?:in({UNIT})|(ms|millis(?:econds?)?|secs?|seconds?|mins|minutes?|hrs?|hours?))?(?:at|time|date|datetime|timestamp|utc)?"
)
PAST: Final = (
    ("dispatched", re.compile(r"dispatch(?!er|cent)")),
    ("arrived", re.compile(r"arriv")),
    ("completed", re.compile(r"complet")),
)
NOT_PAST: Final = re.compile(  # anywhere on the way to the value, names joined by dots
    r"estimat|expect|predict|plan|sched|cancel|due|deadline|target|timeout|until|incomplet|undispatch|(?:^|\.)eta(?!il)|eta(?:$|\.)"
)
A_TIME: Final = re.compile(r".*(?:at|time|timestamp|date|datetime|utc|epoch|ed|arrival|completion)")
PLAIN: Final = frozenset({"at", "time", "timestamp", "date", "datetime", "utc", "when", "value"})
RESPONDER: Final = frozenset({"responder", "respondername", "assignedresponder"})
NAMES: Final = frozenset({"name", "fullname", "displayname", "callsign"})


@dataclass(slots=True)
class Found:
    """What one incident tells."""

    walls: dict[str, float] = field(default_factory=dict)
    eta_wall: float | None = None
    eta_text: str | None = None
    responder: str | None = None


def help_of(raw: dict[str, Any], answered_wall: float | None) -> Help:
    """What a callout tells of help. answered_wall: UTC s when dispatch said so; None: not known, spans then stay as told.

    Of several incidents each time is the latest; expectation and name are of the one that was dispatched last, else of the last.
    """
    incidents = raw.get("incidentInformation")
    incidents = incidents[-MAX_INCIDENTS:] if isinstance(incidents, list) else [incidents]
    budget = [MAX_ENTRIES]
    outer = {key: value for key, value in raw.items() if key not in ("incidentInformation", "location", "calloutLocation")}
    told = [_look(each, answered_wall, budget) for each in incidents if isinstance(each, dict)]
    found = [_look(outer, answered_wall, budget), *told]  # last for the budget, least when it comes to whose word counts
    newest = sorted(found, key=lambda each: each.walls.get("dispatched", float("-inf")))  # stable: the last of equals is last
    walls = {name: max((each.walls[name] for each in found if name in each.walls), default=None) for name, _ in PAST}
    expecting = next((each for each in reversed(newest) if each.eta_wall is not None or each.eta_text is not None), Found())
    return Help(
        dispatched_wall=walls["dispatched"],
        arrived_wall=walls["arrived"],
        completed_wall=walls["completed"],
        eta_wall=expecting.eta_wall,
        eta_text=expecting.eta_text if expecting.eta_wall is None else None,
        responder=next((each.responder for each in reversed(newest) if each.responder is not None), None),
    )


def _look(incident: dict[str, Any], answered_wall: float | None, budget: list[int]) -> Found:
    found = Found()
    for path, value in _entries(incident, budget):
        _take(found, path, value, answered_wall)
    return found


def _entries(incident: dict[str, Any], budget: list[int]) -> Iterator[tuple[str, Any]]:
    """Every value with its path of plain names, breadth first, as far as the budget reaches."""
    level: list[tuple[str, dict[str, Any]]] = [("", incident)]
    for _ in range(MAX_DEPTH):
        below: list[tuple[str, dict[str, Any]]] = []
        for at, holder in level:
            for key, value in holder.items():
                if budget[0] <= 0:
                    return
                budget[0] -= 1
                path = f"{at}.{_plain(key)}"
                yield path, value
                inner = value[:MAX_INCIDENTS] if isinstance(value, list) else [value]
                below += [(path, each) for each in inner if isinstance(each, dict)]
        level = below


def _plain(key: str) -> str:
    """Without case and separators."""
    return "".join(each for each in key[:MAX_KEY_CHARS] if each.isalnum()).casefold()


def _take(found: Found, path: str, value: Any, answered_wall: float | None) -> None:
    """The first telling of a thing counts: outer keys come before inner ones."""
    if isinstance(value, dict | list) or value is None:
        return
    above, _, key = path.rpartition(".")
    parent = above.rpartition(".")[2]
    estimate = ETA.fullmatch(parent if key in PLAIN else key)
    if estimate is None and ETA.fullmatch(parent):
        unit = None if key == "min" else _unit(key)
        if unit is not None:
            _expect(found, value, unit, answered_wall)
    elif estimate is not None:
        _expect(found, value, _unit(estimate[1] or estimate[2] or ""), answered_wall)
    elif key in RESPONDER or (parent.rstrip("s") in RESPONDER and key in NAMES):
        found.responder = found.responder or line_of(value, MAX_TEXT_CHARS)
    elif NOT_PAST.search(path) is None:
        _happened(found, parent + key if key in PLAIN else key, value, answered_wall)


def _happened(found: Found, key: str, value: Any, answered_wall: float | None) -> None:
    wall = _instant(value, as_number=A_TIME.fullmatch(key) is not None)
    if wall is None or (answered_wall is not None and wall > answered_wall + AHEAD_S):
        return
    for name, meant in PAST:
        if meant.search(key):
            found.walls.setdefault(name, wall)
            return


def _expect(found: Found, value: Any, unit_s: float | None, answered_wall: float | None) -> None:
    """An instant, a span whose unit is known, or else the words as told."""
    number = number_of(value)
    wall = _instant(value, as_number=unit_s is None)
    if wall is None and unit_s is not None and answered_wall is not None and number is not None and 0 <= number * unit_s <= LONGEST_S:
        wall = answered_wall + number * unit_s
    if wall is not None:
        found.eta_wall = wall if found.eta_wall is None else found.eta_wall
    elif found.eta_text is None and not isinstance(value, bool) and (unit_s is None or number is None):
        found.eta_text = line_of(str(value) if isinstance(value, int | float) and number is not None else value, MAX_TEXT_CHARS)


def _unit(word: str) -> float | None:
    """Seconds of a unit."""
    if word.startswith("milli"):
        return UNITS_S["ms"]
    return UNITS_S.get(word) or UNITS_S.get(word.removesuffix("s"))


def _instant(value: Any, *, as_number: bool) -> float | None:
    """UTC s of a text with date and time of day or, where that may be, of a number since 1970."""
    if isinstance(value, str) and number_of(value) is None:
        wall = wall_of(value) if ":" in value and len(value) <= MAX_KEY_CHARS else None
    else:
        wall = wall_of(value) if as_number and (number_of(value) or 0.0) >= INSTANT_FROM else None
    return wall if wall is not None and INSTANT_FROM <= wall < LAST_INSTANT else None
