"""Model -> Panic API bodies, strictly: only the fields and shapes that the documentation shows.

Decides what is written, not when. Must not let a position that is none, a NaN or a blank code onto the wire.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent.model import CalloutId, Place

SOURCE: Final = "customer"  # who speaks in an event: the wearer's side


@dataclass(frozen=True, slots=True)
class Bodies:
    """One thing said in the newer documentation's keys and in the older one's. old None: there it cannot be said, or is the same."""

    new: dict[str, Any] = field(repr=False)
    old: dict[str, Any] | None = field(default=None, repr=False)


def position_body(latitude: float, longitude: float, accuracy_m: float | None) -> dict[str, float] | None:
    """`{latitude, longitude, accuracy?}`: degrees to 1 cm, accuracy in m to 0.1. None for what is no position on Earth."""
    if not (math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    body = {"latitude": round(latitude, 7), "longitude": round(longitude, 7)}
    if accuracy_m is not None and math.isfinite(accuracy_m) and accuracy_m > 0:
        body["accuracy"] = max(0.1, round(accuracy_m, 1))
    return body


def raise_body(
    shape: str, place: Place | None, *, response_type_id: int, classification_id: int | None, customer_id: int
) -> dict[str, Any]:
    """The body of a raise. A place that is no position on Earth is left out: a raise is never held back for it.

    Raises ValueError for a shape that is none of ours; "predefined" has `site_bodies`.
    """
    if shape not in ("nested", "flat", "legacy"):
        raise ValueError(f"no such shape of a raise: {shape}")
    classified = _told(calloutClassificationId=classification_id)
    where = None if place is None else position_body(place.latitude, place.longitude, place.accuracy_m)
    body: dict[str, Any] = {"responseTypeId": response_type_id, **classified}
    if shape == "legacy":
        body["customerId"] = customer_id
    if where is None:
        return body
    if shape == "flat":  # the documents show no accuracy in the flat form
        return {"latitude": where["latitude"], "longitude": where["longitude"], **body}
    return {"location": where, **body}


def site_bodies(*, response_type_id: int, classification_id: int | None, drill: bool) -> Bodies:
    """A raise for a site that dispatch knows: newer `{}`, older with the response type.

    A drill says its classification in both: nothing else would mark it as one.
    """
    classified = _told(calloutClassificationId=classification_id)
    return Bodies(classified if drill else {}, {"responseTypeId": response_type_id, **classified})


def event_bodies(text: str) -> Bodies:
    """A message for the event stream."""
    return Bodies({"source": SOURCE, "event": text}, {"message": text})


def cancel_body(code: str | None) -> dict[str, str]:
    """The code exactly as typed; `{}` is the unconditional cancel, only for None. Raises ValueError for a blank code."""
    if code is None:
        return {}
    if not code.strip():
        raise ValueError("a blank code must never become the unconditional cancel")
    return {"safeCode": code}


def reason_body(reason_id: int | None, notes: str | None) -> dict[str, Any]:
    """A reason of the list, in words of one's own, or both. The older documentation has both optional, the newer wants the id."""
    return _told(exceptionReasonId=reason_id, notes=notes)


def rating_bodies(callout_id: CalloutId, stars: int, comment: str | None, *, may_contact: bool | None) -> Bodies:
    """1 to 5 stars and a comment. Raises ValueError for any other number. Only the newer form says whether they may get in touch."""
    if isinstance(stars, bool) or not 1 <= stars <= 5:
        raise ValueError("a rating is 1 to 5")
    rated: dict[str, Any] = {"calloutId": callout_id, "rating": stars}
    new = {**rated, **_told(additionalDetails=comment, customerAllowedToBeContacted=may_contact)}
    old = {**rated, **_told(comment=comment)}
    return Bodies(new, None if old == new else old)


def rating_item_bodies(
    rating_id: CalloutId, description: str, *, item_id: CalloutId | None, sentiment: str | None, score: int | None
) -> Bodies:
    """One thing within a rating. The older form knows only items of the list, by number and score."""
    new = {"calloutRatingId": rating_id, "ratingItemDescription": description, **_told(ratingItemId=item_id, sentiment=sentiment)}
    if item_id is None or score is None:
        return Bodies(new)
    return Bodies(new, {"ratingId": rating_id, "ratingItemId": item_id, "score": score})


def link_bodies(
    customer_id: int, serial: str, supplier: str, *, device_type_id: int | None, alias: str | None, firmware: str | None
) -> Bodies:
    """Which device belongs to this customer. In the older form the serial is the deviceId; in the newer one dispatch tells that."""
    new = {
        "customerId": customer_id,
        "deviceSerial": serial,
        "deviceSupplier": supplier,
        **_told(deviceType=device_type_id, deviceAlias=alias, firmwareVersion=firmware),
    }
    return Bodies(new, {"customerId": customer_id, "deviceId": serial, **_told(deviceTypeId=device_type_id)})


def device_body(customer_id: int, device_id: CalloutId, device_type_id: int | None) -> dict[str, Any]:
    """A linked device as it is to be."""
    return {"customerId": customer_id, "deviceId": device_id, **_told(deviceTypeId=device_type_id)}


def device_event_body(
    device_id: CalloutId, device_type_id: int, message_type: int, place: Place | None, extra: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a device says of itself; the template at dispatch gives message_type its meaning. extra never replaces a key of ours."""
    where = None if place is None else position_body(place.latitude, place.longitude, place.accuracy_m)
    known = {"device_id": device_id, "device_type_id": device_type_id, "message_type": message_type, **_told(location=where)}
    return {**(extra or {}), **known}


def _told(**values: Any) -> dict[str, Any]:
    """Without what is None: nobody says that null is taken."""
    return {key: value for key, value in values.items() if value is not None}


def encoded(document: Any) -> bytes:
    """JSON as we send it: ASCII, so that any character of a code survives; never NaN."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
