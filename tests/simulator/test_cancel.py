"""Cancels over HTTP: whoever stands beside the wearer must not be able to tell a duress code from a right one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from simulator.operations import OPERATIONS
from simulator.records import Happening
from tests.simulator.rooms import HERE, THERE, Room, wait_until

(EVEN_S,) = (each.even_s for each in OPERATIONS if each.even_s)


class Taker(BaseHTTPRequestHandler):
    """A receiver that takes everything at once."""

    def do_POST(self) -> None:
        """Take it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def outwardly(answer: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Everything that a client sees of an answer, but for the date and the length."""
    headers = [pair for pair in answer.headers.raw if pair[0].lower() not in (b"date", b"content-length")]
    return answer.status_code, headers, answer.content


def cancel(room: Room, number: int, code: str | None) -> httpx.Response:
    return room.api("POST", f"/callouts/{number}/cancel", {} if code is None else {"safeCode": code})


@pytest.mark.parametrize("generation", ["new", "old"])
@pytest.mark.parametrize("refused", [frozenset(), frozenset({"cancel"})])
@pytest.mark.parametrize("closed_first", [False, True])
def test_a_wrong_code_answers_byte_for_byte_like_a_right_one(
    open_room: Callable[..., Room], generation: str, refused: frozenset[str], *, closed_first: bool
) -> None:
    """Whatever the order, open or closed; and everything that can be read afterwards stays the same too."""
    room = open_room(generation=generation, refuse_closed=refused)
    number = room.raise_callout()
    if closed_first:
        room.act(number, "close")
    before = [outwardly(room.api("GET", f"/callouts/{number}{path}")) for path in ("", "/events")]
    answers = [outwardly(cancel(room, number, code)) for code in ("0042", "9999", "0042", "1")]
    assert answers == [answers[0]] * 4
    after = [outwardly(room.api("GET", f"/callouts/{number}{path}")) for path in ("", "/events")]
    assert after == before
    assert [each["verdict"] for each in room.seen(number)["cancels"]] == ["right", "wrong", "right", "wrong"]


def test_how_long_an_answer_takes_tells_nothing_of_a_code(room: Room) -> None:
    """A right one has a webhook told: that is done before either answer leaves, and so is nobody's request delayed by it."""
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=receiver.serve_forever, args=(0.01,), daemon=True).start()
    room.as_backend()
    registration = {"url": f"http://127.0.0.1:{receiver.server_port}/", "events": list(Happening)}
    assert room.api("POST", "/notifiers", registration).status_code == 201
    number = room.raise_callout()
    wait_until(lambda: room.sim("GET", "/webhooks").json()["waiting"] == 0)
    for code in ("0042", "9999", "0042", "9999"):
        began = time.monotonic()
        assert cancel(room, number, code).status_code == 200
        assert time.monotonic() - began >= EVEN_S
        assert room.sim("GET", "/webhooks").json()["waiting"] == 0
    assert room.sim("GET", "/webhooks").json()["delivered"] == 3
    receiver.shutdown()
    receiver.server_close()


def test_the_answers_stay_alike_where_a_right_code_closes_at_once(open_room: Callable[..., Room]) -> None:
    """The answer itself must not tell that the callout was closed by it."""
    room = open_room(right_code_closes=True)
    number = room.raise_callout()
    right = outwardly(cancel(room, number, "0042"))
    assert room.seen(number)["closed"]
    room.sim("PATCH", "/settings", {"right_code_closes": False})
    other = room.raise_callout()
    wrong = outwardly(cancel(room, other, "9999"))
    assert wrong[:2] == right[:2]
    assert b'"status": "created"' in right[2]
    assert b'"status": "created"' in wrong[2]


def test_a_wrong_code_is_duress_for_the_dispatcher_alone(room: Room) -> None:
    number = room.raise_callout()
    assert cancel(room, number, "9999").status_code == 200
    assert room.seen(number)["duress"]
    assert not room.seen(number)["closed"]
    assert room.api("POST", f"/callouts/{number}/location", THERE).status_code == 200
    for path in ("", "/events", "/maps"):
        assert b"uress" not in room.api("GET", f"/callouts/{number}{path}").content
    assert b"uress" not in room.api("GET", "/customers/4711/callouts").content


def test_a_right_code_leaves_the_close_to_dispatch(room: Room) -> None:
    number = room.raise_callout()
    cancel(room, number, "0042")
    seen = room.seen(number)
    assert (seen["softCancelled"], seen["closed"], seen["duress"]) == (True, False, False)
    assert room.api("POST", f"/callouts/{number}/location", THERE).status_code == 200
    room.act(number, "close")
    assert room.api("POST", f"/callouts/{number}/location", THERE).status_code == 285


@pytest.mark.parametrize("body", [{"safe_code": "0042"}, {"safeCode": "0042", "reason": "x"}, {"9999": 1}])
def test_a_key_that_is_unknown_may_be_refused(open_room: Callable[..., Room], body: dict[str, object]) -> None:
    """Ignored, a code under a wrong key is an unconditional cancel: no document says which it is. What was sent is not repeated."""
    for refused in (False, True):
        room = open_room(refuse_unknown=refused, unconditional_closes=False)
        number = room.raise_callout()
        told = room.api("POST", f"/callouts/{number}/cancel", body)
        assert (told.status_code, len(room.seen(number)["cancels"])) == ((400, 0) if refused else (200, 1))
        assert not [each for each in ("0042", "9999", "safe_code") if refused and each in told.text]


@pytest.mark.parametrize("generation", ["new", "old"])
def test_every_documented_key_is_known_where_others_are_refused(open_room: Callable[..., Room], generation: str) -> None:
    """What a client may send is taken, at each operation of a callout."""
    room = open_room(generation=generation, refuse_unknown=True)
    new = generation == "new"
    about = {"responseTypeId": 1, "calloutClassificationId": 1, "internalTest": False}
    body = {**about, "location": HERE} if new else {**about, **HERE}
    number = room.raise_callout()
    steps: list[tuple[str, dict[str, object]]] = [
        ("/customers/4711/callouts", body),
        ("/callouts", {**body, "customerId": 4711}),
        ("/predefinedLocations/externalRef/STORE-001/callouts", {"installerIdentifier": "ACME"} if new else about),
        (f"/callouts/{number}/location", HERE),
        (f"/callouts/{number}/updateLocationAndReturnCallout", {**HERE, "calloutId": 1}),
        (f"/callouts/{number}/events", {"source": "customer", "event": "x"} if new else {"message": "x"}),
        (f"/callouts/{number}/exceptionReasons", {"exceptionReasonId": 1, "notes": "x"}),
        ("/ratings", {"calloutId": number, "rating": 5} | ({"additionalDetails": "x"} if new else {"comment": "x"})),
        (f"/callouts/{number}/cancel", {"safeCode": "0042"}),
    ]
    for path, sent in steps:
        assert room.api("POST", path, sent).status_code in (200, 201), path
        assert room.api("POST", path, {**sent, "more": 1}).status_code == 400, path


@pytest.mark.parametrize("body", [{}, None])
def test_without_a_code_a_cancel_is_unconditional(room: Room, body: dict[str, str] | None) -> None:
    number = room.raise_callout()
    told = room.api("POST", f"/callouts/{number}/cancel", body)
    assert (told.status_code, told.json()["callout"]["status"]) == (200, "closed")
    assert room.seen(number)["cancels"][0]["verdict"] == "unconditional"


@pytest.mark.parametrize("code", ["", " ", None, 42])
def test_a_blank_code_is_400_and_cancels_nothing(room: Room, code: object) -> None:
    number = room.raise_callout()
    assert room.api("POST", f"/callouts/{number}/cancel", {"safeCode": code}).status_code == 400
    assert room.seen(number)["cancels"] == []


def test_codes_are_shown_for_the_dispatchers_key_only_and_in_order(room: Room) -> None:
    number = room.raise_callout()
    for code in ("7391", "0042", " 8264x"):
        cancel(room, number, code)
    path = f"/callouts/{number}/codes"
    for key in ("wrong", room.chosen.device_key):
        assert room.sim("GET", path, headers={"Authorization": f"Bearer {key}"}).status_code == 401
    told = room.sim("GET", path, headers={"Authorization": f"Bearer {room.chosen.dispatcher_key}"}).json()
    assert [each["typed"] for each in told] == ["7391", "0042", " 8264x"]
    for view in ("/callouts", f"/callouts/{number}", "/requests", "/settings", "/tokens", "/faults", "/customers", ""):
        shown = room.sim("GET", view).text
        assert "7391" not in shown, view
        assert "8264x" not in shown, view
