"""Paths that no page tells are settings, followed while the simulator runs; and who may walk which path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.operations import BACKEND, OPERATIONS, Door, path_of
from simulator.settings import CALLOUT_FLOW, Settings
from tests.simulator.rooms import HERE, THERE, Room

Opener = Callable[..., Room]


def names(room: Room) -> list[str | None]:
    """What the last requests were taken for."""
    return [each["operation"] for each in room.sim("GET", "/requests").json()]


@pytest.mark.parametrize("segment", ["updateLocationAndReturnCallout", "update-callout-location-and-return", ""])
def test_update_and_return_is_where_the_setting_says_and_nowhere_else(open_room: Opener, segment: str) -> None:
    """Also at the callout's own path, where a GET reads it as ever."""
    room = open_room(return_path=segment)
    number = room.raise_callout()
    path = f"/callouts/{number}/{segment}".rstrip("/")
    assert room.api("POST", path, THERE).json()["callout"]["id"] == number
    assert names(room)[-1] == "locate_return"
    assert room.api("GET", f"/callouts/{number}").status_code == 200
    assert room.seen(number)["positions"][-1]["latitude"] == THERE["latitude"]
    for other in {"updateLocationAndReturnCallout", "update-callout-location-and-return"} - {segment}:
        assert room.api("POST", f"/callouts/{number}/{other}", THERE).status_code == 404
    if segment:
        assert room.api("POST", f"/callouts/{number}", THERE).status_code == 405


def test_a_path_that_changes_is_followed_at_once(room: Room) -> None:
    """From one request to the next, to another place and back."""
    number = room.raise_callout()
    room.act(number, "close")
    for there, gone in (("report", "resolutionReport"), ("resolutionReport", "report")):
        assert room.sim("PATCH", "/settings", {"report_segment": there}).status_code == 200
        assert room.api("GET", f"/callouts/{number}/{there}").status_code == 200
        assert room.api("GET", f"/callouts/{number}/{gone}").status_code == 404


@pytest.mark.parametrize(
    ("chosen", "path"),
    [
        ("/customers/{customerId}/callouts", "/customers/4711/callouts"),
        ("/customers/{customerId}/activeCallouts", "/customers/4711/activeCallouts"),
        ("/callouts/activeCallouts", "/callouts/activeCallouts"),
    ],
)
def test_a_customer_s_list_is_where_the_setting_says(open_room: Opener, chosen: str, path: str) -> None:
    """A path without the customer in it lists for the customer of the token."""
    room = open_room(customer_list_path=chosen)
    room.sim("POST", "/customers", {"id": 4712, "mobile": "+27820001234"})
    room.sim("POST", "/callouts", {"customerId": 4712, **HERE})
    number = room.raise_callout()
    assert [each["id"] for each in room.api("GET", path).json()["callouts"]] == [number]
    assert names(room)[-1] == "list_customer"
    assert room.api("POST", "/customers/4711/callouts", {"location": HERE, "responseTypeId": 1}).status_code == 200


def test_a_customer_s_list_may_be_served_nowhere(open_room: Opener) -> None:
    """The raise at the same path stays."""
    room = open_room(customer_list_path="")
    assert room.raise_callout()
    assert room.api("GET", "/customers/4711/callouts").status_code == 405


def test_lists_of_items_and_types_move_alone(room: Room) -> None:
    """What is sent to the same path by another method stays."""
    room.as_backend()
    moved = {"rating_items_path": "/ratings/items", "response_types_path": "/response-types"}
    room.sim("PATCH", "/settings", moved)
    assert [room.api("GET", path).status_code for path in moved.values()] == [200, 200]
    assert [room.api("GET", path).status_code for path in ("/rating-items", "/responseTypes")] == [405, 404]
    assert room.api("POST", "/rating-items", {}).status_code == 400


NO_SETTINGS: tuple[dict[str, Any], ...] = (
    {"return_path": "/x"},
    {"return_path": "a/b"},
    {"return_path": 5},
    {"report_segment": ""},
    {"report_segment": "{calloutId}"},
    {"customer_list_path": "callouts"},
    {"customer_list_path": "/callouts/{calloutId}"},
    {"customer_list_path": "/callouts//x"},
    {"rating_items_path": ""},
    {"response_types_path": "/types?x=1"},
    {"eta_form": "soon"},
    {"strict_code": 1},
    {"scope": ["read", "raize"]},
    {"scope": ["oauth_token"]},
    {"refuse_closed": ["locate", "coverage"]},
)


def test_a_setting_that_does_not_fit_is_refused_by_name(room: Room) -> None:
    """At the running simulator, and paths also where one is made."""
    for wrong in NO_SETTINGS:
        (name,) = wrong
        told = room.sim("PATCH", "/settings", wrong)
        assert (told.status_code, name in told.json()["message"]) == (400, True), wrong
        if name.endswith(("_path", "_segment")):
            with pytest.raises(ValueError, match=name):
                Settings(**wrong)


# --- who ---


def test_every_operation_has_a_name_and_a_route_of_its_own() -> None:
    """Names and routes are what faults, scopes and transcripts go by."""
    table = [*OPERATIONS, *BACKEND]
    assert len({each.name for each in table}) == len(table)
    assert len({(each.method, each.path) for each in table}) == len(table)
    assert [each.name for each in OPERATIONS if path_of(each, Settings()) != each.path] == ["dismiss"]
    assert [each.name for each in OPERATIONS if path_of(each, Settings(generation="old")) != each.path] == []


def ask(room: Room, name: str) -> int:
    """The status of one operation, with a body that is an object at least."""
    operation = next(each for each in OPERATIONS if each.name == name)
    path = operation.path
    for word in ("customerId", "calloutId", "deviceId", "subscriptionId", "responseTypeId"):
        path = path.replace(f"{{{word}}}", {"customerId": "4711", "responseTypeId": "1"}.get(word, "1"))
    return room.api(operation.method, path, {} if operation.method in ("POST", "PUT") else None).status_code


BEYOND = [each.name for each in OPERATIONS if each.door is Door.SCOPED and each.name not in CALLOUT_FLOW]


@pytest.mark.parametrize("generation", ["new", "old"])
def test_a_callout_token_reaches_nothing_beyond_its_flow(open_room: Opener, generation: str) -> None:
    """401 everywhere else, before anything is looked at; a server token gets further everywhere, and no token nowhere."""
    room = open_room(generation=generation)
    served = [name for name in BEYOND if name != "dismiss" or generation == "old"]
    assert len(served) == (16 if generation == "old" else 15)
    assert {name: ask(room, name) for name in served} == dict.fromkeys(served, 401)
    room.as_backend()
    assert not [name for name in served if ask(room, name) == 401]
    room.headers = {}
    assert {name: ask(room, name) for name in served} == dict.fromkeys(served, 401)


def test_a_scope_that_names_more_lets_a_token_do_more_for_its_own_customer(open_room: Opener) -> None:
    """Another customer's devices and subscriptions stay out of reach."""
    room = open_room(scope=CALLOUT_FLOW | {"device_link", "device_update", "device_unlink", "device_event", "subscriptions", "create_site"})
    room.sim("POST", "/customers", {"id": 4712, "mobile": "+27820001234"})
    link = {"deviceSerial": "SIM-8812345", "deviceSupplier": "Simulated"}
    assert room.api("POST", "/devices", {**link, "customerId": 4712}).status_code == 401
    assert room.api("POST", "/devices", {**link, "customerId": 4711}).status_code == 201
    assert room.api("GET", "/customers/4711/subscriptions").status_code == 200
    room.as_device(4712)
    assert room.api("GET", "/customers/4711/subscriptions").status_code == 401
    assert room.api("PUT", "/devices", {"customerId": 4711, "deviceId": "8812345"}).status_code == 401
    assert room.api("DELETE", "/devices/8812345").status_code == 401
    body = {"device_id": "8812345", "device_type_id": 5, "message_type": 1, "location": HERE}
    assert room.api("POST", "/deviceEvent", body).status_code == 401
    assert room.api("POST", "/predefinedLocations", {"customerId": 4711}).status_code == 401
    assert room.sim("GET", "/callouts").json() == []


def test_ratings_and_reasons_of_another_customer_are_401(room: Room) -> None:
    """As everything of another customer's callout."""
    number = room.raise_callout()
    room.act(number, "close")
    rating = room.api("POST", "/ratings", {"calloutId": number, "rating": 3}).json()["calloutRatingPostResult"]["id"]
    room.sim("POST", "/customers", {"id": 4712, "mobile": "+27820001234"})
    room.as_device(4712)
    assert room.api("POST", "/ratings", {"calloutId": number, "rating": 3}).status_code == 401
    assert room.api("POST", "/rating-items", {"calloutRatingId": rating, "ratingItemDescription": "x"}).status_code == 401
    assert room.api("POST", f"/callouts/{number}/exceptionReasons", {"exceptionReasonId": 1}).status_code == 401
    assert room.api("GET", f"/callouts/{number}/exceptionReasons").status_code == 401
    assert room.api("GET", f"/callouts/{number}/resolutionReport").status_code == 401
