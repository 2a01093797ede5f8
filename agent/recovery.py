"""The start as recovery: what was kept goes into the inbox before anything new; and what may be shown until it is known.

Touches the store and the runtime directory through `resume`. Must not lose an owed press, and must not show a callout that may
have been cancelled: while the store has not answered, the device is outwardly calm (law 5).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from agent import BUILT_AT_WALL, identity, last_fix, resume
from agent.health import Conditions, Origin
from agent.kept import CalloutKept, CalloutRecord, NoteKept, Remembered
from agent.lanes.event import Message
from agent.model import CalloutId, Meaning, Press, Severity
from agent.ports import Clock
from agent.positions import Positions
from agent.presses import WINDOW_NOTE, Presses
from agent.signals import Happening, Phase, Pressed, RaiseReplied, State
from agent.store import Store
from agent.timekeeping import BOOT_NOTE, FLOOR_NOTE, Timekeeping

OPEN_STORE_S = 2.0  # a database that takes longer is gone on without: its answer is taken when it comes
PROOF_NOTE, PROOF_OF_NOTE = "armed_proof", "armed_proof_of"
MOST_FELT = 64


class Recovery:
    """One per daemon.

    unsure: the store has not told yet whether a callout was cancelled. proof_wall: UTC s of the last accepted raise that may
    be shown.
    """

    def __init__(
        self,
        directory: Path,
        store: Store,
        clock: Clock,
        *,
        base_url: str,
        customer_id: int,
        state: Callable[[], State],
        decide: Callable[[Happening], Awaitable[None]],
    ) -> None:
        self.unsure = False
        self.proof_wall: float | None = None
        self._directory, self._store, self._clock = directory, store, clock
        self._base_url, self._customer_id = base_url, customer_id
        self._whose = f"{customer_id} {base_url}"
        self._state, self._decide = state, decide
        self._new_proof_wall: float | None = None
        self._proved_at: float | None = None  # monotonic s of the last accepted raise of this process
        self._foreign: CalloutRecord | None = None
        self._notes: dict[str, str] = {}
        self._felt: deque[Press] = deque(maxlen=MOST_FELT)  # what entered the inbox: a store that answers late may know it, too
        self._calm_since: float | None = None  # monotonic s of the cancel that the last process was calm of
        self._answered_at = float("-inf")  # monotonic s at which the last accepted raise was sent

    async def run(
        self, presses: Presses, positions: Positions, timekeeping: Timekeeping, conditions: Conditions, untold: Callable[[Message], None]
    ) -> asyncio.Task[None] | None:
        """Recover. The task, if any, goes on for as long as the store hangs; who owns it must not let it die unnoticed."""

        def learn(kept: resume.Kept) -> None:
            self._notes = dict(kept.remembered.notes)
            # That another dispatch, or ours for another customer, took a raise proves nothing here. One of an older version names none.
            ours = kept.note(PROOF_OF_NOTE) in (None, self._whose)
            self.proof_wall = max(filter(None, (self.proof_wall, kept.note_number(PROOF_NOTE) if ours else None)), default=None)
            timekeeping.recall(kept.note(FLOOR_NOTE), kept.note(BOOT_NOTE))
            positions.stored = last_fix.later(kept.remembered.last_fix, last_fix.recall(self._directory))

        async def take(kept: resume.Kept) -> None:
            await self._decide(self._first_event(kept, conditions))
            for event in kept.remembered.untold:
                if event.callout_id == self._state().callout_id:
                    untold(Message(event.callout_id, event.text, event.key))

        self._calm_since = resume.calm_since(self._directory)
        kept = await resume.recall(self._store, self._directory, OPEN_STORE_S, presses.hurry)
        # Without the store's number count from the clock: higher than any that was given out, so that none is taken for old.
        unknown = int(max(self._clock.wall(), BUILT_AT_WALL))
        learn(kept)
        await take(kept)
        presses.count_from(kept.remembered.press_number if kept.late is None else unknown)
        for path, spooled in kept.spooled:
            presses.take_up(path, spooled, cancelled=spooled.boot_id == identity.read_boot_id() and self._is_cancelled(spooled.at))
        await _take_up_windows(kept, presses)
        if kept.late is None:
            return None
        self.unsure = not (kept.spooled or presses.hurry.is_set())
        return asyncio.ensure_future(self._await_late(kept.late, learn, take, presses))

    def note(self, name: str) -> str | None:
        """A small fact that the store knew at start; None if it is not there, or the store has not answered yet."""
        return self._notes.get(name)

    def follow(self, after: State, event: Happening, *, accepted_wall: float | None) -> None:
        """After each step. accepted_wall: a raise was accepted then.

        While calm a fresh proof is held back: it would tell that help was summoned.
        """
        if isinstance(event, Pressed):
            self.unsure = False
            self._felt.append(event.press)
        if isinstance(event, RaiseReplied) and event.outcome.meaning is Meaning.ACCEPTED and not event.drill and event.sent_at is not None:
            self._answered_at = max(self._answered_at, event.sent_at)
        if accepted_wall is not None and isinstance(event, RaiseReplied):
            self._new_proof_wall, self._proved_at = accepted_wall, event.at
        if not after.calm and self._new_proof_wall is not None:
            self._prove(self._new_proof_wall)
            self._new_proof_wall = None

    def restamp(self, wall: float) -> None:
        """It is `wall` now (UTC s), and nobody knew until now: a proof that this process was given gets its true time."""
        if self._proved_at is None:
            return
        proof_wall = wall - (self._clock.at() - self._proved_at)
        if self._new_proof_wall is not None:
            self._new_proof_wall = proof_wall
        else:
            self._prove(proof_wall)

    def forget_foreign(self, callout_id: CalloutId, conditions: Conditions) -> bool:
        """Give up a stored callout of another base_url or customer; False if there is none of this id."""
        record = self._foreign
        if record is None or record.id != callout_id:
            return False
        self._foreign = None
        self._store.step(CalloutKept(replace(record, phase=Phase.STANDBY.value, closed_wall=self._clock.wall())))
        conditions.drop("callout.foreign", origin=Origin.CALLOUT)
        return True

    def _prove(self, wall: float) -> None:
        self.proof_wall = wall
        self._store.step(NoteKept(PROOF_OF_NOTE, self._whose), NoteKept(PROOF_NOTE, f"{wall:.0f}"))

    def _first_event(self, kept: resume.Kept, conditions: Conditions) -> Happening:
        calm = kept.note("calm") == "true" or resume.was_calm(self._directory)
        event, foreign = resume.restarted(
            kept.remembered, calm=calm, base_url=self._base_url, customer_id=self._customer_id, clock=self._clock
        )
        if foreign is not None:
            self._foreign = kept.remembered.callout
            hint = "mend base_url and customer_id, or give it up: `callout-agent callout forget ID`"
            conditions.put("callout.foreign", Severity.CRITICAL, foreign, hint, wall=self._clock.wall(), origin=Origin.CALLOUT)
        return event

    async def _await_late(
        self,
        late: asyncio.Task[Remembered],
        learn: Callable[[resume.Kept], None],
        take: Callable[[resume.Kept], Awaitable[None]],
        presses: Presses,
    ) -> None:
        """A store that hung at start has answered: take up what it knew beside what is on already."""
        kept = resume.Kept(self._news_of(await late))
        learn(kept)
        record, hidden = kept.remembered.callout, False
        if self._state().phase is Phase.STANDBY:
            await take(kept)
        elif kept.note("calm") == "true" or (record is not None and record.calm):
            hidden = True  # what is on may be what was cancelled: it stays hidden until a press
            if self.unsure:
                await take(kept)
        else:
            for press in kept.remembered.owed:
                await self._decide(Pressed(press, self._is_cancelled(press.at)))
        await _take_up_windows(kept, presses)
        self.unsure = self.unsure and hidden

    def _news_of(self, remembered: Remembered) -> Remembered:
        """Without what was answered, taken up from tmpfs or closed while the store hung: it must not raise another, or come back."""
        record = remembered.callout
        over = record is not None and record.id in self._state().closed
        owed = resume.each_once(press for press in remembered.owed if not self._is_old(press))
        return replace(remembered, owed=owed, callout=None if over else record)

    def _is_cancelled(self, at: float) -> bool:
        """Whether a press of this moment is older than the cancel. On a disk that takes nothing both lie on tmpfs alone."""
        return self._calm_since is not None and at < self._calm_since

    def _is_old(self, press: Press) -> bool:
        return press.at <= self._answered_at or any(resume.same_press(press, felt) for felt in self._felt)


async def _take_up_windows(kept: resume.Kept, presses: Presses) -> None:
    """A press whose abort window was open when the last process ended is a press, once: its file on tmpfs may have told it already."""
    told = {spooled.at for _, spooled in kept.spooled}
    for name, value in kept.remembered.notes:
        if name.startswith(WINDOW_NOTE) and value:
            await presses.take_up_window(name.removeprefix(WINDOW_NOTE), value, told)
