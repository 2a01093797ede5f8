"""The simulator stands in for a service: whatever a client sends, it answers as one, and goes on.

Every operation with any body, over a real connection. Never a 500, never a word that is no JSON where JSON is due, and no callout that
a refused request opened.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.operations import BACKEND, OPERATIONS
from tests.fuzz.limits import tries
from tests.fuzz.mutations import damaged, damaged_by_chance, seeded, twisted, values
from tests.simulator.rooms import FIRST, HERE, Room, furnish

BODIES: list[dict[str, Any]] = [
    {"location": HERE, "responseTypeId": 1, "calloutClassificationId": 1, "internalTest": True},
    {**HERE, "responseTypeId": 1},
    {"customerId": 4711, "responseTypeId": 1},
    HERE,
    {"source": "customer", "event": "hello"},
    {"safeCode": "1234"},
    {"clientId": "c", "clientSecret": "s"},
    {"customerId": 4711},
    {"exceptionReasonId": 1, "notes": "x"},
    {"calloutId": FIRST, "rating": 5, "additionalDetails": "x", "mayContact": True},
    {"calloutRatingId": 1, "description": "speed", "sentiment": "POSITIVE"},
    {"serial": "0042", "supplier": "us", "customerId": 4711, "deviceTypeId": 1},
    {"deviceId": "d", "deviceTypeId": 1, "messageType": 1, "location": HERE},
    {"name": "x", "url": "http://127.0.0.1:1/", "events": ["NEW_CALLOUT"]},
    {"externalReferenceId": "A", "location": HERE},
    {"subscriptionTypeId": 1, "customerId": 4711},
    {},
]
RAW = [json.dumps(each).encode() for each in BODIES]
IDS = st.sampled_from([str(FIRST), "4711", "0", "-1", "9" * 30, "x", "%00", "a%2Fb", "%F0%9F%98%80", "STORE-001", "1e3", " "]) | st.text(
    st.characters(min_codepoint=48, max_codepoint=122, categories=["L", "N"]), min_size=1, max_size=12
)
SAYS = (200, 201, 202, 204, 285, 400, 401, 403, 404, 405, 409, 422)
KINDS = st.sampled_from(["application/json", "application/json; charset=utf-8", "text/plain", "", "a/b;;", "\u00e9"])
# The interface below /sim, too: what a desk in a browser sends. What ends or empties the simulator is left out.
DESK = ["callouts", "settings", "faults", "requests", "transcript", "scenario", "live", "cancel", "tokens", f"callouts/{FIRST}/dispatch"]


@pytest.fixture(scope="module", params=["device", "source"])
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    """One simulator for all: what one request has done must not break the next. It knows a callout. Its client: which token it has."""
    furnished = furnish()
    furnished.raise_callout()
    if request.param == "source":
        furnished.as_backend()
    yield furnished
    furnished.close()


def path_of(path: str, given_id: str) -> str:
    """A path with this in the place of every parameter."""
    return re.sub(r"\{[^}]*\}", lambda _: given_id, path)


def sent(room: Room, method: str, url: str, body: bytes, kind: str) -> None:
    """Answered as a service answers, in its own shape; and the simulator goes on."""
    headers = {**room.headers, "Content-Type": kind.encode("latin-1")}
    answer = room.http.request(method, url, content=body, headers=headers)
    assert answer.status_code in SAYS, f"{method} {url} {body!r}: {answer.status_code} {answer.text[:300]}"
    if answer.content and "json" in answer.headers.get("content-type", ""):
        told = answer.json()
        assert answer.status_code < 400 or answer.status_code == 285 or isinstance(told["message"], str)


@tries(150)
@given(
    st.sampled_from([*OPERATIONS, *BACKEND]),
    IDS,
    twisted(BODIES, values, most=1).map(lambda each: json.dumps(each).encode()) | damaged(RAW) | st.binary(max_size=60),
    KINDS,
)
@example(OPERATIONS[2], "4711", b"[" * 20_000, "application/json")
@example(OPERATIONS[2], "4711", b'{"responseTypeId": 1' + b"0" * 5_000 + b"}", "application/json")
@example(OPERATIONS[2], "4711", b'{"location": {"latitude": NaN, "longitude": 1}, "responseTypeId": 1}', "application/json")
@example(OPERATIONS[2], "4711", b'"' + b"x" * 70_000 + b'"', "application/json")
def test_any_body_to_any_operation_is_answered_as_a_service_answers(room: Room, operation: Any, given_id: str, body: bytes, kind: str):
    """Under a device's token, and under that of a whole source, which reaches further."""
    base = room.running.root_url if operation in BACKEND else room.running.base_url
    sent(room, operation.method, base + path_of(operation.path, given_id), body, kind)
    assert room.sim("GET", "/callouts").status_code == 200


@tries(50)
@given(
    st.sampled_from(DESK), st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]), twisted(BODIES, values) | st.dictionaries(st.text(), values)
)
def test_any_body_to_the_desk_is_answered(room: Room, path: str, method: str, body: Any):
    """Settings and faults that are none are refused, and change nothing that the next test would notice."""
    before = room.sim("GET", "/settings").json()
    answer = room.http.request(method, f"{room.running.root_url}/sim/{path}", content=json.dumps(body).encode(), headers=JSON)
    assert answer.status_code < 500, answer.text[:300]
    if answer.status_code >= 400:
        assert room.sim("GET", "/settings").json() == before
    room.sim("DELETE", "/faults")


JSON = {"Content-Type": "application/json"}


def test_any_bytes_on_its_port_leave_it_alive(room: Room):
    """Not even HTTP, or half of it."""
    chance = seeded(13)
    head = b"POST /panic-api/v2/callouts HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\nAuthorization: Bearer x\r\n\r\n" + RAW[0][:20]
    host, port = room.running.root_url.removeprefix("http://").removeprefix("https://").split(":")
    for _ in range(60):
        with socket.create_connection((host, int(port)), timeout=5) as line:
            line.sendall(damaged_by_chance(chance, [head, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"]))
    assert room.sim("GET", "/callouts").status_code == 200
