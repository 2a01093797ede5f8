"""The rows of fixes: how one is written, marked, counted and found again.

Touches the table of fixes on an open connection. Decides which row is which: a fix has its id from its boot and its moment (see
`columns`), so the rows lie in capture order in the only tree that a routine commit writes. Must not begin a transaction or know
what a failure means. Every method raises sqlite3.Error; every write may be done twice.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.boots import Boots
from agent.columns import first_id, last_id, plain, read_utc, utc_or_none, wall_or_none, write_utc
from agent.deeds import Covered, Restamped, Sent, Taken, TrailTold
from agent.model import Fix, Quality

COUNTED = "counted"  # the row of `state` that says "ROWS ID": so many rows up to this id
# Whatever a device records, there are not more rows in a second.
_MOST_PER_S = 20
# How far before a row its predecessor in the emergency is looked for: a fix may have been recorded late.
_NEIGHBOURS = 64
_COLUMNS = (
    "id, boot, at_s, wall_utc, receiver, latitude_deg, longitude_deg, accuracy_m, altitude_m, speed_mps, track_deg,"
    " gnss_utc, wall_trusted, segment, quality"
)
_UNTOLD = "episode = ? AND sent_utc IS NULL AND told_utc IS NULL"  # in the words of the partial index

Row = tuple[int, Fix]  # with its id


@dataclass(slots=True)
class Counts:
    """What is counted as rows come and go, so that nobody scans for it. counted_to: up to this id the file knows the number itself.

    untold: of the emergency `episode`; None: to be counted.
    """

    kept: int = 0
    counted_to: int = 0
    episode: str | None = None
    untold: int | None = None


class FixRows:
    """The fixes of one open connection, seen from one boot."""

    def __init__(self, connection: sqlite3.Connection, boots: Boots) -> None:
        self._connection = connection
        self._boots = boots
        self.counts = Counts()
        connection.create_function("utc", 1, write_utc, deterministic=True)

    def _run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(sql, tuple(map(plain, values)))

    # Writing

    def take(self, deed: Taken) -> None:
        """A new row, unless the fix has one."""
        f, boot = deed.fix, self._boots.own()
        first = first_id(boot, f.at)
        there = self._run(
            "SELECT id, at_s, receiver FROM fixes WHERE id BETWEEN ? AND ? ORDER BY id", first, last_id(boot, f.at)
        ).fetchall()
        if any((at, receiver) == (f.at, plain(f.receiver)) for _, at, receiver in there):
            return
        number = there[-1][0] + 1 if there else first
        position = (f.latitude, f.longitude, f.accuracy_m, f.altitude_m, f.speed_mps, f.track_deg)
        times = (f.at, write_utc(f.wall), f.wall_trusted, utc_or_none(f.gnss_time))
        self._run(
            "INSERT INTO fixes (id, boot, at_s, wall_utc, wall_trusted, gnss_utc, receiver, latitude_deg, longitude_deg,"
            " accuracy_m, altitude_m, speed_mps, track_deg, segment, quality, episode) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            *(number, boot, *times, f.receiver, *position, f.segment, str(f.quality), deed.episode),
        )
        self.counts.kept += 1
        if deed.episode is not None:
            self._change_untold(deed.episode, 1)
        if number <= self.counts.counted_to:
            self.note_count()

    def mark_sent(self, deed: Sent) -> None:
        """The location lane had it accepted."""
        boot = self._boots.own()
        changed = self._run(
            "UPDATE fixes SET sent_utc = ? WHERE id BETWEEN ? AND ? AND at_s = ? AND receiver = ? AND sent_utc IS NULL"
            " RETURNING episode, told_utc",
            *(write_utc(deed.wall), first_id(boot, deed.at), last_id(boot, deed.at), deed.at, deed.receiver),
        ).fetchall()
        for episode, told in changed:
            self._change_untold(episode, -1 if told is None else 0)

    def mark_covered(self, deed: Covered) -> None:
        """A span of this boot needs no words."""
        boot = self._boots.own()
        self._mark_told(deed.wall, deed.episode, first_id(boot, deed.since_at), last_id(boot, deed.until_at))

    def mark_told(self, deed: TrailTold) -> None:
        """A trail told all that was captured until then, in whatever boot; or what this boot captured since then."""
        if deed.episode is not None:
            since_id = 0 if deed.told.since_at is None else first_id(self._boots.own(), deed.told.since_at)
            self._mark_told(deed.told.wall, deed.episode, since_id, self._boots.reach(deed.told.until_at))

    def _mark_told(self, wall: float, episode: str, since_id: int, until_id: int) -> None:
        sql = f"UPDATE fixes SET told_utc = ? WHERE {_UNTOLD} AND id BETWEEN ? AND ?"  # noqa: S608 - a literal of this module
        self._change_untold(episode, -self._run(sql, write_utc(wall), episode, since_id, until_id).rowcount)

    def restamp(self, deed: Restamped) -> None:
        """Rows of this boot that nobody vouched for get their true time."""
        self._run(
            "UPDATE fixes SET wall_utc = utc(? + at_s), wall_trusted = 1 WHERE boot = ? AND wall_trusted = 0",
            *(deed.wall - deed.at, self._boots.own()),
        )

    # Counting

    def count(self) -> int:
        """How many there are; reads only what came after the number that the file knows."""
        noted = self._run("SELECT value FROM state WHERE name = ?", COUNTED).fetchone()
        kept, counted_to = map(int, noted[0].split()) if noted else (0, -1)
        self.counts.kept = kept + int(self._run("SELECT count(*) FROM fixes WHERE id > ?", counted_to).fetchone()[0])
        self.counts.counted_to = counted_to
        return self.counts.kept

    def note_count(self) -> None:
        """Let the file know the number."""
        self.counts.counted_to = self._run("SELECT coalesce(max(id), -1) FROM fixes").fetchone()[0]
        self._run("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", COUNTED, f"{self.counts.kept} {self.counts.counted_to}")

    def went(self, gone: int) -> None:
        """So many rows were deleted. Call it in the same transaction."""
        if gone:
            self.counts.kept -= gone
            self.counts.untold = None
            self.note_count()

    def count_untold(self, episode: str | None) -> int:
        """Fixes of this emergency that neither lane told."""
        if episode is None:
            return 0
        if self.counts.untold is None or self.counts.episode != episode:
            self.counts.episode = episode
            self.counts.untold = int(self._run(f"SELECT count(*) FROM fixes WHERE {_UNTOLD}", episode).fetchone()[0])  # noqa: S608 - likewise
        return self.counts.untold or 0

    def _change_untold(self, episode: str | None, by: int) -> None:
        if self.counts.untold is not None and episode == self.counts.episode:
            self.counts.untold += by

    # Reading

    def last(self) -> Fix | None:
        """The newest fix that can be read, None if there is none: a damaged row must not hide an emergency behind it."""
        rows = self._run(f"SELECT {_COLUMNS} FROM fixes ORDER BY id DESC LIMIT ?", _NEIGHBOURS)  # noqa: S608 - a literal of this module
        for row in rows:
            with contextlib.suppress(ValueError, TypeError):
                return self._read_fix(row)
        return None

    def span(self, since_wall: float, until_wall: float, after: int, limit: int) -> tuple[list[Row], int | None]:
        """Of the next `limit` rows after an id those of a span of wall time; and the id to go on after, None at the end."""
        ids = self._run("SELECT max(id), count(*) FROM (SELECT id FROM fixes WHERE id > ? ORDER BY id LIMIT ?)", after, limit).fetchone()
        last, there = ids
        if not there:
            return [], None
        span = (write_utc(since_wall), write_utc(until_wall))
        rows = self._read("id > ? AND id <= ? AND wall_utc BETWEEN ? AND ? ORDER BY id", after, last, *span)
        return rows, last if there == limit else None

    def missed(self, episode: str, until_at: float, after: int, limit: int) -> list[Row]:
        """Up to `limit` fixes of an emergency that neither lane told, captured until then, after an id."""
        return self._read(f"{_UNTOLD} AND id > ? AND id <= ? ORDER BY id LIMIT ?", episode, after, self._boots.reach(until_at), limit)

    def told_before(self, episode: str, number: int) -> Fix | None:
        """The last fix of an emergency before this id that dispatch has; None where none lies close before it."""
        near = "(SELECT * FROM fixes WHERE id < ? ORDER BY id DESC LIMIT ?)"
        where = "episode = ? AND (sent_utc IS NOT NULL OR told_utc IS NOT NULL) ORDER BY id DESC LIMIT 1"
        found = self._read(where, number, _NEIGHBOURS, episode, of=near)
        return found[0][1] if found else None

    def ids_before(self, boot: int, at: float, wall: str, span_s: float) -> list[int]:
        """The ids of the fixes of the `span_s` before a press."""
        return ids_before(self._connection, boot, at, wall, span_s)

    def read(self, ids: Sequence[int]) -> list[Fix]:
        """The fixes of these ids, in capture order."""
        return [fix for _, fix in self._read(f"id IN ({','.join('?' * len(ids))}) ORDER BY id", *ids)]

    def _read(self, where: str, *values: Any, of: str = "fixes") -> list[Row]:
        rows = self._run(f"SELECT {_COLUMNS} FROM {of} WHERE {where}", *values)  # noqa: S608 - literals of this module
        return [(row[0], self._read_fix(row)) for row in rows]

    def _read_fix(self, row: Sequence[Any]) -> Fix:
        _, boot, at, wall, receiver, latitude, longitude, *others, gnss, trusted, segment, quality = row
        accuracy, altitude, speed, track = others
        place = (receiver, latitude, longitude, accuracy, altitude, speed, track)
        times = (self._boots.move(boot, at, wall), read_utc(wall))
        return Fix(*times, *place, wall_or_none(gnss), bool(trusted), segment, Quality(quality))


def ids_before(connection: sqlite3.Connection, boot: int, at: float, wall: str, span_s: float) -> list[int]:
    """The ids of the fixes of the `span_s` before a press, in capture order. Raises sqlite3.Error.

    By both clocks: within the boot of the press the monotonic one, which a step of the wall clock leaves alone; before that boot the
    wall clock, which is all that there is.
    """
    moments = (first_id(boot, at - span_s), last_id(boot, at))
    within = connection.execute("SELECT id FROM fixes WHERE id BETWEEN ? AND ? ORDER BY id", moments)
    ids = [number for (number,) in within]
    if at >= span_s:
        return ids
    earlier = connection.execute(
        "SELECT id FROM (SELECT id, wall_utc FROM fixes WHERE id < ? ORDER BY id DESC LIMIT ?) WHERE wall_utc BETWEEN ? AND ? ORDER BY id",
        (first_id(boot, 0.0), int(span_s * _MOST_PER_S), write_utc(read_utc(wall) - span_s), wall),
    )
    return [number for (number,) in earlier] + ids
