"""How the daemon's values become columns of the store, and what they are again when they are read.

Decides the written form of times, callout ids and the ids of fixes. Pure: it knows no table and no file, and must not guess what
it cannot read.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from agent.model import CalloutId

# The year 9999: a wall time beyond it cannot be written as a date.
_LAST_WALL = 253402300799.0
# Integers of SQLite have 64 bits.
_LARGEST = 2**63 - 1

# The id of a fix tells its boot and its moment, so that the rows lie in capture order and a row that is written twice is found:
# the boot's number, then monotonic ms (for eight years), then a place among the fixes of that ms.
BOOT_SHIFT = 44
MOMENT_SHIFT = 6
_LAST_MS = (1 << (BOOT_SHIFT - MOMENT_SHIFT)) - 1


def write_utc(wall: float) -> str:
    """UTC s since 1970 as `2026-03-01T12:00:00.250Z`; what cannot be a date becomes the nearest one that can."""
    clipped = min(max(wall, 0.0), _LAST_WALL) if math.isfinite(wall) else 0.0
    return datetime.fromtimestamp(clipped, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_utc(text: str) -> float:
    """The inverse of `write_utc`, exact to the ms. Raises ValueError for what is no date."""
    return datetime.fromisoformat(text).timestamp()


def utc_or_none(wall: float | None) -> str | None:
    """As `write_utc`, None for None."""
    return None if wall is None else write_utc(wall)


def wall_or_none(text: str | None) -> float | None:
    """As `read_utc`, None for None."""
    return None if text is None else read_utc(text)


def write_id(callout_id: CalloutId) -> int | str:
    """A callout id as a column value that keeps its type. SQLite's integers end at 64 bits: larger ones carry a mark."""
    if isinstance(callout_id, int):
        return callout_id if abs(callout_id) <= _LARGEST else f"int:{callout_id}"
    return f"str:{callout_id}" if callout_id.startswith(("int:", "str:")) else callout_id


def read_id(value: int | str) -> CalloutId:
    """The inverse of `write_id`."""
    if isinstance(value, int):
        return value
    if value.startswith("int:"):
        return int(value[4:])
    return value.removeprefix("str:")


def plain(value: Any) -> Any:
    """A value that SQLite surely takes: an odd byte in a note must never cost a press its row."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and abs(value) > _LARGEST:
        return str(value)
    return value


def first_id(boot: int, at: float) -> int:
    """The lowest id that a fix of this boot at monotonic s `at` may have. Raises ValueError or OverflowError for what is no time."""
    at_ms = min(max(int(at * 1000), 0), _LAST_MS)
    return (boot << BOOT_SHIFT) + (at_ms << MOMENT_SHIFT)


def last_id(boot: int, at: float) -> int:
    """The highest one."""
    return first_id(boot, at) + (1 << MOMENT_SHIFT) - 1
