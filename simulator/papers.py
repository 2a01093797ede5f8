"""Answers around a callout in both generations: reasons, report, ratings, devices, customers, subscriptions, places.

Pure, beside `codec`. Knows no HTTP status and decides nothing. As there: nothing here shows what only the dispatcher may see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.codec import Json, iso
from simulator.records import Callout, Customer, Device, RatedItem, Rating, Reason, Site, Subscription, Webhook

# The tenant that all of a simulation belongs to.
SOURCE_ID = 1


@dataclass(frozen=True, slots=True)
class Papers:
    """Answers of one generation."""

    new: bool

    def _list(self, message: str, key: str, rows: Iterable[Json]) -> Json | list[Json]:
        """Bare in OLD. Where the newer page is not available: wrapped like its neighbours."""
        return {"message": message, key: list(rows)} if self.new else list(rows)

    def _one(self, message: str, key: str, row: Json) -> Json:
        return {"message": message, key: row} if self.new else row

    # --- after the callout ---

    def reasons(self, known: Sequence[tuple[int, str]]) -> Json | list[Json]:
        """The reasons there are."""
        return self._list("Exception reasons", "exceptionReasons", ({"id": number, "reason": text} for number, text in known))

    def reason(self, callout: Callout, reason: Reason) -> Json:
        """The answer to a reason. OLD: of the reason itself where there is one. NEW: of its link to the callout."""
        if not self.new:
            return {"id": reason.reason_id or reason.id, "reason": reason.text}
        linked = {
            "id": reason.id,
            "calloutId": callout.id,
            "exceptionReasonId": reason.reason_id,
            "reason": reason.text,
            "notes": reason.notes,
            "createdAt": iso(reason.wall),
        }
        return {"message": "Exception reason created", "createdExceptionReason": linked}

    def report(self, callout: Callout) -> Json:
        """Times and outcome of a closed callout; key names are ours. Whether anybody came is all that the outcome tells."""
        attended = callout.arrived_wall is not None
        report: Json = {
            "calloutId": callout.id,
            "customerId": callout.customer_id,
            "status": callout.status,
            "outcome": "Attended by a responder" if attended else "Closed without a responder at the scene",
            "createdAt": iso(callout.raised_wall),
            "dispatchedAt": iso(callout.dispatched_wall),
            "arrivedAt": iso(callout.arrived_wall),
            "completedAt": iso(callout.completed_wall),
            "closedAt": iso(callout.closed_wall),
            "responder": {"name": "Unit 7"} if callout.dispatched_wall is not None else None,
            "exceptionReasons": [{"id": each.reason_id, "reason": each.text} for each in callout.reasons],
        }
        return self._one("Resolution report", "resolutionReport", report)

    def rated(self, callout: Callout, rating: Rating) -> Json:
        """The answer to a rating."""
        if not self.new:
            return {"id": rating.id, "calloutId": callout.id, "rating": rating.stars}
        result = {
            "id": rating.id,
            "calloutId": callout.id,
            "rating": rating.stars,
            "additionalDetails": rating.comment,
            "customerAllowedToBeContacted": rating.may_contact,
            "createdAt": iso(rating.wall),
        }
        return {"calloutRatingPostResult": result}

    def rating_items(self, known: Sequence[tuple[int, str]]) -> Json | list[Json]:
        """The aspects that can be rated."""
        return self._list("Rating items", "ratingItems", ({"id": number, "description": text} for number, text in known))

    def rated_item(self, item: RatedItem) -> Json:
        """The answer to a rating of one aspect. The plural key holds a list; OLD's is not documented, and repeats the body."""
        if not self.new:
            flat = {"id": item.id, "ratingId": item.rating_id, "ratingItemId": item.item_id}
            return {**flat, "description": item.description, "score": item.score}
        result = {
            "id": item.id,
            "calloutRatingId": item.rating_id,
            "ratingItemId": item.item_id,
            "ratingItemDescription": item.description,
            "ratingItem": item.item,
            "sentiment": item.sentiment,
            "createdAt": iso(item.wall),
        }
        return {"calloutRatingItemResults": [result]}

    # --- devices ---

    def device(self, device: Device) -> Json:
        """A linked device."""
        if not self.new:
            return {"id": device.id, "customerId": device.customer_id, "deviceId": device.device_id, "deviceTypeId": device.type_id}
        known = device.latitude is not None and device.longitude is not None
        return {
            "id": device.id,
            "customerId": device.customer_id,
            "customerSourceId": SOURCE_ID,
            "deviceId": device.device_id,
            "deviceSerial": device.serial,
            "alias": device.alias,
            "deviceTypeId": device.type_id,
            "firmwareVersion": device.firmware,
            "defaultLocation": {"latitude": device.latitude, "longitude": device.longitude} if known else None,
            "healthCheckLastReceivedDate": iso(device.health_wall),
            "batteryLevel": device.battery_percent,
            "batteryLevelLastReceivedDate": iso(device.battery_wall),
            "createdAt": iso(device.created_wall),
            "updatedAt": iso(device.updated_wall),
        }

    def device_event(self, meaning: str, callout: Callout | None, device: Device, sent: Json) -> Json:
        """What a message of a device was taken for. NEW repeats what was sent."""
        resolved = {"eventTypes": meaning, "eventResponse": {"calloutId": callout.id if callout else None, "deviceId": device.device_id}}
        echo: dict[str, Any] = {"input": sent} if self.new else {}
        return {"message": "Device event received", **echo, "resolvedAuraEvent": resolved}

    # --- customers ---

    def customer(self, customer: Customer, now: float) -> Json:
        """The answer to a new customer. NEW tells the subscription beside it, OLD within."""
        told: Json = {
            "id": customer.id,
            "customerSourceId": SOURCE_ID,
            "name": customer.name,
            "surname": customer.surname,
            "mobile": customer.mobile,
            "email": customer.email,
            "createdAt": iso(customer.created_wall),
        }
        latest = self.subscription(customer, customer.subscriptions[-1], now) if customer.subscriptions else None
        if self.new:
            return {"message": "Customer created", "customer": told, "subscription": latest}
        return {**told, "subscription": latest}

    def subscriptions(self, customer: Customer, now: float) -> Json | list[Json]:
        """Every subscription that a customer had or has."""
        rows = (self.subscription(customer, each, now) for each in customer.subscriptions)
        return self._list("Customer subscriptions", "subscriptions", rows)

    def subscription(self, customer: Customer, subscription: Subscription, now: float) -> Json:
        """One subscription. OLD says what it is now; NEW leaves that to its dates. CancelledDate is spelt as documented."""
        told: Json = {
            "id": subscription.id,
            "customerId": customer.id,
            "subscriptionTypeId": subscription.type_id,
            "validFrom": iso(subscription.valid_from_wall),
            "validTo": iso(subscription.valid_to_wall),
            "CancelledDate": iso(subscription.cancelled_wall),
        }
        return told if self.new else {**told, "status": _status(subscription, now)}

    def subscribed(self, customer: Customer, subscription: Subscription, now: float) -> Json:
        """The answer to a new subscription or to its end."""
        return self._one("Subscription", "subscription", self.subscription(customer, subscription, now))

    def subscription_types(self, known: Sequence[tuple[int, str]]) -> Json | list[Json]:
        """The kinds of subscription."""
        return self._list("Subscription types", "subscriptionTypes", ({"id": number, "name": name} for number, name in known))

    # --- places and the webhook ---

    def site(self, site: Site) -> Json:
        """A fixed location. Some keys have a dot in them, as documented."""
        told = {
            "id": site.id,
            "externalReferenceId": site.reference,
            "locationIdentifier": site.identifier,
            "customerId": site.customer_id,
            "latitude": str(site.latitude),
            "longitude": str(site.longitude),
            "calloutLocationType.id": site.type_id,
            "locationDescription": site.description,
            "locationAdditionalInformation": site.additional_information,
            "formattedAddress": site.formatted_address,
            "w3w": site.w3w,
            "createdAt": iso(site.created_wall),
        }
        return self._one("Fixed location created", "predefinedLocation", told)

    def response_types(self, known: Sequence[tuple[int, str]]) -> Json | list[Json]:
        """Kinds of response, each for fixed locations and for persons."""
        everywhere = {"fixedLocation": True, "personalSafety": True}
        rows = (
            {"id": number, "value": value, "description": value.capitalize(), "enabledLocations": everywhere} for number, value in known
        )
        return self._list("Response types", "responseTypes", rows)

    def webhook(self, webhook: Webhook) -> Json:
        """The answer to a registration. Headers are secrets and do not come back."""
        told = {
            "id": webhook.id,
            "url": webhook.url,
            "events": webhook.events,
            "method": webhook.method,
            "createdAt": iso(webhook.created_wall),
        }
        return {"message": "Webhook registered", "notifier": told}


def _status(subscription: Subscription, now: float) -> str:
    if subscription.cancelled_wall is not None:
        return "cancelled"
    if subscription.active_at(now):
        return "active"
    return "pending" if now < subscription.valid_from_wall else "expired"
