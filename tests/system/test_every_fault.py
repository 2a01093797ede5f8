"""docs/FAULTS.md against the simulator and the tests: every fault has a row, every row a rule that is taken and a test that exists.

And the certificates that must not be accepted, under a raise and under the stream; the other faults have files of their own.
"""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import test_every_fault_answers as answers
import test_every_fault_silences as silences
import test_every_fault_statuses as statuses
from enduring import Fault, endure_all
from stage import ROOT

from simulator.fault_keys import ACTIONS, Action, Certificate, Portal, Shape
from simulator.faults import read_rule

PAGE = ROOT / "docs" / "FAULTS.md"
STATUSES = (400, 401, 403, 404, 408, 429, 500, 502, 503)
COLUMNS = 5


def certificate(what: str, code: str) -> Fault:
    """One thing wrong with it."""
    return Fault(f"certificate {what}", {"action": "certificate", "certificate": what}, code, code)


CLOCK, OTHER = "clock.tls", "dispatch.tls"
EXPIRED, NOT_YET = certificate("expired", CLOCK), certificate("not_yet", CLOCK)
OTHER_NAME, UNKNOWN_AUTHORITY = certificate("other_name", OTHER), certificate("unknown_authority", OTHER)
CERTIFICATES = (EXPIRED, NOT_YET, OTHER_NAME, UNKNOWN_AUTHORITY)
FAULTS = (*statuses.FAULTS, *silences.FAULTS, *answers.FAULTS, *CERTIFICATES)


@pytest.mark.timeout(150)
def test_wrong_certificates_end_no_callout_and_are_never_accepted(tmp_path: Path):
    """Dates make one doubt the clock, all else the other side."""
    endure_all(tmp_path, (EXPIRED, OTHER_NAME), (NOT_YET, UNKNOWN_AUTHORITY))


@cache
def rows() -> dict[str, tuple[str, ...]]:
    """The table of every fault, by its first column."""
    section = PAGE.read_text(encoding="utf-8").split("## Every fault of the simulator")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][2:]
    table = [tuple(cell.strip() for cell in line.strip("| ").split(" | ")) for line in lines]
    assert all(len(row) == COLUMNS for row in table), "one cell for each column"
    assert len({row[0] for row in table}) == len(table), "one row for each fault"
    return {row[0]: row for row in table}


def rule_of(row: tuple[str, ...]) -> dict[str, Any]:
    """What is to be posted; a fault of connections ends by itself."""
    rule: dict[str, Any] = json.loads("{" + row[1].strip("`") + "}")
    return rule | ({"for_s": 1} if rule["action"] in (Action.CERTIFICATE, Action.STALL_ACCEPT) else {})


def test_every_kind_of_fault_has_a_row():
    """Every action, and every way in which a portal, a shape and a certificate can be wrong."""
    read = [read_rule(rule_of(row)) for row in rows().values()]
    assert {rule.action for rule in read} == set(ACTIONS)
    assert {rule.portal for rule in read if rule.action is Action.PORTAL} == set(Portal)
    assert {rule.shape for rule in read if rule.action is Action.ODD} == set(Shape)
    assert {rule.certificate for rule in read if rule.action is Action.CERTIFICATE} == set(Certificate)
    assert {rule.status for rule in read if rule.action is Action.STATUS} >= set(STATUSES)
    assert {rule.retry_after is None for rule in read if rule.status == 429} == {True, False}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_row_is_what_is_shown(fault: Fault):
    """The rule and the conditions of the table are those that the real daemon went through."""
    row = rows()[fault.name]
    assert json.loads("{" + row[1].strip("`") + "}") == fault.rule
    assert fault.codes == {word for word in row[2].split("`") if "." in word}


@pytest.mark.parametrize("name", rows())
def test_each_row_names_a_test_that_exists(name: str):
    """And a test goes through every fault that is not of one route only."""
    path, _, function = rows()[name][4].strip("`").partition("::")
    names = {node.name for node in ast.walk(ast.parse(Path(ROOT, path).read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}
    assert function in names
    assert name in {fault.name for fault in FAULTS} or ", only " in name


def test_each_story_is_played():
    """A fault that is defined beside the tests and in none of their shares would be shown by nobody."""
    for module in (statuses, silences, answers):
        source = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
        (test,) = [node for node in source.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
        played: list[Fault] = []
        for node in ast.walk(test):
            if isinstance(node, ast.Name):
                value = getattr(module, node.id, None)
                played += [value] if isinstance(value, Fault) else value if isinstance(value, tuple) else []
        assert {fault.name for fault in played} == {fault.name for fault in module.FAULTS}
