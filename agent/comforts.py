"""The comforts: work that makes the device pleasant or lasting, and that no emergency waits for.

Restarts what may fail; it never ends the process. Decides nothing. Nothing that a raise needs may be done here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from agent import autopsy, control
from agent.arming import Arming
from agent.config import Config
from agent.connections import Connections
from agent.device_report import DeviceReport
from agent.farewell import Farewell
from agent.file_modes import FileModes
from agent.health import Conditions, Origin
from agent.heartbeat import Heartbeat
from agent.hooks import Hook
from agent.housekeeping import Housekeeping
from agent.model import Power, Severity
from agent.panel import Panel
from agent.ports import Clock, Supply
from agent.proving import Proving
from agent.selftest import SelfTest
from agent.store import Store
from agent.timekeeping import Timekeeping

log = logging.getLogger("callout-agent")

RESTART_S = 1.0
HINTS = {"control": "check [control] socket, its directory, and whether another daemon runs; else the journal"}


class Rooms(Protocol):
    """What the comforts are for."""

    conditions: Conditions
    connections: Connections
    panel: Panel
    store: Store
    timekeeping: Timekeeping
    farewell: Farewell
    device_report: DeviceReport | None
    proving: Proving
    self_test: SelfTest

    @property
    def config(self) -> Config:
        """What was configured."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    def roll(self) -> float:
        """Jitter."""

    def document(self) -> dict[str, Any]:
        """The status document of now, outwardly."""

    def openly_owed(self) -> bool:
        """Whether comforts are to leave the line to a raise."""

    def modest_turn(self) -> AbstractAsyncContextManager[None]:
        """For a comfort that opens a connection."""

    def kept_note(self, name: str) -> str | None:
        """A small fact that the store knew at start."""


class Comforts:
    """handle: answers what comes over the control socket. supply: opens what tells of the power. panel: the comforts of the panel."""

    def __init__(
        self,
        rooms: Rooms,
        *,
        handle: control.Handle,
        supply: Callable[[], Supply],
        panel: Iterable[tuple[Callable[[], Awaitable[None]], str]],
        few: bool = False,
    ) -> None:
        """few: only what the alarm path needs, for a careful start."""
        self._rooms, self._handle, self._supply, self._panel, self._few = rooms, handle, supply, panel, few

    def works(self) -> Iterator[tuple[Callable[[], Coroutine[None, None, None]], str]]:
        """What never returns, for each comfort, with its name."""
        for comfort, name in self._all():
            yield partial(self._keep_up, name, comfort), name

    def _all(self) -> Iterator[tuple[Callable[[], Awaitable[None]], str]]:
        yield from self._panel
        yield self._serve, "control"
        yield self._rooms.proving.run, "proving"
        if self._few:
            return
        yield FileModes(self._rooms.config, self._rooms.clock, self._rooms.conditions).run, "files"
        yield self._watch_power, "power"
        if self._rooms.device_report is not None:
            yield self._rooms.device_report.run, "device_event"
        if (beat := self._open_heartbeat()) is not None:
            yield beat.run, "heartbeat"
        yield self._open_arming().run, "arming"
        yield self._rooms.self_test.run, "self_test"
        jobs = {"prune": self._prune, "self_test": self._rooms.self_test.nightly}  # the self-test sees to it itself that it is not missed
        yield Housekeeping(self._rooms.clock, jobs, soon=("prune",)).run, "housekeeping"

    async def _keep_up(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        rooms, code = self._rooms, f"{name}.failed"
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - a comfort: whatever it met, the vital tasks go on
                # Of others only where it was: a text may hold a position (law 11), and these two say what a person is to mend.
                words = str(error) if isinstance(error, OSError | control.InUseError) else autopsy.brief(error)
                log.warning("%s failed: %s", name, words)
                hint = HINTS.get(name, "see the journal; please report it")
                rooms.conditions.put(code, Severity.DEGRADED, f"{name} does not work: {words}", hint, wall=rooms.clock.wall())
            await asyncio.sleep(RESTART_S)

    def _open_heartbeat(self) -> Heartbeat | None:
        rooms, table = self._rooms, self._rooms.config.heartbeat
        if table is None:
            return None
        beat = partial(Heartbeat, table.url, table.every_s, rooms.connections.line(table.url), rooms.clock, rooms.conditions)
        return beat(document=rooms.document, owed=rooms.openly_owed, turn=rooms.modest_turn, roll=rooms.roll)

    def _open_arming(self) -> Arming:
        rooms, command = self._rooms, self._rooms.config.hooks.on_not_armed
        hook = Hook(command, rooms.clock, rooms.conditions, origin=Origin.DEVICE)
        return Arming(hook, rooms.panel.light, rooms.store, rooms.clock, document=rooms.document, kept=rooms.kept_note)

    async def _serve(self) -> None:
        path = Path(self._rooms.config.control.socket)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rooms.conditions.drop("control.failed")
        await control.serve(path, self._handle)

    async def _watch_power(self) -> None:
        supply = self._supply()
        self._rooms.conditions.drop("power.failed")
        await supply.run(self._fed)

    def _fed(self, power: Power) -> None:
        self._rooms.farewell.fed(power)
        if self._rooms.device_report is not None:
            self._rooms.device_report.fed(power)

    async def _prune(self) -> None:
        rooms = self._rooms
        await rooms.store.prune(wall=rooms.timekeeping.passed_wall(), keep_days=rooms.config.store.keep_days)
