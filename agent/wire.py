"""Panic API shapes -> model, tolerantly (the strict way out is `bodies`).

Decides where in a JSON document a callout, a list, an event or a token is. Every generation of the documentation is
understood. Must not talk to anyone and must not raise for anything that came in: what cannot be understood is None, and
`delivery` decides what that means.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from agent.help_wire import AHEAD_S, help_of
from agent.model import Callout, CalloutId, Event, Help, Secret
from agent.scalars import INSTANT_FROM, first_text, id_of, line_of, number_of, text_of, wall_of

LIST_KEYS: Final = ("callouts", "activeCallouts", "events", "calloutEvents", "data", "items", "results", "records")
TEXT_KEYS: Final = ("message", "text", "event", "body", "content")
SOURCE_KEYS: Final = ("source", "sender", "senderRole", "role", "createdBy")
KIND_KEYS: Final = ("calloutEventType", "eventType", "type", "kind")
NAME_KEYS: Final = ("name", "value", "code", "type")
CONSTANT: Final = re.compile(r"[A-Z][A-Z0-9]{1,30}(_[A-Z0-9]{1,30}){1,8}")  # as webhooks name events
MAX_KIND_CHARS: Final = 64
MAX_STATUS_CHARS: Final = 200  # it is kept with the callout, and shown
MAX_EVENTS: Final = 20_000  # a callout of a day; four megabytes of nothing would hold the loop for seconds
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

    value: Secret
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


def callout_of(document: Any, answered_wall: float | None = None) -> Callout | None:
    """The callout in a reply: under `callout`, under `data.callout`, under `data`, or the document itself. None without an id.

    answered_wall: UTC s when dispatch said it; without it a span of time says nothing about an instant.
    """
    for candidate in _places(document):
        callout_id = id_of(candidate.get("id"))
        if callout_id is not None:
            return _callout(callout_id, candidate, help_of(candidate, answered_wall))
    return None


def read_callout_of(document: Any, asked_id: CalloutId, answered_wall: float | None = None) -> Callout | None:
    """The callout in a reply about one that we named: it may leave out its id, but not tell another one."""
    found = callout_of(document, answered_wall)
    if found is not None:
        return found if str(found.id) == str(asked_id) else None
    for candidate in _places(document):
        if text_of(candidate.get("status")) is not None:
            return _callout(asked_id, candidate, help_of(candidate, answered_wall))
    return None


def callouts_of(document: Any) -> tuple[Callout, ...] | None:
    """A list of callouts, bare or wrapped, or a single one. None when there is no list or nothing in it is a callout.

    A list tells which there are; how far help has come is read of each.
    """
    found = _list_in(document)
    if found is None:
        single = callout_of(document)
        return None if single is None else (single,)
    callouts = tuple(callout for callout in map(_listed, found) if callout is not None)
    return None if found and not callouts else callouts


def events_of(document: Any, dated_wall: float | None = None) -> tuple[Event, ...] | None:
    """The event stream, bare or wrapped. Entries with neither text nor kind are left out. None when there is no list.

    dated_wall: UTC s of the reply by dispatch's own clock; an entry that claims to be later than that has no time that can be believed.
    No more than MAX_EVENTS are looked at: as many from both ends, because no page says which end is the newer one.
    """
    found = _list_in(document)
    if found is None:
        return None
    if len(found) > MAX_EVENTS:
        found = found[: MAX_EVENTS // 2] + found[-MAX_EVENTS // 2 :]
    last_wall = float("inf") if dated_wall is None else dated_wall + AHEAD_S
    return tuple(event for event in (_event(each, last_wall) for each in found) if event is not None)


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
    return text_of(document.get("message")) or text_of(document.get("error"))


def _places(document: Any) -> Iterable[dict[str, Any]]:
    """Where a callout may be, the most telling first."""
    if not isinstance(document, dict):
        return ()
    data = document.get("data")
    inner = data.get("callout") if isinstance(data, dict) else None
    return (each for each in (document.get("callout"), inner, data, document) if isinstance(each, dict))


def _listed(document: Any) -> Callout | None:
    ids = ((id_of(candidate.get("id")), candidate) for candidate in _places(document))
    return next((_callout(each, candidate, Help()) for each, candidate in ids if each is not None), None)


def _callout(callout_id: CalloutId, raw: dict[str, Any], helped: Help) -> Callout:
    where = _position_in(raw)
    customer, status = id_of(raw.get("customerId")), text_of(raw.get("status"))
    return Callout(
        id=callout_id,
        status=status if status is None or len(status) <= MAX_STATUS_CHARS else status.strip()[:MAX_STATUS_CHARS],
        customer_id=customer if isinstance(customer, int) else None,
        latitude=where[0],
        longitude=where[1],
        accuracy_m=where[2],
        created_wall=wall_of(raw.get("createdAt")),
        url=text_of(raw.get("url")),
        help=helped,
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
            latitude, longitude = number_of(place.get("latitude")), number_of(place.get("longitude"))
            if latitude is not None and longitude is not None and abs(latitude) <= 90 and abs(longitude) <= 180:
                accuracy_m = number_of(place.get("accuracy"))
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


def _event(raw: Any, last_wall: float) -> Event | None:
    if not isinstance(raw, dict):
        return None
    inner = raw.get("event")
    spoken = inner if isinstance(inner, dict) else {}
    kind = _kind(raw, spoken)
    text = first_text(raw, ("message",)) or text_of(inner) or first_text(spoken, TEXT_KEYS)
    if kind is None and text is not None and CONSTANT.fullmatch(text.strip()):
        kind = text.strip()
    text = text or kind
    if text is None:
        return None
    source = first_text(spoken, SOURCE_KEYS) or first_text(raw, SOURCE_KEYS) or "unknown"
    wall = wall_of(raw.get("createdAt"))
    return Event(id_of(raw.get("id")), source, text, None if wall is None or wall > last_wall else wall, kind)


def _kind(raw: dict[str, Any], spoken: dict[str, Any]) -> str | None:
    """The name of its type: a text, or under `name` of an object."""
    told = (holder.get(key) for holder in (raw, spoken) for key in KIND_KEYS)
    names = (line_of(first_text(each, NAME_KEYS) if isinstance(each, dict) else each, MAX_KIND_CHARS) for each in told)
    return next((name for name in names if name is not None), None)


def _token(value: str, told: Any, at: float, wall: float | None) -> Token:
    number = number_of(told)
    if number is not None and number <= INSTANT_FROM:
        return Token(Secret(value), at, number, None if wall is None else wall + number)
    expires_wall = wall_of(told) if told is not None else None
    if expires_wall is None:
        expires_wall = _jwt_expiry(value)
    if expires_wall is None or wall is None:
        return Token(Secret(value), at, None, expires_wall)
    return Token(Secret(value), at, expires_wall - wall, expires_wall)


def _jwt_expiry(value: str) -> float | None:
    """`exp` of a JWT, unverified: it only times our renewal."""
    parts = value.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = document_of(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return number_of(claims.get("exp")) if isinstance(claims, dict) else None
