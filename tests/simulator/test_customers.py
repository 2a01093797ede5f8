"""Customers and subscriptions over HTTP in both generations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.rooms import HERE, Room

Opener = Callable[..., Room]
PERSON = {"name": "Thandi", "surname": "Nkosi", "mobile": "+27820001234"}


def span(start_days: float = -1, end_days: float = 30, **more: Any) -> dict[str, Any]:
    """A subscription from so many days from now to so many days from now."""
    now = datetime.now(UTC)
    valid = {"validFrom": (now + timedelta(days=start_days)).isoformat(), "validTo": (now + timedelta(days=end_days)).isoformat()}
    return {"subscriptionTypeId": 1, **valid, **more}


@pytest.fixture(params=["new", "old"])
def backend(request: pytest.FixtureRequest, open_room: Opener) -> Room:
    """A server token in each generation, with a customer who has no subscription."""
    room = open_room(generation=request.param, subscribed=False)
    room.as_backend()
    return room


def rows(told: Any, key: str) -> Any:
    """What a list holds, wrapped or bare."""
    return told[key] if isinstance(told, dict) else told


def subscribe(room: Room, **more: Any) -> dict[str, Any]:
    """A subscription of customer 4711 as it was answered."""
    told = room.api("POST", "/subscriptions", {"customerId": 4711, **span(**more)})
    assert told.status_code == 201, told.text
    return told.json().get("subscription", told.json())


def may_raise(room: Room, customer_id: int = 4711) -> bool:
    """Whether a raise is taken; what was raised is closed again."""
    body = {**HERE, "responseTypeId": 1} if room.chosen.generation == "old" else {"location": HERE, "responseTypeId": 1}
    told = room.api("POST", f"/customers/{customer_id}/callouts", body)
    assert told.status_code in (201, 403)
    if told.status_code == 201:
        room.act(told.json().get("callout", told.json())["id"], "close")
    return told.status_code == 201


# --- customers ---


def test_a_customer_is_made_with_a_subscription_and_may_raise(backend: Room) -> None:
    """OLD tells the customer flat, NEW wrapped beside the subscription."""
    told = backend.api("POST", "/customers", {"customer": PERSON, "subscription": span()})
    assert told.status_code == 201
    customer = told.json().get("customer", told.json())
    assert (customer["name"], customer["surname"], customer["mobile"]) == ("Thandi", "Nkosi", "+27820001234")
    assert told.json()["subscription"]["customerId"] == customer["id"]
    assert may_raise(backend, customer["id"])
    shown = backend.sim("GET", "/customers").json()[-1]
    assert (shown["id"], shown["name"], shown["subscribed"]) == (customer["id"], "Thandi Nkosi", True)


def test_a_customer_without_subscription_may_not_raise(backend: Room) -> None:
    """It can be bought later."""
    told = backend.api("POST", "/customers", {"customer": PERSON}).json()
    assert told["subscription"] is None
    assert not may_raise(backend, told.get("customer", told)["id"])


def test_a_mobile_number_that_is_taken_is_409(backend: Room) -> None:
    """Also with another name."""
    backend.api("POST", "/customers", {"customer": PERSON})
    assert backend.api("POST", "/customers", {"customer": {**PERSON, "name": "Other"}}).status_code == 409
    assert len(backend.sim("GET", "/customers").json()) == 2


NO_CUSTOMERS: tuple[dict[str, Any], ...] = (
    {},
    {"customer": []},
    {"customer": {**PERSON, "mobile": None}},
    {"customer": {**PERSON, "mobile": "12"}},
    {"customer": {**PERSON, "surname": " "}},
    {"customer": {"surname": "Nkosi", "mobile": "+27820001234"}},
    {"customer": PERSON, "subscription": {}},
    {"customer": PERSON, "subscription": {"subscriptionTypeId": 77, "validFrom": "2026-01-01", "validTo": "2027-01-01"}},
    {"customer": PERSON, "subscription": {"subscriptionTypeId": 1, "validFrom": "2027-01-01", "validTo": "2026-01-01"}},
    {"customer": PERSON, "subscription": {"subscriptionTypeId": 1, "validFrom": "soon", "validTo": "2026-01-01"}},
)


def test_a_customer_that_does_not_fit_is_400_and_not_made(backend: Room) -> None:
    """Neither without the subscription that was asked for."""
    for body in NO_CUSTOMERS:
        assert backend.api("POST", "/customers", body).status_code == 400, body
    assert len(backend.sim("GET", "/customers").json()) == 1


def test_a_deleted_customer_is_gone_but_the_callouts_are_kept(backend: Room) -> None:
    """Softly: the dispatcher still sees whom a callout was for, and the number is free again."""
    told = backend.api("POST", "/customers", {"customer": PERSON, "subscription": span()}).json()
    number = told.get("customer", told)["id"]
    assert may_raise(backend, number)
    assert backend.api("POST", f"/customers/{number}/delete").status_code == 200
    assert [each["id"] for each in backend.sim("GET", "/customers").json()] == [4711]
    assert [each["customerName"] for each in backend.sim("GET", "/callouts").json()] == ["Thandi"]
    for method, path, body in [
        ("POST", f"/customers/{number}/delete", None),
        ("GET", f"/customers/{number}/subscriptions", None),
        ("GET", f"/customers/{number}/callouts", None),
        ("POST", "/oauth/calloutToken", {"customerId": number}),
        ("POST", "/subscriptions", {"customerId": number, **span()}),
    ]:
        assert backend.api(method, path, body).status_code == 404, path
    assert backend.api("POST", "/customers", {"customer": PERSON}).status_code == 201


def test_a_customer_with_an_active_callout_is_not_deleted(open_room: Opener) -> None:
    """409, and the callout goes on."""
    room = open_room()
    number = room.raise_callout()
    room.as_backend()
    assert room.api("POST", "/customers/4711/delete", {}).status_code == 409
    assert room.api("GET", f"/callouts/{number}").status_code == 200
    room.act(number, "close")
    assert room.api("POST", "/customers/4711/delete", {}).status_code == 200


# --- subscriptions ---


def test_an_active_subscription_lets_a_customer_raise(backend: Room) -> None:
    """From the moment that it is made; a second one for the same time is a conflict."""
    assert not may_raise(backend)
    subscribe(backend)
    assert may_raise(backend)
    assert backend.api("POST", "/subscriptions", {"customerId": 4711, **span()}).status_code == 409
    assert backend.sim("GET", "/customers").json()[0]["subscribed"]


def test_a_cancelled_subscription_is_replaced_and_not_revived(backend: Room) -> None:
    """Its CancelledDate is told, a second end is a conflict, and another one may follow."""
    made = subscribe(backend)
    assert made["CancelledDate"] is None
    told = backend.api("DELETE", f"/subscriptions/{made['id']}")
    assert told.status_code == (204 if backend.chosen.generation == "old" else 200)
    assert not may_raise(backend)
    assert backend.api("DELETE", f"/subscriptions/{made['id']}").status_code == 409
    again = subscribe(backend)
    assert may_raise(backend)
    listed = rows(backend.api("GET", "/customers/4711/subscriptions").json(), "subscriptions")
    assert [(each["id"], each["CancelledDate"] is None) for each in listed] == [(made["id"], False), (again["id"], True)]


def test_subscriptions_may_follow_each_other_without_a_gap(backend: Room) -> None:
    """One that begins when the last one ends is no conflict; one that begins a moment before is."""
    until, later = "2098-01-01T00:00:00Z", {"validTo": "2099-01-01T00:00:00Z"}
    wanted = {"customerId": 4711, **span(), "validTo": until}
    assert backend.api("POST", "/subscriptions", wanted).status_code == 201
    assert backend.api("POST", "/subscriptions", {**wanted, **later, "validFrom": "2097-12-31T23:59:59Z"}).status_code == 409
    assert backend.api("POST", "/subscriptions", {**wanted, **later, "validFrom": until}).status_code == 201


@pytest.mark.parametrize(("start", "end"), [(-20, -10), (10, 20)])
def test_a_subscription_outside_its_dates_is_not_active(backend: Room, start: float, end: float) -> None:
    """Lapsed or not yet begun: a raise is refused, and one for now does not collide."""
    subscribe(backend, start_days=start, end_days=end)
    assert not may_raise(backend)
    assert not backend.sim("GET", "/customers").json()[0]["subscribed"]
    subscribe(backend, start_days=-1, end_days=1)
    assert may_raise(backend)


def test_only_the_older_generation_tells_a_status(open_room: Opener) -> None:
    """What a subscription is now; in the newer one that follows from its dates."""
    old, new = (open_room(generation=generation, subscribed=False) for generation in ("old", "new"))
    for room in (old, new):
        room.as_backend()
        subscribe(room, start_days=-20, end_days=-10)
        subscribe(room, start_days=10, end_days=20)
        room.api("DELETE", f"/subscriptions/{subscribe(room, end_days=5)['id']}")
        subscribe(room, end_days=5)
    told = old.api("GET", "/customers/4711/subscriptions").json()
    assert [each["status"] for each in told] == ["expired", "pending", "cancelled", "active"]
    assert not [each for each in new.api("GET", "/customers/4711/subscriptions").json()["subscriptions"] if "status" in each]


NO_SUBSCRIPTIONS: tuple[tuple[dict[str, Any], int], ...] = (
    ({"customerId": 1}, 404),
    ({"customerId": None}, 400),
    ({"subscriptionTypeId": 77}, 400),
    ({"subscriptionTypeId": None}, 400),
    ({"validFrom": None}, 400),
    ({"validTo": 5}, 400),
    ({"validTo": "1999-01-01"}, 400),
    ({"validTo": "0001-01-01T00:00:00+23:00"}, 400),
    ({"validFrom": "0001-01-01T00:00:00+14:00"}, 400),
    ({"validTo": "9999-12-31T23:59:59-14:00"}, 400),
    ({"validTo": "9999-12-31T23:59:59.999999"}, 400),
)


def test_a_subscription_that_does_not_fit_is_refused(backend: Room) -> None:
    """And none is made."""
    for change, status in NO_SUBSCRIPTIONS:
        assert backend.api("POST", "/subscriptions", {"customerId": 4711, **span(), **change}).status_code == status, change
    assert rows(backend.api("GET", "/customers/4711/subscriptions").json(), "subscriptions") == []


def test_kinds_of_subscription_are_listed(backend: Room) -> None:
    """They come before a subscription of that name is looked for."""
    told = rows(backend.api("GET", "/subscriptions/subscriptionTypes").json(), "subscriptionTypes")
    assert told == [{"id": 1, "name": "Personal"}, {"id": 2, "name": "Family"}]


def test_a_subscription_that_is_not_there_is_404(backend: Room) -> None:
    """With a message."""
    for path in ("/subscriptions/77", "/subscriptions/x"):
        told = backend.api("DELETE", path)
        assert (told.status_code, bool(told.json()["message"])) == (404, True), path


def test_the_desk_s_switch_is_a_subscription_like_any_other(backend: Room) -> None:
    """Switched on there is one, switched off it is cancelled, and one that would begin later does not stand in the way."""
    subscribe(backend, start_days=10, end_days=20)
    backend.sim("PATCH", "/customers/4711", {"subscribed": True})
    assert may_raise(backend)
    backend.sim("PATCH", "/customers/4711", {"subscribed": False})
    assert not may_raise(backend)
    listed = rows(backend.api("GET", "/customers/4711/subscriptions").json(), "subscriptions")
    assert [each["CancelledDate"] is None for each in listed] == [False, False]
