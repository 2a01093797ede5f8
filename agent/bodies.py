"""Model -> Panic API bodies, strictly: only the fields and shapes that the documentation shows.

Decides what is written, not when. Must not let a position that is none, a NaN or a blank code onto the wire.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from agent.model import Place

SOURCE: Final = "customer"  # who speaks in an event: the wearer's side


def position_body(latitude: float, longitude: float, accuracy_m: float | None) -> dict[str, float] | None:
    """`{latitude, longitude, accuracy?}`: degrees to 1 cm, accuracy in m to 0.1. None for what is no position on Earth."""
    if not (math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    body = {"latitude": round(latitude, 7), "longitude": round(longitude, 7)}
    if accuracy_m is not None and math.isfinite(accuracy_m) and accuracy_m > 0:
        body["accuracy"] = max(0.1, round(accuracy_m, 1))
    return body


def raise_body(
    shape: str, place: Place | None, *, response_type_id: int, classification_id: int | None, customer_id: int, drill: bool = False
) -> dict[str, Any]:
    """The body of a raise. A place that is no position on Earth is left out: a raise is never held back for it.

    "predefined" is `{}`, except that a drill says its classification there too: nothing else would mark it as one.
    Raises ValueError for a shape that is none of ours.
    """
    if shape not in ("nested", "flat", "legacy", "predefined"):
        raise ValueError(f"no such shape of a raise: {shape}")
    classified: dict[str, Any] = {} if classification_id is None else {"calloutClassificationId": classification_id}
    if shape == "predefined":
        return classified if drill else {}
    where = None if place is None else position_body(place.latitude, place.longitude, place.accuracy_m)
    body: dict[str, Any] = {"responseTypeId": response_type_id, **classified}
    if shape == "legacy":
        body["customerId"] = customer_id
    if where is None:
        return body
    if shape == "flat":  # the documents show no accuracy in the flat form
        return {"latitude": where["latitude"], "longitude": where["longitude"], **body}
    return {"location": where, **body}


def event_body(shape: str, text: str) -> dict[str, str]:
    """A message for the event stream. Raises ValueError for a shape that is none of ours."""
    if shape == "source_event":
        return {"source": SOURCE, "event": text}
    if shape == "message":
        return {"message": text}
    raise ValueError(f"no such shape of an event: {shape}")


def cancel_body(code: str | None) -> dict[str, str]:
    """The code exactly as typed; `{}` is the unconditional cancel, only for None. Raises ValueError for a blank code."""
    if code is None:
        return {}
    if not code.strip():
        raise ValueError("a blank code must never become the unconditional cancel")
    return {"safeCode": code}


def encoded(document: Any) -> bytes:
    """JSON as we send it: ASCII, so that any character of a code survives; never NaN."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
