"""What an open database needs from time to time: a checkpoint, room before it is needed, fewer rows.

Touches the open file and its reserve, when nobody waits for the disk. Must not write what the daemon gave, and must not raise for
the state of the disk: the next commit meets the same trouble and tells it. Blocks, a handful of rows at a time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable

from agent import dbfile
from agent.dbfile import OpenFile
from agent.retention import HIGH, Limits, Retention, used_part
from agent.rows import Tables

# Commits between two checkpoints; made when nobody waits, so that no press pays for one.
_CHECKPOINT_EVERY = 100


class Upkeep:
    """Of one open file."""

    def __init__(self, file: OpenFile, tables: Tables, limits: Limits) -> None:
        self._file, self._tables, self._limits = file, tables, limits
        self._retention = Retention(file.connection)
        self._reserved = False
        self._tended_at = 0

    def tend(self, commits: int, episode: str | None) -> None:
        """commits: made since the file was opened."""
        if not self._reserved:  # a disk that is filled in the first minutes of a new device must find it there
            self._reserved = True
            dbfile.make_reserve(self._file.path)
        if commits - self._tended_at < _CHECKPOINT_EVERY:
            return
        self._tended_at = commits
        dbfile.make_reserve(self._file.path)
        with contextlib.suppress(sqlite3.Error):
            with self._tables.transaction():
                self._tables.fixes.note_count()
            self._file.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self.thin(HIGH, self._limits, episode)

    def thin(self, above: float, limits: Limits, episode: str | None) -> int:
        """Delete a chunk of fixes if more than this part of the size allowed is used; returns how many went."""
        return self._delete(lambda: self._retention.thin(limits, episode) if used_part(self._file.connection, limits) > above else 0)

    def expire(self, cutoff_wall: float, limits: Limits, episode: str | None, after: int) -> tuple[int, int | None]:
        """Delete what is from before `cutoff_wall` (UTC s) among the next rows after an id.

        Returns how many went, and the id to go on after; None at the end.
        """
        on: int | None = None

        def delete() -> int:
            nonlocal on
            gone, on = self._retention.expire(cutoff_wall, limits, episode, after)
            return gone

        return self._delete(delete), on

    def _delete(self, delete: Callable[[], int]) -> int:
        try:
            with self._tables.transaction():
                gone = delete()
                self._tables.fixes.went(gone)
        except sqlite3.Error:
            # What was rolled back took the temporary table along.
            self._retention = Retention(self._file.connection)
            return 0
        return gone
