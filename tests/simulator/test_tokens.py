"""Who gets in: credentials, device keys, scopes, expiry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simulator.operations import OPERATIONS
from tests.simulator.rooms import HERE, THERE, Room

Opener = Callable[..., Room]
OTHER = {"id": 4712, "name": "Other", "mobile": "+27820001234"}
EVERYWHERE = [
    ("POST", "/oauth/calloutToken"),
    ("POST", "/customers/4711/callouts"),
    ("GET", "/customers/4711/callouts"),
    ("POST", "/callouts"),
    ("GET", "/callouts/activeCallouts"),
    ("GET", "/callouts/1"),
    ("POST", "/callouts/1/location"),
    ("POST", "/callouts/1/updateLocationAndReturnCallout"),
    ("GET", "/callouts/1/events"),
    ("POST", "/callouts/1/events"),
    ("POST", "/callouts/1/cancel"),
    ("GET", "/callouts/1/maps"),
    ("POST", "/predefinedLocations/externalRef/STORE-001/callouts"),
]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer nonsense", "Basic ZGVtbzpkZW1v"])
def test_without_a_good_token_everything_is_401(room: Room, header: str | None) -> None:
    room.headers = {} if header is None else {"Authorization": header}
    for method, path in EVERYWHERE:
        told = room.api(method, path, {} if method == "POST" else None)
        assert (told.status_code, bool(told.json()["message"])) == (401, True), path


def test_credentials_give_a_server_token_for_the_whole_source(room: Room) -> None:
    number = room.raise_callout()
    room.headers = {}
    told = room.api("POST", "/oauth/token", {"clientId": "demo-client", "clientSecret": "demo-client-secret"})
    assert (told.status_code, told.json()["tokenType"], told.json()["expiresIn"]) == (200, "Bearer", 3600)
    room.use(told.json()["accessToken"])
    assert [each["id"] for each in room.api("GET", "/callouts/activeCallouts").json()["callouts"]] == [number]


def test_wrong_credentials_are_401_and_missing_ones_400(room: Room) -> None:
    assert room.api("POST", "/oauth/token", {"clientId": "demo-client", "clientSecret": "wrong"}).status_code == 401
    assert room.api("POST", "/oauth/token", {"clientId": "demo-client"}).status_code == 400


def test_only_a_server_token_mints_callout_tokens(room: Room) -> None:
    assert room.api("POST", "/oauth/calloutToken", {"customerId": 4711}).status_code == 401
    room.as_backend()
    assert room.api("POST", "/oauth/calloutToken", {"customerId": 1}).status_code == 404
    assert room.api("POST", "/oauth/calloutToken", {"customerId": "4711"}).status_code == 400
    room.use(room.api("POST", "/oauth/calloutToken", {"customerId": 4711}).json()["accessToken"])
    assert room.raise_callout()


def test_the_backend_mints_for_a_device_key_only(room: Room) -> None:
    assert room.mint().json()["tokenType"] == "Bearer"
    assert room.mint(1).status_code == 404
    assert room.mint(key="wrong").status_code == 401
    assert room.mint(key=room.headers["Authorization"].split()[1]).status_code == 401


def test_a_callout_token_is_good_for_its_customer_only(room: Room) -> None:
    """Another customer's routes and callouts, a raise in their name and the whole source are 401, not 403."""
    room.sim("POST", "/customers", OTHER)
    mine = room.raise_callout()
    room.as_device(4712)
    raised = {"location": HERE, "responseTypeId": 1}
    assert room.api("POST", "/customers/4711/callouts", raised).status_code == 401
    assert room.api("POST", "/callouts", {**raised, "customerId": 4711}).status_code == 401
    assert room.api("GET", "/customers/4711/callouts").status_code == 401
    assert room.api("POST", "/predefinedLocations/externalRef/STORE-001/callouts", {}).status_code == 401
    for method, path in [("GET", ""), ("POST", "/location"), ("POST", "/cancel"), ("GET", "/events"), ("GET", "/maps")]:
        assert room.api(method, f"/callouts/{mine}{path}", THERE if method == "POST" else None).status_code == 401
    assert room.api("GET", "/callouts/activeCallouts").status_code == 401
    assert (room.seen(mine)["cancels"], len(room.seen(mine)["positions"])) == ([], 1)
    assert room.api("POST", "/customers/4712/callouts", raised).status_code == 201


def test_a_callout_token_that_may_do_everything_may_do_it_for_its_customer_only(open_room: Opener) -> None:
    """What is named by a number of its own is somebody's, too: their subscription, their device, their rating."""
    room = open_room(scope=tuple(operation.name for operation in OPERATIONS))
    room.sim("POST", "/customers", OTHER)
    callout = room.raise_callout()
    room.as_device()
    (subscription,) = room.api("GET", "/customers/4711/subscriptions").json()["subscriptions"]
    link = {"customerId": 4711, "deviceSerial": "SIM-000-8812345", "deviceSupplier": "Simulated"}
    device = room.api("POST", "/devices", link).json()["deviceId"]
    rating = room.api("POST", "/ratings", {"calloutId": callout, "rating": 5}).json()["calloutRatingPostResult"]["id"]
    asked = [
        ("DELETE", f"/subscriptions/{subscription['id']}", None),
        ("POST", "/subscriptions", {"customerId": 4711}),
        ("GET", "/customers/4711/subscriptions", None),
        ("POST", "/customers/4711/delete", None),
        ("DELETE", f"/devices/{device}", None),
        ("PUT", "/devices", {"customerId": 4711, "deviceId": device, "deviceTypeId": 5}),
        ("POST", "/devices", link),
        ("POST", "/deviceEvent", {"device_id": device, "device_type_id": 5, "message_type": 1}),
        ("POST", "/ratings", {"calloutId": callout, "rating": 1}),
        ("POST", "/rating-items", {"calloutRatingId": rating, "ratingItemDescription": "x"}),
        ("GET", f"/callouts/{callout}/resolutionReport", None),
        ("GET", f"/callouts/{callout}/exceptionReasons", None),
        ("POST", f"/callouts/{callout}/exceptionReasons", {"exceptionReasonId": 1}),
    ]
    room.as_device(4712)
    assert [(method, path) for method, path, body in asked if room.api(method, path, body).status_code != 401] == []
    room.as_device()
    assert [(method, path) for method, path, body in asked if room.api(method, path, body).status_code == 401] == []


def test_the_scope_of_a_callout_token_is_chosen_per_operation(room: Room) -> None:
    number = room.raise_callout()
    room.sim("PATCH", "/settings", {"scope": ["raise", "locate", "list_active"]})
    assert room.api("POST", f"/callouts/{number}/location", THERE).status_code == 200
    assert room.api("GET", "/callouts/activeCallouts").status_code == 200
    assert room.api("GET", f"/callouts/{number}").status_code == 401
    assert room.api("POST", f"/callouts/{number}/events", {"source": "customer", "event": "x"}).status_code == 401
    room.as_backend()
    assert room.api("GET", f"/callouts/{number}").status_code == 200


def test_a_token_expires(open_room: Opener) -> None:
    room = open_room(callout_token_s=0)
    assert room.api("GET", "/customers/4711/callouts").status_code == 401
    room.sim("PATCH", "/settings", {"callout_token_s": 60})
    room.as_device()
    assert room.api("GET", "/customers/4711/callouts").status_code == 200


def test_tokens_can_be_expired_at_once(room: Room) -> None:
    number = room.raise_callout()
    assert room.sim("POST", "/tokens/expire", {"customerId": 1}).json() == {"expired": 0}
    assert room.api("GET", f"/callouts/{number}").status_code == 200
    assert room.sim("POST", "/tokens/expire").json() == {"expired": 1}
    assert room.api("GET", f"/callouts/{number}").status_code == 401
    room.as_device()
    assert room.api("GET", f"/callouts/{number}").status_code == 200
    assert [each["live"] for each in room.sim("GET", "/tokens").json()] == [False, True]
