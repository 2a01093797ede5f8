"""What is answered instead of the honest answer: statuses, captive portals, bodies of a wrong shape.

Pure: a rule and the honest answer in, a status, headers and the pieces of a body out. Sends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from simulator.fault_keys import Action, Portal, Shape
from simulator.faults import Rule

SIGN_IN = "http://login.guest-wifi.example/?next=captive"
PAGE = b"""<!doctype html><html><head><title>Welcome to Guest Wi-Fi</title></head>
<body><h1>Please sign in</h1><form action="/login"><input name="room"><button>Connect</button></form></body></html>"""

# Below what a client may bound a body by, so that it is the depth that it meets.
DEEP = b'{"callout":' * 15_000
# Blank and therefore allowed before any JSON: whoever reads on finds the honest answer behind it.
PIECE = b" " * 65_536
PIECES = 128
FIXED = {
    Shape.RESULT: b'{"result": "ok"}',
    Shape.EMPTY: b"",
    Shape.LIST: b"[]",
    Shape.NULL: b"null",
    Shape.NOT_JSON: b"OK, got it",
    Shape.NESTED_DEEP: DEEP + b"1" + b"}" * DEEP.count(b"{"),
}
BODILESS = frozenset({204, 205, 304})
TAKEN_OUT = frozenset({"id", "accessToken", "access_token"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. pieces: the body, in the pieces in which it is sent; length: of all of them, in bytes."""

    status: int
    kind: str | None
    headers: tuple[tuple[bytes, bytes], ...]
    pieces: Iterator[bytes]
    length: int

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """With type and length."""
        kind = [] if self.kind is None else [(b"content-type", self.kind.encode())]
        return [*kind, (b"content-length", b"%d" % self.length), *self.headers]


def instead(rule: Rule, honest: bytes) -> Answer:
    """What a STATUS, PORTAL or ODD answers. honest: the body that was due, empty where the request was not carried out."""
    headers = () if rule.retry_after is None else ((b"retry-after", rule.retry_after.encode("ascii")),)
    if rule.action is Action.PORTAL:
        return _portal(rule)
    if rule.action is Action.ODD and rule.body is None and rule.shape is Shape.HUGE:
        pieces = (piece for group in (repeat(PIECE, PIECES), (honest,)) for piece in group)
        return Answer(200, "application/json", headers, pieces, len(PIECE) * PIECES + len(honest))
    if rule.action is Action.ODD:
        body = rule.body.encode() if rule.body is not None else odd(rule.shape, honest)
        return _whole(200, body, headers)
    return _whole(rule.status, json.dumps({"message": "Simulated fault"}).encode() if rule.body is None else rule.body.encode(), headers)


def odd(shape: Shape, honest: bytes) -> bytes:
    """A body of this shape; of HUGE only its end."""
    if shape in FIXED:
        return FIXED[shape]
    due = honest or b'{"message": "OK"}'
    if shape is Shape.NO_ID:
        return _no_id(due)
    return due[: len(due) // 2] if shape is Shape.TRUNCATED else due


def _no_id(due: bytes) -> bytes:
    try:
        return json.dumps(_without_ids(json.loads(due))).encode()
    except ValueError:  # no JSON, like the coverage: it names no callout anyway
        return due


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ids(each) for key, each in value.items() if key not in TAKEN_OUT}
    return [_without_ids(each) for each in value] if isinstance(value, list) else value


def _portal(rule: Rule) -> Answer:
    page = "text/html; charset=utf-8"
    if rule.portal is Portal.REDIRECT:
        return _whole(rule.redirect, b"", ((b"location", SIGN_IN.encode()),), kind=page)
    return _whole(511 if rule.portal is Portal.NETWORK_AUTHENTICATION else 200, PAGE, (), kind=page)


def _whole(status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...], kind: str = "application/json") -> Answer:
    if status in BODILESS:  # what follows would be taken for the next answer
        body = b""
    return Answer(status, kind if body else None, headers, iter((body,)), len(body))
