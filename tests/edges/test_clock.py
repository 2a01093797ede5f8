"""Wall time is believed only when plausible, and what follows when it becomes so (law 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import time_machine

from agent import BUILT_AT_WALL
from agent.clock import SystemClock
from agent.housekeeping import Housekeeping
from agent.kept import NoteKept, Write
from agent.timekeeping import Timekeeping


class Kept:
    """A store that remembers what it was asked."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.restamped: list[float] = []

    def step(self, *writes: Write) -> Awaitable[None]:
        """Keep."""
        self.writes += writes
        return asyncio.get_running_loop().create_future()

    def restamp(self, at: float, wall: float) -> None:
        """Rows of before get their true time."""
        self.restamped.append(wall - at)


def test_clock_of_a_device_without_battery_is_not_believed():
    with time_machine.travel(12.0, tick=False):
        assert not SystemClock().trusted()
    with time_machine.travel(BUILT_AT_WALL + 1, tick=False):
        assert SystemClock().trusted()


def test_last_trusted_time_is_the_floor_and_only_rises():
    with time_machine.travel(BUILT_AT_WALL + 100, tick=False):
        clock = SystemClock(floor_wall=BUILT_AT_WALL + 1_000)
        assert not clock.trusted()
        clock.raise_floor(0.0)
        assert not clock.trusted()


def test_monotonic_time_does_not_follow_the_wall():
    clock = SystemClock()
    before = clock.at()
    with time_machine.travel(BUILT_AT_WALL + 1e9, tick=False):
        assert clock.at() - before < 5.0


def test_rows_are_restamped_once_when_the_clock_becomes_plausible_and_the_floor_is_kept():
    async def story() -> None:
        store = Kept()
        with time_machine.travel(12.0, tick=False) as travel:
            timekeeping = Timekeeping(SystemClock(), store)  # type: ignore[arg-type]
            timekeeping.follow()
            assert store.writes == []
            travel.move_to(BUILT_AT_WALL + 500)
            timekeeping.follow()
            timekeeping.follow()
        assert len(store.restamped) == 1
        assert store.writes == [NoteKept("trusted_wall", f"{BUILT_AT_WALL + 500:.0f}")]

    asyncio.run(story())


class SteppedClock:
    """A clock that a test moves."""

    def __init__(self, wall: float, *, plausible: bool = True) -> None:
        self.now, self.plausible = wall, plausible

    def at(self) -> float:
        """Stands still."""
        return 0.0

    def wall(self) -> float:
        """As moved."""
        return self.now

    def trusted(self) -> bool:
        """As said."""
        return self.plausible


def test_jobs_by_the_hour_wait_for_a_plausible_clock_and_are_built_anew_when_it_steps():
    async def story() -> None:
        async def job() -> None:
            """Nothing to do: when it is due is the question."""

        clock = SteppedClock(12.0, plausible=False)
        keeping = Housekeeping(clock, {"prune": job})
        keeping._follow()
        assert keeping._scheduler is None
        clock.now, clock.plausible = BUILT_AT_WALL, True
        keeping._follow()
        first = keeping._scheduler
        assert first is not None
        due = first.get_job("prune").next_run_time
        assert (due.hour, due.minute) == (3, 17)
        keeping._follow()
        assert keeping._scheduler is first, "a clock that runs on changes nothing"
        clock.now += 365 * 86_400
        keeping._follow()
        assert keeping._scheduler is not first
        keeping._drop()

    asyncio.run(story())
