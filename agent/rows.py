"""What a deed becomes in SQL, and what the rows become again: with its parts the only room that knows the columns of the store.

Touches an open connection. Must not open a file, or decide when something is committed or what a failure means. Every deed may be
done twice: the second time changes nothing. The fixes have a room of their own: `fix_rows`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from agent.boots import Boots
from agent.columns import plain, read_id, read_utc, utc_or_none, wall_or_none, write_id, write_utc
from agent.deeds import Covered, Deed, Restamped, Sent, StateKept, Taken, TrailTold
from agent.fix_rows import COUNTED, FixRows
from agent.kept import CalloutKept, CalloutRecord, EventKept, NoteKept, PressesSettled, PressMade
from agent.model import Press

# How many callouts, open or closed, are looked at when the store is read at start.
_RECALLED_CALLOUTS = 64


def _read_callout(row: Sequence[Any]) -> CalloutRecord:
    callout_id, base_url, customer_id, phase, calm, origin, drill, raised, press_number, status, closed = row
    return CalloutRecord(
        *(read_id(callout_id), base_url, customer_id, phase, bool(calm), origin, bool(drill), read_utc(raised)),
        press_number=press_number,
        dispatch_status=status,
        closed_wall=wall_or_none(closed),
    )


class Tables:
    """The rows of one open connection, seen from one boot. Every method raises sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection, boot_id: str, zero_wall: float) -> None:
        """zero_wall: UTC s at which this boot's monotonic clock was 0, as believed now."""
        self._connection = connection
        self._boots = Boots(connection, boot_id, zero_wall)
        self.fixes = FixRows(connection, self._boots)

    def apply(self, deed: Deed) -> None:
        """Do one deed. Call it inside a transaction."""
        _APPLY[type(deed)](self, deed)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is done inside, or nothing of it."""
        counts = replace(self.fixes.counts)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._boots.forget()
            self.fixes.counts = counts
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise

    def _run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(sql, tuple(map(plain, values)))

    # Deeds

    def _restamp(self, deed: Restamped) -> None:
        zero = deed.wall - deed.at
        self._boots.believe(zero)
        self.fixes.restamp(deed)
        sql = "UPDATE presses SET wall_utc = utc(? + at_s), wall_trusted = 1 WHERE boot = ? AND wall_trusted = 0 AND at_s > 0"
        self._run(sql, zero, self._boots.own())

    def _make_press(self, deed: PressMade) -> None:
        p = deed.press
        # A store that was out of reach when numbers were given out may hold another press of this number. Neither is lost: the
        # older one moves below zero. A press recalled from an earlier boot has a time at or below 0 and is the one that is there.
        self._run(
            "UPDATE presses SET number = (SELECT min(0, min(number)) - 1 FROM presses)"
            " WHERE number = ? AND ? > 0 AND (boot IS NOT ? OR at_s IS NOT ?)",
            *(p.number, p.at, self._boots.own(), p.at),
        )
        self._run(
            "INSERT OR IGNORE INTO presses (number, boot, at_s, wall_utc, wall_trusted, origin, response_type_id, note, drill, state)"
            " VALUES (?,?,?,?,?,?,?,?,?,'owed')",
            *(p.number, self._boots.own(), p.at, write_utc(p.wall), p.wall_trusted, p.origin, p.response_type_id, p.note, p.drill),
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
            *(r.press_number, r.dispatch_status, utc_or_none(r.closed_wall)),
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
        highest = self._run("SELECT max(number) FROM presses").fetchone()[0] or 0
        facts = [StateKept(*row) for row in self._run("SELECT name, value FROM state WHERE name <> ? ORDER BY name", COUNTED)]
        notes = [NoteKept(*row) for row in self._run("SELECT name, value FROM notes ORDER BY name")]
        presses: list[Deed] = [*self._recall_presses()]
        return [*presses, *self._recall_callouts(), *self._recall_events(), *notes, StateKept("press_number", str(highest)), *facts]

    def read_note(self, name: str) -> str | None:
        """One small fact of the daemon, None if there is none of that name."""
        found = self._run("SELECT value FROM notes WHERE name = ?", name).fetchone()
        return found[0] if found else None

    def read_state(self, name: str) -> str | None:
        """One small fact of the store itself, None if it has none of that name."""
        found = self._run("SELECT value FROM state WHERE name = ?", name).fetchone()
        return found[0] if found else None

    def _recall_presses(self) -> list[PressMade]:
        rows = self._run(
            "SELECT number, boot, at_s, wall_utc, wall_trusted, origin, response_type_id, note, drill"
            " FROM presses WHERE state = 'owed' ORDER BY number"
        )
        place = self._boots.localise
        return [
            PressMade(Press(number, place(boot, at, wall), read_utc(wall), origin, bool(trusted), response, note, bool(drill)))
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

    def has_press(self, at: float) -> bool:
        """Whether a press of this boot at this monotonic time is kept, settled or not."""
        return self._run("SELECT 1 FROM presses WHERE at_s = ? AND boot = ?", at, self._boots.find()).fetchone() is not None

    def press_at(self, number: int) -> float | None:
        """Monotonic s of a press of this boot; None if none has this number."""
        found = self._run("SELECT at_s FROM presses WHERE number = ? AND boot = ?", number, self._boots.find()).fetchone()
        return found[0] if found else None

    def ids_before_press(self, number: int, waiting: Press | None, span_s: float) -> list[int]:
        """The ids of the fixes of the `span_s` before a press. waiting: that press, if it is not written yet."""
        if waiting is not None:
            return self.fixes.ids_before(self._boots.find() or self._boots.next(), waiting.at, write_utc(waiting.wall), span_s)
        found = self._run("SELECT boot, at_s, wall_utc FROM presses WHERE number = ?", number).fetchone()
        return [] if found is None else self.fixes.ids_before(found[0], found[1], found[2], span_s)


_APPLY: dict[type, Callable[[Tables, Any], None]] = {
    Taken: lambda tables, deed: tables.fixes.take(deed),
    Sent: lambda tables, deed: tables.fixes.mark_sent(deed),
    Covered: lambda tables, deed: tables.fixes.mark_covered(deed),
    TrailTold: lambda tables, deed: tables.fixes.mark_told(deed),
    Restamped: Tables._restamp,  # noqa: SLF001 - the table belongs to the class
    StateKept: Tables._keep_state,  # noqa: SLF001
    PressMade: Tables._make_press,  # noqa: SLF001
    PressesSettled: Tables._settle,  # noqa: SLF001
    CalloutKept: Tables._keep_callout,  # noqa: SLF001
    EventKept: Tables._keep_event,  # noqa: SLF001
    NoteKept: Tables._keep_note,  # noqa: SLF001
}
