"""What a state file holds, compared with what is there now: which rows are to be added, changed and taken out.

Pure. Lists of records that never change are only compared and added to, so one more position of a long callout is one more row.
What was worked out counts as written only after `settle`: a step that failed is worked out again with the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.tables import Path, Row, Table, held

Place = tuple[str, Path]


@dataclass(slots=True)
class Step:
    """Statements with their rows, in order, and what will be held once they are carried out."""

    statements: list[tuple[str, list[Row]]] = field(default_factory=list)
    held: dict[Place, Any] = field(default_factory=dict)
    gone: list[Place] = field(default_factory=list)


class Ledger:
    """What is held, by table and path: of a record with a key its plain fields, of a list its records or their fields."""

    def __init__(self) -> None:
        self._held: dict[Place, Any] = {}

    def settle(self, step: Step) -> None:
        """The step was carried out."""
        for place in step.gone:
            self._held.pop(place, None)
        self._held.update(step.held)

    def compare_keyed(self, step: Step, table: Table, now: Mapping[Any, Any], only: Collection[Any] | None = None) -> None:
        """Records by their key. only: the keys of which something may have changed beside those that came or went."""
        before: dict[Any, Any] = self._held.get((table.name, ()), {})
        # The quick way for hundreds of tokens: records that never change are the same objects as before.
        if table.settled and before == now:
            return
        come: list[Any] = []
        if before.keys() != now.keys():
            for key in before:
                if key not in now:
                    self._take_out(step, table, (key,))
            come = [key for key in now if key not in before]
        if come or table.settled or len(before) != len(now):
            step.held[table.name, ()] = dict(now) if table.settled else dict.fromkeys(now)
        stayed = (key for key in (now if only is None else only) if key in now and key in before)
        # Those that came in their order: it is the order of their rows.
        for key in (*stayed, *come):
            self._compare_record(step, table, key, now[key], fresh=key not in before)

    def _compare_record(self, step: Step, table: Table, key: Any, record: Any, *, fresh: bool) -> None:
        path = (key,)
        seen, before = record if table.settled else table.pick(record), self._held.get((table.name, path))
        if fresh or (seen is not before and seen != before):
            _add(step, _upsert(table), table.row(path, record))
            step.held[table.name, path] = seen
        self._compare_children(step, table, path, record, fresh=fresh)

    def compare_list(self, step: Step, table: Table, path: Path, records: Iterable[Any], *, fresh: bool = False) -> None:
        """Records in their order. fresh: the record around them is new, so none of them is held."""
        now = list(records) if table.settled else [table.pick(record) for record in records]
        before: list[Any] = [] if fresh else self._held.get((table.name, path), [])
        same = len(before) if now[: len(before)] == before else _first_difference(before, now)
        if same < len(before):
            for below in table.within():
                _add(step, _delete(below, len(path) + 1, ">="), (*below.place(path), same))
        if fresh or same < max(len(before), len(now)):
            step.held[table.name, path] = now
        if same == len(now) and not table.children:
            return
        for nth, record in enumerate(records):
            if nth >= same:
                _add(step, _insert(table), table.row((*path, nth), record))
            self._compare_children(step, table, (*path, nth), record, fresh=nth >= same)

    def _compare_children(self, step: Step, table: Table, path: Path, record: Any, *, fresh: bool) -> None:
        for child in table.children:
            self.compare_list(step, child.table, path, held(record, child), fresh=fresh)

    def _take_out(self, step: Step, table: Table, path: Path) -> None:
        for below in table.within():
            _add(step, _delete(below, len(path), "="), below.place(path))
        names = {below.name for below in table.within()}
        step.gone += [place for place in self._held if place[0] in names and place[1][: len(path)] == path]


def read_back(table: Table, rows: Mapping[str, Iterable[Row]]) -> dict[Path, list[Any]]:
    """The records of a table by the path that they lie under, in the order of their rows. Raises ValueError, TypeError or KeyError."""
    below = [(child, read_back(child.table, rows)) for child in table.children]
    found: dict[Path, list[Any]] = {}
    for row in rows[table.name]:
        path = table.path_of(row)
        gathered = {child.field: child.gather(records.get(path, [])) for child, records in below}
        found.setdefault(path[:-1], []).append(table.record(row, gathered))
    return found


def _first_difference(before: list[Any], now: list[Any]) -> int:
    pairs = zip(before, now, strict=False)
    return next((place for place, (old, new) in enumerate(pairs) if old != new), min(len(before), len(now)))


def _add(step: Step, statement: str, row: Row) -> None:
    """Rows of one statement that follow each other go in one call."""
    if step.statements and step.statements[-1][0] == statement:
        step.statements[-1][1].append(row)
    else:
        step.statements.append((statement, [row]))


def _names(table: Table) -> Iterator[str]:
    return (f'"{column.name}"' for column in (*table.path, *table.columns))


def _insert(table: Table) -> str:
    marks = ", ".join("?" * (len(table.path) + len(table.columns)))
    return f'INSERT INTO "{table.name}" ({", ".join(_names(table))}) VALUES ({marks})'  # noqa: S608 - names of our own dataclasses


def _upsert(table: Table) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in _names(table))
    return f'{_insert(table)} ON CONFLICT ("{table.key}") DO UPDATE SET {changes}'


def _delete(table: Table, depth: int, comparison: str) -> str:
    """By the first parts of the path: the last of them compared so, the others equal."""
    names = [f'"{column.name}"' for column in table.path[:depth]]
    where = " AND ".join([*(f"{name} = ?" for name in names[:-1]), f"{names[-1]} {comparison} ?"])
    return f'DELETE FROM "{table.name}" WHERE {where}'  # noqa: S608 - as above
