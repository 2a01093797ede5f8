"""What each operation takes and answers, by its name: bodies, statuses, and what an answer leads to.

Pure data beside the table of operations. A test holds that every operation has its row, and a tool that generates requests from the
document holds that the rows are true. Must not import what serves the operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator import contract_backend
from simulator.contract_row import Row
from simulator.schemas import ACCURACY, ID, LATITUDE, LONGITUDE, TEXT, Schema, answer, choice, listed, maybe, record, ref
from simulator.settings import Generation, Settings


class Contract:
    """The rows of one generation, with the ids and codes of one simulation."""

    def __init__(self, settings: Settings, sites: Mapping[str, int]) -> None:
        """sites: ids of fixed locations by their reference."""
        self._settings = settings
        self._sites = sites
        self._new = settings.generation is Generation.NEW

    def rows(self) -> dict[str, Row]:
        """Every operation by its name."""
        callouts = {**self._tokens(), **self._raising(), **self._reading(), **self._streaming(), **self._talking()}
        return {**callouts, **contract_backend.rows(self._settings)}

    def _tokens(self) -> dict[str, Row]:
        made = {200: ref("Token")}
        return {
            "oauth_token": Row(record({"clientId": TEXT, "clientSecret": TEXT}), made, (400, 401)),
            "callout_token": Row(record({"customerId": ID}), made, (400, 401, 404)),
        }

    # --- raising ---

    def _raising(self) -> dict[str, Row]:
        chosen = self._settings
        shape = answer({"message": {"type": "string"}, "callout": ref("Callout")}) if self._new else ref("Callout")
        made = dict.fromkeys((chosen.created_status, chosen.existing_status), shape)
        leads = {"calloutId": "/callout/id" if self._new else "/id"}
        at_site = shape
        if self._new:
            extra = {"installerIdentifier": maybe(TEXT), "externalReferenceId": {"type": "string"}}
            at_site = answer({"message": {"type": "string"}, **extra, "callout": ref("Callout")})
        about = {"calloutClassificationId": maybe(ID), "internalTest": maybe({"type": "boolean"})}
        site_body = record({}, {"installerIdentifier": TEXT}) if self._new else record({"responseTypeId": self._type_id()}, about)
        return {
            "raise": Row(self._raise_body(position=True), made, (400, 401, 403, 404), leads=leads),
            "raise_legacy": Row(self._raise_body(position=self._new, required={"customerId": ID}), made, (400, 401, 403, 404), leads=leads),
            "raise_site": Row(site_body, dict.fromkeys(made, at_site), (400, 401, 403, 404), body_optional=self._new, leads=leads),
        }

    def _type_id(self) -> Schema:
        return choice([number for number, _ in self._settings.response_types])

    def _raise_body(self, *, position: bool, required: Schema | None = None) -> Schema:
        """Live coordinates or a fixed location, never both; nested in NEW, flat in OLD."""
        place: Schema = {"location": ref("Point")} if self._new else {"latitude": LATITUDE, "longitude": LONGITUDE}
        optional: Schema = {"calloutClassificationId": ID, "internalTest": {"type": "boolean"}}
        if not self._new:
            optional["accuracy"] = ACCURACY
        body = record({"responseTypeId": self._type_id(), **(required or {})}, optional)
        live = record(place, not_predefined := {"predefinedLocationId": False})
        fixed = record({"predefinedLocationId": choice(sorted(self._sites.values()))}, dict.fromkeys(place, False))
        none = {"properties": {**dict.fromkeys(place, False), **not_predefined}}
        required_place = position and self._settings.position_required
        return {**body, "oneOf": [live, fixed] if required_place else [live, fixed, none]}

    # --- reading ---

    def _reading(self) -> dict[str, Row]:
        many = listed(ref("Callout"))
        several = answer({"message": {"type": "string"}, "callouts": many}) if self._new else many
        one = self._one("CalloutRead")
        picture = answer({"url": {"type": "string", "format": "uri"}, "image": maybe({"type": "string"})})
        return {
            "list_customer": Row(answers={200: several}, refusals=(401, 404)),
            "list_active": Row(answers={200: several}),
            "read": Row(answers={200: one, **self._refused("read")}, refusals=(401, 404)),
            "map": Row(answers={200: picture}, refusals=(401, 404)),
            "dismiss": Row(record({}), {200: ref("Callout")}, (400, 401, 404), body_optional=True),
        }

    def _one(self, name: str) -> Schema:
        return answer({"message": {"type": "string"}, "callout": ref(name)}) if self._new else ref(name)

    # --- streaming, talking, cancelling ---

    def _streaming(self) -> dict[str, Row]:
        plain = answer({"message": {"type": "string"}})
        full = answer({"message": {"type": "string"}, "callout": ref("CalloutRead")})
        return {
            "locate": Row(ref("Point"), {200: plain, 285: self._closed()}, (400, 401, 404)),
            "locate_return": Row(ref("Point"), {200: full, 285: self._closed()}, (400, 401, 404)),
        }

    def _closed(self) -> Schema | None:
        """The body of a 285: not documented, so a setting."""
        bodies: dict[str, Schema | None] = {
            "full": answer({"message": {"type": "string"}, "callout": ref("CalloutRead")}),
            "message": answer({"message": {"type": "string"}}),
            "empty": None,
        }
        return bodies[str(self._settings.closed_body)]

    def _talking(self) -> dict[str, Row]:
        sent = ref("Event")
        if self._new:
            sent = answer({"calloutEvent": ref("Event"), "calloutEventTags": listed({"type": "string"})})
        said = record({"source": TEXT, "event": TEXT}) if self._new else record({"message": TEXT})
        cancelled = answer({"callout": ref("Callout")}) if self._new else ref("Callout")
        code = {**TEXT, "description": "as typed; leave it out and the cancel is unconditional. A wrong one is answered like a right one."}
        return {
            "list_events": Row(answers={200: listed(ref("Event")), **self._refused("list_events")}, refusals=(401, 404)),
            "send_event": Row(said, {self._settings.created_status: sent, **self._refused("send_event")}, (400, 401, 404)),
            "cancel": Row(record({}, {"safeCode": code}), {200: cancelled, **self._refused("cancel")}, (400, 401, 404), body_optional=True),
        }

    def _refused(self, operation: str) -> dict[int, Any]:
        return {285: self._closed()} if operation in self._settings.refuse_closed else {}
