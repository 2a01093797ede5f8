"""The track as CSV: one line a fix, the columns of the database. Pure; changes nothing but what a spreadsheet would run as a formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent.tracks.history import COLUMNS

# A cell that begins so is a formula to a spreadsheet. An apostrophe before it makes it text; numbers are numbers and stay.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_QUOTED = frozenset(",\"\r\n'")


def pieces(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines, a header first, each with its end (RFC 4180)."""
    yield ",".join(COLUMNS) + "\r\n"
    for row in rows:
        yield ",".join([_cell(row[name]) for name in COLUMNS]) + "\r\n"


def _cell(value: object) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    if value.startswith(_FORMULA):
        value = f"'{value}"
    return '"' + value.replace('"', '""') + '"' if not _QUOTED.isdisjoint(value) else value
