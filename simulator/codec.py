"""Answers in the shapes of both generations of the documentation.

Pure. Knows no HTTP status and decides nothing about callouts. It never shows what only the dispatcher may see: duress, a
soft cancel, notes and codes are not reachable from here by any answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulator.records import Callout, Entry, Position
from simulator.settings import EtaForm, Generation, IncidentShape
from simulator.tokens import Token

Json = dict[str, Any]


def iso(wall: float | None) -> str | None:
    """UTC, ISO 8601 with milliseconds and Z."""
    if wall is None:
        return None
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Codec:
    """Answers of one generation. root_url: where tracking pages and maps live, without a slash at the end. now_wall: of the answer."""

    generation: Generation
    root_url: str
    incident_shape: IncidentShape = IncidentShape.ARRAY
    response_types: tuple[tuple[int, str], ...] = ()
    eta_form: EtaForm = EtaForm.INSTANT
    now_wall: float = 0.0

    @property
    def _new(self) -> bool:
        return self.generation is Generation.NEW

    def token(self, token: Token, *, epoch: bool) -> Json:
        """A token answer; epoch: the expiry is an instant instead of a duration in seconds."""
        expires = int(token.expires_wall) if epoch else int(token.expires_wall - token.minted_wall)
        if self._new:
            return {"accessToken": token.text, "tokenType": "Bearer", "expiresIn": expires}
        return {"access_token": token.text, "token_type": "Bearer", "expires_in": expires}

    def raised(self, callout: Callout) -> Json:
        """The answer to a raise."""
        return {"message": "Callout active", "callout": self.flat(callout)} if self._new else self.flat(callout)

    def raised_at_site(self, callout: Callout, reference: str, installer: str | None) -> Json:
        """The answer to a raise for a fixed location."""
        if not self._new:
            return self.flat(callout)
        extra = {"installerIdentifier": installer, "externalReferenceId": reference}
        return {"message": "Callout active", **extra, "callout": self.flat(callout)}

    def read(self, callout: Callout, message: str = "Callout found") -> Json:
        """The read view: nested in NEW."""
        return {"message": message, "callout": self.nested(callout)} if self._new else self.flat(callout)

    def returned(self, callout: Callout, message: str) -> Json:
        """Update-and-return, and the full body of a 285: wrapped in both generations."""
        return {"message": message, "callout": self.nested(callout) if self._new else self.flat(callout)}

    def cancelled(self, callout: Callout) -> Json:
        """The answer to a cancel."""
        return {"callout": self.flat(callout)} if self._new else self.flat(callout)

    def listed(self, callouts: Iterable[Callout]) -> Json | list[Json]:
        """A list of callouts: bare in OLD. The newer page is not available; wrapped like its neighbours."""
        flat = [self.flat(callout) for callout in callouts]
        return {"message": "Active callouts", "callouts": flat} if self._new else flat

    def event_sent(self, callout: Callout, entry: Entry) -> Json:
        """The answer to an event that was sent."""
        if not self._new:
            return self.event(callout, entry)
        return {"calloutEvent": self.event(callout, entry), "calloutEventTags": _tags(entry)}

    def event(self, callout: Callout, entry: Entry) -> Json:
        """One item of the event list."""
        if not self._new:
            return {"id": entry.id, "calloutId": callout.id, "message": entry.text, "createdAt": iso(entry.wall)}
        number = 1 if entry.kind == "chat" else 2
        return {
            "id": entry.id,
            "calloutId": callout.id,
            "calloutEventTypeId": number,
            "event": {"text": entry.text, "source": entry.source},
            "createdBy": entry.source,
            "integrationUserId": None,
            "createdAt": iso(entry.wall),
            "updatedAt": iso(entry.wall),
            "calloutEventType": {"id": number, "name": entry.kind},
            "calloutEventTags": _tags(entry),
            "integrationUser": None,
        }

    def map(self, callout: Callout) -> Json:
        """Where a map of the callout is to be seen."""
        return {"url": self._url(callout), "image": None}

    def flat(self, callout: Callout) -> Json:
        """The flat callout; coordinates are the latest position, null without one. NEW adds the tracking page."""
        last = _last(callout)
        flat: Json = {
            "id": callout.id,
            "customerId": callout.customer_id,
            "predefinedLocationId": callout.site_id,
            "status": callout.status,
            "latitude": last.latitude if last else None,
            "longitude": last.longitude if last else None,
            "responseTypeId": callout.response_type_id,
            "calloutClassificationId": callout.classification_id,
            "createdAt": iso(callout.raised_wall),
        }
        return {**flat, "url": self._url(callout)} if self._new else flat

    def nested(self, callout: Callout) -> Json:
        """The nested read view; key names inside incidentInformation are ours, the documentation has none."""
        outer: Json = {
            "id": callout.id,
            "customerId": callout.customer_id,
            "status": callout.status,
            "url": self._url(callout),
            "createdAt": iso(callout.raised_wall),
        }
        if self.incident_shape is IncidentShape.ABSENT:
            return outer
        incident = self._incident(callout)
        return {**outer, "incidentInformation": [incident] if self.incident_shape is IncidentShape.ARRAY else incident}

    def _incident(self, callout: Callout) -> Json:
        last = _last(callout)
        sent = callout.dispatched_wall is not None
        kind = callout.response_type_id
        return {
            "responder": {"id": 71, "name": "Unit 7"} if sent else None,
            "supplier": {"id": 3, "name": "Simulated Response"} if sent else None,
            "responseType": {"id": kind, "value": dict(self.response_types).get(kind)},
            "calloutClassificationId": callout.classification_id,
            "location": _location(last) if last else None,
            "dispatchedAt": iso(callout.dispatched_wall),
            **self._eta(callout),
            "arrivedAt": iso(callout.arrived_wall),
            "completedAt": iso(callout.completed_wall),
        }

    def _eta(self, callout: Callout) -> Json:
        """When a responder is expected, null before a dispatch and once one is there. In minutes: from now on, and never below 0."""
        eta_wall = callout.eta_wall if callout.arrived_wall is None else None
        if self.eta_form is EtaForm.ABSENT:
            return {}
        if self.eta_form is EtaForm.INSTANT:
            return {"estimatedTimeOfArrival": iso(eta_wall)}
        return {"etaMinutes": None if eta_wall is None else max(0, math.ceil((eta_wall - self.now_wall) / 60))}

    def _url(self, callout: Callout) -> str:
        return f"{self.root_url}/track/{callout.track_key}"


def _last(callout: Callout) -> Position | None:
    return callout.positions[-1] if callout.positions else None


def _location(position: Position) -> Json:
    return {"latitude": position.latitude, "longitude": position.longitude, "accuracy": position.accuracy_m}


def _tags(entry: Entry) -> list[str]:
    return [word for word in entry.text.split() if word.startswith("@") and len(word) > 1]
