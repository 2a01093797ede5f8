"""How a press comes into the world: on tmpfs, numbered, in the inbox; and when its file may go.

Must not wait for anything before the inbox has it (law 1), and must not drop its file before the store has it or dispatch has
closed the callout that answered it (law 6). Before the start has been recovered from, numbers are not known: such an early press lies on
tmpfs, makes the recovery hurry, and gets its number first of all.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent import resume, spool, wording
from agent.identity import read_boot_id
from agent.kept import NoteKept
from agent.model import Press
from agent.ports import Clock, Store
from agent.signals import Happening, Pressed, State

AGAIN_S = 30.0  # a disk that could not take a press is asked again; until then its file stays
AT_ONCE = 20  # files taken up in one sweep
log = logging.getLogger("callout-agent")

WINDOW_NOTE = "window:"  # the store's note of an open abort window, by the origin of its press; empty once it is over


@dataclass(frozen=True, slots=True)
class Made:
    """A press on its way. decided: ends when its step has been carried out."""

    press: Press
    decided: Awaitable[None]


@dataclass(frozen=True, slots=True)
class Pending:
    """A press that has no number yet: an early one, or one whose abort window is open. path: its file on tmpfs, if there is one."""

    press: Press
    path: Path | None


class Presses:
    """Numbers count up and are never given twice. store: None where it is not there yet, see `remember`."""

    def __init__(
        self,
        directory: Path,
        store: Store | None,
        clock: Clock,
        *,
        state: Callable[[], State],
        decide: Callable[[Happening], Awaitable[None]],
    ) -> None:
        self._directory, self._kept_in, self._clock = directory, store, clock
        self._state, self._decide = state, decide
        self._number: int | None = None  # the highest given out; None until the start has been recovered from
        self._early: list[Pending] = []
        self._windows: dict[str, Pending] = {}  # by origin
        self.hurry = asyncio.Event()  # an early press waits for the recovery
        self._files: dict[Path, asyncio.Future[None] | None] = {}  # in the runtime directory, and known: when each is decided; None: over
        self._undecided = 0  # presses in the inbox
        self._behind: deque[NoteKept] = deque()  # notes that wait for these
        self._forgetting: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> bool:
        """A press lies on tmpfs and has no number yet."""
        return bool(self._early)

    @property
    def _store(self) -> Store:
        assert self._kept_in is not None, "no press has a number before"  # noqa: S101 - for mypy and for defects
        return self._kept_in

    def remember(self, store: Store) -> None:
        """The store is there: what waited for it is written."""
        self._kept_in = store
        self._catch_up()

    def count_from(self, number: int) -> None:
        """The highest number known to have been given out. From here on a press enters the inbox at once, the early ones first."""
        self._number = max(self._number or 0, number)
        early, self._early = self._early, []
        for pending in early:
            self._enter(pending)

    def make(self, origin: str, *, note: str | None = None, drill: bool = False) -> Made:
        """A press of now; only once the start has been recovered from."""
        return self._enter(self._keep(self._new(origin, None, None, note=note, drill=drill)))

    def feel(self, origin: str, at: float, *, response_type_id: int | None = None, drill: bool = False) -> None:
        """A press at a button, complete at monotonic `at`; at any time, also before the start has been recovered from.

        If a drill's window is open at this button, it was no drill.
        """
        self._windows.pop(origin, None)
        self._enter_or_wait(self._keep(self._new(origin, at, response_type_id, note=None, drill=drill)))

    # --- abort windows ------------------------------------------------------------------------------------------------------

    def open_window(self, origin: str, at: float, *, response_type_id: int | None = None, drill: bool = False) -> None:
        """A press that may still be taken back. It is stored at once: a restart or a power cut inside the window makes it a press."""
        pending = self._keep(self._new(origin, at, response_type_id, note=None, drill=drill))
        self._windows[origin] = pending
        self._note_window(origin)
        log.info("%s: a press waits to be confirmed or taken back", wording.by_what(origin))

    def confirm(self, origin: str) -> None:
        """The press of this window stands, as of its gesture."""
        pending = self._windows.pop(origin, None)
        if pending is None:
            return
        self._enter_or_wait(pending)
        self._note_window(origin)

    def take_back(self, origin: str) -> None:
        """A different act aborted it: it never was a press."""
        pending = self._windows.pop(origin, None)
        if pending is None:
            return
        log.info("%s: the press was taken back in its window", wording.by_what(origin))
        self._note_window(origin)
        if pending.path is not None:
            self._forget(pending.path)

    async def take_up_window(self, origin: str, kept: str, told: Collection[float]) -> None:
        """A window that was open when the last process ended, as the store kept it. One that cannot be read is a press of now.

        told: the moments (`at`, monotonic s) of presses that were found on tmpfs: one of them may be this one.
        """
        try:
            spooled = spool.read_text(kept)
            ours = spooled.boot_id == read_boot_id()
            if not (ours and (spooled.at in told or await self._store.has_press(spooled.at))):
                self._accept(resume.press_of(spooled, self._next(), self._clock), None)
        except (ValueError, TypeError):
            self._enter(Pending(self._new(origin, None, None, note=None, drill=False), None))
        self._note_window(origin)

    # --- notes of the store ---------------------------------------------------------------------------------------------------

    def write_behind(self, note: NoteKept) -> None:
        """Keep a note that says of a press that it was made: behind every press made so far, or a power cut between would lose it."""
        self._behind.append(note)
        self._catch_up()

    def _note_window(self, origin: str) -> None:
        """As it is now: a restart takes up the window of the last process while this one's may be open already."""
        pending = self._windows.get(origin)
        kept = "" if pending is None or pending.press.drill else json.dumps(asdict(resume.spooled_of(pending.press, None)))
        self.write_behind(NoteKept(f"{WINDOW_NOTE}{origin}", kept))

    def _catch_up(self) -> None:
        while self._behind and not self._undecided and not self._early and self._kept_in is not None:
            self._store.step(self._behind.popleft())

    def _decided(self, _decided: asyncio.Future[None]) -> None:
        self._undecided -= 1
        self._catch_up()

    # --- files --------------------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Take up what someone left here while nobody answered on the socket: so many at a time that a button is still felt between."""
        for path, spooled in spool.take(self._directory, known=self._files, most=AT_ONCE):
            self.take_up(path, spooled)

    def take_up(self, path: Path, spooled: spool.SpooledPress, *, cancelled: bool = False) -> None:
        """A press that waited in the runtime directory. A drill never starts from a file. cancelled: see `Pressed`.

        Nothing is done where it is one of our own that is known: an early one lies there before the start has been recovered from.
        """
        if path in self._files or path in {each.path for each in (*self._early, *self._windows.values())}:
            return
        if spooled.drill:
            self._forget(path)
        else:
            ours = resume.keep_apart(self._directory, path)
            self._accept(resume.press_of(spooled, self._next(), self._clock), ours, cancelled=cancelled)

    def forget_all(self) -> None:
        """Dispatch has closed the callout that answered every press so far: their files must not raise another.

        A press that still waits in the inbox was not answered by it.
        """
        for path, decided in list(self._files.items()):
            if decided is None or decided.done():
                self._forget(path)

    def _next(self) -> int:
        self._number = max(self._number or 0, self._state().press_number) + 1
        return self._number

    def _new(self, origin: str, at: float | None, response_type_id: int | None, *, note: str | None, drill: bool) -> Press:
        """Without a number yet. at: monotonic s; None for now."""
        clock = self._clock
        now_at = clock.at()
        at = now_at if at is None else at
        wall = clock.wall() - (now_at - at)
        return Press(0, at, wall, origin, clock.trusted(), response_type_id=response_type_id, note=note, drill=drill)

    def _keep(self, press: Press) -> Pending:
        # A drill is not worth keeping: nobody waits for it after a crash, and its checks would be of yesterday.
        return Pending(press, None if press.drill else resume.keep_in_runtime(self._directory, press))

    def _enter_or_wait(self, pending: Pending) -> None:
        """Into the inbox; before the start has been recovered from, that is made to hurry."""
        if self._number is None:
            self._early.append(pending)
            self.hurry.set()
        else:
            self._enter(pending)

    def _enter(self, pending: Pending) -> Made:
        return self._accept(replace(pending.press, number=self._next()), pending.path)

    def _accept(self, press: Press, path: Path | None, *, cancelled: bool = False) -> Made:
        if not cancelled:
            log.info("press %d, %s%s", press.number, wording.by_what(press.origin), ", a drill" if press.drill else "")
        decided = asyncio.ensure_future(self._decide(Pressed(press, cancelled)))
        self._undecided += 1
        decided.add_done_callback(self._decided)
        if path is not None:
            self._files[path] = decided
            task = asyncio.ensure_future(self._forget_when_stored(path, press, decided))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)
        return Made(press, decided)

    async def _forget_when_stored(self, path: Path, press: Press, decided: Awaitable[None]) -> None:
        await decided
        while path in self._files:
            await self._store.step()
            if await self._store.has_press(press.at):
                self._forget(path)
                return
            await asyncio.sleep(AGAIN_S)

    def _forget(self, path: Path) -> None:
        """A file that cannot be removed stays known: the next sweep must not take it for another press."""
        if spool.done(path):
            self._files.pop(path, None)
        else:
            self._files[path] = None
