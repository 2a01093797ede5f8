"""Wall-clock jobs: what is to happen at an hour of the day, by APScheduler.

Only while the time is known. APScheduler goes by the system clock, whatever is believed: when that one steps, the scheduler is
dropped and built anew, because it counts every night that it takes for missed. Never for a deadline, never oftener than hourly: a
clock set a year ahead under a one-second job would have it run thirty million times. APScheduler is brought along by whoever runs this,
in a thread: a card that has lost a file of it costs the nightly jobs, not the daemon.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from agent import aside
from agent.ports import Clock

if TYPE_CHECKING:
    from apscheduler.schedulers.asyncio import AsyncIOScheduler

log = logging.getLogger("callout-agent")

LOOK_S: Final = 10.0
STEP_S: Final = 60.0  # a system clock that ran this much differently from the monotonic one was set
SOON_S: Final = 600.0  # after the start; a vehicle whose supply goes with its ignition is on for minutes, and never at night
NIGHT: Final = {"hour": 3, "minute": 17}  # UTC; not on the hour, when everybody's jobs run

Job = Callable[[], Awaitable[None]]


class Housekeeping:
    """jobs: by name; each runs nightly. A job that fails is logged and comes again the next night. soon: which run after a start, too."""

    def __init__(self, clock: Clock, jobs: Mapping[str, Job], soon: Iterable[str] = ()) -> None:
        self._clock = clock
        self._jobs = jobs
        self._soon, self._soon_at = tuple(soon), clock.at() + SOON_S
        self._scheduler: AsyncIOScheduler | None = None
        self._offset = 0.0

    async def run(self) -> None:
        """Never returns. Follows the clocks: trusted or not, stepped or not. Raises what APScheduler's import does."""
        await aside.start(_bring, name="apscheduler", parted=False)
        soon = asyncio.ensure_future(self._work_soon())
        try:
            while True:
                self._follow()
                await asyncio.sleep(LOOK_S)
        finally:
            soon.cancel()
            self._drop()

    async def _work_soon(self) -> None:
        while self._clock.at() < self._soon_at or not self._clock.trusted():  # noqa: ASYNC110 - nobody tells that a clock is trusted
            await asyncio.sleep(LOOK_S)
        for name in self._soon:
            await _guarded(name, self._jobs[name])()

    def _follow(self) -> None:
        offset = time.time() - self._clock.at()
        stepped = abs(offset - self._offset) > STEP_S
        self._offset = offset
        if stepped or not self._clock.trusted():
            self._drop()
        if self._scheduler is None and self._clock.trusted():
            self._build()

    def _build(self) -> None:
        from apscheduler.schedulers.asyncio import AsyncIOScheduler  # noqa: PLC0415 - see the module's docstring
        from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - likewise

        scheduler = AsyncIOScheduler(timezone="UTC")
        for name, job in self._jobs.items():
            trigger = CronTrigger(timezone="UTC", **NIGHT)
            scheduler.add_job(_guarded(name, job), trigger, id=name, coalesce=True, max_instances=1, misfire_grace_time=3_600)
        scheduler.start()
        self._scheduler = scheduler

    def _drop(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None


def _bring() -> None:
    for name in ("apscheduler.schedulers.asyncio", "apscheduler.triggers.cron"):
        importlib.import_module(name)


def _guarded(name: str, job: Job) -> Job:
    async def work() -> None:
        try:
            await job()
        except Exception:  # a comfort: it may fail, and must not take the scheduler with it
            log.exception("housekeeping: %s failed; it comes again tomorrow", name)

    return work
