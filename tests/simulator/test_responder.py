"""What a responder's acts look like from the customer's side, and the settings that give other readings of the documentation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.simulator.rooms import HERE, Room

Opener = Callable[..., Room]


def incident(room: Room, number: int) -> dict[str, Any]:
    """The read view's incident information."""
    (told,) = room.api("GET", f"/callouts/{number}").json()["callout"]["incidentInformation"]
    return told


def dispatch(room: Room, number: int, eta_s: float) -> None:
    """A responder is sent and expected in so many seconds."""
    assert room.sim("POST", f"/callouts/{number}/dispatch", {"eta_s": eta_s}).status_code == 200


# --- when they are expected ---


def test_the_read_view_tells_when_a_responder_is_expected(room: Room) -> None:
    """As an instant, from the dispatch to the arrival, and the desk sees the same."""
    number = room.raise_callout()
    assert incident(room, number)["estimatedTimeOfArrival"] is None
    dispatch(room, number, 420)
    told = incident(room, number)
    moments = [datetime.fromisoformat(told[key]) for key in ("dispatchedAt", "estimatedTimeOfArrival")]
    assert (moments[1] - moments[0]).total_seconds() == 420
    assert (told["responder"]["name"], told["supplier"]["name"]) == ("Unit 7", "Simulated Response")
    assert room.seen(number)["eta"] == told["estimatedTimeOfArrival"]
    room.act(number, "arrive")
    assert incident(room, number)["estimatedTimeOfArrival"] is None
    assert incident(room, number)["arrivedAt"] is not None


@pytest.mark.parametrize(("form", "eta_s", "told"), [("minutes", 400, 7), ("minutes", 0, 0), ("absent", 400, None)])
def test_when_they_are_expected_may_have_another_form(open_room: Opener, form: str, eta_s: float, told: int | None) -> None:
    """Whole minutes from now on, rounded up, or nothing at all."""
    room = open_room(eta_form=form)
    number = room.raise_callout()
    dispatch(room, number, eta_s)
    shown = incident(room, number)
    assert ("estimatedTimeOfArrival" in shown, shown.get("etaMinutes")) == (False, told)
    assert ("etaMinutes" in shown) is (form == "minutes")


def test_a_dispatch_needs_no_time(room: Room) -> None:
    """Nor may it be one that is none."""
    number = room.raise_callout()
    for wrong in (-1, "7", True, 1e9):
        assert room.sim("POST", f"/callouts/{number}/dispatch", {"eta_s": wrong}).status_code == 400
    assert room.act(number, "dispatch").status_code == 200
    assert incident(room, number)["estimatedTimeOfArrival"] is None


# --- standing down ---


@pytest.mark.parametrize("before", [("dispatch",), ("dispatch", "arrive")])
def test_a_responder_may_stand_down_and_another_come(room: Room, before: tuple[str, ...]) -> None:
    """The status says so, the callout stays open, nothing of the first one is left, and the second is dispatched anew."""
    number = room.raise_callout()
    assert room.act(number, "stand_down").status_code == 409
    dispatch(room, number, 60)
    for act in before[1:]:
        room.act(number, act)
    assert room.act(number, "stand_down").json()["possible"] == ["dispatch", "close"]
    told = room.api("GET", f"/callouts/{number}").json()["callout"]
    assert told["status"] == "Responder Cancelled"
    shown = told["incidentInformation"][0]
    assert [shown[key] for key in ("dispatchedAt", "estimatedTimeOfArrival", "arrivedAt", "responder")] == [None] * 4
    assert room.api("GET", f"/callouts/{number}/events").json()[-1]["event"]["text"] == "Responder cancelled"
    assert room.raise_callout() == number
    room.act(number, "dispatch")
    assert room.api("GET", f"/callouts/{number}").json()["callout"]["status"] == "Responder Dispatched"


def test_who_is_done_cannot_stand_down(room: Room) -> None:
    """What is left then is the close."""
    number = room.raise_callout()
    for act in ("dispatch", "arrive", "complete"):
        room.act(number, act)
    assert room.act(number, "stand_down").status_code == 409
    assert room.seen(number)["possible"] == ["close"]


# --- other readings ---


@pytest.mark.parametrize(
    ("chosen", "arrived", "completed"), [(False, *["Responder Dispatched"] * 2), (True, "Responder Arrived", "Responder Completed")]
)
def test_arrival_may_change_the_status_text(open_room: Opener, *, chosen: bool, arrived: str, completed: str) -> None:
    """The documentation names no text for it."""
    room = open_room(arrival_status=chosen)
    number = room.raise_callout()
    room.act(number, "dispatch")
    told = [room.act(number, act).json()["status"] for act in ("arrive", "complete", "close")]
    assert told == [arrived, completed, "closed"]


@pytest.mark.parametrize("generation", ["new", "old"])
def test_a_wrong_code_may_be_400(open_room: Opener, generation: str) -> None:
    """It closes nothing and is duress as ever; a right one and none are answered as ever."""
    room = open_room(generation=generation, strict_code=True)
    number = room.raise_callout()
    told = room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "9999"})
    assert (told.status_code, "9999" in told.text) == (400, False)
    assert (room.seen(number)["duress"], room.seen(number)["closed"]) == (True, False)
    assert room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "0042"}).status_code == 200
    assert room.api("POST", f"/callouts/{number}/cancel", {}).status_code == 200
    assert [each["verdict"] for each in room.seen(number)["cancels"]] == ["wrong", "right", "unconditional"]


def test_a_wrong_code_is_285_where_a_closed_callout_is(open_room: Opener) -> None:
    """What answers 285 answers nothing else."""
    room = open_room(strict_code=True, refuse_closed=frozenset({"cancel"}))
    number = room.raise_callout()
    room.act(number, "close")
    assert room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "9999"}).status_code == 285


def test_what_can_be_chosen_changes_while_it_runs(room: Room) -> None:
    """From one answer to the next."""
    number = room.raise_callout()
    dispatch(room, number, 90)
    told = room.sim("PATCH", "/settings", {"eta_form": "minutes", "arrival_status": True, "strict_code": True}).json()
    assert (told["eta_form"], told["arrival_status"], told["strict_code"]) == ("minutes", True, True)
    assert incident(room, number)["etaMinutes"] == 2
    assert room.act(number, "arrive").json()["status"] == "Responder Arrived"
    assert room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "1"}).status_code == 400
    assert room.api("POST", f"/callouts/{number}/location", HERE).status_code == 200
