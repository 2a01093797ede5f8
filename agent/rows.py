"""What a deed becomes in SQL, and what the rows become again: the only module that knows the columns of the store.

Touches an open connection. Must not open a file, or decide when something is committed or what a failure means. Every deed may be
done twice: the second time changes nothing.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent.kept import CalloutKept, CalloutRecord, EventKept, NoteKept, PressesSettled, PressMade, Write
from agent.model import CalloutId, Fix, Press, Quality

# The year 9999: a wall time beyond it cannot be written as a date.
_LAST_WALL = 253402300799.0
# Integers of SQLite have 64 bits.
_LARGEST = 2**63 - 1
# How many callouts, open or closed, are looked at when the store is read at start.
_RECALLED_CALLOUTS = 64


@dataclass(frozen=True, slots=True)
class Taken:
    """Deed: a fix was recorded, during the emergency that began at `episode` (None: in quiet times)."""

    fix: Fix
    episode: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """Deed: the location lane had the fix of this boot accepted. wall: UTC s of the acceptance."""

    at: float
    receiver: str
    wall: float


@dataclass(frozen=True, slots=True)
class Told:
    """Deed: a trail told dispatch the fixes of this span of wall time. wall: UTC s of the acceptance."""

    since_wall: float
    until_wall: float
    wall: float


@dataclass(frozen=True, slots=True)
class Restamped:
    """Deed: the clock became trusted; at monotonic `at` it was `wall`. Earlier rows of this boot get their true time."""

    at: float
    wall: float


@dataclass(frozen=True, slots=True)
class StateKept:
    """Deed: one small fact of the store itself (`calm`, `episode`, `machine_id`, `press_number`, `settled`)."""

    name: str
    value: str


Deed = Write | Taken | Sent | Told | Restamped | StateKept


def write_utc(wall: float) -> str:
    """UTC s since 1970 as `2026-03-01T12:00:00.250Z`; what cannot be a date becomes the nearest one that can."""
    clipped = min(max(wall, 0.0), _LAST_WALL) if math.isfinite(wall) else 0.0
    return datetime.fromtimestamp(clipped, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_utc(text: str) -> float:
    """The inverse of `write_utc`, exact to the ms. Raises ValueError for what is no date."""
    return datetime.fromisoformat(text).timestamp()


def _utc_or_none(wall: float | None) -> str | None:
    return None if wall is None else write_utc(wall)


def _wall_or_none(text: str | None) -> float | None:
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


def _plain(value: Any) -> Any:
    """A value that SQLite surely takes: an odd byte in a note must never cost a press its row."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and abs(value) > _LARGEST:
        return str(value)
    return value


def _read_callout(row: Sequence[Any]) -> CalloutRecord:
    callout_id, base_url, customer_id, phase, calm, origin, drill, raised, press_number, status, closed = row
    return CalloutRecord(
        *(read_id(callout_id), base_url, customer_id, phase, bool(calm), origin, bool(drill), read_utc(raised)),
        press_number=press_number,
        dispatch_status=status,
        closed_wall=_wall_or_none(closed),
    )


class Tables:
    """The rows of one open connection, seen from one boot. Every method raises sqlite3.Error.

    kept: how many fixes there are, once `count` has been called; carried on from there.
    """

    def __init__(self, connection: sqlite3.Connection, boot_id: str, boot_wall: float | None = None) -> None:
        """boot_wall: UTC s at which this boot's monotonic clock was 0, by the present clock."""
        self._connection = connection
        self._boot_id = boot_id
        self._boot_wall = time.time() - time.monotonic() if boot_wall is None else boot_wall
        self._boot: int | None = None
        self.kept = 0
        connection.create_function("utc", 1, write_utc, deterministic=True)

    def apply(self, deed: Deed) -> None:
        """Do one deed. Call it inside a transaction."""
        _APPLY[type(deed)](self, deed)

    def count(self) -> int:
        """Count the fixes."""
        self.kept = int(self._run("SELECT count(*) FROM fixes").fetchone()[0])
        return self.kept

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done inside, or nothing of it."""
        kept = self.kept
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # This boot's number may have been given inside.
            self._boot, self.kept = None, kept
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise

    def _own_boot(self) -> int:
        if self._boot is None:
            self._run("INSERT OR IGNORE INTO boots (boot_id) VALUES (?)", self._boot_id)
            self._boot = self._find_boot()
        return self._boot or 0

    def _find_boot(self) -> int | None:
        found = self._run("SELECT number FROM boots WHERE boot_id = ?", self._boot_id).fetchone()
        return found[0] if found else None

    def _run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(sql, tuple(map(_plain, values)))

    # Deeds

    def _take(self, deed: Taken) -> None:
        f = deed.fix
        position = (f.latitude, f.longitude, f.accuracy_m, f.altitude_m, f.speed_mps, f.track_deg)
        times = (f.at, write_utc(f.wall), f.wall_trusted, _utc_or_none(f.gnss_time))
        done = self._run(
            "INSERT OR IGNORE INTO fixes (boot, at_s, wall_utc, wall_trusted, gnss_utc, receiver, latitude_deg, longitude_deg,"
            " accuracy_m, altitude_m, speed_mps, track_deg, segment, quality, episode) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            *(self._own_boot(), *times, f.receiver, *position, f.segment, str(f.quality), deed.episode),
        )
        self.kept += done.rowcount

    def _mark_sent(self, deed: Sent) -> None:
        self._run(
            "UPDATE fixes SET sent_utc = ? WHERE boot = ? AND at_s = ? AND receiver = ? AND sent_utc IS NULL",
            *(write_utc(deed.wall), self._own_boot(), deed.at, deed.receiver),
        )

    def _mark_told(self, deed: Told) -> None:
        self._run(
            "UPDATE fixes SET told_utc = ? WHERE wall_utc BETWEEN ? AND ? AND told_utc IS NULL",
            *(write_utc(deed.wall), write_utc(deed.since_wall), write_utc(deed.until_wall)),
        )

    def _restamp(self, deed: Restamped) -> None:
        zero = deed.wall - deed.at
        self._boot_wall = zero
        boot = self._own_boot()
        self._run("UPDATE fixes SET wall_utc = utc(? + at_s), wall_trusted = 1 WHERE boot = ? AND wall_trusted = 0", zero, boot)
        self._run("UPDATE presses SET wall_utc = utc(? + at_s), wall_trusted = 1 WHERE boot = ? AND wall_trusted = 0", zero, boot)

    def _make_press(self, deed: PressMade) -> None:
        p = deed.press
        # A store that was out of reach when numbers were given out may hold another press of this number. Neither is lost: the
        # older one moves below zero. A press recalled from an earlier boot has a time at or below 0 and is the one that is there.
        self._run(
            "UPDATE presses SET number = (SELECT min(0, min(number)) - 1 FROM presses)"
            " WHERE number = ? AND ? > 0 AND (boot IS NOT ? OR at_s IS NOT ?)",
            *(p.number, p.at, self._own_boot(), p.at),
        )
        self._run(
            "INSERT OR IGNORE INTO presses (number, boot, at_s, wall_utc, wall_trusted, origin, response_type_id, note, drill, state)"
            " VALUES (?,?,?,?,?,?,?,?,?,'owed')",
            *(p.number, self._own_boot(), p.at, write_utc(p.wall), p.wall_trusted, p.origin, p.response_type_id, p.note, p.drill),
        )

    def _settle(self, deed: PressesSettled) -> None:
        state = "taken_back" if deed.callout_id is None else "settled"
        callout_id = None if deed.callout_id is None else write_id(deed.callout_id)
        self._run(
            "UPDATE presses SET state = ?, settled_utc = ?, callout_id = ? WHERE number <= ? AND state = 'owed'",
            *(state, write_utc(deed.wall), callout_id, deed.up_to),
        )

    def _keep_callout(self, deed: CalloutKept) -> None:
        r = deed.record
        # Replacing gives the row the highest number: the order of rows is the order of changes.
        self._run(
            "INSERT OR REPLACE INTO callouts (id, base_url, customer_id, phase, calm, origin, drill, raised_utc, press_number,"
            " dispatch_status, closed_utc) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            *(write_id(r.id), r.base_url, r.customer_id, r.phase, r.calm, r.origin, r.drill, write_utc(r.raised_wall)),
            *(r.press_number, r.dispatch_status, _utc_or_none(r.closed_wall)),
        )

    def _keep_event(self, deed: EventKept) -> None:
        # What was told once is never untold.
        self._run(
            "INSERT INTO events (callout_id, key, wall_utc, source, text, told) VALUES (?,?,?,?,?,?)"
            " ON CONFLICT (callout_id, key) DO UPDATE SET told = max(told, excluded.told)",
            *(write_id(deed.callout_id), deed.key, write_utc(deed.wall), deed.source, deed.text, deed.told),
        )

    def _keep_note(self, deed: NoteKept) -> None:
        self._run("INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)", deed.name, deed.value)

    def _keep_state(self, deed: StateKept) -> None:
        self._run("INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)", deed.name, deed.value)

    # Reading

    def recall(self) -> list[Deed]:
        """The deeds that bring back what matters: facts, owed presses, recent callouts, untold events, notes.

        Facts come last: they say what all that came to (calm, the highest press number, the settled ones).
        """
        self._boot = self._find_boot()
        highest = self._run("SELECT max(number) FROM presses").fetchone()[0] or 0
        facts = [StateKept(*row) for row in self._run("SELECT name, value FROM state ORDER BY name")]
        notes = [NoteKept(*row) for row in self._run("SELECT name, value FROM notes ORDER BY name")]
        presses: list[Deed] = [*self._recall_presses()]
        return [*presses, *self._recall_callouts(), *self._recall_events(), *notes, StateKept("press_number", str(highest)), *facts]

    def read_state(self, name: str) -> str | None:
        """One small fact of the store itself, None if it has none of that name."""
        found = self._run("SELECT value FROM state WHERE name = ?", name).fetchone()
        return found[0] if found else None

    def _recall_presses(self) -> list[PressMade]:
        rows = self._run(
            "SELECT number, boot, at_s, wall_utc, wall_trusted, origin, response_type_id, note, drill"
            " FROM presses WHERE state = 'owed' ORDER BY number"
        )
        return [
            PressMade(Press(number, self._localise(boot, at, wall), read_utc(wall), origin, bool(trusted), response, note, bool(drill)))
            for number, boot, at, wall, trusted, origin, response, note, drill in rows
        ]

    def _recall_callouts(self) -> list[CalloutKept]:
        rows = self._run(
            "SELECT id, base_url, customer_id, phase, calm, origin, drill, raised_utc, press_number, dispatch_status, closed_utc"
            " FROM callouts ORDER BY number DESC LIMIT ?",
            _RECALLED_CALLOUTS,
        ).fetchall()
        return [CalloutKept(_read_callout(row)) for row in reversed(rows)]

    def _recall_events(self) -> list[EventKept]:
        rows = self._run(
            "SELECT callout_id, key, text, wall_utc, source FROM events WHERE told = 0 AND NOT EXISTS (SELECT 1 FROM callouts"
            " WHERE id = callout_id AND (closed_utc IS NOT NULL OR phase = 'standby')) ORDER BY number"
        )
        return [EventKept(read_id(i), key, text, read_utc(wall), source, told=False) for i, key, text, wall, source in rows]

    def _localise(self, boot: int, at: float, wall: str) -> float:
        """`at` of another boot as this boot's clock would have told it: at most 0, as far before as the wall clock knows."""
        return at if boot == self._boot else min(0.0, read_utc(wall) - self._boot_wall)

    def last_fix(self) -> Fix | None:
        """The newest fix, None if there is none."""
        found = self._read_fixes("id = (SELECT max(id) FROM fixes)")
        return found[0][1] if found else None

    def fixes(self, since_wall: float, until_wall: float, after: int, limit: int) -> list[tuple[int, Fix]]:
        """Up to `limit` fixes of a span of wall time with a row id above `after`, in capture order, with their row ids."""
        span = (write_utc(since_wall), write_utc(until_wall), after, limit)
        return self._read_fixes("wall_utc BETWEEN ? AND ? AND id > ? ORDER BY id LIMIT ?", *span)

    def untold(self, episode: str, after: int, limit: int) -> list[tuple[int, Fix]]:
        """Up to `limit` fixes of an emergency that neither lane told, as `fixes`."""
        where = "episode = ? AND sent_utc IS NULL AND told_utc IS NULL AND id > ? ORDER BY id LIMIT ?"
        return self._read_fixes(where, episode, after, limit)

    def _read_fixes(self, where: str, *values: Any) -> list[tuple[int, Fix]]:
        self._boot = self._boot or self._find_boot()
        rows = self._run(
            "SELECT id, boot, at_s, wall_utc, receiver, latitude_deg, longitude_deg, accuracy_m, altitude_m, speed_mps, track_deg,"  # noqa: S608 - `where` is one of the three literals above
            f" gnss_utc, wall_trusted, segment, quality FROM fixes WHERE {where}",
            *values,
        )
        return [(row[0], self._read_fix(row)) for row in rows]

    def _read_fix(self, row: Sequence[Any]) -> Fix:
        _, boot, at, wall, receiver, latitude, longitude, *others, gnss, trusted, segment, quality = row
        accuracy, altitude, speed, track = others
        place = (receiver, latitude, longitude, accuracy, altitude, speed, track)
        times = (self._localise(boot, at, wall), read_utc(wall))
        return Fix(*times, *place, _wall_or_none(gnss), bool(trusted), segment, Quality(quality))

    def has_press(self, at: float) -> bool:
        """Whether a press of this boot at this monotonic time is kept, settled or not."""
        sql = "SELECT 1 FROM presses WHERE at_s = ? AND boot = (SELECT number FROM boots WHERE boot_id = ?)"
        return self._run(sql, at, self._boot_id).fetchone() is not None

    def count_untold(self, episode: str | None) -> int:
        """Fixes of this emergency that neither lane told."""
        sql = "SELECT count(*) FROM fixes WHERE episode = ? AND sent_utc IS NULL AND told_utc IS NULL"
        return int(self._run(sql, episode).fetchone()[0])


_APPLY: dict[type, Callable[[Tables, Any], None]] = {
    Taken: Tables._take,  # noqa: SLF001 - the table belongs to the class
    Sent: Tables._mark_sent,  # noqa: SLF001
    Told: Tables._mark_told,  # noqa: SLF001
    Restamped: Tables._restamp,  # noqa: SLF001
    StateKept: Tables._keep_state,  # noqa: SLF001
    PressMade: Tables._make_press,  # noqa: SLF001
    PressesSettled: Tables._settle,  # noqa: SLF001
    CalloutKept: Tables._keep_callout,  # noqa: SLF001
    EventKept: Tables._keep_event,  # noqa: SLF001
    NoteKept: Tables._keep_note,  # noqa: SLF001
}
