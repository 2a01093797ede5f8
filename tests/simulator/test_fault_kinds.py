"""What a fault may be: the table that the page and other programs read, and how a rule is read against it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from simulator.fault_keys import ACTIONS, KEYS, Action, Certificate, Portal, Shape
from simulator.faults import Faults, NeedsTlsError, Rule, read_rule
from tests.simulator.rooms import Room


def test_every_action_and_every_key_of_a_rule_is_in_the_table() -> None:
    """Whatever a rule can hold is described, and nothing else is."""
    assert set(ACTIONS) == set(Action)
    assert set(KEYS) == {field.name for field in fields(Rule)}
    assert {key for about in ACTIONS.values() for key in about.all_keys} == set(KEYS)


def test_defaults_of_the_table_are_those_of_a_rule() -> None:
    """A page that shows a default shows what holds."""
    rule = read_rule({"action": "latency"})
    for name, key in KEYS.items():
        if name != "action":
            held = getattr(rule, name)
            assert (list(held) if isinstance(held, tuple) else held) == key.default, name


@pytest.mark.parametrize("action", list(Action))
def test_each_example_is_a_whole_rule(room: Room, action: Action) -> None:
    """What the page posts for a switch is taken, but for certificates where there are none."""
    told = {each["action"]: each for each in room.sim("GET", "/faults/kinds").json()["actions"]}[action]
    reply = room.sim("POST", "/faults", told["example"])
    assert (reply.status_code, told["tls"]) == ((409, True) if action is Action.CERTIFICATE else (201, False)), reply.text
    assert told["title"]
    assert told["words"]


def test_kinds_name_the_operations_and_the_choices(room: Room) -> None:
    """A form can be drawn from it alone."""
    told = room.sim("GET", "/faults/kinds").json()
    assert {"*", "raise", "locate", "mint"} <= set(told["operations"])
    keys = {each["key"]: each for each in told["keys"]}
    assert keys["status"] == {**keys["status"], "type": "integer", "default": 503, "minimum": 200, "maximum": 599}
    assert [keys[name]["choices"] for name in ("portal", "shape", "certificate")] == [list(Portal), list(Shape), list(Certificate)]
    assert {"key", "words", "type", "default"} <= set(keys["name"])


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"action": "status", "name": ""}, "name"),
        ({"action": "status", "name": "a\x1bb"}, "name"),
        ({"action": "status", "name": "x" * 81}, "name"),
        ({"action": "status", "method": 5}, "method"),
        ({"action": "status", "retry_after": "2\r\nX: 1"}, "retry_after"),
        ({"action": "status", "retry_after": True}, "retry_after"),
        ({"action": "status", "retry_after": " 5"}, "retry_after"),
        ({"action": "status", "body": "\ud800"}, "body"),
        ({"action": "odd", "shape": "round"}, "shape"),
        ({"action": "odd", "shape": ["list"]}, "shape"),
        ({"action": "portal", "portal": "302"}, "portal"),
        ({"action": "portal", "portal": "redirect", "status": 200}, "status"),
        ({"action": "reset", "status": 500}, "status"),
        ({"action": "lost", "processed": True}, "processed"),
        ({"action": "certificate", "for_s": 5}, "certificate"),
        ({"action": "certificate", "certificate": "torn", "for_s": 5}, "certificate"),
        ({"action": "certificate", "certificate": "expired"}, "for_s"),
        ({"action": "certificate", "certificate": "expired", "for_s": 5, "on": "raise"}, "on"),
        ({"action": "stall_accept"}, "for_s"),
        ({"action": "stall_accept", "for_s": 5, "count": 1}, "count"),
        ({"action": "drip", "interval_s": -1}, "interval_s"),
        ({"action": "latency", "delay_s": float("nan")}, "delay_s"),
        ({"action": "reset", "on": "rise"}, "on"),
        ({"action": "reset", "on": ["raise", "loc*"]}, "on"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_name_of_its_key(body: dict[str, Any], key: str) -> None:
    """A rule that can never hit, or hits something else, is not taken in silence."""
    with pytest.raises(ValueError, match=rf"^{key}: "):
        read_rule(body, ("raise", "locate"))


def test_a_rule_keeps_its_name_and_what_it_was_put_in() -> None:
    """A list of faults can be read by a person."""
    rule = read_rule({"action": "odd", "shape": "no_id", "name": "answers without an id", "on": ["raise", "*/events"], "method": "post"})
    assert rule == Rule(Action.ODD, name="answers without an id", shape=Shape.NO_ID, on=("raise", "*/events"), method="POST")
    faults = Faults()
    faults.add(rule, 0.0)
    assert faults.all(0.0)[0]["name"] == "answers without an id"


def test_whether_a_request_is_carried_out_is_the_actions_own_matter_unless_told() -> None:
    """Wrong shapes come from a service that has done its part, statuses from one that has not."""
    told = [read_rule(body).carried_out for body in ({"action": "odd"}, {"action": "status"}, {"action": "half_open"})]
    assert told == [True, False, False]
    assert not read_rule({"action": "odd", "processed": False}).carried_out
    assert read_rule({"action": "half_open", "processed": True}).carried_out


def test_faults_of_connections_hit_no_request() -> None:
    """They are decided where connections are made, and counted there."""
    began: list[str] = []
    faults = Faults(tls=True, begun=lambda: began.append("begun"))
    faults.add(read_rule({"action": "certificate", "certificate": "expired", "count": 2, "after": 1}), 0.0)
    faults.add(read_rule({"action": "stall_accept", "for_s": 3}), 0.0)
    assert began == ["begun", "begun"]
    assert faults.plan("raise", "POST", "/x", 0.0).words is None
    assert [faults.certificate(0.0) for _ in range(4)] == [None, Certificate.EXPIRED, Certificate.EXPIRED, None]
    assert [faults.stalled(now) for now in (0.0, 2.9, 3.0)] == [True, True, False]


def test_a_wrong_certificate_needs_certificates() -> None:
    """Without TLS the rule would be in force and do nothing."""
    with pytest.raises(NeedsTlsError, match="--tls"):
        Faults().add(read_rule({"action": "certificate", "certificate": "expired", "for_s": 1}), 0.0)


def test_a_wrong_certificate_without_tls_is_409_and_changes_nothing(room: Room) -> None:
    """Neither what was in force nor the rest of the list."""
    room.sim("POST", "/faults", {"action": "latency", "delay_s": 0})
    certificate = {"action": "certificate", "certificate": "expired", "for_s": 1}
    for method in ("POST", "PUT"):
        reply = room.sim(method, "/faults", [{"action": "reset"}, certificate])
        assert (reply.status_code, "--tls" in reply.json()["message"]) == (409, True)
    assert [each["action"] for each in room.sim("GET", "/faults").json()] == ["latency"]
