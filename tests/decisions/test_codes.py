"""The table of conditions is whole, and what it says of hiding and lateness holds whatever is present (law 7)."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import codes
from agent.codes import CODES
from agent.health import Conditions, Origin, armed
from agent.model import Severity

REPO = Path(__file__).parents[2]
PAGE = REPO / "docs" / "CONDITIONS.md"
MAKERS = {"put", "Ailment", "Finding", "Lapse"}
CODE = re.compile(r"[a-z_*]+(\.[a-z_*]+)?")


def sources() -> Iterator[Path]:
    """All that puts conditions; of the commands only `status`, which tells of a daemon that is down."""
    yield from sorted((REPO / "hardware").glob("*.py"))
    yield from sorted(path for path in (REPO / "agent").rglob("*.py") if "cli" not in path.parts or path.name == "status.py")


def spelled(node: ast.expr | None, constants: dict[str, str]) -> str | None:
    """A code as it stands there: `*` for what is filled in; None for a variable."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)
        case ast.Name(id=name):
            return constants.get(name)
    return None


def put() -> dict[str, str]:
    """Every code that the source can put, with the file that does."""
    found: dict[str, str] = {}
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants: dict[str, str] = {}
        for node in tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target if isinstance(node, ast.AnnAssign) else None
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                constants[target.id] = value.value
        for node in ast.walk(tree):
            text = None
            if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                text = spelled(node.args[0], constants) if name in MAKERS else None
            elif isinstance(node, ast.Dict):
                text = next((spelled(v, constants) for k, v in zip(node.keys, node.values, strict=True) if spelled(k, {}) == "code"), None)
            if text is not None and CODE.fullmatch(text):
                found[text] = path.name
    return found


def test_every_code_that_the_source_can_put_has_a_row():
    """A condition without a row has no meaning to look up, and no rule for hiding."""
    missing = {
        code: where
        for code, where in put().items()
        if codes.row_of(code) is None and not any(fnmatchcase(row.name, code) for row in CODES if "*" in code)
    }
    assert missing == {}


def test_every_row_is_put_somewhere():
    """A code that went takes its row along."""
    spellings = [*put(), *(f"{name}.failed" for name in comforts())]
    assert len(spellings) > 60, "the rig: it finds what the source puts"
    unused = [row.name for row in CODES if not any(row.name == code or fnmatchcase(row.name, code) for code in spellings)]
    assert unused == []


def test_every_comfort_has_a_row_for_its_failure():
    """They share one line of source that puts NAME.failed."""
    names = comforts()
    assert {"control", "power", "heartbeat", "self_test", "keypad"} <= names, "the rig: it finds them"
    assert {name for name in names if codes.row_of(f"{name}.failed") is None} == set()


def comforts() -> set[str]:
    """Their names, as the source gives them."""
    names = set()
    for file in ("comforts.py", "panel.py"):
        for node in ast.walk(ast.parse((REPO / "agent" / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and isinstance(node.value.elts[-1], ast.Constant):
                names.add(node.value.elts[-1].value)
    return names - {"windows"}  # it may not end, and ends the process


def test_page_has_the_table_as_it_is():
    """`CALLOUT_AGENT_WRITE=1` writes it anew."""
    text, marker = PAGE.read_text(encoding="utf-8"), "## Codes\n\n"
    before = text.partition(marker)[0]
    if os.environ.get("CALLOUT_AGENT_WRITE"):
        PAGE.write_text(before + marker + codes.page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == before + marker + codes.page()


def test_rows_keep_the_rules_of_the_table():
    """One row per code; a critical one is never late; what one hides behind exists; nothing hides behind each other."""
    assert len({row.name for row in CODES}) == len(CODES)
    for row in CODES:
        assert not (row.after_s and Severity.CRITICAL in row.severities), row.name
        assert row.meaning, row.name
        assert row.remedy, row.name
        for behind in row.behind:
            covers = [other for other in CODES if other is not row and fnmatchcase(other.name, behind)]
            assert covers, f"{row.name} hides behind {behind}, which is not there"
            assert not any(fnmatchcase(row.name, back) for other in covers for back in other.behind), f"{row.name} and {behind}"


SOME = [(row.name.replace("*", "x"), severity) for row in CODES for severity in row.severities]


@given(present=st.lists(st.sampled_from(SOME), unique_by=lambda each: each[0]), calm=st.booleans(), young=st.booleans())
def test_what_is_shown_says_whether_the_device_is_armed(*, present: list[tuple[str, Severity]], calm: bool, young: bool):
    """However conditions hide each other, and however new they are: one that disarms is seen, and so is its reason."""
    conditions = Conditions()
    conditions.look(100.0)
    for number, (code, severity) in enumerate(present):
        conditions.put(code, severity, "", "", wall=1.0, origin=Origin.CALLOUT if number % 3 == 2 else Origin.DEVICE)
    conditions.look(100.5 if young else 1_000.0)
    shown = conditions.shown(calm=calm)
    counted = [severity for number, (_, severity) in enumerate(present) if not calm or number % 3 != 2]
    assert armed(shown) == (Severity.CRITICAL not in counted)


def shown(conditions: Conditions, *, calm: bool = False) -> list[str]:
    return [each.code for each in conditions.shown(calm=calm)]


def test_what_only_follows_is_not_shown_until_its_reason_is_over():
    conditions = Conditions()
    conditions.put("dispatch.unreachable", Severity.CRITICAL, "", "", wall=1.0)
    conditions.put("token.renewal", Severity.DEGRADED, "", "", wall=1.0)
    assert shown(conditions) == ["dispatch.unreachable"]
    conditions.drop("dispatch.unreachable")
    assert shown(conditions) == ["token.renewal"]


def test_nothing_hides_behind_what_is_less_bad_or_not_shown():
    conditions = Conditions()
    conditions.put("store.unproven", Severity.DEGRADED, "", "", wall=1.0)
    conditions.put("store.asides", Severity.NOTE, "", "", wall=1.0)
    assert shown(conditions) == ["store.unproven", "store.asides"]
    conditions.put("dispatch.unreachable", Severity.CRITICAL, "", "", wall=1.0, origin=Origin.CALLOUT)
    conditions.put("heartbeat.failed", Severity.DEGRADED, "", "", wall=1.0)
    assert "heartbeat.failed" not in shown(conditions)
    assert "heartbeat.failed" in shown(conditions, calm=True), "what a callout's lanes met is not there while calm"


@pytest.mark.parametrize("code", [row.name for row in CODES if row.after_s])
def test_what_is_late_shows_once_it_has_lasted_and_is_late_again_after_it_was_over(code: str):
    conditions, late_s = Conditions(), codes.after_s(code)
    conditions.look(50.0)
    conditions.put(code, Severity.DEGRADED, "", "", wall=1.0)
    conditions.look(50.0 + late_s - 0.1)
    conditions.put(code, Severity.DEGRADED, "other words", "", wall=2.0)
    assert shown(conditions) == []
    conditions.look(50.0 + late_s)
    assert shown(conditions) == [code]
    conditions.drop(code)
    conditions.put(code, Severity.DEGRADED, "", "", wall=3.0)
    assert shown(conditions) == []
