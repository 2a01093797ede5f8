"""How plain dataclasses lie in tables: a column for a plain field, a table of its own for a field that holds dataclasses.

Pure. Knows no file, no connection and no record by name: the types of the fields decide, so a new field needs nothing here. A type
that has no place in a table is a TypeError when the tables are laid out, never a surprise at the first row.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Union, get_args, get_origin, get_type_hints

# Where a row lies: the key of the outermost record, then a place in a list for each level below.
Path = tuple[Any, ...]
Row = tuple[Any, ...]
# Of a column that holds JSON. The word TEXT keeps SQLite from making a number of it.
_JSON = "JSON TEXT"


@dataclass(frozen=True, slots=True)
class Column:
    """One plain field. encode and decode never see None: that is NULL."""

    name: str
    sql: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Child:
    """A field that holds dataclasses: as a list, as a tuple, or one that may be None."""

    field: str
    table: Table
    gather: Callable[[list[Any]], Any]


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one dataclass.

    path: the columns that say where a row lies, `key` among them where the records have a key of their own. settled: records never
    change once they are there, so that the same object is the same row. pick: a record's plain fields as they are. left_out: fields
    that are not written and are None when read back.
    """

    name: str
    form: type
    path: tuple[Column, ...]
    key: str | None
    columns: tuple[Column, ...]
    children: tuple[Child, ...]
    settled: bool
    pick: Callable[[Any], Any]
    left_out: tuple[str, ...]

    def within(self) -> Iterator[Table]:
        """This table and every table below it."""
        yield self
        for child in self.children:
            yield from child.table.within()

    def row(self, path: Path, record: Any) -> Row:
        """A record as it is written: the path first."""
        return (*self.place(path), *(_put(column, getattr(record, column.name)) for column in self.columns))

    def place(self, path: Path) -> Row:
        """The first parts of a path as they are written."""
        return tuple(_put(column, part) for column, part in zip(self.path, path, strict=False))

    def path_of(self, row: Row) -> Path:
        """Where a row that was read lies. Raises ValueError or TypeError for a strange one."""
        return tuple(column.decode(raw) for column, raw in zip(self.path, row, strict=False))

    def record(self, row: Row, gathered: Mapping[str, Any]) -> Any:
        """A row read back. gathered: the fields that have tables of their own. Raises ValueError or TypeError for a strange row."""
        columns = (*self.path, *self.columns) if self.key else self.columns
        raws = row if self.key else row[len(self.path) :]
        told = {column.name: None if raw is None else column.decode(raw) for column, raw in zip(columns, raws, strict=True)}
        return self.form(**told, **gathered, **dict.fromkeys(self.left_out))

    def ddl(self) -> str:
        """The statement that makes this table. Records with a key keep the order in which they came; lists lie in their own."""
        lines = [f'"{column.name}" {column.sql}' for column in (*self.path, *self.columns)]
        names = ", ".join(f'"{column.name}"' for column in self.path)
        rule, tail = (f"UNIQUE ({names})", "") if self.key else (f"PRIMARY KEY ({names})", " WITHOUT ROWID")
        return f'CREATE TABLE "{self.name}" (\n  ' + ",\n  ".join([*lines, rule]) + f"\n){tail}"


def lay_out(name: str, form: type, *, key: str | None = None, leave_out: Iterable[tuple[type, str]] = ()) -> Table:
    """The tables of a record. key: the field by which records are kept; None for a list. leave_out: fields that are not written.

    Raises TypeError that names a field which fits nowhere.
    """
    hints = get_type_hints(form)
    path = (_column(key, hints[key]),) if key else (_column("nth", int),)
    return _lay(name, form, path, key, frozenset(leave_out))


def _lay(name: str, form: type, path: tuple[Column, ...], key: str | None, leave_out: frozenset[tuple[type, str]]) -> Table:
    hints = get_type_hints(form)
    columns: list[Column] = []
    children: list[Child] = []
    for each in fields(form):
        if each.name == key or (form, each.name) in leave_out:
            continue
        if (inner := _records_of(hints[each.name])) is None:
            columns.append(_column(each.name, hints[each.name], f"{form.__name__}.{each.name}"))
            continue
        owner = Column("of_" + _singular(name), path[-1].sql, path[-1].encode, path[-1].decode)
        below = _lay(f"{_singular(name)}_{each.name}", inner[0], (*path[:-1], owner, _column("nth", int)), None, leave_out)
        children.append(Child(each.name, below, inner[1]))
    taken = {column.name for column in path} & {column.name for column in columns}
    if taken:
        raise TypeError(f"{form.__name__}.{min(taken)}: the name is taken by a column that says where the row lies")
    unchanging = all(column.sql != _JSON for column in columns) and not children
    frozen = bool(form.__dataclass_params__.frozen)  # type: ignore[attr-defined]  # every dataclass has them
    unwritten = tuple(each.name for each in fields(form) if (form, each.name) in leave_out)
    return Table(name, form, path, key, tuple(columns), tuple(children), frozen and unchanging, _picker(columns), unwritten)


def _picker(columns: list[Column]) -> Callable[[Any], Any]:
    """The plain fields of a record, to be compared with those of before. What can change in place is taken as its text."""
    texts = [column for column in columns if column.sql == _JSON]
    settled = [column.name for column in columns if column.sql != _JSON]
    rest = attrgetter(*settled) if settled else type
    if not texts:
        return rest
    return lambda record: (rest(record), *(_put(column, getattr(record, column.name)) for column in texts))


def _singular(name: str) -> str:
    return name[:-3] + "y" if name.endswith("ies") else name.removesuffix("s")


def _records_of(hint: Any) -> tuple[type, Callable[[list[Any]], Any]] | None:
    """The dataclass that a field holds, and how those read back become the field's value; None for a plain field."""
    hint = _without_none(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return hint, lambda found: found[0] if found else None
    inner = get_args(hint)
    if get_origin(hint) in (list, tuple) and inner and isinstance(inner[0], type) and is_dataclass(inner[0]):
        return inner[0], list if get_origin(hint) is list else tuple
    return None


def held(record: Any, child: Child) -> list[Any] | tuple[Any, ...]:
    """What a field with a table of its own holds."""
    value = getattr(record, child.field)
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


# --- plain values ---


def _put(column: Column, value: Any) -> Any:
    return None if value is None else column.encode(value)


def _column(name: str, hint: Any, where: str = "") -> Column:
    kind = _without_none(hint)
    if kind is bool:
        return Column(name, "INTEGER", int, bool)
    if kind is int:
        return Column(name, "INTEGER", _put_int, int)
    if kind is float:
        return Column(name, "REAL", float, float)
    if kind is str:
        return Column(name, "TEXT", _put_text, _take_text)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return Column(name, "TEXT", str, kind)
    rebuild = _rebuilder(kind, where or name)
    return Column(name, _JSON, lambda value: json.dumps(_plain(value)), lambda raw: rebuild(json.loads(raw)))


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    left = [each for each in get_args(hint) if each is not type(None)]
    return left[0] if len(left) == 1 else hint


def _put_int(value: int) -> int | bytes:
    """SQLite's integers end at 64 bits; a longer one that came from outside must not keep the rest from being written."""
    return value if -(2**63) <= value < 2**63 else str(value).encode()


def _put_text(value: str) -> str | bytes:
    """A lone surrogate that came in is no UTF-8: such a text lies there as bytes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode(errors="surrogatepass")
    return value


def _take_text(raw: str | bytes) -> str:
    return raw.decode(errors="surrogatepass") if isinstance(raw, bytes) else str(raw)


def _plain(value: Any) -> Any:
    """As JSON has it; sets in order, so that the same set is the same text."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(each) for each in value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _rebuilder(hint: Any, where: str) -> Callable[[Any], Any]:
    """From JSON back to the type of the field."""
    hint = _without_none(hint)
    if hint is Any or hint in (bool, int, float, str):
        return lambda value: value
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return lambda value: None if value is None else hint(value)
    origin, inner = get_origin(hint) or hint, get_args(hint)
    if origin is dict:
        name_of, each_of = (_rebuilder(each, where) for each in inner or (str, Any))
        whole = bool(inner) and inner[0] is int
        return lambda value: {int(name) if whole else name_of(name): each_of(each) for name, each in value.items()}
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        parts = [_rebuilder(each, where) for each in inner]
        return lambda value: tuple(part(each) for part, each in zip(parts, value, strict=True))
    if origin in (list, tuple, set, frozenset):
        item = _rebuilder(inner[0] if inner else Any, where)
        return lambda value: origin(item(each) for each in value)
    raise TypeError(f"{where}: {hint} has no place in a table")
