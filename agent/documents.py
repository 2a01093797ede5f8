"""What dispatch told, as the JSON documents of the command line: names and shapes that programs may rely on.

Pure. A key is added, never renamed; unknown is null, never a guess; times are UTC in ISO 8601. Must not leave a key out because it is
empty, and tells the address of a live page only where it is asked for.
"""

from __future__ import annotations

from typing import Any, Final

from agent import wording
from agent.model import Callout, Event
from agent.paperwork import CancellationReason, Device, MapPicture, RatingItem, Report

REFUSED: Final = "refused"  # by us or by dispatch
NOT_RUNNING: Final = "not_running"
UNREACHABLE: Final = "unreachable"  # dispatch could not be reached, or gave no sensible answer
NOTHING: Final = "nothing"  # no callout is on, no report yet


def failure(code: str, error: str, hint: str = "") -> dict[str, Any]:
    """What cannot be had, why, and what to do."""
    return {"ok": False, "error": error, "hint": hint, "code": code}


def callout_document(callout: Callout, *, url: bool) -> dict[str, Any]:
    """A callout as dispatch describes it. url: whether the address of its live page is asked for."""
    document = {
        "id": callout.id,
        "status": callout.status,
        "closed": callout.closed,
        "customer_id": callout.customer_id,
        "created": _moment(callout.created_wall),
        "latitude": callout.latitude,
        "longitude": callout.longitude,
        "accuracy_m": callout.accuracy_m,
        "responder": {
            "name": callout.help.responder,
            "dispatched": _moment(callout.help.dispatched_wall),
            "expected": _moment(callout.help.eta_wall),
            "expected_text": callout.help.eta_text,
            "arrived": _moment(callout.help.arrived_wall),
            "completed": _moment(callout.help.completed_wall),
        },
    }
    return {**document, "url": callout.url} if url else document


def event_document(event: Event) -> dict[str, Any]:
    """One entry of the event stream."""
    return {"id": event.id, "time": _moment(event.wall), "source": event.source, "text": event.text, "kind": event.kind}


def reason_document(reason: CancellationReason) -> dict[str, Any]:
    """Why a callout may be called off."""
    return {"id": reason.id, "reason": reason.reason}


def item_document(item: RatingItem) -> dict[str, Any]:
    """What can be rated beside the stars."""
    return {"id": item.id, "description": item.description}


def map_document(picture: MapPicture) -> dict[str, Any]:
    """The address of the live page, and the picture as it was sent."""
    return {"url": picture.url, "image": picture.image}


def report_document(report: Report) -> dict[str, Any]:
    """The report as it was sent: nobody documents its shape. text: of one that is no JSON object."""
    return {"report": report.document, "text": report.text}


def device_document(device: Device) -> dict[str, Any]:
    """A linked device, with all that dispatch says of it."""
    return {"id": device.id, "serial": device.serial, "details": device.document}


def _moment(wall: float | None) -> str | None:
    return None if wall is None else wording.utc(wall)
