"""The OpenAPI 3.1 document of the operations that this simulator serves, in the generation that it speaks.

Pure: built from the table of operations and the contract beside it. Says nothing of the simulator's own interface below /sim, and nothing
that only a dispatcher may know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from simulator.contract import Contract
from simulator.contract_row import Row
from simulator.operations import Door, Operation, path_of
from simulator.schemas import components, ref
from simulator.settings import Generation, Settings
from simulator.strictness import keys_of

Json = dict[str, Any]
REASONS = {400: "Malformed", 401: "No token, a bad one, or one outside its scope", 403: "Not allowed", 404: "Not there", 409: "Conflict"}


def document(settings: Settings, base_url: str, operations: Sequence[Operation], sites: Mapping[str, int]) -> Json:
    """The whole document. base_url: of the Panic API. sites: ids of fixed locations by their reference."""
    rows = Contract(settings, sites).rows()
    served = {each.name: path for each in operations if (path := path_of(each, settings)) is not None}
    paths: Json = {}
    for each in operations:
        if each.name in served:
            closed = settings.refuse_unknown and keys_of(each.name, new=settings.generation is Generation.NEW) is not None
            told = _operation(each, rows[each.name], served, sites, closed=closed)
            paths.setdefault(served[each.name], {})[each.method.lower()] = told
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


def _operation(operation: Operation, row: Row, served: Mapping[str, str], sites: Mapping[str, int], *, closed: bool) -> Json:
    told: Json = {
        "operationId": operation.name,
        "summary": (operation.act.__doc__ or operation.name).strip().split("\n")[0],
        "parameters": [_parameter(name, sites) for name in _named(served[operation.name])],
        "responses": {str(status): _answer(schema, row, served) for status, schema in row.answers.items()},
    }
    for status in row.refusals:
        told["responses"][str(status)] = {"description": REASONS[status], "content": _json(ref("Refusal"))}
    if row.body is not None:
        told["requestBody"] = {
            "required": not row.body_optional,
            "content": _json({**row.body, "unevaluatedProperties": False} if closed else row.body),
        }
    if operation.door is Door.OPEN:
        told["security"] = []
    return told


def _parameter(name: str, sites: Mapping[str, int]) -> Json:
    number: Json = {"type": "integer", "minimum": 1, "maximum": 10**15 - 1}
    schema = {"externalReferenceId": {"enum": sorted(sites)}, "deviceId": {"type": "string", "minLength": 1}}.get(name, number)
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _answer(schema: Any, row: Row, served: Mapping[str, str]) -> Json:
    told: Json = {"description": "Done"}
    if schema is not None:
        told["content"] = {row.kind: {"schema": schema}}
    links = {
        f"{name}_by_{parameter}": {"operationId": name, "parameters": {parameter: f"$response.body#{pointer}"}}
        for parameter, pointer in row.leads.items()
        for name, path in served.items()
        if parameter in _named(path)
    }
    if links:
        told["links"] = links
    return told


def _named(path: str) -> list[str]:
    """The parameters of a path."""
    return re.findall(r"{(\w+)}", path)


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
