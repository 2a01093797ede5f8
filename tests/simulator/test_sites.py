"""Fixed locations, kinds of response, coverage and the webhook's registration over HTTP, in both generations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.simulator.rooms import Room

Opener = Callable[..., Room]
SITE = {"externalReferenceId": "STORE-002", "locationIdentifier": "Second store", "latitude": "-29.8579", "longitude": "31.0292"}
HOOK = {"url": "https://hooks.example/panic", "events": ["NEW_CALLOUT", "CALLOUT_CLOSED"]}


@pytest.fixture(params=["new", "old"])
def backend(request: pytest.FixtureRequest, open_room: Opener) -> Room:
    """A server token in each generation."""
    room = open_room(generation=request.param)
    room.as_backend()
    return room


# --- sites ---


def test_a_fixed_location_is_made_and_raised_for(backend: Room) -> None:
    """Its coordinates are texts, its keys may have a dot, and a duress code is not kept."""
    told = backend.api("POST", "/predefinedLocations", {**SITE, "calloutLocationTypeId": 3, "w3w": "a.b.c", "duressCode": "1234"})
    assert told.status_code == 201
    site = told.json().get("predefinedLocation", told.json())
    assert (site["externalReferenceId"], site["latitude"], site["calloutLocationType.id"]) == ("STORE-002", "-29.8579", 3)
    assert "1234" not in told.text
    raised = backend.api("POST", "/predefinedLocations/externalRef/STORE-002/callouts", {"responseTypeId": 1}).json()
    callout = raised.get("callout", raised)
    assert (callout["predefinedLocationId"], callout["latitude"]) == (site["id"], -29.8579)


def test_a_reference_that_is_taken_is_409(backend: Room) -> None:
    """The site that there is stays as it was."""
    assert backend.api("POST", "/predefinedLocations", {**SITE, "externalReferenceId": "STORE-001"}).status_code == 409
    raised = backend.api("POST", "/predefinedLocations/externalRef/STORE-001/callouts", {"responseTypeId": 1}).json()
    assert raised.get("callout", raised)["latitude"] == -33.9249


NO_SITES: tuple[tuple[dict[str, Any], int], ...] = (
    ({"latitude": -29.8}, 400),
    ({"latitude": "south"}, 400),
    ({"latitude": "91"}, 400),
    ({"longitude": "nan"}, 400),
    ({"longitude": None}, 400),
    ({"externalReferenceId": ""}, 400),
    ({"locationIdentifier": None}, 400),
    ({"calloutLocationTypeId": "3"}, 400),
    ({"customerId": 1}, 404),
)


def test_a_fixed_location_that_does_not_fit_is_refused(backend: Room) -> None:
    """And cannot be raised for."""
    for change, status in NO_SITES:
        assert backend.api("POST", "/predefinedLocations", {**SITE, **change}).status_code == status, change
    told = backend.api("POST", "/predefinedLocations/externalRef/STORE-002/callouts", {"responseTypeId": 1})
    assert told.status_code == 400


# --- response types and coverage ---


def test_kinds_of_response_are_listed(room: Room, old: Room) -> None:
    """NEW wraps the list that OLD tells bare."""
    room.as_backend()
    old.as_backend()
    told = room.api("GET", "/responseTypes").json()
    assert old.api("GET", "/responseTypes").json() == told["responseTypes"]
    assert [(each["id"], each["value"]) for each in told["responseTypes"]] == [(1, "SECURITY"), (2, "MEDICAL")]
    assert told["responseTypes"][0]["enabledLocations"]["personalSafety"] is True


def test_coverage_is_kml_with_longitude_first(backend: Room) -> None:
    """A closed ring around the default site; an unknown kind is 404 as JSON."""
    told = backend.api("GET", "/coverage/1")
    assert (told.status_code, told.headers["content-type"]) == (200, "application/vnd.google-earth.kml+xml")
    document = ET.fromstring(told.content)  # noqa: S314 - the simulator's own
    ring = document.findtext(".//{http://www.opengis.net/kml/2.2}coordinates")
    corners = [tuple(float(part) for part in corner.split(",")) for corner in (ring or "").split()]
    assert corners[0] == corners[-1]
    longitudes, latitudes, _ = zip(*corners, strict=True)
    assert min(longitudes) < 18.4241 < max(longitudes)
    assert min(latitudes) < -33.9249 < max(latitudes)
    for path in ("/coverage/9", "/coverage/x"):
        assert (backend.api("GET", path).status_code, bool(backend.api("GET", path).json()["message"])) == (404, True)


# --- the webhook ---


def test_a_webhook_is_registered_and_replaces_the_one_before(backend: Room) -> None:
    """The answer repeats what was registered, but no header: those are secrets."""
    told = backend.api("POST", "/notifiers", {**HOOK, "headers": {"X-Key": "sesame"}})
    notifier = told.json()["notifier"]
    assert (told.status_code, notifier["url"], notifier["events"], notifier["method"]) == (201, HOOK["url"], HOOK["events"], "webhook")
    assert "sesame" not in told.text
    again = backend.api("POST", "/notifiers", {**HOOK, "events": ["NEW_CALLOUT"], "method": "POST"}).json()["notifier"]
    assert (again["id"] != notifier["id"], again["events"], again["method"]) == (True, ["NEW_CALLOUT"], "POST")


def test_a_webhook_on_this_machine_needs_no_tls(room: Room) -> None:
    """Nothing leaves the machine there."""
    room.as_backend()
    for url in ("http://127.0.0.1:9/x", "http://[::1]/x", "http://localhost/x", "https://127.0.0.1/"):
        assert room.api("POST", "/notifiers", {**HOOK, "url": url}).status_code == 201, url


NO_HOOKS: tuple[dict[str, Any], ...] = (
    {"url": "http://hooks.example/panic"},
    {"url": "http://127.0.0.1.example/"},
    {"url": "ftp://hooks.example/"},
    {"url": "https://"},
    {"url": "https://[broken"},
    {"url": "https://hooks.example:port/"},
    {"url": None},
    {"events": ["NEW_CALLOUT", "NEWS"]},
    {"events": []},
    {"events": "NEW_CALLOUT"},
    {"events": [7]},
    {"headers": ["X-Key"]},
    {"headers": {"X-Key": 7}},
    {"headers": {"X-Key": "a\r\nX-Other: b"}},
    {"headers": {"X Key": "a"}},
    {"headers": {"X-Key": " a"}},
    {"url": "https://hooks.example/\x7f"},
    {"method": 7},
)


def test_a_webhook_that_does_not_fit_is_400(room: Room) -> None:
    """Not https, an unknown event, a header that would break the request."""
    room.as_backend()
    for change in NO_HOOKS:
        told = room.api("POST", "/notifiers", {**HOOK, **change})
        assert (told.status_code, bool(told.json()["message"])) == (400, True), change
