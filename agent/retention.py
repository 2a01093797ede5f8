"""Which fixes go when they are too old or too many, a handful at a time.

Decides the order of DESIGN section 10: told and routine fixes first, oldest first; then every second of the oldest. Never a
press, a callout, or a fix of the minutes before a press. Deletes rows of `fixes` on an open connection, inside a transaction
that someone else began; must not begin one itself.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from agent.rows import read_utc, write_utc

# Rows per transaction: a press waits for no more than this.
CHUNK = 500
# The newest fixes always stay, whatever the pressure: the last position, and what may become the minutes before a press.
NEWEST_KEPT = 1000
# Thinning begins above the first and ends below the second part of the size allowed.
HIGH, LOW = 0.9, 0.8


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
    """Deletes by chunks. Remembers which rows a press protects until there is another press."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._spared_for: tuple[object, ...] | None = None

    def expire(self, cutoff_wall: float, limits: Limits, episode: str | None) -> int:
        """Delete up to a chunk of the fixes from before `cutoff_wall` (UTC s); returns how many. Raises sqlite3.Error.

        A row whose own time is not trusted goes once a trusted row recorded after it is that old.
        """
        self._spare(limits)
        cutoff = write_utc(cutoff_wall)
        return self._delete(
            "SELECT id FROM fixes WHERE wall_trusted = 0 AND (episode IS NULL OR episode IS NOT ?)"
            " AND id NOT IN (SELECT id FROM temp.spared) AND id < ("
            "SELECT id FROM fixes WHERE wall_trusted = 1 AND wall_utc < ? ORDER BY wall_utc DESC LIMIT 1) LIMIT ?",
            *(episode, cutoff, CHUNK),
        ) or self._delete(
            "SELECT id FROM fixes WHERE wall_trusted = 1 AND wall_utc < ? AND (episode IS NULL OR episode IS NOT ?)"
            " AND id NOT IN (SELECT id FROM temp.spared) ORDER BY wall_utc LIMIT ?",
            *(cutoff, episode, CHUNK),
        )

    def thin(self, limits: Limits, episode: str | None) -> int:
        """Delete up to a chunk of the fixes that matter least; returns how many, 0 when nothing may go. Raises sqlite3.Error."""
        self._spare(limits)
        return self._delete(
            "SELECT id FROM fixes WHERE id <= (SELECT max(id) FROM fixes) - ? AND id NOT IN (SELECT id FROM temp.spared)"
            " AND (episode IS NULL OR episode IS NOT ? OR sent_utc IS NOT NULL OR told_utc IS NOT NULL) ORDER BY id LIMIT ?",
            *(limits.newest_kept, episode, CHUNK),
        ) or self._delete(
            "SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM (SELECT id FROM fixes"
            " WHERE id <= (SELECT max(id) FROM fixes) - ? AND id NOT IN (SELECT id FROM temp.spared) ORDER BY id LIMIT ?)) WHERE n % 2 = 0",
            *(limits.newest_kept, 2 * CHUNK),
        )

    def _delete(self, choice: str, *values: object) -> int:
        sql = f"DELETE FROM fixes WHERE id IN ({choice})"  # noqa: S608 - `choice` is one of the literals above
        return self._connection.execute(sql, values).rowcount

    def _spare(self, limits: Limits) -> None:
        presses = self._connection.execute("SELECT count(*), sum(number), max(wall_utc) FROM presses").fetchone()
        if (key := (*presses, limits.before_press_s)) == self._spared_for:
            return
        self._connection.execute("CREATE TEMP TABLE IF NOT EXISTS spared (id INTEGER PRIMARY KEY)")
        for boot, at, wall in self._connection.execute("SELECT boot, at_s, wall_utc FROM presses").fetchall():
            self._spare_before(boot, at, wall, limits.before_press_s)
        self._spared_for = key

    def _spare_before(self, boot: int, at: float, wall: str, before_s: float) -> None:
        # By both clocks: the wall clock tells the span across a reboot, the monotonic one through a step of the wall clock.
        self._connection.execute(
            "INSERT OR IGNORE INTO temp.spared SELECT id FROM fixes WHERE boot = ? AND at_s BETWEEN ? AND ?", (boot, at - before_s, at)
        )
        self._connection.execute(
            "INSERT OR IGNORE INTO temp.spared SELECT id FROM fixes WHERE wall_utc BETWEEN ? AND ?",
            (write_utc(read_utc(wall) - before_s), wall),
        )
