"""JSON Schema of what goes over the wire, in both generations: the shapes that the OpenAPI document names.

Pure data, written from the documentation and not from the codec: if both were made from one source, they could share a mistake. Decides
nothing and knows no route.
"""

from __future__ import annotations

from typing import Any

from simulator.settings import Generation, IncidentShape, Settings

Schema = dict[str, Any]

# A text that a person can see something of. No line of it may be blank to one side of the wire and not to the other.
VISIBLE = r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
MOST_ID = 2**53 - 1

ID: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_ID}
TEXT: Schema = {"type": "string", "pattern": VISIBLE}
INSTANT: Schema = {"type": "string", "format": "date-time", "description": "UTC"}
LATITUDE: Schema = {"type": "number", "minimum": -90, "maximum": 90, "description": "degrees"}
LONGITUDE: Schema = {"type": "number", "minimum": -180, "maximum": 180, "description": "degrees"}
ACCURACY: Schema = {"type": "number", "minimum": 0, "maximum": 1e7, "description": "horizontal, metres"}


def ref(name: str) -> Schema:
    """A reference to a named shape."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(required: Schema, optional: Schema | None = None, **more: Any) -> Schema:
    """An object with these properties; others are ignored."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required), **more}


def answer(properties: Schema) -> Schema:
    """An object of an answer: all of these properties are always there."""
    return record(properties)


def listed(schema: Schema) -> Schema:
    """An array of these."""
    return {"type": "array", "items": schema}


def choice(values: list[Any]) -> Schema:
    """One of these."""
    return {"enum": values}


POINT = record({"latitude": LATITUDE, "longitude": LONGITUDE}, {"accuracy": ACCURACY})


def components(settings: Settings) -> Schema:
    """Every named shape of this generation."""
    new = settings.generation is Generation.NEW
    return {
        "Refusal": answer({"message": {"type": "string"}}),
        "Point": POINT,
        "Token": _token(new=new),
        "Callout": _flat(new=new),
        "CalloutRead": _nested(settings) if new else ref("Callout"),
        "Event": _event(new=new),
    }


def _token(*, new: bool) -> Schema:
    names = ("accessToken", "tokenType", "expiresIn") if new else ("access_token", "token_type", "expires_in")
    expiry = {"type": "integer", "description": "lifetime in seconds; a Unix time where the source is set up so"}
    return answer(dict(zip(names, ({"type": "string"}, {"const": "Bearer"}, expiry), strict=True)))


def _flat(*, new: bool) -> Schema:
    properties = {
        "id": ID,
        "customerId": ID,
        "predefinedLocationId": maybe(ID),
        "status": {"type": "string", "description": "free text: created, Responder Dispatched, Responder Cancelled, closed, ..."},
        "latitude": maybe(LATITUDE),
        "longitude": maybe(LONGITUDE),
        "responseTypeId": ID,
        "calloutClassificationId": maybe(ID),
        "createdAt": INSTANT,
    }
    url: Schema = {"type": "string", "format": "uri", "description": "opens live tracking: keep it to yourself"}
    return answer({**properties, "url": url} if new else properties)


def _nested(settings: Settings) -> Schema:
    incident: Schema = {"type": "object", "description": "dispatch, responder and place; key names are not documented"}
    outer = {"id": ID, "customerId": ID, "status": {"type": "string"}, "url": {"type": "string"}, "createdAt": INSTANT}
    shapes = {IncidentShape.ARRAY: listed(incident), IncidentShape.OBJECT: incident}
    told = shapes.get(settings.incident_shape)
    return answer(outer if told is None else {**outer, "incidentInformation": told})


def _event(*, new: bool) -> Schema:
    if not new:
        return answer({"id": ID, "calloutId": ID, "message": {"type": "string"}, "createdAt": INSTANT})
    return answer(
        {
            "id": ID,
            "calloutId": ID,
            "calloutEventTypeId": ID,
            "event": {"type": "object", "description": "text and who speaks; an object here, a string when sent"},
            "createdBy": {"type": "string"},
            "integrationUserId": maybe(ID),
            "createdAt": INSTANT,
            "updatedAt": INSTANT,
            "calloutEventType": answer({"id": ID, "name": {"type": "string"}}),
            "calloutEventTags": listed({"type": "string"}),
            "integrationUser": maybe({"type": "object"}),
        }
    )
