"""Linked devices over HTTP in both generations, and the one route that all their messages go to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.rooms import FIRST, HERE, THERE, Room

Opener = Callable[..., Room]
OTHER = {"id": 4712, "name": "Other", "mobile": "+27820001234"}
LINK = {"customerId": 4711, "deviceSerial": "SIM-000-8812345", "deviceSupplier": "simulated"}
# What the template of device type 5 says.
NEW_CALLOUT, LOCATION, CANCEL, HEALTH, BATTERY = 1, 2, 3, 4, 5


@pytest.fixture
def linked(room: Room) -> Room:
    """A backend with one device of type 5."""
    room.as_backend()
    assert room.api("POST", "/devices", LINK).status_code == 201
    return room


def message(room: Room, number: int, **more: Any) -> Any:
    """What one message of the device is answered with."""
    body = {"device_id": "8812345", "device_type_id": 5, "message_type": number, **more}
    return room.api("POST", "/deviceEvent", body)


def device(room: Room) -> dict[str, Any]:
    """The device as the desk sees it."""
    return room.sim("GET", "/devices").json()[0]


# --- linking ---


def test_a_link_tells_the_name_that_is_derived_from_the_serial(room: Room) -> None:
    """It is what events must carry; the type follows from the supplier."""
    room.as_backend()
    told = room.api("POST", "/devices", {**LINK, "deviceAlias": "Pendant", "firmwareVersion": "1.2"})
    made = told.json()
    assert told.status_code == 201
    assert (made["deviceId"], made["deviceSerial"], made["deviceTypeId"]) == ("8812345", "SIM-000-8812345", 5)
    assert (made["alias"], made["firmwareVersion"], made["customerId"]) == ("Pendant", "1.2", 4711)
    assert [made[key] for key in ("batteryLevel", "healthCheckLastReceivedDate", "defaultLocation")] == [None, None, None]


def test_a_link_takes_the_device_s_name_in_the_older_generation(old: Room) -> None:
    """As it is, with a type of its own where that is told."""
    old.as_backend()
    told = old.api("POST", "/devices", {"customerId": 4711, "deviceId": "SIM-1", "deviceTypeId": 6})
    assert (told.status_code, told.json()) == (201, {"id": 1, "customerId": 4711, "deviceId": "SIM-1", "deviceTypeId": 6})
    assert old.api("POST", "/devices", {"customerId": 4711, "deviceId": "SIM-2"}).json()["deviceTypeId"] == 5


def test_a_link_that_cannot_be_made_is_refused(room: Room, old: Room) -> None:
    """Also with a body in good form where no template is provisioned."""
    wrong = {"deviceSerial": None}, {"deviceSupplier": None}, {"deviceSupplier": "Nobody"}, {"deviceType": 77}, {"customerId": None}
    room.as_backend()
    assert [room.api("POST", "/devices", {**LINK, **change}).status_code for change in wrong] == [400] * 5
    assert room.api("POST", "/devices", {**LINK, "customerId": 1}).status_code == 404
    old.as_backend()
    flat = {"customerId": 4711, "deviceId": "SIM-1"}
    assert [old.api("POST", "/devices", {**flat, **change}).status_code for change in ({"deviceTypeId": 77}, {"deviceId": None})] == [
        400
    ] * 2
    assert old.api("POST", "/devices", {**flat, "customerId": 1}).status_code == 404
    assert [each.sim("GET", "/devices").json() for each in (room, old)] == [[], []]


def test_a_device_is_linked_once(linked: Room) -> None:
    """Its own customer may repeat that; another customer, or another serial number of the same name, is a conflict."""
    again = linked.api("POST", "/devices", {**LINK, "deviceAlias": "Pendant"})
    assert (again.status_code, again.json()["id"], again.json()["alias"]) == (200, 1, "Pendant")
    linked.sim("POST", "/customers", OTHER)
    assert linked.api("POST", "/devices", {**LINK, "customerId": 4712}).status_code == 409
    assert linked.api("POST", "/devices", {**LINK, "deviceSerial": "X-8812345"}).status_code == 409
    assert [each["customerId"] for each in linked.sim("GET", "/devices").json()] == [4711]


def test_a_device_is_updated_by_the_name_in_the_body(linked: Room) -> None:
    """Its type changes what its messages mean."""
    told = linked.api("PUT", "/devices", {"customerId": 4711, "deviceId": "8812345", "deviceTypeId": 6})
    assert (told.status_code, told.json()["deviceTypeId"]) == (200, 6)
    body = {"device_id": 8812345, "device_type_id": 6, "message_type": 11, "location": HERE}
    assert linked.api("POST", "/deviceEvent", body).json()["resolvedAuraEvent"]["eventTypes"] == "NEW_CALLOUT"


def test_an_update_that_does_not_fit_is_refused(linked: Room) -> None:
    """A device that is another customer's is not there."""
    linked.sim("POST", "/customers", OTHER)
    body = {"customerId": 4711, "deviceId": "8812345", "deviceTypeId": 6}
    for change, status in (({"deviceId": "1"}, 404), ({"customerId": 4712}, 404), ({"deviceTypeId": 77}, 400), ({"deviceId": None}, 400)):
        assert linked.api("PUT", "/devices", {**body, **change}).status_code == status, change
    assert device(linked)["typeId"] == 5


def test_a_device_that_is_unlinked_is_gone(linked: Room, old: Room) -> None:
    """A second time it is not there, and its messages are refused. OLD answers without a body."""
    assert linked.api("DELETE", "/devices/8812345").json()["message"]
    assert linked.api("DELETE", "/devices/8812345").status_code == 404
    assert message(linked, NEW_CALLOUT, location=HERE).status_code == 400
    old.as_backend()
    old.api("POST", "/devices", {"customerId": 4711, "deviceId": "SIM-1"})
    told = old.api("DELETE", "/devices/SIM-1")
    assert (told.status_code, told.content) == (204, b"")
    assert old.sim("GET", "/devices").json() == []


# --- messages ---


def test_a_message_raises_moves_and_cancels(linked: Room) -> None:
    """Its number means what the template says; a cancel has no code and is unconditional."""
    raised = message(linked, NEW_CALLOUT, location=HERE)
    assert raised.json()["resolvedAuraEvent"] == {
        "eventTypes": "NEW_CALLOUT",
        "eventResponse": {"calloutId": FIRST, "deviceId": "8812345"},
    }
    assert raised.json()["input"]["device_id"] == "8812345"
    message(linked, LOCATION, location=THERE)
    assert [each["latitude"] for each in linked.seen(FIRST)["positions"]] == [HERE["latitude"], THERE["latitude"]]
    told = message(linked, CANCEL).json()["resolvedAuraEvent"]
    assert (told["eventTypes"], told["eventResponse"]["calloutId"]) == ("CANCEL", FIRST)
    assert [each["verdict"] for each in linked.seen(FIRST)["cancels"]] == ["unconditional"]
    assert linked.seen(FIRST)["closed"]


def test_a_message_that_raises_again_returns_the_open_callout(linked: Room) -> None:
    """Never a second incident."""
    message(linked, NEW_CALLOUT, location=HERE)
    again = message(linked, NEW_CALLOUT, location=THERE).json()["resolvedAuraEvent"]["eventResponse"]
    assert (again["calloutId"], linked.seen(FIRST)["presses"], len(linked.sim("GET", "/callouts").json())) == (FIRST, 2, 1)


def test_a_raise_without_a_place_takes_the_last_that_the_device_told(linked: Room) -> None:
    """Without any it is 400."""
    assert message(linked, NEW_CALLOUT).status_code == 400
    assert message(linked, LOCATION, location=THERE).json()["resolvedAuraEvent"]["eventResponse"]["calloutId"] is None
    message(linked, NEW_CALLOUT)
    assert linked.seen(FIRST)["positions"][0]["latitude"] == THERE["latitude"]


def test_battery_and_health_are_kept_and_shown(linked: Room) -> None:
    """They touch no callout."""
    assert message(linked, BATTERY, battery_level=37.5).json()["resolvedAuraEvent"]["eventTypes"] == "BATTERY"
    assert message(linked, HEALTH, uptime_s=7, location=HERE).status_code == 200
    shown = device(linked)
    assert (shown["battery"], shown["health"], shown["lastEvent"]) == (37.5, {"uptime_s": 7}, "HEALTH")
    assert (shown["latitude"], shown["accuracy"]) == (HERE["latitude"], HERE["accuracy"])
    assert shown["batteryHeard"] <= shown["healthHeard"] == shown["lastHeard"]
    assert linked.sim("GET", "/callouts").json() == []
    link = linked.api("POST", "/devices", LINK).json()
    assert (link["batteryLevel"], bool(link["healthCheckLastReceivedDate"])) == (37.5, True)


NO_MESSAGES = (
    {"device_id": "1"},
    {"device_id": None},
    {"device_type_id": 6},
    {"device_type_id": 6, "message_type": 11},
    {"message_type": 99},
    {"message_type": "1"},
    {"location": {"latitude": 1}},
    {"location": [1, 2]},
    {"message_type": LOCATION, "location": None},
    {"message_type": BATTERY},
    {"message_type": BATTERY, "battery_level": 101},
    {"message_type": BATTERY, "battery_level": True},
    {"message_type": HEALTH, "battery_level": "full"},
)


def test_a_message_that_does_not_fit_is_400_and_changes_nothing(linked: Room) -> None:
    """An unknown device, a number that its template has not, a place that is none."""
    before = device(linked)
    for change in NO_MESSAGES:
        body = {"device_id": "8812345", "device_type_id": 5, "message_type": NEW_CALLOUT, "location": HERE, **change}
        told = linked.api("POST", "/deviceEvent", body)
        assert (told.status_code, bool(told.json()["message"])) == (400, True), change
    assert linked.sim("GET", "/callouts").json() == []
    assert device(linked) == before


def test_a_message_is_not_repeated_in_the_older_generation(old: Room) -> None:
    """There the device is known by the name that it was linked with."""
    old.as_backend()
    old.api("POST", "/devices", {"customerId": 4711, "deviceId": "8812345"})
    told = message(old, NEW_CALLOUT, location=HERE).json()
    assert sorted(told) == ["message", "resolvedAuraEvent"]
    assert told["resolvedAuraEvent"]["eventResponse"]["calloutId"] == FIRST


def test_a_message_of_a_customer_without_subscription_is_403(open_room: Opener) -> None:
    """As any raise."""
    room = open_room(subscribed=False)
    room.as_backend()
    room.api("POST", "/devices", LINK)
    assert message(room, NEW_CALLOUT, location=HERE).status_code == 403
