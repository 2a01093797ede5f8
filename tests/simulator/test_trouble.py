"""Faults over HTTP: what a client meets on the wire."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import Any

import httpx
import pytest

from simulator.fault_keys import Shape
from tests.simulator.rooms import FIRST, HERE, THERE, Room, wait_until

RAISE = {"location": HERE, "responseTypeId": 1}


def fault(room: Room, **rule: Any) -> dict[str, Any]:
    told = room.sim("POST", "/faults", rule)
    assert told.status_code == 201, told.text
    return told.json()[0]


def raise_(room: Room, **options: Any) -> httpx.Response:
    return room.api("POST", "/customers/4711/callouts", RAISE, **options)


def test_a_status_is_answered_instead_and_the_rule_ends(room: Room) -> None:
    fault(room, action="status", status=429, retry_after=7, on="raise", count=1)
    told = raise_(room)
    assert (told.status_code, told.headers["retry-after"], told.json()["message"]) == (429, "7", "Simulated fault")
    assert room.sim("GET", "/callouts").json() == []
    assert raise_(room).status_code == 201
    assert [(each["hits"], each["spent"]) for each in room.sim("GET", "/faults").json()] == [(1, True)]


def test_an_error_may_come_after_the_request_was_carried_out(room: Room) -> None:
    fault(room, action="status", status=500, processed=True, on="raise")
    assert raise_(room).status_code == 500
    assert room.seen(FIRST)["presses"] == 1


def test_a_status_may_carry_any_body(room: Room) -> None:
    number = room.raise_callout()
    fault(room, action="status", status=285, body="", on="locate")
    told = room.api("POST", f"/callouts/{number}/location", THERE)
    assert (told.status_code, told.content, room.seen(number)["closed"]) == (285, b"", False)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_has_no_body_leaves_the_connection_for_the_next_request(room: Room, status: int) -> None:
    """A body behind it would be taken for the next answer."""
    fault(room, action="status", status=status, on="list_customer", count=1)
    assert [room.api("GET", "/customers/4711/callouts").status_code for _ in range(2)] == [status, 200]
    ports = [each["connection"] for each in room.sim("GET", "/requests").json() if each["operation"] == "list_customer"]
    assert len(set(ports)) == 1


def test_what_is_no_json_has_no_id_to_take_out(room: Room) -> None:
    """The coverage is KML."""
    room.as_backend()
    fault(room, action="odd", shape="no_id", on="coverage")
    told = room.api("GET", "/coverage/1")
    assert (told.status_code, b"<kml" in told.content) == (200, True)


def test_a_lost_answer_was_processed(room: Room) -> None:
    """The raise counts, the client hears nothing, and a repeat gives the same callout."""
    fault(room, action="lost", on="raise", count=1)
    with pytest.raises(httpx.TransportError):
        raise_(room)
    assert raise_(room).json()["callout"]["id"] == FIRST
    assert room.seen(FIRST)["presses"] == 2
    assert [(each["status"], each["fault"]) for each in room.sim("GET", "/requests").json()][-2:] == [(None, "lost"), (200, None)]


def test_a_request_that_has_arrived_is_carried_out_though_its_client_has_gone(room: Room) -> None:
    fault(room, action="latency", on="raise", delay_s=0.3)
    with pytest.raises(httpx.ReadTimeout):
        raise_(room, timeout=0.1)
    while (seen := room.sim("GET", "/requests").json()[-1])["took_s"] is None:
        time.sleep(0.01)
    assert seen["operation"] == "raise"
    assert len(room.sim("GET", "/callouts").json()) == 1


def test_a_lost_answer_may_leave_the_client_waiting(room: Room) -> None:
    fault(room, action="lost", on="raise", delay_s=30)
    with pytest.raises(httpx.ReadTimeout):
        raise_(room, timeout=0.2)
    assert room.seen(FIRST)["presses"] == 1


def test_a_reset_connection_processed_nothing(room: Room) -> None:
    """A request in one piece sees the RST itself; one whose body was still on its way may see just the end."""
    fault(room, action="reset", on=["raise", "list_customer"])
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        room.api("GET", "/customers/4711/callouts")
    with pytest.raises(httpx.TransportError):
        raise_(room)
    assert room.sim("GET", "/callouts").json() == []


def test_latency_comes_before_the_answer(room: Room) -> None:
    fault(room, action="latency", delay_s=0.3, on="raise")
    started = time.monotonic()
    assert raise_(room).status_code == 201
    assert 0.3 <= time.monotonic() - started < 5


def test_a_drip_gets_through_byte_by_byte(room: Room) -> None:
    number = room.raise_callout()
    whole = room.api("GET", f"/callouts/{number}/maps").content
    fault(room, action="drip", interval_s=0.005, on="map")
    started = time.monotonic()
    with room.http.stream("GET", f"{room.running.base_url}/callouts/{number}/maps", headers=room.headers) as told:
        pieces = list(told.iter_raw())
    assert b"".join(pieces) == whole
    assert len(pieces) > len(whole) / 4
    assert time.monotonic() - started >= 0.005 * len(whole)


def test_a_captive_portal_says_200_in_html(room: Room) -> None:
    fault(room, action="portal", on="*")
    told = raise_(room)
    assert (told.status_code, told.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<html>" in told.text
    assert "<html>" in room.mint().text
    assert room.sim("GET", "/callouts").json() == []


def test_a_wrong_shape_was_processed(room: Room) -> None:
    fault(room, action="odd", on="raise")
    told = raise_(room)
    assert (told.status_code, told.json()) == (200, {"result": "ok"})
    assert room.seen(FIRST)["presses"] == 1


@pytest.mark.parametrize("processed", [False, True])
def test_a_half_open_request_is_read_and_never_answered_nor_closed(room: Room, *, processed: bool) -> None:
    """Also not when the rule is long over: the client has to give up by itself."""
    fault(room, action="half_open", on="raise", count=1, processed=processed)
    body = json.dumps(RAISE)
    head = "POST /panic-api/v2/customers/4711/callouts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", room.running.port), timeout=0.4) as device:
        device.sendall(f"{head}Content-Length: {len(body)}\r\nAuthorization: {room.headers['Authorization']}\r\n\r\n{body}".encode())
        wait_until(lambda: room.sim("GET", "/faults").json()[0]["spent"])
        room.sim("DELETE", "/faults")
        with pytest.raises(TimeoutError):
            device.recv(1)
        assert len(room.sim("GET", "/callouts").json()) == processed
        assert room.sim("GET", "/requests").json()[-1]["took_s"] is None, "still open"
    wait_until(lambda: room.sim("GET", "/requests").json()[-1]["took_s"] is not None)
    assert room.sim("GET", "/requests").json()[-1]["status"] is None
    assert raise_(room).status_code == (200 if processed else 201)


def test_it_stops_soon_though_a_request_is_half_open(room: Room) -> None:
    """And says nothing to its client even then."""
    fault(room, action="half_open", on="list_customer")
    with socket.create_connection(("127.0.0.1", room.running.port), timeout=3) as device:
        device.sendall(b"GET /panic-api/v2/customers/4711/callouts HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: room.sim("GET", "/faults").json()[0]["hits"])
        began = time.monotonic()
        room.running.stop()
        assert time.monotonic() - began < 3
        with contextlib.suppress(ConnectionResetError):
            assert device.recv(1) == b""


@pytest.mark.parametrize(("status", "answered"), [(None, 302), (307, 307), (303, 303)])
def test_a_captive_portal_may_redirect_to_its_sign_in_page(room: Room, status: int | None, answered: int) -> None:
    """To a host that does not exist: whoever follows learns nothing."""
    fault(room, action="portal", portal="redirect", **({} if status is None else {"status": status}))
    told = raise_(room)
    assert (told.status_code, told.headers["location"][:32]) == (answered, "http://login.guest-wifi.example/")
    assert room.sim("GET", "/callouts").json() == []


def test_a_captive_portal_may_say_that_the_network_wants_a_sign_in(room: Room) -> None:
    """511, with the page."""
    fault(room, action="portal", portal="511")
    told = raise_(room)
    assert (told.status_code, "<html>" in told.text) == (511, True)


def test_wrong_shapes_are_what_their_names_say(room: Room) -> None:
    """All with 200; those made from the honest answer are as long as it, or without what identifies it."""
    due = raise_(room).content
    told = {}
    for shape in Shape:
        room.sim("PUT", "/faults", {"action": "odd", "shape": shape, "on": "raise"})
        reply = raise_(room, timeout=20)
        assert (reply.status_code, int(reply.headers["content-length"])) == (200, len(reply.content))
        told[shape] = reply.content
    assert [told[shape] for shape in (Shape.EMPTY, Shape.LIST, Shape.NULL)] == [b"", b"[]", b"null"]
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(told[Shape.NOT_JSON])
    with pytest.raises(RecursionError):
        json.loads(told[Shape.NESTED_DEEP])
    assert len(told[Shape.NESTED_DEEP]) < 256 * 1024, "it is the depth that is too much"
    without = json.loads(told[Shape.NO_ID])
    assert "id" not in without["callout"]
    assert without["callout"]["status"] == "created"
    assert due.startswith(told[Shape.TRUNCATED][:40])
    assert 0 < len(told[Shape.TRUNCATED]) < len(due)
    assert len(told[Shape.HUGE]) > 8_000_000
    assert told[Shape.HUGE][: 256 * 1024].strip() == b"", "whoever stops reading has nothing of it"
    assert json.loads(told[Shape.HUGE])["callout"]["id"] == FIRST
    assert room.seen(FIRST)["presses"] == 1 + len(Shape), "each was carried out"


def test_a_wrong_shape_may_come_from_somebody_who_did_nothing(room: Room) -> None:
    """A proxy that answers for a service that never heard of it."""
    for shape in Shape:
        room.sim("PUT", "/faults", {"action": "odd", "shape": shape, "processed": False})
        assert raise_(room, timeout=20).status_code == 200
    assert room.sim("GET", "/callouts").json() == []


def test_a_token_without_what_identifies_it_is_none(room: Room) -> None:
    """Wrong shapes are of every operation."""
    fault(room, action="odd", shape="no_id", on="mint")
    assert not {"accessToken", "access_token"} & set(room.mint().json())


def test_faults_hit_neither_the_desk_nor_the_page(room: Room) -> None:
    fault(room, action="reset", on="*")
    assert room.sim("GET", "/callouts").status_code == 200
    assert room.http.get(room.running.root_url + "/").status_code == 200


def test_faults_are_listed_replaced_and_removed(room: Room) -> None:
    first = fault(room, action="reset", on="raise")
    fault(room, action="portal", on=["/panic-api/v2/callouts/*"])
    assert room.sim("DELETE", f"/faults/{first['id']}").status_code == 200
    assert room.sim("DELETE", f"/faults/{first['id']}").status_code == 404
    assert room.api("GET", "/callouts/5").headers["content-type"].startswith("text/html")
    assert [each["action"] for each in room.sim("PUT", "/faults", [{"action": "odd"}, {"action": "drip"}]).json()] == ["odd", "drip"]
    assert room.sim("DELETE", "/faults").json() == []
    assert raise_(room).status_code == 201


@pytest.mark.parametrize("body", [{"action": "explode"}, {}, 5, [1], {"action": "status", "on": 5}])
def test_a_fault_that_makes_no_sense_is_400(room: Room, body: Any) -> None:
    assert room.sim("POST", "/faults", body).status_code == 400
    assert room.sim("GET", "/faults").json() == []
