"""What of the daemon makes a press, put together as the daemon does: the real store, decider, presses and recovery.

A crash lets go of them all; a power cut empties the runtime directory too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from agent.clock import SystemClock
from agent.decider import Decider
from agent.health import Conditions
from agent.kept import Remembered, Write
from agent.model import Press
from agent.positions import Positions
from agent.presses import Presses
from agent.recovery import Recovery
from agent.signals import Command, Happening, State
from agent.store import Store
from agent.timekeeping import Timekeeping

URL, CUSTOMER = "https://dispatch.test", 4711


class Hanging(Store):
    """A store whose disk does not answer until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.go = asyncio.Event()

    async def open(self) -> Remembered:
        """Not before `go`."""
        await self.go.wait()
        return await super().open()


class Fused(Store):
    """A store whose power is cut after so many further commits; None: not yet. What comes then is lost."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.left: int | None = None

    def step(self, *writes: Write) -> Awaitable[None]:
        """Each is a commit of its own, as on a disk that is quick."""
        if writes and self.left is not None:
            self.left -= 1
            if self.left < 0:
                writes = ()
        return super().step(*writes)


class Device:
    """What of the daemon makes a press."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store, self.clock = folder, store, SystemClock()
        self.runtime = folder / "run"
        self.decider = Decider(store, self.clock, changed=self._changed, base_url=URL, customer_id=CUSTOMER)
        self.stepped = asyncio.Event()
        self.presses = Presses(self.runtime, store, self.clock, state=lambda: self.decider.state, decide=self.decider.decide)
        self.recovery = Recovery(
            self.runtime,
            store,
            self.clock,
            base_url=URL,
            customer_id=CUSTOMER,
            state=lambda: self.decider.state,
            decide=self.decider.decide,
        )
        self.late: asyncio.Task[None] | None = None

    def _changed(self, _before: State, after: State, event: Happening, _commands: tuple[Command, ...]) -> None:
        self.recovery.follow(after, event, accepted_wall=None)
        self.stepped.set()

    async def recover(self) -> None:
        self.late = await self.recovery.run(
            self.presses, Positions(()), Timekeeping(self.clock, self.store), Conditions(), lambda _message: None
        )

    @property
    def owed(self) -> tuple[Press, ...]:
        return self.decider.state.owed

    async def until(self, wanted: Callable[[], object], within_s: float = 15.0) -> None:
        async with asyncio.timeout(within_s):
            while not wanted():
                self.stepped.clear()
                await self.stepped.wait()


@contextlib.asynccontextmanager
async def device(folder: Path, store: Store | None = None) -> AsyncIterator[Device]:
    """Started, not recovered. At the end it crashes: only what is on the disk and in the runtime directory is left."""
    made = Device(folder, store or Store(folder / "agent.db"))
    task = asyncio.create_task(made.decider.run())
    try:
        yield made
    finally:
        task.cancel()
        if made.late is not None:
            made.late.cancel()
        await asyncio.gather(task, *([made.late] if made.late else []), return_exceptions=True)
        await made.store.aclose()


async def stored(each: Device) -> None:
    await each.store.step()


def run(story: Callable[[], object]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]
