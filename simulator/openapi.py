"""The OpenAPI 3.1 document of the operations that this simulator serves, in the generation that it speaks.

Pure: built from the table of operations and the contract beside it. Says nothing of the simulator's own interface below /sim, and nothing
that only a dispatcher may know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from simulator.contract import Contract, Row
from simulator.operations import Door, Operation
from simulator.schemas import components, ref
from simulator.settings import Settings

Json = dict[str, Any]
REASONS = {400: "Malformed", 401: "No token, a bad one, or one outside its scope", 403: "Not allowed", 404: "Not there", 409: "Conflict"}
LED_TO = ("read", "locate", "list_events", "send_event", "cancel")


def document(settings: Settings, base_url: str, operations: Sequence[Operation], sites: Mapping[str, int]) -> Json:
    """The whole document. base_url: of the Panic API. sites: ids of fixed locations by their reference."""
    rows = Contract(settings, sites).rows()
    served = {each.name for each in operations}
    paths: Json = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, rows[each.name], served, sites)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Panic API v2, as the simulator speaks it",
            "version": str(settings.generation),
            "description": "A stand-in for rehearsals, written from public documentation. Identifiers and keys in it are its own.",
        },
        "servers": [{"url": base_url}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components(settings),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(operation: Operation, row: Row, served: set[str], sites: Mapping[str, int]) -> Json:
    told: Json = {
        "operationId": operation.name,
        "summary": (operation.act.__doc__ or operation.name).strip().split("\n")[0],
        "parameters": [_parameter(name, sites) for name in re.findall(r"{(\w+)}", operation.path)],
        "responses": {str(status): _answer(schema, row, served) for status, schema in row.answers.items()},
    }
    for status in row.refusals:
        told["responses"][str(status)] = {"description": REASONS[status], "content": _json(ref("Refusal"))}
    if row.body is not None:
        told["requestBody"] = {"required": not row.body_optional, "content": _json(row.body)}
    if operation.door is Door.OPEN:
        told["security"] = []
    return told


def _parameter(name: str, sites: Mapping[str, int]) -> Json:
    number: Json = {"type": "integer", "minimum": 1, "maximum": 10**15 - 1}
    schema = {"enum": sorted(sites)} if name == "externalReferenceId" else number
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _answer(schema: Any, row: Row, served: set[str]) -> Json:
    told: Json = {"description": "Done"}
    if schema is not None:
        told["content"] = _json(schema)
    if row.id_at is not None:
        parameters = {"calloutId": f"$response.body#{row.id_at}"}
        told["links"] = {name: {"operationId": name, "parameters": parameters} for name in LED_TO if name in served}
    return told


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
