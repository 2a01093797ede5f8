"""Panic API shapes -> model, tolerantly (the strict way out is `bodies`).

Decides where in a JSON document a callout, a list, an event or a token is. Every generation of the documentation is
understood. Must not talk to anyone and must not raise for anything that came in: what cannot be understood is None, and
`delivery` decides what that means.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from agent.model import Callout, CalloutId, Event

INSTANT_FROM: Final = 1e9  # an "expiresIn" above this is seconds since 1970 (the old service), not a lifetime
MILLISECONDS_FROM: Final = 1e11  # an instant above this is in ms: as seconds it would be the year 5138
MAX_ID_CHARS: Final = 128
MAX_ID: Final = 2**63 - 1  # what the store can hold as a number; a larger one is kept as text

LIST_KEYS: Final = ("callouts", "activeCallouts", "events", "calloutEvents", "data", "items", "results", "records")
TEXT_KEYS: Final = ("message", "text", "event", "body", "content")
SOURCE_KEYS: Final = ("source", "sender", "senderRole", "role", "createdBy")
TOKEN_KEYS: Final = ("accessToken", "access_token", "token", "calloutToken", "callout_token")
EXPIRY_KEYS: Final = ("expiresIn", "expires_in", "expiresAt", "expires_at", "expiry", "exp")
TOKEN_TEXT: Final = re.compile(r"[!-~]{8,8192}")  # printable ASCII without a blank: it stands in a header


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and how long it is believed to live.

    Inside, life is monotonic: at (of receipt) plus life_s, so that a step of the wall clock neither ages nor revives it.
    expires_wall (UTC s) is for the file that outlives a boot. Both None: not told, and not in the token either.
    The belief only times renewals: dispatch decides what is expired, so a token is tried whatever this says.
    """

    value: str = field(repr=False)
    at: float
    life_s: float | None = None
    expires_wall: float | None = None

    def spent(self, at: float) -> float:
        """The part of its life that is over at this monotonic time: 0 new, 1 expired, 0 when the life is not known."""
        if self.life_s is None:
            return 0.0
        return 1.0 if self.life_s <= 0 else (at - self.at) / self.life_s


def document_of(body: bytes) -> Any:
    """The JSON value of a body; None for what is not JSON (and for `null`)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # UnicodeDecodeError and absurdly long numbers are ValueErrors
        return None


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


def callout_of(document: Any) -> Callout | None:
    """The callout in a reply: under `callout`, under `data.callout`, under `data`, or the document itself. None without an id."""
    for candidate in _places(document):
        callout_id = id_of(candidate.get("id"))
        if callout_id is not None:
            return _callout(callout_id, candidate)
    return None


def read_callout_of(document: Any, asked_id: CalloutId) -> Callout | None:
    """The callout in a reply about one that we named: it may leave out its id, but not tell another one."""
    found = callout_of(document)
    if found is not None:
        return found if str(found.id) == str(asked_id) else None
    for candidate in _places(document):
        if _text(candidate.get("status")) is not None:
            return _callout(asked_id, candidate)
    return None


def callouts_of(document: Any) -> tuple[Callout, ...] | None:
    """A list of callouts, bare or wrapped, or a single one. None when there is no list or nothing in it is a callout."""
    found = _list_in(document)
    if found is None:
        single = callout_of(document)
        return None if single is None else (single,)
    callouts = tuple(callout for callout in map(callout_of, found) if callout is not None)
    return None if found and not callouts else callouts


def events_of(document: Any) -> tuple[Event, ...] | None:
    """The event stream, bare or wrapped. Entries without a text are left out. None when there is no list."""
    found = _list_in(document)
    if found is None:
        return None
    return tuple(event for event in map(_event, found) if event is not None)


def token_of(document: Any, *, at: float, wall: float | None) -> Token | None:
    """A token in either spelling. wall: UTC s now by the clock of whoever issued it (the reply's Date), else ours, None if doubtful."""
    inner = document.get("data") if isinstance(document, dict) else None
    for candidate in (document, inner):
        if not isinstance(candidate, dict):
            continue
        for key in TOKEN_KEYS:
            value = candidate.get(key)
            if isinstance(value, str) and TOKEN_TEXT.fullmatch(value.strip()):
                told = next((candidate[each] for each in EXPIRY_KEYS if candidate.get(each) is not None), None)
                return _token(value.strip(), told, at, wall)
    return None


def token_of_text(text: str, *, at: float, wall: float | None) -> Token | None:
    """A token in a file: the bare token, or the JSON of the service that issued it."""
    bare = text.strip()
    if TOKEN_TEXT.fullmatch(bare) and not bare.startswith(("{", '"')):
        return _token(bare, None, at, wall)
    document = document_of(bare.encode("utf-8", "replace"))
    return token_of({"token": document} if isinstance(document, str) else document, at=at, wall=wall)


def message_of(document: Any) -> str | None:
    """The human-readable `message` (or `error`) of a refusal."""
    if not isinstance(document, dict):
        return None
    return _text(document.get("message")) or _text(document.get("error"))


def wall_of(value: Any) -> float | None:
    """UTC s of an ISO 8601 text or a number of s or ms since 1970; a text without a zone is UTC."""
    number = _number(value)
    if number is not None:
        return number / 1000 if number > MILLISECONDS_FROM else number
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _places(document: Any) -> Iterable[dict[str, Any]]:
    """Where a callout may be, the most telling first."""
    if not isinstance(document, dict):
        return ()
    data = document.get("data")
    inner = data.get("callout") if isinstance(data, dict) else None
    return (each for each in (document.get("callout"), inner, data, document) if isinstance(each, dict))


def _callout(callout_id: CalloutId, raw: dict[str, Any]) -> Callout:
    where = _position_in(raw)
    customer = id_of(raw.get("customerId"))
    return Callout(
        id=callout_id,
        status=_text(raw.get("status")),
        customer_id=customer if isinstance(customer, int) else None,
        latitude=where[0],
        longitude=where[1],
        accuracy_m=where[2],
        created_wall=wall_of(raw.get("createdAt")),
        url=_text(raw.get("url")),
    )


def _position_in(raw: dict[str, Any]) -> tuple[float | None, float | None, float | None]:
    """Flat, under `location`, or inside the first incident that tells one. Both coordinates in range, or none."""
    incidents = raw.get("incidentInformation")
    incidents = incidents if isinstance(incidents, list) else [incidents]
    for outer in (raw, *incidents):
        if not isinstance(outer, dict):
            continue
        for place in (outer, outer.get("location"), outer.get("calloutLocation")):
            if not isinstance(place, dict):
                continue
            latitude, longitude = _number(place.get("latitude")), _number(place.get("longitude"))
            if latitude is not None and longitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180:
                accuracy_m = _number(place.get("accuracy"))
                return latitude, longitude, accuracy_m if accuracy_m is not None and accuracy_m > 0 else None
    return None, None, None


def _list_in(document: Any) -> list[Any] | None:
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return None
    inner = document.get("data")
    for holder in (document, inner if isinstance(inner, dict) else {}):
        for key in LIST_KEYS:
            if isinstance(holder.get(key), list):
                found: list[Any] = holder[key]
                return found
    return None


def _event(raw: Any) -> Event | None:
    if not isinstance(raw, dict):
        return None
    inner = raw.get("event")
    spoken = inner if isinstance(inner, dict) else {}
    text = _first_text(raw, ("message",)) or _text(inner) or _first_text(spoken, TEXT_KEYS)
    if text is None:
        return None
    source = _first_text(spoken, SOURCE_KEYS) or _first_text(raw, SOURCE_KEYS) or "unknown"
    return Event(id_of(raw.get("id")), source, text, wall_of(raw.get("createdAt")))


def _token(value: str, told: Any, at: float, wall: float | None) -> Token:
    number = _number(told)
    if number is not None and number <= INSTANT_FROM:
        return Token(value, at, number, None if wall is None else wall + number)
    expires_wall = wall_of(told) if told is not None else None
    if expires_wall is None:
        expires_wall = _jwt_expiry(value)
    if expires_wall is None or wall is None:
        return Token(value, at, None, expires_wall)
    return Token(value, at, expires_wall - wall, expires_wall)


def _jwt_expiry(value: str) -> float | None:
    """`exp` of a JWT, unverified: it only times our renewal."""
    parts = value.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = document_of(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return _number(claims.get("exp")) if isinstance(claims, dict) else None


def _number(value: Any) -> float | None:
    """A finite number, also from a string of one (fixed locations tell theirs as strings)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and len(value) > 64):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _first_text(raw: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((text for text in (_text(raw.get(key)) for key in keys) if text is not None), None)
