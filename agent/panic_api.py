"""The Panic API's operations over one connection of its own: the list of what can be asked of dispatch.

Decides method, path and body of each; `caller` sends them. Every operation returns an Outcome and must not raise for what the network
does, nor retry: lanes do. Where the generations of the documentation differ in a body, the newer one is sent, on 400 or 422 once the
older one, and what was taken comes first from then on. Each operation names the documentation's page it comes from.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from agent import bodies, delivery
from agent.caller import Call, Caller
from agent.credentials import Credentials
from agent.model import Asked, CalloutId, Fix, Meaning, Outcome, Place, SafeCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where dispatch is and who we are to it, as configured. Paths are relative to base_url.

    drill_classification_id: of a raise that is a drill; None: the usual one (whoever drills has made sure that it may).
    return_callout_path: last segment of the location call that returns the callout, "." for none; empty: the plain call.
    predefined_location: the external reference of a site known to dispatch.
    """

    base_url: str
    customer_id: int
    classification_id: int | None = None
    drill_classification_id: int | None = None
    active_callouts_path: str = "/customers/{customer_id}/callouts"
    return_callout_path: str = ""
    predefined_location: str | None = None
    report_path: str = "/callouts/{callout_id}/resolutionReport"
    rating_items_path: str = "/rating-items"
    response_types_path: str = "/responseTypes"


class PanicApi:
    """`ports.Dispatch` and `ports.Office`. One request at a time; a second one waits for the first, within its own deadline.

    Every `deadline_s` is of the whole operation: look-up, connect, TLS, reply, a renewal of the token, the other shape.
    """

    def __init__(
        self,
        service: Service,
        credentials: Credentials,
        tls: ssl.SSLContext,
        *,
        proxy: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._caller = Caller(service.base_url, credentials, tls, proxy=proxy, wall=wall)
        self._return_path = service.return_callout_path.strip("/")

    async def aclose(self) -> None:
        """Drop the connection."""
        await self._caller.aclose()

    # --- raise, stream, cancel --------------------------------------------------------------------------------------------

    async def raise_callout(
        self, place: Place | None, *, response_type_id: int, shape: str, deadline_s: float, drill: bool = False
    ) -> Outcome:
        """POST /customers/{id}/callouts (page "Create a customer callout"), or one of its relatives, by shape.

        "nested": the newer `location`. "flat": the older coordinates. "legacy": POST /callouts (page "Create a callout, legacy").
        "predefined": POST /predefinedLocations/externalRef/{reference}/callouts (page "Create a fixed-location callout"): newer with an
        empty body, older with a response type.
        Raises ValueError for another shape, or "predefined" without a configured site. The shapes take turns: see `delivery`.
        """
        service = self._service
        drilled = drill and service.drill_classification_id is not None
        classification_id = service.drill_classification_id if drilled else service.classification_id
        call = Call(Asked.RAISE, "POST", self._raise_path(shape), shape=shape)
        if shape == "predefined":
            site = bodies.site_bodies(response_type_id=response_type_id, classification_id=classification_id, drill=drill)
            return await self._caller.send_either(call, site, deadline_s)
        customer_id = service.customer_id
        body = bodies.raise_body(
            shape, place, response_type_id=response_type_id, classification_id=classification_id, customer_id=customer_id
        )
        return await self._caller.send(replace(call, body=bodies.encoded(body)), deadline_s)

    async def locate(self, callout_id: CalloutId, newest: Callable[[], Fix], *, deadline_s: float) -> Outcome:
        """POST /callouts/{id}/location (page "Update callout location"); flat in both generations.

        With a return_callout_path by that (page "Update callout location and return callout", which does not show its path; "." is the
        callout's own), or by the plain path where dispatch knows no such thing. newest: asked when the connection is open.
        """
        first = _position(newest())
        if first is None:
            return delivery.lost(Asked.LOCATION, callout_id, "odd", "not a position on Earth; nothing was sent")
        call = Call(Asked.LOCATION, "POST", _of(callout_id, "location"), lambda: _position(newest()) or first, callout_id)
        if not self._return_path:
            return await self._caller.send(call, deadline_s)
        until_at = time.monotonic() + deadline_s
        outcome = await self._caller.send(replace(call, path=self._returning(callout_id)), deadline_s)
        if outcome.http_status not in delivery.NO_SUCH_PATH:
            return outcome
        plain = await self._caller.send(call, until_at - time.monotonic())
        if plain.meaning is Meaning.ACCEPTED:
            self._return_path = ""
        return plain

    async def read(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """GET /callouts/{id} (page "Get a callout"): flat in the older generation, with incidentInformation in the newer."""
        return await self._get(Asked.READ, _of(callout_id), deadline_s, callout_id)

    async def look_up(self, *, deadline_s: float) -> Outcome:
        """GET /customers/{id}/callouts (page "List active customer callouts"); the path is configured, no page shows it."""
        path = _filled(self._service.active_callouts_path, "customer_id", self._service.customer_id)
        return await self._get(Asked.LOOK_UP, path, deadline_s)

    async def list_active(self, *, deadline_s: float) -> Outcome:
        """GET /callouts/activeCallouts (page "List active callouts"): of the whole source, so a callout token may be refused."""
        return await self._get(Asked.LIST_ACTIVE, "/callouts/activeCallouts", deadline_s)

    async def cancel(self, callout_id: CalloutId, code: SafeCode | None, *, deadline_s: float) -> Outcome:
        """POST /callouts/{id}/cancel (page "Cancel a callout"): with the code exactly as typed, or for None, and nothing else, without."""
        body = bodies.encoded(bodies.cancel_body(None if code is None else code.typed()))
        return await self._caller.send(Call(Asked.CANCEL, "POST", _of(callout_id, "cancel"), body, callout_id), deadline_s)

    # --- talk -------------------------------------------------------------------------------------------------------------

    async def tell(self, callout_id: CalloutId, text: str, *, deadline_s: float) -> Outcome:
        """POST /callouts/{id}/events (page "Create a callout event"): `source` and `event`, in the older generation `message`."""
        call = Call(Asked.EVENT, "POST", _of(callout_id, "events"), callout_id=callout_id)
        return await self._caller.send_either(call, bodies.event_bodies(text), deadline_s)

    async def events(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """GET /callouts/{id}/events (page "List callout events"): all of them, each time; `event` is an object in the newer generation."""
        return await self._get(Asked.EVENTS, _of(callout_id, "events"), deadline_s, callout_id)

    # --- after the close --------------------------------------------------------------------------------------------------

    async def reasons(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """GET /callouts/{id}/exceptionReasons (page "List callout exception reasons"): a tuple of CancellationReason."""
        return await self._get(Asked.REASONS, _of(callout_id, "exceptionReasons"), deadline_s, callout_id)

    async def add_reason(self, callout_id: CalloutId, reason_id: int | None, notes: str | None, *, deadline_s: float) -> Outcome:
        """POST /callouts/{id}/exceptionReasons (page "Create a callout exception reason"): why it was called off.

        The newer generation needs the id of a reason that there is; the older one also takes notes alone.
        """
        body = bodies.encoded(bodies.reason_body(reason_id, notes))
        return await self._caller.send(Call(Asked.ADD_REASON, "POST", _of(callout_id, "exceptionReasons"), body, callout_id), deadline_s)

    async def report(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """GET the resolution report (page "Generate a resolution report"): a Report. The path is configured, no page shows it.

        REJECTED with http_status 404: it is not there yet; the older guide says that it comes with the close.
        """
        path = _filled(self._service.report_path, "callout_id", callout_id)
        return await self._get(Asked.REPORT, path, deadline_s, callout_id)

    async def picture(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """GET /callouts/{id}/maps (page "Get a callout map"): a MapPicture; 404 as with the report."""
        return await self._get(Asked.MAP, _of(callout_id, "maps"), deadline_s, callout_id)

    async def rating_items(self, *, deadline_s: float) -> Outcome:
        """GET /rating-items (page "List rating items"): a tuple of RatingItem; the path is configured, only its POST is shown."""
        return await self._get(Asked.RATING_ITEMS, _filled(self._service.rating_items_path), deadline_s)

    async def rate(
        self,
        callout_id: CalloutId,
        stars: int,
        comment: str | None = None,
        may_contact: bool | None = None,  # noqa: FBT001 - None is a third
        *,
        deadline_s: float,
    ) -> Outcome:
        """POST /ratings (page "Create a callout rating"): 1 to 5 stars; a Rating. Raises ValueError for any other number.

        The comment is `additionalDetails`, in the older generation `comment`; may_contact is known to the newer one alone. An older
        service that ignores keys which it does not know takes the stars without the comment, and its answer does not say so.
        """
        rated = bodies.rating_bodies(callout_id, stars, comment, may_contact=may_contact)
        return await self._caller.send_either(Call(Asked.RATE, "POST", "/ratings", callout_id=callout_id), rated, deadline_s)

    async def rate_item(
        self,
        rating_id: CalloutId,
        description: str,
        *,
        item_id: CalloutId | None = None,
        sentiment: str | None = None,
        score: int | None = None,
        deadline_s: float,
    ) -> Outcome:
        """POST /rating-items (page "Create a callout rating item"): one thing within a rating.

        Newer: a description, perhaps of an item of the list, and a sentiment. Older: an item of the list and a score, nothing else, so
        without both of them that form is not tried.
        """
        rated = bodies.rating_item_bodies(rating_id, description, item_id=item_id, sentiment=sentiment, score=score)
        return await self._caller.send_either(Call(Asked.RATE_ITEM, "POST", _filled(self._service.rating_items_path)), rated, deadline_s)

    # --- devices, and what there is -----------------------------------------------------------------------------------------

    async def response_types(self, *, deadline_s: float) -> Outcome:
        """GET the kinds of response (page "List response types"): a tuple of ResponseType; the path is configured, no page shows it."""
        return await self._get(Asked.RESPONSE_TYPES, _filled(self._service.response_types_path), deadline_s)

    async def link_device(
        self,
        serial: str,
        supplier: str,
        *,
        device_type_id: int | None = None,
        alias: str | None = None,
        firmware: str | None = None,
        deadline_s: float,
    ) -> Outcome:
        """POST /devices (page "Link a device to a customer"): a Device, whose id every other call takes.

        Newer: serial and supplier, and dispatch derives the id. Older: the serial is the id.
        """
        linked = bodies.link_bodies(
            self._service.customer_id, serial, supplier, device_type_id=device_type_id, alias=alias, firmware=firmware
        )
        return await self._caller.send_either(Call(Asked.LINK_DEVICE, "POST", "/devices"), linked, deadline_s)

    async def update_device(self, device_id: CalloutId, *, device_type_id: int | None = None, deadline_s: float) -> Outcome:
        """PUT /devices (page "Update a device for a customer"): the id is in the body; the same in both generations."""
        body = bodies.encoded(bodies.device_body(self._service.customer_id, device_id, device_type_id))
        return await self._caller.send(Call(Asked.UPDATE_DEVICE, "PUT", "/devices", body), deadline_s)

    async def unlink_device(self, device_id: CalloutId, *, deadline_s: float) -> Outcome:
        """DELETE /devices/{id} (page "Unlink a device"); the same in both generations."""
        return await self._caller.send(Call(Asked.UNLINK_DEVICE, "DELETE", f"/devices/{_segment(device_id)}"), deadline_s)

    async def device_event(
        self,
        device_id: CalloutId,
        device_type_id: int,
        message_type: int,
        *,
        place: Place | None = None,
        extra: Mapping[str, Any] | None = None,
        deadline_s: float,
    ) -> Outcome:
        """POST /deviceEvent (page "Create a device event"): a DeviceAnswer. The template at dispatch gives message_type its meaning.

        Some message types open a callout. The body is the same in both generations. extra: further keys, as the template wants them.
        Raises ValueError or TypeError for what is no JSON.
        """
        body = bodies.encoded(bodies.device_event_body(device_id, device_type_id, message_type, place, extra))
        return await self._caller.send(Call(Asked.DEVICE_EVENT, "POST", "/deviceEvent", body), deadline_s)

    async def probe(self, method: str, path: str, *, deadline_s: float) -> Outcome:
        """Whether a path below base_url exists: 404 and 405 say that it does not. `{}` goes with a POST: whoever asks knows that it may."""
        body = bodies.encoded({}) if method == "POST" else None
        return await self._caller.send(Call(Asked.PROBE, method, _filled(path), body), deadline_s)

    # --- parts ------------------------------------------------------------------------------------------------------------

    async def _get(self, asked: Asked, path: str, deadline_s: float, callout_id: CalloutId | None = None) -> Outcome:
        return await self._caller.send(Call(asked, "GET", path, callout_id=callout_id), deadline_s)

    def _returning(self, callout_id: CalloutId) -> str:
        return _of(callout_id) if self._return_path == "." else _of(callout_id, self._return_path)

    def _raise_path(self, shape: str) -> str:
        if shape == "legacy":
            return "/callouts"
        if shape != "predefined":
            return f"/customers/{self._service.customer_id}/callouts"
        if self._service.predefined_location is None:
            raise ValueError("no predefined location is configured")
        return f"/predefinedLocations/externalRef/{quote(self._service.predefined_location, safe='')}/callouts"


def _position(fix: Fix) -> bytes | None:
    body = bodies.position_body(fix.latitude, fix.longitude, fix.accuracy_m)
    return None if body is None else bodies.encoded(body)


def _of(callout_id: CalloutId, *segments: str) -> str:
    return "/".join(("/callouts", _segment(callout_id), *segments))


def _segment(value: CalloutId) -> str:
    return quote(str(value), safe="")


def _filled(path: str, name: str = "", value: CalloutId = "") -> str:
    """A configured path, its placeholder replaced."""
    path = "/" + path.lstrip("/")
    return path.replace("{" + name + "}", _segment(value)) if name else path
