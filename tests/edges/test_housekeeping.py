"""Jobs by the hour of the day: only while the time is known, and whatever the system clock does (law 9)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

import pytest
import time_machine

from agent import BUILT_AT_WALL
from agent.housekeeping import SOON_S, Housekeeping


class Believed:
    """A clock that believes what a test says, whatever the system clock shows."""

    trust = True
    now_at = 0.0

    def at(self) -> float:
        """Stands where a test puts it."""
        return self.now_at

    def wall(self) -> float:
        """Stands still, and is right."""
        return BUILT_AT_WALL

    def trusted(self) -> bool:
        """As said."""
        return self.trust


async def prune() -> None:
    """Nothing to do: when it is due is the question."""


def due(keeping: Housekeeping) -> datetime:
    """When the next run is."""
    assert keeping._scheduler is not None
    job = keeping._scheduler.get_job("prune")
    assert job is not None
    at: datetime = job.next_run_time
    return at


def test_jobs_wait_until_the_time_is_known_and_run_at_night():
    async def story() -> None:
        clock = Believed()
        clock.trust = False
        keeping = Housekeeping(clock, {"prune": prune})
        keeping._follow()
        assert keeping._scheduler is None
        clock.trust = True
        keeping._follow()
        first = keeping._scheduler
        assert (due(keeping).hour, due(keeping).minute) == (3, 17)
        keeping._follow()
        assert keeping._scheduler is first, "a clock that runs on changes nothing"
        clock.trust = False
        keeping._follow()
        assert keeping._scheduler is None

    asyncio.run(story())


@pytest.mark.parametrize("stepped_to", ["1970-01-01T00:05:00+00:00", "2016-06-01T12:00:00+00:00", "2082-06-01T12:00:00+00:00"])
def test_system_clock_that_steps_leaves_no_nights_to_make_up_for(stepped_to: str):
    """The believed time stays as it is, which is no help: the scheduler goes by the system clock."""

    async def story() -> None:
        with time_machine.travel(BUILT_AT_WALL, tick=False) as system:
            keeping = Housekeeping(Believed(), {"prune": prune})
            keeping._follow()
            for now in (datetime.fromisoformat(stepped_to), datetime.fromtimestamp(BUILT_AT_WALL, UTC)):
                system.move_to(now)
                keeping._follow()
                assert 0 < (due(keeping) - now).total_seconds() <= 86_400
            keeping._drop()

    asyncio.run(story())


def test_device_that_is_never_on_at_night_is_kept_in_order_too(monkeypatch: pytest.MonkeyPatch):
    """Once, some minutes after a start, as soon as the time is known; only what was asked for."""
    monkeypatch.setattr("agent.housekeeping.LOOK_S", 0.01)

    async def story() -> None:
        clock, done = Believed(), asyncio.Queue[str]()
        jobs = {name: partial(done.put, name) for name in ("prune", "other")}
        keeping = asyncio.create_task(Housekeeping(clock, jobs, soon=("prune",)).run())
        for clock.now_at, clock.trust in ((SOON_S - 1, True), (SOON_S + 1, False)):
            await asyncio.sleep(0.2)  # nothing is to happen
            assert done.empty()
        clock.trust = True
        async with asyncio.timeout(10):
            assert await done.get() == "prune"
        clock.now_at *= 2
        await asyncio.sleep(0.2)  # likewise
        assert done.empty()
        keeping.cancel()

    asyncio.run(story())
