"""A kernel's own clock, set from a receiver: the daemon's clock on a machine that may be set back to 1970.

Only in the guest: its clock is nobody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from stage import DRIVE, Stage, codes, staged

from agent import BUILT_AT_WALL
from agent.clock import Kernel, SystemClock
from agent.model import Report
from hardware.feeder import Feeder

DAY_S = 86_400.0
TRUE_ZERO = BUILT_AT_WALL + 30 * DAY_S - time.monotonic()  # what the played receiver says: not what the guest's clock began with
EARLY = {"1970": DAY_S, "2001": 1e9}  # a kernel refuses a time of day that is less than its uptime


@contextlib.contextmanager
def set_to(wall: float) -> Iterator[float]:
    """The system clock shows this; it is put right afterwards for the tests that follow."""
    assert "User Mode Linux" in Path("/proc/cpuinfo").read_text(encoding="utf-8"), "only a guest's clock may be set"
    was = time.time() - time.monotonic()
    time.clock_settime(time.CLOCK_REALTIME, wall)
    try:
        yield wall
    finally:
        time.clock_settime(time.CLOCK_REALTIME, was + time.monotonic())


@pytest.fixture(params=EARLY.values(), ids=EARLY.keys())
def early(request: pytest.FixtureRequest) -> Iterator[float]:
    """A clock of before the build."""
    with set_to(request.param) as wall:
        yield wall


def true_wall() -> float:
    """What the receiver says."""
    return TRUE_ZERO + time.monotonic()


def told_by_a_receiver() -> SystemClock:
    """Three epochs, which arrived just now."""
    clock = SystemClock()
    for ago_s in (2.0, 1.0, 0.0):
        at = time.monotonic() - ago_s
        clock.hear(Report(at, "gnss", 3, gnss_time=TRUE_ZERO + at))
    return clock


def test_kernel_tells_of_a_clock_that_was_set_and_the_belief_stays(early: float):
    kernel = Kernel()
    assert kernel.network() == (False, pytest.approx(early, abs=5.0))
    clock = told_by_a_receiver()
    for step_s in (30 * DAY_S, 56 * 365.25 * DAY_S, -3_600.0):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + step_s)
        assert clock.trusted()
        assert clock.wall() == pytest.approx(true_wall(), abs=0.5)


def test_clock_of_before_the_build_is_set_by_the_kernel_and_then_it_is_not_early_any_more(early: float):
    clock = told_by_a_receiver()
    assert time.time() == pytest.approx(early, abs=10.0)
    assert clock.wants_setting()
    clock.set_system()
    assert time.time() == pytest.approx(true_wall(), abs=0.5)
    assert not clock.wants_setting()
    assert clock.standing().system_off_s == pytest.approx(0.0, abs=0.5)


@contextlib.asynccontextmanager
async def worn(folder: Path) -> AsyncIterator[Stage]:
    """A stage whose receiver tells another time than the clocks of all others; the agent is not started."""
    async with staged(folder) as stage, Feeder(DRIVE, stage.tty, wall=true_wall):
        yield stage


def end_with_us() -> None:
    """In the child, in place of `hold`: it may set the clock, as where the drop-in is installed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def test_daemon_sets_a_clock_of_1970_and_then_its_certificates_are_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No certificate is valid in 1970: nothing reaches dispatch before the clock is right, and everything within seconds afterwards."""
    monkeypatch.setattr("stage.hold", end_with_us)

    async def story() -> None:
        async with worn(tmp_path) as stage:
            with set_to(EARLY["1970"]):
                await stage.start()
                status = await stage.until_status(lambda told: told["clock"]["trusted"] and told["clock"]["system_off_s"] == 0.0, 60)
                assert time.time() == pytest.approx(true_wall(), abs=2.0)
                assert status["clock"]["witness"] == "receiver"
                status = await stage.until_armed()
                assert not [code for code in codes(status) if code.startswith("clock.")]
                assert (await stage.ask(do="raise"))["ok"]
                await stage.until_callout(lambda seen: seen["positions"], what="a callout")

    asyncio.run(story())


def test_daemon_that_may_not_set_the_clock_says_what_to_do_and_goes_on_once_somebody_sets_it(tmp_path: Path):
    async def story() -> None:
        async with worn(tmp_path) as stage:
            with set_to(EARLY["1970"]):
                await stage.start()
                status = await stage.until_status(lambda told: {"clock.unset", "clock.wrong", "clock.tls"} <= set(codes(told)), 60)
                hints = {each["code"]: each["hint"] for each in status["conditions"]}
                assert "callout-agent-clock.conf" in hints["clock.unset"]
                assert not status["armed"]
                assert time.time() < 2 * DAY_S
                time.clock_settime(time.CLOCK_REALTIME, true_wall())
                await stage.until_armed()
                await stage.until_status(lambda told: not [code for code in codes(told) if code.startswith("clock.")], 5, "all is well")

    asyncio.run(story())
