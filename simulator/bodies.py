"""Request bodies, read strictly: JSON objects with the documented fields in the documented types and ranges.

Pure. Unknown keys are ignored, a known key of the wrong type is not. Everything that does not fit is `Refused` BAD with a
message that names the field and never repeats a value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Never

from simulator import schemas
from simulator.settings import Generation
from simulator.state import Point, Refusal, Refused

Body = Mapping[str, Any]

MAX_BYTES = 64 * 1024
# A text that is not blank has at least one character outside this class, as the OpenAPI document says it.
VISIBLE = re.compile(schemas.VISIBLE)


@dataclass(frozen=True, slots=True)
class RaiseBody:
    """A raise as sent: which customer and site it is for is decided by the route."""

    response_type_id: int | None
    point: Point | None
    site_id: int | None
    customer_id: int | None
    classification_id: int | None
    internal_test: bool


def parse(raw: bytes, *, optional: bool = False) -> Body:
    """A JSON object. optional: no body at all is an empty object."""
    if optional and not raw:
        return {}
    try:
        # As text: bytes of UTF-16 or with a byte order mark would be taken, and JSON has neither.
        value = json.loads(raw.decode(), parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        bad("Body is not valid JSON")
    if not isinstance(value, dict):
        bad("Body must be a JSON object")
    return value


def bad(message: str) -> Never:
    """Refuse a body. Raises Refused BAD."""
    raise Refused(Refusal.BAD, message)


def read_raise(body: Body, generation: Generation) -> RaiseBody:
    """A raise: `location` nested in NEW, coordinates at the top level in OLD; a body of the other shape has no position."""
    nested = generation is Generation.NEW
    if nested and "location" in body:
        point: Point | None = read_point(_object(body, "location"), "location.")
    elif not nested and ("latitude" in body or "longitude" in body):
        point = read_point(body)
    else:
        point = None
    site_id = optional_integer(body, "predefinedLocationId")
    if point and site_id is not None:
        bad("Either coordinates or predefinedLocationId, not both")
    return RaiseBody(
        response_type_id=optional_integer(body, "responseTypeId"),
        point=point,
        site_id=site_id,
        customer_id=optional_integer(body, "customerId"),
        classification_id=optional_integer(body, "calloutClassificationId"),
        internal_test=_boolean(body, "internalTest"),
    )


def read_point(body: Body, prefix: str = "") -> Point:
    """Read latitude and longitude in degrees, accuracy in metres and optional; flat."""
    latitude = _number(body, "latitude", prefix, -90.0, 90.0)
    longitude = _number(body, "longitude", prefix, -180.0, 180.0)
    accuracy = _number(body, "accuracy", prefix, 0.0, 1e7) if "accuracy" in body else None
    return Point(latitude, longitude, accuracy)


def read_event(body: Body, generation: Generation) -> tuple[str, str]:
    """Who speaks and what is said. OLD has no speaker: whoever sends is the customer's side."""
    if generation is Generation.OLD:
        return "customer", text(body, "message")
    return text(body, "source"), text(body, "event")


def read_safe_code(body: Body) -> str | None:
    """The code as typed, None for the unconditional form. A blank or null code is refused, never read as none."""
    if "safeCode" not in body:
        return None
    return text(body, "safeCode")


def text(body: Body, key: str) -> str:
    """A required string that is not blank, as sent."""
    value = body.get(key)
    if not isinstance(value, str) or not VISIBLE.search(value):
        bad(f"{key} is required and must be a string that is not blank")
    return value


def integer(body: Body, key: str) -> int:
    """A required positive integer."""
    if (value := optional_integer(body, key)) is None:
        bad(f"{key} is required")
    return value


def optional_integer(body: Body, key: str) -> int | None:
    """A positive integer, None where the key is absent."""
    if key not in body:
        return None
    value = body[key]
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 7.0 is a whole number in JSON
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**53:
        bad(f"{key} must be a positive integer")
    return value


def _boolean(body: Body, key: str) -> bool:
    value = body.get(key, False)
    if not isinstance(value, bool):
        bad(f"{key} must be true or false")
    return value


def _object(body: Body, key: str) -> Body:
    value = body[key]
    if not isinstance(value, dict):
        bad(f"{key} must be an object")
    return value


def _number(body: Body, key: str, prefix: str, low: float, high: float) -> float:
    value = body.get(key)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        bad(f"{prefix}{key} is required and must be a number")
    if not low <= value <= high or not math.isfinite(value):
        bad(f"{prefix}{key} must be between {low:g} and {high:g}")
    return float(value)


def _reject_constant(name: str) -> Never:
    raise ValueError(name)
