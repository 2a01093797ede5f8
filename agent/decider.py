"""The one inbox: every event goes through `lifecycle.step`, is written down, and is then acted on.

Decides the order of writing and acting, nothing else. State is stored before it is acted on (law 6), except a press, which is
acted on at once while the store writes; a store that hangs is waited for at most STORE_WAIT_S, and not again while it hangs. A beat is no
event: it goes through the same inbox to show that this is worked off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from agent import records
from agent.lifecycle import step
from agent.ports import Clock, Store
from agent.signals import Command, Happening, Pressed, State

STORE_WAIT_S = 0.5  # law 6

Changed = Callable[[State, State, Happening, tuple[Command, ...]], None]


class Decider:
    """Owns the lifecycle's state. `changed` is called after every step, in order, on the loop's thread."""

    def __init__(self, store: Store, clock: Clock, *, base_url: str, customer_id: int, changed: Changed) -> None:
        self.state = State()
        self.attempts = 0  # events and beats that were begun or carried out
        self._store, self._clock = store, clock
        self._base_url, self._customer_id = base_url, customer_id
        self._changed = changed
        self._inbox: asyncio.Queue[tuple[Happening, asyncio.Future[None]] | Callable[[], None]] = asyncio.Queue()
        self._beating = False
        self._hung: asyncio.Future[None] | None = None

    def decide(self, event: Happening) -> Awaitable[None]:
        """Queue an event. The awaitable ends when its step has been carried out; not awaiting it does not undo it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((event, done))
        return done

    def beat(self, reached: Callable[[], None]) -> None:
        """Have `reached` called when everything that waits now has been carried out. One at a time: a second is dropped meanwhile."""
        if not self._beating:
            self._beating = True
            self._inbox.put_nowait(reached)

    async def run(self) -> None:
        """Never returns."""
        while True:
            item = await self._inbox.get()
            self.attempts += 1
            if callable(item):
                self._beating = False
                item()
                continue
            event, done = item
            await self._carry_out(event)
            self.attempts += 1
            if not done.done():
                done.set_result(None)

    async def _carry_out(self, event: Happening) -> None:
        before = self.state
        after, commands = step(before, event)
        writes = records.writes(before, after, base_url=self._base_url, customer_id=self._customer_id, wall=self._clock.wall())
        written = asyncio.ensure_future(self._store.step(*writes)) if writes else None
        if written is not None and not isinstance(event, Pressed):
            await self._wait_for(written)
        self.state = after
        self._changed(before, after, event, commands)

    async def _wait_for(self, written: asyncio.Future[None]) -> None:
        if self._hung is not None and not self._hung.done():
            return
        with contextlib.suppress(TimeoutError):  # not `wait_for`: it swallows a cancel that comes with the answer
            async with asyncio.timeout(STORE_WAIT_S):
                await asyncio.shield(written)
        self._hung = written
