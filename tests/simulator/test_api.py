"""The Panic API over HTTP in the newer generation: raise, stream, read, talk, close."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.rooms import FIRST, HERE, THERE, Room

Opener = Callable[..., Room]
RAISE = {"location": HERE, "responseTypeId": 1}


def test_a_raise_opens_a_callout(room: Room) -> None:
    told = room.api("POST", "/customers/4711/callouts", {**RAISE, "calloutClassificationId": 2, "internalTest": True})
    assert told.status_code == 201
    callout = told.json()["callout"]
    assert (callout["id"], callout["status"], callout["calloutClassificationId"]) == (FIRST, "created", 2)
    assert callout["url"].startswith(room.running.root_url + "/track/")
    assert (room.seen(FIRST)["internalTest"], room.seen(FIRST)["origin"]) == (True, "device")


@pytest.mark.parametrize(("number", "name", "test"), [(1, "Real", False), (2, "Test", True), (77, "77", False)])
def test_the_dispatcher_sees_what_a_callout_is_classified_as(room: Room, number: int, name: str, *, test: bool) -> None:
    """A drill is one by its classification alone; an unknown number is nobody's test."""
    room.api("POST", "/customers/4711/callouts", {**RAISE, "calloutClassificationId": number})
    assert (room.seen(FIRST)["classification"], room.seen(FIRST)["test"]) == (name, test)


def test_a_second_raise_returns_the_open_callout_and_is_counted(room: Room) -> None:
    first = room.api("POST", "/customers/4711/callouts", RAISE)
    again = room.api("POST", "/customers/4711/callouts", {"location": THERE, "responseTypeId": 2})
    assert again.status_code == 200
    assert again.json() == first.json()
    assert len(room.sim("GET", "/callouts").json()) == 1
    assert (room.seen(FIRST)["presses"], len(room.seen(FIRST)["positions"])) == (2, 1)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_that_has_no_body_is_answered_without_one(open_room: Opener, status: int) -> None:
    """And the connection goes on: what is tried out is the status, not a client's mending of a broken answer."""
    room = open_room(created_status=status)
    told = room.api("POST", "/customers/4711/callouts", RAISE)
    assert (told.status_code, told.content) == (status, b"")
    assert room.api("POST", "/customers/4711/callouts", RAISE).json()["callout"]["id"] == FIRST
    assert len({seen["connection"] for seen in room.sim("GET", "/requests").json()}) == 1


def test_after_the_close_a_raise_opens_another(room: Room) -> None:
    room.act(room.raise_callout(), "close")
    assert room.raise_callout() == FIRST + 1


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({**HERE, "responseTypeId": 1}, "location"),
        ({"location": HERE}, "responseTypeId"),
        ({"location": {"latitude": 1}, "responseTypeId": 1}, "longitude"),
        ({"location": None, "responseTypeId": 1}, "location"),
        ({"location": HERE, "responseTypeId": 77}, "responseTypeId"),
        ({"location": HERE, "responseTypeId": 1, "internalTest": "no"}, "internalTest"),
        ({"location": HERE, "responseTypeId": 1, "predefinedLocationId": 9001}, "predefinedLocationId"),
        ([RAISE], "object"),
    ],
)
def test_a_raise_that_does_not_fit_is_400_with_a_message(room: Room, body: Any, word: str) -> None:
    told = room.api("POST", "/customers/4711/callouts", body)
    assert told.status_code == 400
    assert word in told.json()["message"]
    assert room.sim("GET", "/callouts").json() == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"{", "application/json"), (b"{}", "text/plain"), (b"", "application/json"), (b" " * 70000, "application/json")]
    + [
        ('{"responseTypeId": 1, "location": {"latitude": 1, "longitude": 2}}'.encode(code), "application/json")
        for code in ("utf-16", "utf-8-sig")
    ],
)
def test_a_body_that_is_no_json_is_400(room: Room, content: bytes, kind: str) -> None:
    told = room.api("POST", "/customers/4711/callouts", content=content, headers={"Content-Type": kind})
    assert told.status_code == 400
    assert told.json()["message"]


def test_without_subscription_a_raise_is_403(open_room: Opener) -> None:
    room = open_room(subscribed=False)
    told = room.api("POST", "/customers/4711/callouts", RAISE)
    assert (told.status_code, "subscription" in told.json()["message"]) == (403, True)
    assert room.api("POST", "/callouts", RAISE).status_code == 403


def test_a_raise_without_position_is_taken_where_that_is_chosen(open_room: Opener) -> None:
    room = open_room(position_required=False)
    told = room.api("POST", "/customers/4711/callouts", {"responseTypeId": 1})
    assert told.json()["callout"]["latitude"] is None
    assert room.seen(FIRST)["positions"] == []


def test_the_legacy_raise_takes_the_customer_from_body_or_token(room: Room) -> None:
    assert room.api("POST", "/callouts", RAISE).json()["callout"]["customerId"] == 4711
    room.as_backend()
    assert room.api("POST", "/callouts", RAISE).status_code == 400
    assert room.api("POST", "/callouts", {**RAISE, "customerId": 4711}).json()["callout"]["id"] == FIRST


def test_a_raise_for_a_fixed_location_takes_its_stored_place(room: Room) -> None:
    told = room.api("POST", "/predefinedLocations/externalRef/STORE-001/callouts", {"installerIdentifier": "ACME"})
    assert told.status_code == 201
    assert (told.json()["installerIdentifier"], told.json()["externalReferenceId"]) == ("ACME", "STORE-001")
    assert (told.json()["callout"]["predefinedLocationId"], told.json()["callout"]["latitude"]) == (9001, -33.9249)
    assert room.api("POST", "/predefinedLocations/externalRef/STORE-001/callouts").json()["callout"]["id"] == FIRST


def test_another_customer_s_fixed_location_is_401(room: Room) -> None:
    """By its reference and by its id: where it is would be told."""
    room.sim("POST", "/customers", {"id": 5001, "mobile": "+27820001234"})
    room.as_device(5001)
    by_id = room.api("POST", "/customers/5001/callouts", {"responseTypeId": 1, "predefinedLocationId": 9001})
    by_reference = room.api("POST", "/predefinedLocations/externalRef/STORE-001/callouts", {})
    assert [(told.status_code, "latitude" in told.text) for told in (by_id, by_reference)] == [(401, False)] * 2
    assert room.sim("GET", "/callouts").json() == []


def test_an_unknown_fixed_location_is_400_not_404(room: Room) -> None:
    assert room.api("POST", "/predefinedLocations/externalRef/NOWHERE/callouts", {}).status_code == 400


# --- streaming ---


def test_positions_are_kept_in_order_with_their_arrival(room: Room) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    number = room.raise_callout()
    for step in range(3):
        told = room.api("POST", f"/callouts/{number}/location", {**THERE, "latitude": step})
        assert (told.status_code, list(told.json())) == (200, ["message"])
    kept = room.seen(number)["positions"]
    assert [each["latitude"] for each in kept] == [HERE["latitude"], 0, 1, 2]
    assert (kept[1]["longitude"], kept[1]["accuracy"]) == (THERE["longitude"], 9.5)
    moments = [datetime.fromisoformat(each["received"]) for each in kept]
    assert before <= moments[0] <= moments[1] <= moments[2] <= datetime.now(UTC)


@pytest.mark.parametrize("body", [{"location": THERE}, {"latitude": 1}, {}, {"latitude": "1", "longitude": 2}])
def test_a_location_that_is_nested_or_incomplete_is_400(room: Room, body: Any) -> None:
    number = room.raise_callout()
    assert room.api("POST", f"/callouts/{number}/location", body).status_code == 400
    assert len(room.seen(number)["positions"]) == 1


def test_update_and_return_answers_with_the_nested_callout(room: Room) -> None:
    number = room.raise_callout()
    told = room.api("POST", f"/callouts/{number}/updateLocationAndReturnCallout", {**THERE, "calloutId": 1})
    assert told.json()["callout"]["id"] == number
    assert told.json()["callout"]["incidentInformation"][0]["location"]["accuracy"] == 9.5


@pytest.mark.parametrize("path", ["location", "updateLocationAndReturnCallout"])
@pytest.mark.parametrize(("variant", "keys"), [("full", ["message", "callout"]), ("message", ["message"]), ("empty", None)])
def test_after_the_close_locations_answer_285(open_room: Opener, path: str, variant: str, keys: list[str] | None) -> None:
    """The first try and every further one; nothing is added to the track."""
    room = open_room(closed_body=variant)
    number = room.raise_callout()
    room.act(number, "close")
    for _ in range(2):
        told = room.api("POST", f"/callouts/{number}/{path}", THERE)
        assert told.status_code == 285
        assert (list(told.json()) if told.content else None) == keys
    if variant == "full":
        assert told.json()["callout"]["status"] == "closed"
    assert len(room.seen(number)["positions"]) == 1


def test_a_closed_callout_may_say_so_in_another_case(room: Room) -> None:
    """Status texts are mixed in case and nobody lists them: what a client makes of one is tried out here."""
    assert room.sim("PATCH", "/settings", {"closed_text": " CLOSED "}).status_code == 200
    number = room.raise_callout()
    room.act(number, "close")
    assert room.api("GET", f"/callouts/{number}").json()["callout"]["status"] == " CLOSED "
    told = room.api("POST", f"/callouts/{number}/location", THERE)
    assert (told.status_code, told.json()["callout"]["status"]) == (285, " CLOSED ")
    for wrong in (5, " ", "x" * 61, None):
        assert room.sim("PATCH", "/settings", {"closed_text": wrong}).status_code == 400


def test_other_operations_may_answer_285_too(open_room: Opener) -> None:
    room = open_room(refuse_closed=frozenset({"cancel", "send_event", "read", "list_events"}))
    number = room.raise_callout()
    room.act(number, "close")
    assert room.api("POST", f"/callouts/{number}/events", {"source": "customer", "event": "x"}).status_code == 285
    assert room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "0042"}).status_code == 285
    assert [room.api("GET", f"/callouts/{number}{path}").status_code for path in ("", "/events", "/maps")] == [285, 285, 200]
    assert room.api("POST", f"/callouts/{number}/location", THERE).status_code == 200
    assert len(room.seen(number)["positions"]) == 1


# --- reading and talking ---


def test_a_read_is_nested_and_follows_the_responder(room: Room) -> None:
    number = room.raise_callout()
    assert room.api("GET", f"/callouts/{number}").json()["callout"]["status"] == "created"
    room.act(number, "dispatch")
    callout = room.api("GET", f"/callouts/{number}").json()["callout"]
    assert callout["status"] == "Responder Dispatched"
    assert callout["incidentInformation"][0]["responder"]
    room.act(number, "close")
    assert room.api("GET", f"/callouts/{number}").json()["callout"]["status"] == "closed"


def test_the_list_of_a_customer_holds_open_callouts_only(room: Room) -> None:
    number = room.raise_callout()
    listed = room.api("GET", "/customers/4711/callouts").json()["callouts"]
    assert [(each["id"], each["latitude"]) for each in listed] == [(number, HERE["latitude"])]
    room.act(number, "close")
    assert room.api("GET", "/customers/4711/callouts").json()["callouts"] == []


def test_events_go_both_ways(room: Room) -> None:
    number = room.raise_callout()
    sent = room.api("POST", f"/callouts/{number}/events", {"source": "customer", "event": "Battery at 8 % @admin"})
    assert (sent.status_code, sent.json()["calloutEventTags"]) == (201, ["@admin"])
    room.sim("POST", f"/callouts/{number}/say", {"message": "On our way"})
    heard = room.api("GET", f"/callouts/{number}/events").json()
    assert [(each["event"]["text"], each["event"]["source"]) for each in heard] == [
        ("Battery at 8 % @admin", "customer"),
        ("On our way", "dispatch"),
    ]
    assert room.api("POST", f"/callouts/{number}/events", {"message": "x"}).status_code == 400


def test_text_from_outside_comes_back_unharmed(room: Room) -> None:
    """Not even half a surrogate pair breaks an answer."""
    number = room.raise_callout()
    said = b'{"source": "customer", "event": "\\ud800 \\u2603 <b>"}'
    headers = {"Content-Type": "application/json"}
    assert room.api("POST", f"/callouts/{number}/events", content=said, headers=headers).status_code == 201
    assert b"\\ud800 \\u2603 <b>" in room.api("GET", f"/callouts/{number}/events").content


def test_a_map_is_offered(room: Room) -> None:
    told = room.api("GET", f"/callouts/{room.raise_callout()}/maps").json()
    assert (told["image"], room.http.get(told["url"], follow_redirects=True).status_code) == (None, 200)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/callouts/1"),
        ("GET", "/callouts/abc"),
        ("GET", "/callouts/1/events"),
        ("POST", "/callouts/1/location"),
        ("POST", "/callouts/1/cancel"),
        ("GET", "/callouts/1/maps"),
        ("GET", "/nothing"),
        ("GET", "/callouts/%D9%A1"),
    ],
)
def test_what_is_not_there_is_404_with_a_message(room: Room, method: str, path: str) -> None:
    told = room.api(method, path, THERE if method == "POST" else None)
    assert (told.status_code, bool(told.json()["message"])) == (404, True)


def test_a_slash_at_the_end_is_another_path(room: Room) -> None:
    """No redirect: whoever follows one sends a code again."""
    number = room.raise_callout()
    told = room.api("POST", f"/callouts/{number}/cancel/", {"safeCode": "0042"})
    assert (told.status_code, list(told.json())) == (404, ["message"])


def test_another_method_is_405_with_a_message(room: Room) -> None:
    told = room.api("DELETE", f"/callouts/{room.raise_callout()}")
    assert (told.status_code, bool(told.json()["message"])) == (405, True)
