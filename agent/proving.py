"""Carries the proofs out: every part of a raise is exercised on a schedule, and nothing is raised (law 7).

Touches the resolver, the store and the loop's own lag; hears what dispatch answers to the poll, and reads what other rooms know already.
Decides nothing: `proofs` does. Its schedule must not depend on whether a callout is on, and what is shown comes from the device alone while
a cancel is handed over (law 5). It waits for nobody that a raise needs, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from agent import findings, lookup, proofs
from agent.health import Conditions, Origin
from agent.kept import NoteKept
from agent.model import Asked, Meaning, Outcome
from agent.panel import Panel
from agent.ports import Clock
from agent.positions import Positions
from agent.proofs import BUTTON, CLOCK, DISPATCH, LOOKUP, POSITION, STORE, TOKEN, Proof, Proofs
from agent.store import Store

BEAT_S: Final = 1.0
LIMIT_S: Final = 20.0  # of one exercise: what takes longer hangs
AGAIN_S: Final = 30.0  # after one that failed
SLEEP_S: Final = 1.0  # less is how exactly two clocks are read
WAKE_LOOK_S: Final = 5.0  # whether the machine has slept
STORE_NOTE: Final = "store_proof"


class Past(Protocol):
    """What this device knows of its own raises."""

    @property
    def proof_wall(self) -> float | None:
        """UTC s of the last accepted one that may be shown."""


class Rooms(Protocol):
    """What is proven, and who is told."""

    conditions: Conditions
    panel: Panel
    positions: Positions
    store: Store

    @property
    def recovery(self) -> Past:
        """What is known of earlier raises."""

    @property
    def clock(self) -> Clock:
        """What time it is."""


class Proving:
    """One per daemon. host: whose name a raise begins with. poll_s: how often callouts are looked for. asleep_s: suspended since boot."""

    def __init__(self, rooms: Rooms, *, host: str, poll_s: float, asleep_s: Callable[[], float]) -> None:
        self._rooms, self._host, self._asleep_s = rooms, host, asleep_s
        self._slept_s = asleep_s()
        self._poll_proves_token = self._refused = False
        buttons = tuple(rooms.panel.read_at())
        self._proofs = Proofs(poll_s=poll_s, buttons=buttons, started_at=rooms.clock.at())

    def all(self) -> tuple[Proof, ...]:
        """Every proof as it stands."""
        return self._proofs.all()

    def heard(self, outcome: Outcome, origin: Origin, *, calm: bool) -> None:
        """A reply of dispatch, or its absence. Behind a cancel only the poll counts, as in standby."""
        if calm and origin is not Origin.DEVICE:
            return
        if outcome.asked is Asked.LOOK_UP and outcome.meaning is Meaning.REJECTED and self._rooms.recovery.proof_wall is None:
            self._refused = True  # a mistyped base_url or a customer of somebody else is answered like this as well
            return
        if findings.proves_path(outcome):
            self._proofs.prove(DISPATCH, self._rooms.clock.at())
            self._refused = False
        if origin is Origin.DEVICE and outcome.asked is Asked.LOOK_UP and findings.proves_path(outcome):
            self._poll_proves_token = proofs.proves_token(outcome)
        if proofs.proves_token(outcome):
            self._proofs.prove(TOKEN, self._rooms.clock.at())

    def token_told(self, outcome: Outcome, *, calm: bool) -> None:
        """What a renewal of the token came to.

        Behind a cancel a lane of the callout may have wanted it: where the poll proves the token, too, only that counts then (law 5).
        """
        if outcome.meaning is Meaning.ACCEPTED and not (calm and self._poll_proves_token):
            self._proofs.prove(TOKEN, self._rooms.clock.at())

    def look(self) -> None:
        """Take up what other rooms know already, and bring the conditions up to date."""
        rooms, at, wall = self._rooms, self._rooms.clock.at(), self._rooms.clock.wall()
        trusted, slept_s = rooms.clock.trusted(), self._asleep_s()
        if slept_s - self._slept_s > SLEEP_S:
            self._proofs.slept(slept_s - self._slept_s)
            self._slept_s = slept_s
        if trusted:
            self._proofs.prove(CLOCK, at)
        if rooms.positions.armed(at, wall, wall_trusted=trusted):
            self._proofs.prove(POSITION, at)
        for name, read_at in rooms.panel.read_at().items():
            if read_at is not None:
                self._proofs.prove(f"{BUTTON}{name}", read_at)
        lapses = tuple(self._proofs.lapses(at, address_known=lookup.remembered(self._host), refused=self._refused))
        rooms.conditions.drop(*(code for code in proofs.CODES if all(lapse.code != code for lapse in lapses)))
        for lapse in lapses:
            rooms.conditions.put(lapse.code, lapse.severity, lapse.text, lapse.hint, wall=wall)

    async def run(self) -> None:
        """Exercise for ever."""
        self._rooms.conditions.drop("proving.failed")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._repeat(LOOKUP, self._look_up, proofs.LOOKUP_EVERY_S))
            group.create_task(self._repeat(STORE, self._write, proofs.STORE_EVERY_S))

    async def _beat(self) -> None:
        """How late the loop comes back to whoever waits for nothing."""
        while True:
            due_at = self._rooms.clock.at() + BEAT_S
            await asyncio.sleep(BEAT_S)
            at = self._rooms.clock.at()
            self._proofs.lag(at - due_at, at)

    async def _repeat(self, name: str, exercise: Callable[[], Awaitable[bool]], every_s: float) -> None:
        while True:
            began_at = self._rooms.clock.at()
            worked = await exercise()
            if worked:
                self._proofs.prove(name, began_at)
            await self._rest(every_s if worked else AGAIN_S)

    async def _rest(self, seconds: float) -> None:
        """By a clock that a suspend does not stop: who wakes up proves anew what has aged meanwhile."""
        end_at = self._at_with_sleep() + seconds
        while (left_s := end_at - self._at_with_sleep()) > 0.0:  # noqa: ASYNC110 - the kernel wakes nobody who waits for it
            await asyncio.sleep(min(left_s, WAKE_LOOK_S))

    def _at_with_sleep(self) -> float:
        return self._rooms.clock.at() + self._asleep_s()

    async def _look_up(self) -> bool:
        return await lookup.ask_anew(self._host, limit_s=LIMIT_S)

    async def _write(self) -> bool:
        """A row that is on the disk when it is read back. Whatever the disk does, it ends."""
        store, stamp = self._rooms.store, f"{self._rooms.clock.at():.3f}"
        try:
            async with asyncio.timeout(LIMIT_S):
                await store.step(NoteKept(STORE_NOTE, stamp))
                return await store.reading.note(STORE_NOTE) == stamp
        except TimeoutError:
            return False
