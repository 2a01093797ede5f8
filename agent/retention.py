"""Which fixes go when they are too old or too many, a handful at a time.

Decides the order of DESIGN section 10: told and routine fixes first, oldest first; then every second of the oldest. Never a
press, a callout, or a fix of the minutes before a press. Deletes rows of `fixes` on an open connection, inside a transaction
that someone else began; must not begin one itself. What is in capture order needs no index by time: old rows are looked for from
the first one on.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass

from agent.columns import write_utc
from agent.fix_rows import ids_before

# Rows per transaction: a press waits for no more than this.
CHUNK = 500
# The newest fixes always stay, whatever the pressure: the last position, and what may become the minutes before a press.
NEWEST_KEPT = 1000
# Thinning begins above the first and ends below the second part of the size allowed.
HIGH, LOW = 0.9, 0.8

_Seen = tuple[int, str, int, str | None]  # id, wall_utc, wall_trusted, episode


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept. before_press_s: the span before a press that is never thinned."""

    max_mb: float = 256.0
    before_press_s: float = 600.0
    newest_kept: int = NEWEST_KEPT


def used_part(connection: sqlite3.Connection, limits: Limits) -> float:
    """The part of the size allowed that rows take up. Raises sqlite3.Error."""
    pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    return float((pages - free) * size / (limits.max_mb * 2**20))


class Retention:
    """Deletes by chunks. Remembers for which presses rows are spared."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._presses: set[tuple[object, ...]] = set()

    def expire(self, cutoff_wall: float, limits: Limits, episode: str | None, after: int) -> tuple[int, int | None]:
        """Delete the fixes from before `cutoff_wall` (UTC s) among the next chunk after an id. Raises sqlite3.Error.

        Returns how many went, and the id to go on after; None at the end. A row whose own time is not trusted goes with the next
        trusted one.
        """
        self._spare(limits)
        sql = "SELECT id, wall_utc, wall_trusted, episode FROM fixes WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._connection.execute(sql, (after, CHUNK)).fetchall()
        old = self._old(rows, write_utc(cutoff_wall))
        spared = self._spared_among(rows)
        doomed = [(number,) for number, _, _, taken_in in old if (taken_in is None or taken_in != episode) and number not in spared]
        self._connection.executemany("DELETE FROM fixes WHERE id = ?", doomed)
        return len(doomed), rows[-1][0] if len(rows) == CHUNK else None

    def _old(self, rows: list[_Seen], cutoff: str) -> list[_Seen]:
        is_old = bool(rows) and not rows[-1][2] and self._is_next_old(rows[-1][0], cutoff)
        old = []
        for row in reversed(rows):
            is_old = row[1] < cutoff if row[2] else is_old
            if is_old:
                old.append(row)
        return old

    def _is_next_old(self, number: int, cutoff: str) -> bool:
        sql = "SELECT wall_utc < ? FROM fixes WHERE id > ? AND wall_trusted = 1 ORDER BY id LIMIT 1"
        found = self._connection.execute(sql, (cutoff, number)).fetchone()
        return bool(found and found[0])

    def _spared_among(self, rows: list[_Seen]) -> set[int]:
        if not rows:
            return set()
        sql = "SELECT id FROM temp.spared WHERE id BETWEEN ? AND ?"
        return {number for (number,) in self._connection.execute(sql, (rows[0][0], rows[-1][0]))}

    def thin(self, limits: Limits, episode: str | None) -> int:
        """Delete up to a chunk of the fixes that matter least; returns how many, 0 when nothing may go. Raises sqlite3.Error."""
        self._spare(limits)
        edge = self._connection.execute("SELECT id FROM fixes ORDER BY id DESC LIMIT 1 OFFSET ?", (limits.newest_kept,)).fetchone()
        if edge is None:
            return 0
        return self._delete(
            "SELECT id FROM fixes WHERE id <= ? AND id NOT IN (SELECT id FROM temp.spared)"
            " AND (episode IS NULL OR episode IS NOT ? OR sent_utc IS NOT NULL OR told_utc IS NOT NULL) ORDER BY id LIMIT ?",
            *(edge[0], episode, CHUNK),
        ) or self._delete(
            "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM (SELECT id FROM fixes"
            " WHERE id <= ? AND id NOT IN (SELECT id FROM temp.spared) ORDER BY id LIMIT ?)) WHERE n % 2 = 0",
            *(edge[0], 2 * CHUNK),
        )

    def _delete(self, choice: str, *values: object) -> int:
        sql = f"DELETE FROM fixes WHERE id IN ({choice})"  # noqa: S608 - `choice` is one of the literals above
        return self._connection.execute(sql, values).rowcount

    def _spare(self, limits: Limits) -> None:
        """Note which rows the presses protect; what was noted for a press stays."""
        self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS spared (id INTEGER PRIMARY KEY)")
        for boot, at, wall in self._connection.execute("SELECT boot, at_s, wall_utc FROM presses").fetchall():
            press = (boot, at, wall, limits.before_press_s)
            if press not in self._presses:
                with contextlib.suppress(ValueError, TypeError):  # a row that is damaged protects nothing, and keeps nothing from going
                    ids = ids_before(self._connection, *press)
                    self._connection.executemany("INSERT OR IGNORE INTO temp.spared VALUES (?)", ((number,) for number in ids))
                self._presses.add(press)
