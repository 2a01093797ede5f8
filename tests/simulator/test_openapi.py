"""The OpenAPI document is true of the simulator, and enough to speak with it: nobody needs to read our code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator.contract import Contract
from simulator.operations import OPERATIONS, path_of
from simulator.settings import Generation, Settings
from tests.simulator.rooms import Room

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("CALLOUT_AGENT_EXAMPLES", "5")  # of each operation and phase
EVERY_CHECK = ["--checks", "all"]
GENERATIONS = [str(each) for each in Generation]
# What the document cannot be right about by accident: settings that change shapes, statuses and paths.
READINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "other paths": {
        "return_path": "",
        "report_segment": "reports",
        "customer_list_path": "/callouts/mine",
        "rating_items_path": "/ratingItems",
    },
    "other answers": {
        "created_status": 200,
        "closed_body": "empty",
        "incident_shape": "object",
        "refuse_closed": frozenset({"locate", "cancel"}),
        "refuse_unknown": True,
    },
}


def speak(room: Room, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Hold the document that a room serves against that room."""
    room.as_backend()
    tool = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml")]
    auth = ["--header", f"Authorization: {room.headers['Authorization']}"]
    command = [*tool, "run", f"{room.running.root_url}/openapi.json", *EVERY_CHECK, *auth, "--no-color", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)


@pytest.mark.parametrize(
    ("generation", "reading"), [("new", "as it is"), ("old", "as it is"), ("new", "other paths"), ("old", "other answers")]
)
def test_a_tool_that_knows_the_document_alone_finds_nothing_wrong(
    open_room: Callable[..., Room], tmp_path: Path, generation: str, reading: str
):
    """Every check on every operation: valid and invalid bodies, statuses, shapes, methods, and sequences that follow the links."""
    # Sequences and random bodies for the reading that most meet; the fixed cases of every boundary for the others.
    options = ["--max-examples", EXAMPLES] if reading == "as it is" else ["--phases", "coverage"]
    told = speak(open_room(generation=generation, **READINGS[reading]), tmp_path, *options)
    assert told.returncode == 0, told.stdout[-6000:] + told.stderr[-2000:]
    served = sum(path_of(each, Settings(generation=generation)) is not None for each in OPERATIONS)
    assert re.search(rf"Tested: {served}\b", told.stdout), told.stdout[-3000:]


def test_the_tool_finds_a_document_that_lies(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A field in the document that the answer has not: the check that finds nothing would find this."""
    true = Contract.rows

    def lying(contract: Contract) -> Any:
        rows = true(contract)
        rows["subscription_types"].answers[200]["required"].append("colour")
        return rows

    monkeypatch.setattr(Contract, "rows", lying)
    told = speak(room, tmp_path, "--include-operation-id", "subscription_types", "--phases", "coverage")
    assert told.returncode == 1
    assert "colour" in told.stdout


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_operation_is_in_the_document(generation: str):
    """A row for each, and no row for what is not served."""
    rows = Contract(Settings(generation=generation), {}).rows()
    assert sorted(rows) == sorted(each.name for each in OPERATIONS)


def test_the_document_shows_no_secret_and_nothing_of_the_dispatcher(room: Room):
    """Keys, the safe code and duress are no part of it."""
    text = room.http.get(f"{room.running.root_url}/openapi.json").text
    chosen = room.chosen
    for secret in (chosen.client_secret, chosen.device_key, chosen.dispatcher_key, chosen.customer_mobile, "duress", "/sim"):
        assert secret.lower() not in text.lower()


class Stranger:
    """A client of another library that has read the document and nothing else. `token` once it has one."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._session = requests.Session()
        self._session.trust_env = False
        self.token: str | None = None

    def call(self, operation: str, body: Any = None, **parameters: Any) -> requests.Response:
        """By its operationId; parameters go where the document says."""
        path, method, told = self._find(operation)
        assert {each["name"] for each in told["parameters"]} == parameters.keys()
        headers = {} if told.get("security") == [] else {"Authorization": f"{self._scheme()} {self.token}"}
        url = self._document["servers"][0]["url"] + path.format(**parameters)
        reply = self._session.request(method, url, json=body, headers=headers, timeout=10)
        assert str(reply.status_code) in told["responses"], f"{operation}: {reply.status_code} is not in the document"
        return reply

    def follow(self, operation: str, reply: requests.Response, wanted: str, body: Any = None) -> requests.Response:
        """Another operation with what an answer leads to, as the document's links say."""
        links = self._find(operation)[2]["responses"][str(reply.status_code)]["links"]
        link = next(each for each in links.values() if each["operationId"] == wanted)
        return self.call(wanted, body, **{name: _at(reply.json(), where) for name, where in link["parameters"].items()})

    def body(self, operation: str) -> Any:
        """The smallest body that the document allows."""
        return self._smallest(self._find(operation)[2]["requestBody"]["content"]["application/json"]["schema"])

    def _find(self, operation: str) -> tuple[str, str, dict[str, Any]]:
        for path, methods in self._document["paths"].items():
            for method, told in methods.items():
                if told["operationId"] == operation:
                    return path, method.upper(), told
        raise AssertionError(f"no operation {operation} in the document")

    def _scheme(self) -> str:
        return self._document["components"]["securitySchemes"]["bearer"]["scheme"].title()

    def _smallest(self, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return self._smallest(self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        if "enum" in schema:
            return schema["enum"][0]
        if schema.get("type") in ("integer", "number"):
            return max(schema.get("minimum", 0), -33)
        if schema.get("type") == "string":
            return "on my way"
        body = {name: self._smallest(schema["properties"][name]) for name in schema["required"]}
        return body | (self._smallest(schema["oneOf"][0]) if "oneOf" in schema else {})


def _at(document: Any, expression: str) -> Any:
    for step in expression.removeprefix("$response.body#/").split("/"):
        document = document[step]
    return document


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_client_written_from_the_document_raises_streams_talks_and_cancels(open_room: Callable[..., Room], generation: str):
    """What the dispatcher sees in the end is what it meant."""
    room = open_room(generation=generation)
    stranger = Stranger(requests.get(f"{room.running.root_url}/openapi.json", timeout=10).json())
    given = {"clientId": room.chosen.client_id, "clientSecret": room.chosen.client_secret}
    stranger.token = next(value for key, value in stranger.call("oauth_token", given).json().items() if key.lower().startswith("access"))
    raised = stranger.call("raise", stranger.body("raise"), customerId=room.chosen.customer_id)
    assert stranger.follow("raise", raised, "locate", stranger.body("locate")).ok
    assert stranger.follow("raise", raised, "send_event", stranger.body("send_event")).ok
    assert stranger.follow("raise", raised, "cancel", {"safeCode": "9999"}).ok
    (callout,) = room.sim("GET", "/callouts").json()
    assert [each["via"] for each in callout["positions"]] == ["raise", "location"]
    assert [each["text"] for each in callout["events"]] == ["on my way"]
    assert callout["duress"]
    assert not callout["closed"]
