"""The store's blocking half: one database file and the tiny file beside it, kept going whatever the disk does.

Decides what follows from a failure: wait, make room, move aside, go on with a new file, or do without one. Blocks freely and is
called by one thread only. Must not know asyncio or a lock, and must not raise for the state of the disk: `ailment` tells it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent import dbfile
from agent.deeds import LASTING, Deed, StateKept
from agent.identity import Identity
from agent.keepsake import Keepsake
from agent.kept import PressMade
from agent.model import Ailment, Fix
from agent.retention import HIGH, Limits
from agent.rows import Tables
from agent.upkeep import Upkeep

# What is committed is on the disk before the commit returns. Groups of routine fixes, too: synced with the next checkpoint only, a cut
# would take a hundred of them. A press that finds the card busy with one is on its way to dispatch all the same.
LASTING_SYNC = "FULL"

# A commit that takes longer than this many seconds is worth a condition.
_SLOW_S = 0.5
# A card that damages every new file must not be filled with damaged files.
_MOST_ASIDES = 8

_T = TypeVar("_T")

# From these owed presses and the open callout are read, if they can be, before the file is moved aside.
_RESCUED = ("corrupt", "newer")
_UNREADABLE = (sqlite3.Error, OSError, ValueError, TypeError, dbfile.UnusableError)


@dataclass(frozen=True, slots=True)
class Machine:
    """Whose store this is. machine_id: None when unknown; then no store is foreign. wall: UTC s now, as believed."""

    boot_id: str
    machine_id: str | None
    wall: Callable[[], float] = time.time

    def tables(self, connection: sqlite3.Connection) -> Tables:
        """The rows of a connection, seen from this boot and by the clock that is believed now."""
        return Tables(connection, self.boot_id, self.wall() - time.monotonic())


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the files knew at start."""

    deeds: list[Deed]
    identity: Identity | None
    last_fix: Fix | None


class Keeper:
    """Owns the files. `essentials` gives what a new file must hold; it is called on the same thread.

    matters: whether there is an emergency in what was kept.
    found: what could not be read at the start can be read now, and matters. Only another start can take it up.
    """

    def __init__(
        self,
        path: Path,
        machine: Machine,
        limits: Limits,
        essentials: Callable[[], list[Deed]],
        matters: Callable[[list[Deed], Identity | None], bool],
    ) -> None:
        self.path = path
        self.found = False
        self._unread = self._unread_note = False  # neither could be read at the start; nor was it that there was no tiny file
        self._matters = matters
        self._machine = machine
        self._limits = limits
        self._essentials = essentials
        self._keepsake = Keepsake(path, machine.machine_id)
        self._file: dbfile.OpenFile | None = None
        self._tables: Tables | None = None
        self._upkeep: Upkeep | None = None
        self._fresh = False
        self._unnamed = False
        self._asides = 0
        self._spent = False  # the room set aside, and there is not as much again
        self._commits = 0
        self._ills: dict[str, Ailment] = {}

    @property
    def mode(self) -> str:
        """Whether there is a file: "disk" or "memory"."""
        return "memory" if self._file is None else "disk"

    @property
    def ailment(self) -> Ailment | None:
        """What is wrong, the worst first."""
        ills = self._ills
        every = (ills.get("disk"), self._keepsake.ailment, ills.get("row"), ills.get("moved"), self._keepsake.moved, ills.get("slow"))
        return next((ill for ill in every if ill is not None), None)

    # Opening

    def open(self) -> Recalled:
        """Open, replace or do without; tell what was kept."""
        told = self._keepsake.load()
        deeds: list[Deed] = []
        last_fix = None
        try:
            deeds, last_fix = self._open_file()
        except dbfile.UnusableError as trouble:
            deeds, last_fix = (self._rescue() if trouble.word in _RESCUED else None) or ([], None)
            self._begin_anew(trouble.word)
        except (sqlite3.Error, OSError) as trouble:
            # A full or read-only disk can still be read.
            self._fail(trouble)
            rescued = self._rescue()
            deeds, last_fix = rescued or ([], None)
            self._unread = rescued is None and told is None
            self._unread_note = self._unread and self._keepsake.ailment is not None
        except Exception:  # noqa: BLE001 - a defect here must not take along what the tiny file knows
            self._close_file()
            self.own_up()
        return Recalled(deeds, told, last_fix)

    def _begin_anew(self, word: str) -> None:
        if self._replace(word):
            try:
                self._open_file()
            except (sqlite3.Error, OSError, dbfile.UnusableError) as trouble:
                self._fail(trouble)

    def _open_file(self) -> tuple[list[Deed], Fix | None]:
        try:
            return self._open_once()
        except dbfile.UnusableError as trouble:
            if trouble.word != "corrupt":
                raise
        # A read that failed once is called damage, too, by SQLite as by its check: only what is seen twice is believed.
        return self._open_once()

    def _open_once(self) -> tuple[list[Deed], Fix | None]:
        file = dbfile.open_file(self.path, self._limits.max_mb)
        try:
            tables = self._machine.tables(file.connection)
            tables.fixes.count()
            recalled, last_fix = _recall(tables), tables.fixes.last()
            self._refuse_foreign(tables, fresh=file.fresh)
        except BaseException:
            file.close()
            raise
        self._file, self._tables, self._upkeep = file, tables, Upkeep(file, tables, self._limits)
        self._fresh = file.fresh
        self._commits = 0
        return recalled, last_fix

    def _refuse_foreign(self, tables: Tables, *, fresh: bool) -> None:
        owner = tables.read_state("machine_id")
        self._unnamed = owner is None
        if self._keepsake.is_foreign(owner) or (owner is None and self._keepsake.foreign and not fresh):
            raise dbfile.UnusableError("other_machine")

    def _rescue(self) -> tuple[list[Deed], Fix | None] | None:
        """What can be read of a file that cannot be used; nothing of another machine's. None where it cannot be read either."""
        deeds: list[Deed] | None = None
        with contextlib.suppress(*_UNREADABLE), dbfile.read_only(self.path) as connection:
            tables = self._machine.tables(connection)
            self._refuse_foreign(tables, fresh=False)
            deeds = _recall(tables)
            return deeds, tables.fixes.last()
        return None if deeds is None else (deeds, None)

    def _replace(self, word: str) -> bool:
        """Move the file aside so that the next attempt makes a new one; False when that cannot be."""
        self._close_file()
        nowhere = word == "no_access" and not dbfile.is_there(self.path)  # between two mounts: nothing to move, and no place either
        self._asides += not nowhere
        if nowhere or self._asides > _MOST_ASIDES:
            text = "no file may be made at its place" if nowhere else "every new database was damaged"
            self._ills["disk"] = Ailment("store.unusable", f"{text}: rows wait in memory", "look at its mount, or replace the card")
            return False
        try:
            aside = dbfile.set_aside(self.path, word)
        except OSError as trouble:
            self._fail(trouble)
            return False
        self._ills["moved"] = Ailment(
            f"store.{word}_moved", f"{dbfile.WORDS[word]}; a new one was begun", f"the old one is kept as {aside.name}"
        )
        return True

    # Writing

    def commit(self, deeds: list[Deed]) -> list[Deed]:
        """Write these in one transaction; returns those that are not on the disk, to be given again."""
        began = time.monotonic()
        left = self._commit(deeds)
        took_s = time.monotonic() - began
        self._ills.pop("slow", None)
        if took_s > _SLOW_S and not left:
            self._ills["slow"] = Ailment("store.slow", f"the last commit took {took_s:.1f} s", "the card may be worn or the system busy")
        return left

    def _commit(self, deeds: list[Deed]) -> list[Deed]:
        lasting: list[Deed] = [deed for deed in deeds if isinstance(deed, LASTING)]
        routine: list[Deed] = [deed for deed in deeds if not isinstance(deed, LASTING)]
        # On a full disk presses, callouts and events go before the fixes that wait with them, and may use the reserve.
        plans: tuple[tuple[Callable[[], bool], list[Deed], list[Deed]], ...] = (
            (lambda: True, deeds, []),
            (lambda: self.thin(HIGH, self._limits, None) > 0, deeds, []),
            (lambda: bool(lasting and routine), lasting, routine),
            (lambda: bool(lasting) and self._spend_reserve(), lasting, routine),
        )
        for is_worth_it, batch, left in plans:
            if not is_worth_it():
                continue
            trouble = self._attempt(batch)
            if trouble is None:
                if not (left or self._is_on_reserve()):
                    self._ills.pop("disk", None)
                return left
            if not dbfile.is_full(trouble, self.path.parent):
                break
        return deeds

    def _spend_reserve(self) -> bool:
        spent = dbfile.drop_reserve(self.path)
        self._spent = self._spent or spent
        return spent

    def _is_on_reserve(self) -> bool:
        """What went through just now did so on the room set aside: the disk is as full as before."""
        self._spent = self._spent and dbfile.has_used_reserve(self.path)
        return self._spent

    def _attempt(self, batch: list[Deed]) -> Exception | None:
        """One transaction, on a new file if the old one proves unusable; returns what went wrong."""
        trouble: Exception | None = None
        suspected = False
        for _ in range(3):
            try:
                self._make_ready()
                self._write(batch)
            except dbfile.UnusableError as found:
                trouble, word = _bare(found), found.word
            except (sqlite3.Error, OSError) as found:
                if not (isinstance(found, sqlite3.Error) and dbfile.is_damage(found)):
                    self._fail(found)
                    return _bare(found)
                trouble, word = _bare(found), "corrupt"
                if not suspected:  # see `_open_file`
                    suspected = True
                    self._close_file()
                    continue
            else:
                return None
            if not self._replace(word):
                return trouble
        return trouble

    def _make_ready(self) -> None:
        if self._file is not None and self._file.is_lost():
            raise dbfile.UnusableError("lost")
        if self._file is not None and self._commits and self._file.is_wal_gone():
            # Closing brings what the removed -wal held into the database.
            self._close_file()
        if self._file is None:
            recalled, _ = self._open_file()
            if self._unread and not self.found:
                self.found = self._matters(recalled, None)
                self._unread = self.found

    def _write(self, batch: list[Deed]) -> None:
        file, tables = self._file, self._tables
        assert file is not None and tables is not None, "a file was made ready before"  # noqa: S101, PT018 - for mypy and for defects
        if self._fresh:
            batch = [*self._essentials(), *batch]
        if self.found and not any(isinstance(deed, PressMade) for deed in batch):
            batch = [deed for deed in batch if not isinstance(deed, StateKept)]  # facts of a process that knew nothing: not calm, no press
        if self._unnamed and self._machine.machine_id is not None:
            batch = [StateKept("machine_id", self._machine.machine_id), *batch]
        # The pragma has no effect inside a transaction, hence before it.
        file.connection.execute(f"PRAGMA synchronous = {LASTING_SYNC}")
        with tables.transaction():
            for deed in batch:
                self._apply(tables, deed)
        self._fresh = self._unnamed = False
        self._commits += 1

    def _apply(self, tables: Tables, deed: Deed) -> None:
        try:
            tables.apply(deed)
        except (ValueError, TypeError, OverflowError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError) as trouble:
            # One row that SQLite will never take must not keep all others from the disk for ever.
            text = f"a {type(deed).__name__} could not be kept ({type(trouble).__name__})"
            self._ills["row"] = Ailment("store.odd_row", text, "this is a defect: please report it")

    def _fail(self, trouble: BaseException) -> None:
        self._ills["disk"] = dbfile.diagnose(trouble, self.path.parent)
        if self._ills["disk"].code not in ("store.full", "store.busy"):
            # After an I/O error nothing that this connection believes is certain: the next attempt opens anew.
            self._close_file()

    def own_up(self) -> None:
        """Note that something happened which this module does not know."""
        self._ills["disk"] = Ailment(
            "store.defect", "the store met what it does not know: rows wait in memory", "see the log; please report it"
        )

    def save_identity(self, record: Identity) -> bool:
        """Replace the tiny file if it would change; False when that failed. One that could not be read is read before."""
        if self._unread_note and not self.found:  # before ours takes its place
            told = self._keepsake.load()
            self._unread_note = self._keepsake.ailment is not None
            self.found = told is not None and self._matters([], told)
        return self.found or self._keepsake.save(record)

    # Reading

    def ask(self, question: Callable[[Tables], _T], otherwise: _T) -> _T:
        """Read from the tables; `otherwise` when there is no file or it cannot be read."""
        if self._tables is None:
            return otherwise
        try:
            return question(self._tables)
        except (ValueError, TypeError, OverflowError):
            return otherwise  # a row that somebody else wrote
        except sqlite3.Error as trouble:
            self._fail(trouble)  # whether it is damage is found out by the next attempt to write
            return otherwise

    def has_press(self, at: float) -> bool:
        """Whether a press of this boot at monotonic `at` is on disk."""
        return self.ask(lambda tables: tables.has_press(at), otherwise=False)

    def measure(self, episode: str | None) -> tuple[int, int, int]:
        """Fixes kept, untold fixes of this emergency, bytes on disk."""
        if self._file is None or self._tables is None:
            return 0, 0, 0
        rows = self._tables.fixes
        return rows.counts.kept, self.ask(lambda _: rows.count_untold(episode), 0), dbfile.measure(self.path)

    # Housekeeping

    def tend(self, episode: str | None) -> None:
        """What can wait until nobody waits."""
        if self._upkeep is not None and "disk" not in self._ills:
            self._upkeep.tend(self._commits, episode)

    def thin(self, above: float, limits: Limits, episode: str | None) -> int:
        """Delete a chunk of fixes if more than this part of the size allowed is used; returns how many went."""
        return 0 if self._upkeep is None else self._upkeep.thin(above, limits, episode)

    def expire(self, cutoff_wall: float, limits: Limits, episode: str | None, after: int) -> tuple[int, int | None]:
        """Delete what is from before `cutoff_wall` (UTC s) among the next rows after an id; how many went, and where to go on."""
        return (0, None) if self._upkeep is None else self._upkeep.expire(cutoff_wall, limits, episode, after)

    def close(self) -> None:
        """Close the file; SQLite brings the -wal into the database first."""
        self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._tables = self._upkeep = None


def _recall(tables: Tables) -> list[Deed]:
    try:
        return tables.recall()
    except (ValueError, TypeError) as trouble:
        raise dbfile.UnusableError("corrupt") from trouble


def _bare(error: Exception) -> Exception:
    """Without its frames, which would keep cursors: the database would close at a collection of garbage, in whatever thread."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
