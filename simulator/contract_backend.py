"""The rows of the contract that are a backend's: what comes after a callout, devices, customers, subscriptions, places, the webhook.

Pure data, as `contract`. Some rules are beyond a schema (an id must be known, an end must be after a begin): there a well-formed body may
still be 400, as the documentation has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.contract_row import Row
from simulator.records import Happening
from simulator.schemas import ID, INSTANT, LATITUDE, LONGITUDE, MOST_ID, POINT, TEXT, Schema, answer, choice, listed, maybe, record
from simulator.settings import Generation, Settings

KML = "application/vnd.google-earth.kml+xml"
WORD: Schema = {"type": "string"}
NOTE: Schema = maybe(TEXT)
WHEN: Schema = {"type": "string", "description": "an instant or a date of ISO 8601; UTC where it has no zone"}
# A safe code is the last four digits.
MOBILE: Schema = {"type": "string", "pattern": "([^0-9]*[0-9]){4}"}
STARS: Schema = {"type": "integer", "minimum": 1, "maximum": 5}
NAME: Schema = {"anyOf": [TEXT, ID], "description": "a text, or a whole number"}
HEADERS: Schema = {
    "type": "object",
    "maxProperties": 50,
    "propertyNames": {"pattern": "^[A-Za-z0-9_-]*[A-Za-z0-9][A-Za-z0-9_-]*$"},
    "additionalProperties": {"type": "string", "pattern": "^[ -~]*$"},
}


def rows(settings: Settings) -> dict[str, Row]:
    """By the operation's name."""
    shapes = _Shapes(settings)
    return {**shapes.after_care(), **shapes.devices(), **shapes.customers(), **shapes.subscriptions(), **shapes.places()}


class _Shapes:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._new = settings.generation is Generation.NEW
        self._made = settings.created_status

    def _list(self, key: str, row: Schema) -> Schema:
        return answer({"message": WORD, key: listed(row)}) if self._new else listed(row)

    def _one(self, key: str, row: Schema) -> Schema:
        return answer({"message": WORD, key: row}) if self._new else row

    # --- after the callout ---

    def after_care(self) -> dict[str, Row]:
        return {**self._reasons(), **self._ratings(), "report": Row(answers={200: self._report()}, refusals=(401, 404))}

    def _reasons(self) -> dict[str, Row]:
        reason = answer({"id": ID, "reason": WORD})
        linked = {"id": ID, "calloutId": ID, "exceptionReasonId": ID, "reason": maybe(WORD), "notes": maybe(WORD), "createdAt": INSTANT}
        known = _ids(self._settings.exception_reasons)
        if self._new:
            body = record({"exceptionReasonId": known}, {"notes": NOTE})
            made = answer({"message": WORD, "createdExceptionReason": answer(linked)})
        else:
            body, made = record({}, {"exceptionReasonId": maybe(known), "notes": NOTE}), answer({"id": ID, "reason": maybe(WORD)})
        return {
            "list_reasons": Row(answers={200: self._list("exceptionReasons", reason)}, refusals=(401, 404)),
            "add_reason": Row(body, {self._made: made}, (400, 401, 404), body_optional=not self._new),
        }

    def _report(self) -> Schema:
        times = dict.fromkeys(("dispatchedAt", "arrivedAt", "completedAt", "closedAt"), maybe(INSTANT))
        about = {"calloutId": ID, "customerId": ID, "status": WORD, "outcome": WORD, "createdAt": INSTANT}
        return self._one("resolutionReport", answer({**about, **times}))

    def _ratings(self) -> dict[str, Row]:
        item = answer({"id": ID, "description": WORD})
        if self._new:
            body = record({"calloutId": ID, "rating": STARS}, {"additionalDetails": NOTE, "customerAllowedToBeContacted": maybe(_FLAG)})
            rated = answer({"calloutRatingPostResult": answer({"id": ID, "calloutId": ID, "rating": STARS})})
            words = {"ratingItemId": maybe(_ids(self._settings.rating_items)), "ratingItem": NOTE, "sentiment": NOTE}
            item_body = record({"calloutRatingId": ID, "ratingItemDescription": TEXT}, words)
            rated_item = answer({"calloutRatingItemResults": listed(answer({"id": ID, "calloutRatingId": ID}))})
        else:
            body = record({"calloutId": ID, "rating": STARS}, {"comment": NOTE})
            rated = answer({"id": ID, "calloutId": ID, "rating": STARS})
            item_body = record({"ratingId": ID, "ratingItemId": _ids(self._settings.rating_items), "score": STARS})
            rated_item = answer({"id": ID, "ratingId": ID, "ratingItemId": ID})
        return {
            "rating_items": Row(answers={200: self._list("ratingItems", item)}),
            "rate_item": Row(item_body, {self._made: rated_item}, (400, 401)),
            "rate": Row(body, {self._made: rated}, (400, 401)),
        }

    # --- devices ---

    def devices(self) -> dict[str, Row]:
        device = self._device()
        kinds = choice([each.type_id for each in self._settings.device_templates])
        suppliers = choice([each.supplier for each in self._settings.device_templates])
        if self._new:
            words = {"deviceType": maybe(kinds), "deviceAlias": NOTE, "firmwareVersion": NOTE}
            by_type, by_supplier = record({"deviceType": kinds}), record({"deviceSupplier": suppliers}, {"deviceType": {"type": "null"}})
            body = {**record({"customerId": ID, "deviceSerial": TEXT, "deviceSupplier": TEXT}, words), "anyOf": [by_type, by_supplier]}
        else:
            body = record({"customerId": ID, "deviceId": NAME}, {"deviceTypeId": maybe(kinds)})
        change = record({"customerId": ID, "deviceId": NAME}, {"deviceTypeId": maybe(kinds), "deviceAlias": NOTE, "firmwareVersion": NOTE})
        number = {"type": "integer", "minimum": 1, "maximum": MOST_ID, "description": "its meaning is that of the device's template"}
        event = record({"device_id": NAME, "device_type_id": ID, "message_type": number}, {"location": maybe(POINT)})
        response = answer({"calloutId": maybe(ID), "deviceId": WORD})
        resolved = answer({"eventTypes": WORD, "eventResponse": response})
        echo = {"input": {"type": "object"}} if self._new else {}
        gone: dict[int, Any] = {200: answer({"message": WORD})} if self._new else {204: None}
        return {
            "device_link": Row(body, {self._made: device, 200: device}, (400, 401, 404, 409), leads={"deviceId": "/deviceId"}),
            "device_update": Row(change, {200: device}, (400, 401, 404)),
            "device_unlink": Row(answers=gone, refusals=(401, 404)),
            "device_event": Row(event, {200: answer({"message": WORD, **echo, "resolvedAuraEvent": resolved})}, (400, 401, 403, 404, 409)),
        }

    def _device(self) -> Schema:
        shared = {"id": ID, "customerId": ID, "deviceId": WORD, "deviceTypeId": ID}
        if not self._new:
            return answer(shared)
        place = answer({"latitude": LATITUDE, "longitude": LONGITUDE})
        words = dict.fromkeys(("alias", "firmwareVersion"), maybe(WORD))
        times = dict.fromkeys(("healthCheckLastReceivedDate", "batteryLevelLastReceivedDate"), maybe(INSTANT))
        percent = maybe({"type": "number", "minimum": 0, "maximum": 100, "description": "percent"})
        more = {"customerSourceId": ID, "deviceSerial": WORD, "defaultLocation": maybe(place), "batteryLevel": percent}
        return answer({**shared, **more, **words, **times, "createdAt": INSTANT, "updatedAt": INSTANT})

    # --- customers and subscriptions ---

    def customers(self) -> dict[str, Row]:
        person = record({"name": TEXT, "surname": TEXT, "mobile": MOBILE}, {"email": NOTE})
        body = record({"customer": person}, {"subscription": maybe(self._span())})
        told = {"id": ID, "customerSourceId": ID, "name": WORD, "surname": WORD, "mobile": WORD, "email": maybe(WORD), "createdAt": INSTANT}
        latest = {"subscription": maybe(self._subscription())}
        made = answer({"message": WORD, "customer": answer(told), **latest}) if self._new else answer({**told, **latest})
        return {
            "create_customer": Row(body, {self._made: made}, (400, 401, 409), leads={"customerId": "/customer/id" if self._new else "/id"}),
            "delete_customer": Row(record({}), {200: answer({"message": WORD})}, (400, 401, 404, 409), body_optional=True),
        }

    def _span(self, more: Schema | None = None) -> Schema:
        kind = _ids(self._settings.subscription_types)
        return record({**(more or {}), "subscriptionTypeId": kind, "validFrom": WHEN, "validTo": WHEN})

    def _subscription(self) -> Schema:
        told = {"id": ID, "customerId": ID, "subscriptionTypeId": ID, "validFrom": INSTANT, "validTo": INSTANT}
        state = {} if self._new else {"status": choice(["active", "cancelled", "pending", "expired"])}
        return answer({**told, "CancelledDate": maybe(INSTANT), **state})

    def subscriptions(self) -> dict[str, Row]:
        one = self._one("subscription", self._subscription())
        kinds = self._list("subscriptionTypes", answer({"id": ID, "name": WORD}))
        gone: dict[int, Any] = {200: one} if self._new else {204: None}
        return {
            "subscriptions": Row(answers={200: self._list("subscriptions", self._subscription())}, refusals=(401, 404)),
            "create_subscription": Row(
                self._span({"customerId": ID}),
                {self._made: one},
                (400, 401, 404, 409),
                leads={"subscriptionId": "/subscription/id" if self._new else "/id"},
            ),
            "subscription_types": Row(answers={200: kinds}),
            "cancel_subscription": Row(answers=gone, refusals=(401, 404, 409)),
        }

    # --- places and the webhook ---

    def places(self) -> dict[str, Row]:
        number: Schema = {**TEXT, "description": "degrees, as a text"}
        words = ("locationDescription", "locationAdditionalInformation", "formattedAddress", "w3w")
        needed = {"externalReferenceId": TEXT, "locationIdentifier": TEXT, "latitude": number, "longitude": number}
        body = record(needed, {"calloutLocationTypeId": maybe(ID), "customerId": maybe(ID), **dict.fromkeys(words, NOTE)})
        told = {"id": ID, "externalReferenceId": WORD, "customerId": ID, "latitude": WORD, "longitude": WORD, "createdAt": INSTANT}
        kind = answer({"id": ID, "value": WORD, "description": WORD, "enabledLocations": {"type": "object"}})
        hook_body = record(
            {
                "url": {**TEXT, "format": "uri", "description": "https"},
                "events": {**listed(choice(list(map(str, Happening)))), "minItems": 1},
            },
            {"method": NOTE, "headers": maybe(HEADERS)},
        )
        hook = answer({"id": ID, "url": WORD, "events": listed(WORD), "method": WORD, "createdAt": INSTANT})
        return {
            "create_site": Row(body, {self._made: self._one("predefinedLocation", answer(told))}, (400, 401, 404, 409)),
            "response_types": Row(answers={200: self._list("responseTypes", kind)}),
            "coverage": Row(answers={200: {"type": "string"}}, refusals=(401, 404), kind=KML),
            "webhook": Row(hook_body, {self._made: answer({"message": WORD, "notifier": hook})}, (400, 401)),
        }


_FLAG: Schema = {"type": "boolean"}


def _ids(known: Sequence[tuple[int, str]]) -> Schema:
    return choice([number for number, _ in known])
