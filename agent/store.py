"""What the daemon remembers: fixes, presses, callouts, events and notes, in SQLite, without the loop ever waiting for a disk.

Decides when waiting rows are committed. All IO happens in one thread of its own, a daemon thread, so that a hung disk blocks neither
the loop nor the end of the process. Must not raise for the state of the disk, must not drop a press, a callout or an event, and
never holds a code. (DESIGN laws 1, 4, 6, 9; section 10.)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from agent import aside, dbfile, identity, waiting
from agent.aside import Answer
from agent.deeds import Covered, Deed, Restamped, Sent, StateKept, Taken, as_deed, in_episode
from agent.essence import Essence
from agent.identity import Identity, IdentityError, read_boot_id
from agent.keeper import Keeper, Machine
from agent.kept import Missed, Remembered, StoreSummary, Write
from agent.model import Ailment, Fix, Press
from agent.retention import HIGH, LOW, Limits
from agent.retrieval import Retrieval
from agent.rows import Tables
from agent.waiting import Waiting

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

# Whether a press is known is asked at start, when others wait for the answer: a disk may read well and hang on the first write.
_KNOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """When the store acts. group_s, group_rows: a routine fix waits for this at most. retry_s: between attempts on an ill disk.

    hung_s: a disk that does not answer for longer is hung. most_waiting: rows kept in memory; beyond it the oldest routine
    fixes are given up. close_s: how long an orderly end may take.
    """

    group_s: float = 5.0
    group_rows: int = 30
    retry_s: float = 5.0
    hung_s: float = 2.0
    most_waiting: int = 20_000
    close_s: float = 2.0


class KeptAfterAllError(Exception):
    """The disk answers at last, and holds an emergency that this process does not know: it must end, because a start is recovery."""


class Store:
    """`agent.ports.Store` on SQLite. Use it from one event loop; nothing before `open` needs it to have ended."""

    def __init__(
        self,
        path: Path,
        *,
        boot_id: str | None = None,
        machine_id: str | None = None,
        limits: Limits | None = None,
        pace: Pace | None = None,
        wall: Callable[[], float] = time.time,
        keeper: type[Keeper] = Keeper,
    ) -> None:
        """path: of the database; the tiny file lies beside it as `NAME.identity`. machine_id: see `identity.read_machine_id`.

        wall: UTC s now, the best that is known. keeper: the blocking half.
        """
        self._limits = limits or Limits()
        self._pace = pace or Pace()
        self._wall = wall
        machine = Machine(boot_id or read_boot_id(), machine_id, wall)
        self._keeper = keeper(path, machine, self._limits, self._list_essentials, _matters)
        self._wake = threading.Condition()
        self._essence = Essence()
        self._waiting = Waiting(self._pace.most_waiting)
        self.reading = Retrieval(self._keeper, self._call, self._pending)
        self._waiters: list[Answer[None]] = []
        self._jobs: deque[Callable[[], None]] = deque()
        self._first_at = 0.0
        self._retry_at: float | None = None
        self._busy_since: float | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._death: Answer[None] | None = None
        self._summary = StoreSummary()

    # What the daemon calls, on the loop

    async def open(self) -> Remembered:
        """Open (or replace, or fall back to memory) and tell what was kept. Never raises for the state of the disk.

        Does not end while the disk hangs: do not let a button or a raise wait for it. Presses and fixes of another boot come
        with an `at` of at most 0.
        """
        loop = asyncio.get_running_loop()
        answer, self._death = Answer[Remembered](loop), Answer[None](loop)
        self._thread = threading.Thread(target=self._work, args=(loop, answer, self._death), name="store", daemon=True)
        self._busy_since = time.monotonic()
        self._thread.start()
        return await answer.future

    async def watch(self) -> None:
        """Vital, from `open` on: raises what ended the store's thread, whatever it was. A process without memory must not go on."""
        if self._death is not None:
            await asyncio.shield(self._death.future)  # who no longer waits does not end it

    def record(self, fix: Fix) -> None:
        """Keep a fix with the next group commit."""
        with self._wake:
            self._add(Taken(fix, self._essence.episode))

    def sent(self, fix: Fix) -> None:
        """Mark a recorded fix as accepted on the location lane."""
        with self._wake:
            self._add(Sent(fix.at, fix.receiver, self._wall()))

    def covered(self, since_at: float, until_at: float) -> None:
        """What was captured between these (monotonic s) lies between two positions that dispatch has, close enough to need no words.

        Marked as told with the next group commit; nothing happens in quiet times.
        """
        with self._wake:
            if self._essence.episode is not None:
                self._add(Covered(since_at, until_at, self._essence.episode, self._wall()))

    def restamp(self, at: float, wall: float) -> None:
        """The clock is trusted now: at monotonic `at` it was `wall`. Rows of this boot that were not trusted get their true time."""
        deed = Restamped(at, wall)
        with self._wake:
            self._essence.fold(deed)
            self._add(deed)

    def step(self, *writes: Write) -> Awaitable[None]:
        """Commit these, and every fix still waiting, in one FULL transaction; the tiny file follows in the same breath.

        The awaitable ends when both are on disk, or failed: that is a condition, never an exception. While the disk hangs it
        does not end. Not awaiting it does not undo it.
        """
        answer = Answer[None](asyncio.get_running_loop())
        with self._wake:
            # A trail is told to the emergency that was on when it was told, whatever else the step begins or ends.
            deeds = self._essence.take([as_deed(write, self._essence.episode) for write in writes])
            self._essence.follow_episode(self._wall())
            for deed in (*deeds, *self._essence.changed_state()):
                self._add(deed)
            if self._closing:
                answer.give(None)
            self._waiters.append(answer)
            self._wake.notify()
        return answer.future

    def summary(self) -> StoreSummary:
        """Counts as of the last commit; does no IO."""
        since, summary = self._busy_since, self._summary
        if since is not None and time.monotonic() - since > self._pace.hung_s:
            hint = "see dmesg; presses are safe in the runtime directory until a reboot"
            return replace(summary, trouble=Ailment("store.hung", "the disk does not answer: rows wait in memory", hint))
        return summary

    async def fixes(self, since_wall: float, until_wall: float) -> list[Fix]:
        """Recorded fixes of a span (UTC s, both ends included), in capture order; committed or not."""
        return await self.reading.fixes(since_wall, until_wall)

    async def missed(self, until_at: float, limit: int) -> Missed:
        """The oldest fixes of the emergency, at most `limit`, that neither lane told, captured until monotonic `until_at`.

        Committed or not; nothing in quiet times.
        """
        episode = self._essence.episode
        return Missed() if episode is None else await self.reading.missed(episode, until_at, limit)

    async def before_press(self, number: int, span_s: float) -> tuple[Fix, ...]:
        """Recorded fixes of the `span_s` before that press, oldest first; by both clocks. Empty when the press is not known."""
        return await self.reading.before_press(number, span_s)

    async def has_press(self, at: float) -> bool:
        """Whether a press of this boot at monotonic `at` is on disk, owed or settled: a spooled one is then not new.

        False, too, where the store does not tell within a second.
        """
        asked = self._call(lambda: self._keeper.has_press(at))
        try:  # not `wait_for`: it swallows a cancel that comes with the answer
            async with asyncio.timeout(_KNOWN_S):
                return await asked
        except Exception:  # noqa: BLE001 - TimeoutError, or a defect: raised once too often is better than not at all
            return False

    async def prune(self, *, wall: float, keep_days: float, limits: Limits | None = None) -> int:
        """Delete what is older than keep_days, then thin while more than the size allowed; returns how many fixes went.

        wall: UTC s now, by a trusted clock: a clock a year ahead would delete a year.
        """
        limits = limits or self._limits
        cutoff = wall - keep_days * 86400
        gone, after = 0, -1
        while True:
            went, on = await self._call(lambda after=after: self._keeper.expire(cutoff, limits, self._essence.episode, after))  # type: ignore[misc] # mypy cannot type a default of a lambda
            gone += went
            if on is None:
                break
            after = on
        if first := await self._call(lambda: self._keeper.thin(HIGH, limits, self._essence.episode)):
            gone += first + await self._repeat(lambda: self._keeper.thin(LOW, limits, self._essence.episode))
        return gone

    async def aclose(self) -> None:
        """Commit what waits and close, at most 2 s (`Pace.close_s`)."""
        if self._thread is None or self._closing:
            return
        with self._wake:  # the thread sees both or neither
            closed = self._call(self._close)
            self._closing = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closed, self._pace.close_s)
        self._summary = replace(self._summary, mode="closed")

    async def _repeat(self, delete: Callable[[], int]) -> int:
        total = 0
        while gone := await self._call(delete):
            total += gone
        return total

    def _call(self, job: Callable[[], _T]) -> Awaitable[_T]:
        """Have the thread do something once everything that waits now is committed."""
        answer = Answer[_T](asyncio.get_running_loop())
        with self._wake:
            self._jobs.append(lambda: answer.settle(job))
            self._wake.notify()
        return answer.future

    def _add(self, deed: Deed) -> None:
        if not self._waiting.pressing:
            self._first_at = time.monotonic()
        self._waiting.add(deed, patient=self._essence.calm and isinstance(deed, Sent | Covered))  # law 5, see `Waiting`
        if self._waiting.pressing in (1, self._pace.group_rows):
            self._wake.notify()

    def _pending(self) -> tuple[Deed, ...]:
        with self._wake:
            return self._waiting.seen()

    # What the thread does

    def _work(self, loop: asyncio.AbstractEventLoop, opened: Answer[Remembered], ended: Answer[None]) -> None:
        try:
            aside.part(loop)
            opened.give(self._open())
            while not self._closing or self._jobs or self._waiters:
                self._take_turn()
        except BaseException as death:  # noqa: BLE001 - whatever it was: without this thread nothing is ever kept again
            ended.fail(death)

    def _open(self) -> Remembered:
        recalled = self._keeper.open()
        with self._wake:
            # What followed from knowing nothing (not calm, nothing settled) is no news.
            early: list[Deed] = [deed for deed in self._waiting.take() if not isinstance(deed, StateKept)]
            essence = Essence()
            for deed in recalled.deeds:
                essence.fold(deed)
            news = [] if recalled.identity is None else essence.reconcile(recalled.identity, self._localise)
            remembered = essence.remembered(recalled.last_fix)
            # What was recorded before this answer belongs to the emergency that goes on, or to the one that began meanwhile.
            early = early if essence.episode is None else [in_episode(deed, essence.episode) for deed in early]
            essence.episode = essence.episode or self._essence.episode
            early = essence.take(early)
            essence.follow_episode(self._wall())
            self._waiting.put_back([*news, *early, *essence.changed_state()])
            self._essence = essence
        self._sum_up()
        return remembered

    def _localise(self, press: Press) -> Press:
        return replace(press, at=min(0.0, press.wall - (self._wall() - time.monotonic())))

    def _take_turn(self) -> None:
        with self._wake:
            self._busy_since = None
            while (due_s := self._due_in_s()) is None or due_s > 0:
                self._wake.wait(due_s)
            self._busy_since = time.monotonic()
            batch = self._waiting.take()
            waiters, self._waiters = self._waiters, []
            job = self._jobs.popleft() if self._jobs else None
            record = self._essence.identity(None)
        self._commit(batch, record)
        self._sum_up()
        for waiter in waiters:
            waiter.give(None)
        if self._keeper.found:
            raise KeptAfterAllError("what could not be read at the start can be read now: another start takes it up")
        if job is not None:
            job()
            if not self._closing:
                self._sum_up()
                self._retry_soon()
        elif not self._waiters:
            self._keeper.tend(self._essence.episode)

    def _due_in_s(self) -> float | None:
        """Seconds until there is something to do; None when only a call can bring it."""
        if self._waiters or self._jobs:
            return 0.0
        now = time.monotonic()
        if self._retry_at is not None:
            return self._retry_at - now
        if not self._waiting.pressing:
            return None
        return 0.0 if self._waiting.pressing >= self._pace.group_rows else self._first_at + self._pace.group_s - now

    def _commit(self, batch: list[Deed], record: Identity) -> None:
        left = batch
        try:
            left = self._keeper.commit(batch) if batch or self._keeper.mode == "memory" else []
            done = self._keeper.save_identity(record) and not left
        except Exception as trouble:  # noqa: BLE001 - a defect must not take the presses along that still wait
            # Its text may hold a position: above debug only its name is told (law 11).
            _log.error("the store met what it does not know: %s", type(trouble).__name__)
            _log.debug("where", exc_info=True)
            self._keeper.own_up()
            done = False
        with self._wake:
            self._waiting.put_back(left)
            self._retry_at = None if done else time.monotonic() + self._pace.retry_s

    def _retry_soon(self) -> None:
        """A file that could not be read is opened again, also when nothing waits to be written."""
        with self._wake:
            if self._keeper.mode == "memory" and self._retry_at is None:
                self._retry_at = time.monotonic() + self._pace.retry_s

    def _close(self) -> None:
        """Whatever could not be committed just now gets one more chance: the next process knows nothing of it."""
        if self._retry_at is not None:
            with self._wake:
                batch, record = self._waiting.take(), self._essence.identity(None)
            self._commit(batch, record)
        self._keeper.close()

    def _list_essentials(self) -> list[Deed]:
        with self._wake:
            return self._essence.deeds()

    def _sum_up(self) -> None:
        fixes, untold, size = self._keeper.measure(self._essence.episode)
        if self._retry_at is not None:
            pending = self._pending()
            fixes += sum(isinstance(deed, Taken) for deed in pending)
            untold += waiting.untold(pending, self._essence.episode)
        trouble = self._keeper.ailment
        if trouble is not None and self._waiting.dropped:
            trouble = replace(trouble, text=f"{trouble.text}; {self._waiting.dropped} fixes were given up")
        self._summary = StoreSummary(fixes, untold, size, self._keeper.mode, trouble)


def _matters(kept: list[Deed], told: Identity | None) -> bool:
    """Whether an emergency goes on in what was kept, or one that was cancelled."""
    essence = Essence()
    for deed in kept:
        essence.fold(deed)
    if told is not None:
        essence.reconcile(told, lambda press: press)
    return essence.wanted or essence.calm


def peek(path: Path) -> tuple[StoreSummary, Remembered]:
    """What a store holds, for a reader beside or without the daemon. Writes and creates nothing, moves nothing, never raises.

    mode is "closed" when the database cannot be read; what the tiny file knows is told all the same. The caller hides what a
    calm device hides (law 5).
    """
    essence, last_fix, summary = Essence(), None, StoreSummary()
    try:
        with dbfile.read_only(path) as connection:
            tables = Tables(connection, read_boot_id(), time.time() - time.monotonic())
            for deed in tables.recall():
                essence.fold(deed)
            last_fix = tables.fixes.last()
            summary = StoreSummary(tables.fixes.count(), tables.fixes.count_untold(essence.episode), dbfile.measure(path), "disk")
    except FileNotFoundError:
        summary = StoreSummary(trouble=Ailment("store.absent", f"there is no store at {path}", "see store.path; has the daemon ever run?"))
    except (OSError, sqlite3.Error, ValueError, TypeError) as trouble:
        ailment = Ailment("store.unreadable", f"the store cannot be read ({type(trouble).__name__})", "read it as root")
        essence, last_fix, summary = Essence(), None, StoreSummary(trouble=ailment)
    with contextlib.suppress(OSError, IdentityError):
        if (told := identity.load(path.with_name(f"{path.name}.identity"))) is not None:
            essence.reconcile(told, lambda press: replace(press, at=0.0))
    return summary, essence.remembered(last_fix)
