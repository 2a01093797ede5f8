"""Which request a fault hits, without HTTP."""

from __future__ import annotations

import pytest

from simulator.fault_keys import Action
from simulator.faults import Faults, Rule, read_rule

PATH = "/panic-api/v2/callouts/5/location"


def hits(rule: Rule, times: int, operation: str = "locate", start: float = 0.0, step: float = 0.0) -> list[bool]:
    faults = Faults()
    faults.add(rule, start)
    return [faults.plan(operation, "POST", PATH, start + step * number).rule is not None for number in range(times)]


def test_a_rule_without_limits_hits_every_time() -> None:
    assert hits(Rule(Action.STATUS), 5) == [True] * 5


def test_count_ends_a_rule() -> None:
    assert hits(Rule(Action.STATUS, count=2), 4) == [True, True, False, False]


def test_seconds_end_a_rule() -> None:
    assert hits(Rule(Action.STATUS, for_s=3.0), 5, step=1.0) == [True, True, True, False, False]


def test_the_first_requests_may_pass() -> None:
    assert hits(Rule(Action.STATUS, after=2, count=1), 4) == [False, False, True, False]


def test_a_share_is_spread_evenly() -> None:
    assert hits(Rule(Action.STATUS, share=0.5), 6) == [False, True, False, True, False, True]
    for percent in range(101):
        assert sum(hits(Rule(Action.STATUS, share=percent / 100), 100)) == percent
    assert not any(hits(Rule(Action.STATUS, share=0.0), 20))


@pytest.mark.parametrize(
    ("on", "method", "meant"),
    [
        (("*",), None, True),
        (("locate",), None, True),
        (("raise", "locate"), "POST", True),
        (("raise",), None, False),
        (("locate",), "GET", False),
        (("/panic-api/v2/callouts/*/location",), None, True),
        (("*/events",), None, False),
        (("loc*",), None, False),
    ],
)
def test_a_rule_names_operations_or_patterns_of_paths(on: tuple[str, ...], method: str | None, *, meant: bool) -> None:
    assert hits(Rule(Action.RESET, on=on, method=method), 1) == [meant]


def test_delays_add_up_and_the_first_other_rule_decides() -> None:
    faults = Faults()
    for rule in (Rule(Action.LATENCY, delay_s=1), Rule(Action.RESET), Rule(Action.LATENCY, delay_s=2), Rule(Action.PORTAL)):
        faults.add(rule, 0.0)
    plan = faults.plan("read", "GET", "/x", 0.0)
    assert plan.delay_s == 3
    assert plan.rule == Rule(Action.RESET)
    assert [rule["hits"] for rule in faults.all(0.0)] == [1, 1, 1, 0]


def test_a_removed_rule_hits_nothing() -> None:
    faults = Faults()
    number = faults.add(Rule(Action.RESET), 0.0)
    assert faults.remove(number)
    assert not faults.remove(number)
    assert faults.plan("read", "GET", "/x", 0.0).words is None


def test_a_rule_is_read_from_json() -> None:
    rule = read_rule({"action": "status", "on": "raise", "status": 429, "retry_after": 2, "count": 3, "for_s": None})
    assert rule == Rule(Action.STATUS, on=("raise",), status=429, retry_after="2", count=3)
    assert rule.carried_out is False


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({}, "action"),
        ({"action": "explode"}, "action"),
        ({"action": []}, "action"),
        ({"action": "status", "colour": 1}, "colour"),
        ({"action": "status", "status": 99}, "status"),
        ({"action": "status", "status": 500.5}, "status"),
        ({"action": "status", "count": -1}, "count"),
        ({"action": "status", "share": 1.5}, "share"),
        ({"action": "status", "delay_s": True}, "delay_s"),
        ({"action": "status", "on": []}, "on"),
        ({"action": "status", "on": [1]}, "on"),
        ({"action": "status", "processed": "yes"}, "processed"),
        ({"action": "status", "body": 5}, "body"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_by_the_name_of_its_key(body: dict[str, object], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        read_rule(body)
