"""Faults over HTTP: what a client meets on the wire."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.simulator.rooms import FIRST, HERE, THERE, Room

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
