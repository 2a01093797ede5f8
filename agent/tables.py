"""TOML tables into dataclasses: every key against its rule, every problem collected, none hidden behind the first.

A dataclass declares its table: each field is `Annotated[type, rule]`, a field without default is required, and `crossed`, where
the class has it, judges several keys together. Pure: reads text, touches no file. Must not stop at the first problem and must
not show the value of a key it does not know (it may be a secret in the wrong place).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from agent.rules import RefusedError, Rule, shown

T = TypeVar("T")

_LONGEST_NAME = 80  # of a key that nobody knows
_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one key. value: as written, shortened; empty where there is none. line: counted from 1."""

    key: str
    rule: str
    value: str = ""
    hint: str = ""
    line: int | None = None
    placeholder: bool = False

    def __str__(self) -> str:
        """`key = value: rule (line N); hint`, on one line."""
        where = "" if self.line is None else f" (line {self.line})"
        what = self.key + (f" = {self.value}" if self.value else "")
        return f"{what}: {self.rule}{where}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Given:
    """What a table gave. values: of the keys that passed their rule, defaults included; written: the keys that stand in it."""

    values: Mapping[str, Any]
    written: frozenset[str]


class Reader:
    """Reads one document; `problems` grows as it goes."""

    def __init__(self, text: str) -> None:
        """Raises ValueError (tomllib.TOMLDecodeError is one) or RecursionError for what is no TOML."""
        self.document: dict[str, Any] = tomllib.loads(text)
        self.problems: list[Problem] = []
        self._lines = _find_lines(text)

    def problem(self, key: str, rule: str, value: object = None, *, hint: str = "", placeholder: bool = False) -> None:
        """Note a problem of a key like `panic_api.base_url` or `button[2].line`."""
        line = self._lines.get(key) or self._lines.get(key.rpartition(".")[0])
        self.problems.append(Problem(key, rule, "" if value is None else shown(value), hint, line, placeholder))

    def refuse_unknown(self, table: Mapping[str, Any], at: str, known: Iterable[str]) -> None:
        """Note each key that nobody knows, with the nearest known one. at: empty for the tables themselves."""
        known = sorted(known)
        for key in table:
            if key in known:
                continue
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
            name = key if key.isprintable() and key else ascii(key)
            name = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."
            self.problem(f"{at}.{name}" if at else name, f"is no {'key of this table' if at else 'table of this file'}", hint=hint)

    def table(self, name: str) -> dict[str, Any] | None:
        """The table of this name; None if it is not there or, with a problem, is no table."""
        table = self.document.get(name)
        if table is None or isinstance(table, dict):
            return table
        self.problem(name, f"must be one table: [{name}]", table)
        return None

    def tables(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """The tables [[name]], each with its place (`name[1]`); with a problem, none if it is something else."""
        tables = self.document.get(name, [])
        if isinstance(tables, list) and all(isinstance(each, dict) for each in tables):
            return [(f"{name}[{number}]", each) for number, each in enumerate(tables, 1)]
        self.problem(name, f"must be written as [[{name}]], once for each", tables)
        return []

    def read(self, form: Callable[..., T], table: Mapping[str, Any], at: str) -> T | None:
        """The table as an instance of this dataclass. None, and problems, where it breaks a rule."""
        before = len(self.problems)
        values: dict[str, Any] = {}
        keys: tuple[Field[Any], ...] = fields(form)  # type: ignore[arg-type]  # a dataclass, called like any constructor
        self.refuse_unknown(table, at, [key.name for key in keys])
        for key in keys:
            if key.name in table:
                self._take(table[key.name], rule_of(form, key.name), f"{at}.{key.name}", values)
            elif key.default is MISSING:
                self.problem(f"{at}.{key.name}", "is required", hint=getattr(rule_of(form, key.name), "put", ""))
            else:
                values[key.name] = key.default
        for crossed in self._crossed(form, Given(values, frozenset(table))):
            self.problem(f"{at}.{crossed.key}", crossed.rule, table.get(crossed.key), hint=crossed.hint)
        return form(**values) if len(self.problems) == before else None

    def _take(self, value: object, rule: Rule, key: str, values: dict[str, Any]) -> None:
        try:
            values[key.rpartition(".")[2]] = rule.read(value)
        except RefusedError as refused:
            self.problem(key, refused.rule, value, hint=refused.hint, placeholder=refused.placeholder)

    @staticmethod
    def _crossed(form: object, given: Given) -> Iterator[Problem]:
        judge: Callable[[Given], Iterator[Problem]] | None = getattr(form, "crossed", None)
        return iter(()) if judge is None else judge(given)


def rule_of(form: object, key: str) -> Rule:
    """The rule that a dataclass gives this key."""
    hint = _hints(form)[key]
    if get_origin(hint) is not Annotated:
        raise TypeError(f"{form} gives {key} no rule")
    rule: Rule = get_args(hint)[1]
    return rule


@cache
def _hints(form: object) -> dict[str, Any]:
    return get_type_hints(form, include_extras=True)


def _find_lines(text: str) -> dict[str, int]:
    """Where each key stands, as far as plain lines tell. One found twice (a multi-line string looks like a key) is left out."""
    lines: dict[str, int] = {}
    twice: set[str] = set()
    counts: dict[str, int] = {}
    at = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.fullmatch(line.rstrip("\r")):
            at = header[2]
            if header[1] == "[[":
                counts[at] = counts.get(at, 0) + 1
                at = f"{at}[{counts[at]}]"
            name = at
        elif key := _KEY.match(line):
            name = f"{at}.{key[1]}" if at else key[1]
        else:
            continue
        twice |= {name} & lines.keys()
        lines[name] = number
    return {name: number for name, number in lines.items() if name not in twice}
