"""Which keys the bodies of a callout's operations have, for a simulator that refuses every other: no document says what the service does.

Pure, written from the documentation. What it decides is only whether a key is known; whether its value fits is for `bodies`.
"""

from __future__ import annotations

from simulator.bodies import Body, bad

_POINT = frozenset({"latitude", "longitude", "accuracy"})
_RAISE = frozenset({"responseTypeId", "calloutClassificationId", "internalTest"})
_BOTH = {
    "locate": _POINT,
    "locate_return": _POINT | {"calloutId"},
    "cancel": frozenset({"safeCode"}),
    "add_reason": frozenset({"exceptionReasonId", "notes"}),
}
_NEW = {
    **_BOTH,
    "raise": _RAISE | {"location", "predefinedLocationId"},
    "raise_legacy": _RAISE | {"location", "predefinedLocationId", "customerId"},
    "raise_site": frozenset({"installerIdentifier"}),
    "send_event": frozenset({"source", "event"}),
    "rate": frozenset({"calloutId", "rating", "additionalDetails", "customerAllowedToBeContacted"}),
}
_OLD = {
    **_BOTH,
    "raise": _RAISE | _POINT | {"predefinedLocationId"},
    "raise_legacy": _RAISE | _POINT | {"predefinedLocationId", "customerId"},
    "raise_site": _RAISE,
    "send_event": frozenset({"message"}),
    "rate": frozenset({"calloutId", "rating", "comment"}),
}


def keys_of(operation: str, *, new: bool) -> frozenset[str] | None:
    """The keys that a body of this operation may have, None where any is taken."""
    return (_NEW if new else _OLD).get(operation)


def require_known(operation: str, body: Body, *, new: bool) -> None:
    """Refuse a body with any other key, without repeating it: it may be a code. Raises Refused BAD."""
    known = keys_of(operation, new=new)
    if known is not None and not body.keys() <= known:
        bad(f"Unknown field; there are {', '.join(sorted(known))}")
