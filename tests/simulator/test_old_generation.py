"""The Panic API over HTTP in the older generation: flat bodies, snake case, bare lists."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.simulator.rooms import FIRST, HERE, THERE, Room

FLAT = {**HERE, "responseTypeId": 1}


def test_tokens_are_in_snake_case(old: Room) -> None:
    assert sorted(old.mint().json()) == ["access_token", "expires_in", "token_type"]


def test_an_expiry_may_be_an_instant(open_room: Callable[..., Room]) -> None:
    told = open_room(generation="old", epoch_expiry=True, callout_token_s=100).mint().json()
    assert 90 < told["expires_in"] - time.time() <= 100


def test_a_raise_is_flat_and_a_nested_one_400(old: Room) -> None:
    assert old.api("POST", "/customers/4711/callouts", {"location": HERE, "responseTypeId": 1}).status_code == 400
    told = old.api("POST", "/customers/4711/callouts", FLAT)
    assert told.status_code == 201
    assert (told.json()["id"], told.json()["latitude"]) == (FIRST, HERE["latitude"])
    assert "url" not in told.json()


def test_the_legacy_raise_needs_neither_position_nor_subscription(open_room: Callable[..., Room]) -> None:
    old = open_room(generation="old", subscribed=False)
    assert old.api("POST", "/customers/4711/callouts", FLAT).status_code == 403
    assert old.api("POST", "/callouts", {"customerId": 4711, "responseTypeId": 1}).json()["latitude"] is None


def test_a_fixed_location_needs_a_response_type(old: Room) -> None:
    path = "/predefinedLocations/externalRef/STORE-001/callouts"
    assert old.api("POST", path, {}).status_code == 400
    told = old.api("POST", path, {"responseTypeId": 1, "calloutClassificationId": 2, "internalTest": True}).json()
    assert (told["predefinedLocationId"], told["calloutClassificationId"]) == (9001, 2)
    assert old.seen(told["id"])["internalTest"]
    assert old.api("POST", path, {"responseTypeId": 1, "internalTest": "yes"}).status_code == 400


def test_a_read_is_flat_and_lists_are_bare(old: Room) -> None:
    number = old.raise_callout()
    assert old.api("GET", f"/callouts/{number}").json()["customerId"] == 4711
    assert [each["id"] for each in old.api("GET", "/customers/4711/callouts").json()] == [number]


def test_events_are_messages(old: Room) -> None:
    number = old.raise_callout()
    assert old.api("POST", f"/callouts/{number}/events", {"source": "customer", "event": "x"}).status_code == 400
    assert sorted(old.api("POST", f"/callouts/{number}/events", {"message": "x"}).json()) == ["calloutId", "createdAt", "id", "message"]
    assert [each["message"] for each in old.api("GET", f"/callouts/{number}/events").json()] == ["x"]


def test_location_close_and_map(old: Room) -> None:
    """Locations are flat as ever, 285 ends them, and the map exists from the close on."""
    number = old.raise_callout()
    assert old.api("POST", f"/callouts/{number}/location", THERE).status_code == 200
    assert old.api("GET", f"/callouts/{number}/maps").status_code == 404
    old.act(number, "close")
    told = old.api("POST", f"/callouts/{number}/location", THERE)
    assert (told.status_code, told.json()["callout"]["status"]) == (285, "closed")
    assert old.api("GET", f"/callouts/{number}/maps").json()["image"] is None
