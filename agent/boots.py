"""The boots of the device as the store numbers them, and the moments of earlier boots on the clock of this one.

Touches the table of boots on an open connection. Decides where what was recorded before a reboot lies on this boot's monotonic
clock: always at or below 0, in capture order. Must not begin a transaction. Every method raises sqlite3.Error.
"""

from __future__ import annotations

import contextlib
import sqlite3

from agent.columns import first_id, last_id, read_utc


class Boots:
    """Seen from one boot. zero_wall: UTC s at which its monotonic clock was 0, as believed now."""

    def __init__(self, connection: sqlite3.Connection, boot_id: str, zero_wall: float) -> None:
        self._connection = connection
        self._boot_id = boot_id
        self._zero_wall = zero_wall
        self._own: int | None = None
        self._shifts: dict[int, float] | None = None

    def own(self) -> int:
        """The number of this boot; gives it one if it has none."""
        if self._own is None:
            self._connection.execute("INSERT OR IGNORE INTO boots (boot_id) VALUES (?)", (self._boot_id,))
            self._own = self.find()
        return self._own or 0

    def find(self) -> int | None:
        """The number of this boot, None if it has none yet."""
        if self._own is None:
            found = self._connection.execute("SELECT number FROM boots WHERE boot_id = ?", (self._boot_id,)).fetchone()
            self._own = found[0] if found else None
        return self._own

    def next(self) -> int:
        """The number that this boot will have if it has none."""
        return int(self._connection.execute("SELECT coalesce(max(number), 0) + 1 FROM boots").fetchone()[0])

    def forget(self) -> None:
        """A transaction was rolled back: the number may have been given inside."""
        self._own = None

    def believe(self, zero_wall: float) -> None:
        """The wall clock is another than was thought."""
        self._zero_wall = zero_wall
        self._shifts = None

    def localise(self, boot: int, at: float, wall: str) -> float:
        """Monotonic s of a press; of an earlier boot at most 0, as far before as the wall clock knows."""
        return at if boot == self.find() else min(0.0, read_utc(wall) - self._zero_wall)

    def move(self, boot: int, at: float, wall: str) -> float:
        """Monotonic s of a fix on this boot's clock. Of an earlier boot at most 0, in capture order.

        Between boots the wall clock counts as far as it keeps their order; within a boot its own clock does, which knows better.
        """
        if boot == self.find():
            return at
        shift = self._earlier().get(boot)
        return self.localise(boot, at, wall) if shift is None else at + shift

    def reach(self, until_at: float) -> int:
        """The highest id that a fix captured until `until_at` of this boot's clock may have; -1 when none can be that old."""
        own = self.find()
        if until_at > 0 and own is not None:
            return last_id(own, until_at)
        # A ms more: what was added comes off again with a rounding, and the last fix must not be left out for it.
        until_at += 0.001
        return next((last_id(boot, until_at - shift) for boot, shift in self._earlier().items() if shift <= until_at), -1)

    def _earlier(self) -> dict[int, float]:
        """The shifts of the boots that have fixes, the newest first. They change only when the wall clock does."""
        if self._shifts is None:
            self._shifts = self._align()
        return self._shifts

    def _align(self) -> dict[int, float]:
        shifts: dict[int, float] = {}
        ceiling = 0.0
        boots = self._connection.execute("SELECT number FROM boots WHERE number IS NOT ? ORDER BY number DESC", (self.find(),)).fetchall()
        for (boot,) in boots:
            sql = "SELECT at_s, wall_utc FROM fixes WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1"
            last = self._connection.execute(sql, (first_id(boot, 0.0), first_id(boot + 1, 0.0) - 1)).fetchone()
            if last is not None:
                at, wall = last
                with contextlib.suppress(ValueError, TypeError):  # damaged: its fixes are placed by their own wall clock
                    shifts[boot] = ceiling = min(ceiling, read_utc(wall) - self._zero_wall) - at
        return shifts
