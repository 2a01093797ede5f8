"""How a comparison says what was said: shapes without values, texts without numbers, acts and outcomes in a few words.

Pure. What it leaves out, a comparison cannot see.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Values that tell behaviours apart; every other number is an id, a time, a measure or a count.
_TELLING = {"responseTypeId", "calloutClassificationId", "exceptionReasonId", "rating", "internalTest", "safeCode", "source"}
_NUMBER = re.compile(r"\d(?:[\d:.,TZ+-]*\d)?Z?")
_MEASURE = re.compile(r"-?#(?:\s*(?:(?:km/h|m/s|km|min|ms|s|h|m|N|S|E|W)\b|[%#]))*")
# A track is told in one of several forms, in one message or several: which, its length and its course decide.
_TRAILS = (
    ("where the device was before the press", re.compile(r"^(?:The device (?:was|stood) |Trail\b).*\bbefore the press\b")),
    (
        "where the device was while nothing got through",
        re.compile(r"^(?:One position did|Trail\b.*\bpositions did|Positions that did) not get through"),
    ),
    ("", re.compile(r"^Trail, part \d+ of \d+")),
)
GIST_CHARS = 160


def masked(text: str) -> str:
    """The text with every number, and the units behind it, as one `#`."""
    return _MEASURE.sub("#", _NUMBER.sub("#", text))


def gist(text: str) -> str:
    """The first sentence without its numbers; of a trail what it is about, "" for its further parts: the rest depends on the drive."""
    for about, pattern in _TRAILS:
        if pattern.search(text):
            return about
    return re.split(r"\. |: ", masked(text), maxsplit=1)[0].rstrip(".")[:GIST_CHARS]


def said(body: Any) -> str:
    """The text of an event, in either generation."""
    if not isinstance(body, dict):
        return ""
    return str(body.get("event", body.get("message", "")))


def code(body: Any) -> str:
    """What a cancel came with."""
    if not isinstance(body, dict) or "safeCode" not in body:
        return "no code"
    return f"a {body['safeCode']} code"


def status_of(answer: Any) -> str | None:
    """The callout's status in the answer to a read, in either generation."""
    callout = answer.get("callout", answer) if isinstance(answer, dict) else None
    status = callout.get("status") if isinstance(callout, dict) else None
    return status.strip().casefold() if isinstance(status, str) else None


def shape(document: Any, key: str = "") -> str:
    """Which keys a body has, with the values that tell behaviours apart."""
    if isinstance(document, dict):
        return "{" + ", ".join(f"{masked(name)}: {shape(value, name)}" for name, value in sorted(document.items())) + "}"
    if isinstance(document, list):
        return "[" + ", ".join(dict.fromkeys(shape(each) for each in document)) + "]"
    if key in _TELLING or isinstance(document, bool | None):
        return json.dumps(document)
    return "text" if isinstance(document, str) else "#"


def outcome(status: int | None, fault: str | None) -> str:
    """What became of a request."""
    if fault:
        return f"{fault}{f' ({status})' if status is not None else ''}"
    return str(status)


def act(method: str, path: str, body: Any) -> str:
    """What dispatch did."""
    what = masked(path.removeprefix("/sim/"))
    return f"{'' if method == 'POST' else method + ' '}{what}{' ' + json.dumps(body, sort_keys=True) if body else ''}"
