"""A scenario from its TOML, read strictly: every problem is named with its line, key, value and rule, and the nearest known key.

Pure but for the shipped files, which are package data. Nothing of a file is ever executed, and a file names no other file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from itertools import islice
from typing import Any

from simulator import scenario_values as values
from simulator.scenario import DEVICE_WITHIN_S, WITHIN_S, Scenario, Step
from simulator.scenario_values import STEP_KEYS, Problem
from simulator.settings import Settings

MOST_STEPS = 500
MOST_STRANGERS = 100  # keys of one table that are told; what serves devices waits while hints are looked for
LONGEST_LINE = 20_000  # characters: tomllib takes minutes over a key of a hundred thousand parts
SUFFIX = ".toml"


class ScenarioError(ValueError):
    """A file that is no scenario. problems: one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def shipped() -> tuple[str, ...]:
    """The names of the scenarios that come with the simulator."""
    files = resources.files("simulator").joinpath("scenarios").iterdir()
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in files if file.name.endswith(SUFFIX)))


def shipped_text(name: str) -> str:
    """The TOML of a shipped scenario. Raises ScenarioError for a name that there is not."""
    if name not in shipped():
        raise ScenarioError([f"no scenario {name!r}{values.nearest(name, shipped())}; there are {', '.join(shipped())}"])
    return resources.files("simulator").joinpath("scenarios", name + SUFFIX).read_text(encoding="utf-8")


def read(text: str) -> Scenario:
    """The scenario. Raises ScenarioError with every problem."""
    if any(len(line) > LONGEST_LINE for line in text.split("\n")):
        raise ScenarioError([f"not TOML that anyone wrote: a line of more than {LONGEST_LINE} characters"])
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScenarioError([f"not TOML: {error}"]) from None
    reader = _Reader(text)
    scenario = reader.scenario(document)
    if reader.problems:
        raise ScenarioError(reader.problems)
    return scenario


def start_settings(wanted: Mapping[str, Any]) -> Settings:
    """Settings of a simulator that starts with this scenario; `wanted` passed `read`."""
    return values.with_settings(Settings(), wanted)


class _Reader:
    """One reading; collects problems. A step that has one is left out of what it returns."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.splitlines()
        self.problems: list[str] = []
        self._faults: set[str] = set()

    def scenario(self, document: Mapping[str, Any]) -> Scenario:
        """All of it."""
        known = ("title", "description", "settings", "step")
        for key in islice((key for key in document if key not in known), MOST_STRANGERS):
            self._complain(self._line(key), "", key, f"not a key of a scenario{values.nearest(key, known)}")
        title = self._try(0, "", values.text, document, "title", 200) or ""
        description = self._try(0, "", values.text, document, "description", 10_000) or ""
        steps = document.get("step", [])
        if not isinstance(steps, list) or not 1 <= len(steps) <= MOST_STEPS or not all(isinstance(each, dict) for each in steps):
            self._complain(0, "", "step", f"1 to {MOST_STEPS} tables, each headed [[step]]")
            steps = []
        heads = [number for number, line in enumerate(self._lines, 1) if re.match(r"\s*\[\[\s*step\s*\]\]", line)]
        lines = heads if len(heads) == len(steps) else [0] * len(steps)
        read = [self._step(number, line, table) for number, (line, table) in enumerate(zip(lines, steps, strict=True), 1)]
        return Scenario(title, description, self._settings(document.get("settings", {})), tuple(filter(None, read)), self._text)

    def _settings(self, wanted: Any) -> Mapping[str, Any]:
        line = self._line(r"\[settings\]", head=True)
        if not isinstance(wanted, dict):
            self._complain(line, "", "settings", "a table")
            return {}
        for key, value in islice(wanted.items(), MOST_STRANGERS):
            self._try(line, "settings: ", values.setting, key, value)
        return wanted

    def _step(self, number: int, line: int, table: Mapping[str, Any]) -> Step | None:
        before, where = len(self.problems), f"step {number}: "
        for key in islice((key for key in table if key not in STEP_KEYS), MOST_STRANGERS):
            self._complain(self._line(key, line), where, key, f"not a key of a step{values.nearest(key, STEP_KEYS)}")
        act = self._try(line, where, values.act_of, table)
        value = self._value(line, where, act, table) if act else None
        self._try(line, where, values.strangers, table, act)
        more = {key: self._try(line, where, values.companion, key, table) for key in values.beside(act) if key in table}
        self._try(line, where, values.fitting, act, value, table)
        when = self._try(line, where, values.condition, table["when"]) if "when" in table else None
        default_s = DEVICE_WITHIN_S if act == "device" else WITHIN_S
        step = Step(
            number=number,
            line=line,
            after_s=self._try(line, where, values.seconds, table, "after_s"),
            when=when,
            within_s=self._try(line, where, values.seconds, table, "within_s") or default_s,
            act=act,
            value=value,
            more=more,
            note=self._try(line, where, values.text, table, "note", 200) if "note" in table else None,
        )
        return step if len(self.problems) == before else None

    def _value(self, line: int, where: str, act: str, table: Mapping[str, Any]) -> Any:
        value = table[act]
        if act == "fault":
            return self._fault(line, where, value)
        if act == "mend":
            if not self._faults:
                self._complain(self._line("mend", line), where, "mend", "no step before this one switches a fault on")
                return None
            return self._try(line, where, values.choice, "mend", value, (*sorted(self._faults), "*"))
        return self._try(line, where, values.VALUES[act], value)

    def _fault(self, line: int, where: str, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            self._complain(self._line("fault", line), where, "fault", "a table with a name, an action and what it is on")
            return None
        self._faults.add(value["name"])
        for problem in values.fault_problems(value):
            self._complain(self._line("fault", line), where, "fault", problem)
        return value

    def _try(self, line: int, where: str, read_one: Callable[..., Any], *arguments: Any) -> Any:
        """What the reader of one value returns, None where it named a problem."""
        try:
            return read_one(*arguments)
        except Problem as problem:
            self._complain(self._line(problem.key, line), where, problem.key, problem.rule)
            return None

    def _complain(self, line: int, where: str, key: str, rule: str) -> None:
        self.problems.append(f"{f'line {line}: ' if line else ''}{where}{key}: {rule}")

    def _line(self, key: str, after: int = 0, *, head: bool = False) -> int:
        """Where a key stands, from 1; else the line `after`. For messages only: a text over several lines may mislead it."""
        pattern = re.compile(rf"\s*{key}" if head else rf'\s*"?{re.escape(key)}"?\s*=')
        for number, line in enumerate(self._lines[after:], after + 1):
            if pattern.match(line):
                return number
            if line.lstrip().startswith("[[") and after:
                break
        return after
