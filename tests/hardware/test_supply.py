"""Batteries and mains: what is told of them, when, and that nothing a file holds does harm."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sysfs import Supplies, announced

from agent import aside
from agent.model import Power
from hardware import supply
from hardware.supply import Entries, Judge, KernelSupply, read

LOW = 15.0


@pytest.fixture
def supplies(tmp_path: Path) -> Supplies:
    return Supplies(tmp_path / "power_supply")


class Watched:
    """A running KernelSupply: what it told, how many looks it began and ended, and a way to wait for that."""

    def __init__(self) -> None:
        self.told: list[Power] = []
        self.begun = self.looks = 0
        self._news = asyncio.Event()

    async def beside(self, work: Callable[[], Entries]) -> Entries:
        self.begun += 1
        entries = await aside.start(work, name="test supply")
        self.looks += 1
        self._news.set()
        return entries

    def hear(self, power: Power) -> None:
        self.told.append(power)
        self._news.set()

    async def until(self, wanted: Callable[[], object], within_s: float = 5.0) -> None:
        async with asyncio.timeout(within_s):
            while not wanted():
                await self._news.wait()
                self._news.clear()


@contextlib.asynccontextmanager
async def watching(supplies: Supplies, uevents: Callable[[], socket.socket | None] = lambda: None) -> AsyncIterator[Watched]:
    watched = Watched()
    watcher = KernelSupply(str(supplies.place), low_percent=LOW, clock_at=time.monotonic, beside=watched.beside, uevents=uevents)
    running = asyncio.create_task(watcher.run(watched.hear))
    try:
        yield watched
    finally:
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled(), "it lives until cancelled"


@contextlib.contextmanager
def kernel() -> Iterator[tuple[socket.socket, Callable[[], socket.socket]]]:
    """Where announcements are put in, and how their other end is opened."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setblocking(False)  # noqa: FBT003 - its only argument
    with ours:
        yield ours, lambda: theirs


# --- when it is told ------------------------------------------------------------------------------------------------------


def test_change_is_told_once_and_within_two_seconds_where_the_kernel_announces_nothing(supplies: Supplies):
    async def story() -> None:
        supplies.battery(capacity=16)
        async with watching(supplies) as watched:
            await watched.until(lambda: watched.told == [Power(16.0)])
            supplies.battery(capacity=10)
            await watched.until(lambda: watched.told == [Power(16.0), Power(10.0, low=True)], 2.5)
            looks = watched.looks
            await watched.until(lambda: watched.looks == looks + 1)
            assert len(watched.told) == 2

    asyncio.run(story())


def test_announced_change_is_told_at_once(supplies: Supplies, monkeypatch: pytest.MonkeyPatch):
    async def story() -> None:
        monkeypatch.setattr(supply, "LOOK_S", 60.0)  # only the announcement can bring it
        supplies.mains(online=1)
        with kernel() as (into, opened):
            async with watching(supplies, opened) as watched:
                await watched.until(lambda: watched.told == [Power(mains=True)])
                supplies.mains(online=0)
                into.send(announced("AC"))
                await watched.until(lambda: watched.told[1:] == [Power(mains=False, lost=True)], 1.0)

    asyncio.run(story())


def test_announcements_of_other_devices_cost_no_look_and_a_storm_costs_few(supplies: Supplies, monkeypatch: pytest.MonkeyPatch):
    async def storm(into: socket.socket, about: bytes) -> None:
        for _ in range(50):
            into.send(about)
            await asyncio.sleep(0.01)  # the storm itself
        await asyncio.sleep(2 * supply.LEAST_S)  # that nothing more happens cannot be waited for

    async def story() -> None:
        monkeypatch.setattr(supply, "LOOK_S", 60.0)
        supplies.mains()
        with kernel() as (into, opened):
            async with watching(supplies, opened) as watched:
                await watched.until(lambda: watched.looks == 1)
                await storm(into, announced("usb1", "usb"))
                assert watched.looks == 1
                supplies.mains(online=0)
                await storm(into, announced("AC"))
                assert len(watched.told) == 2
                assert 2 <= watched.looks <= 5

    asyncio.run(story())


@pytest.mark.parametrize("exists", [True, False])
def test_device_without_supplies_tells_nothing(supplies: Supplies, monkeypatch: pytest.MonkeyPatch, *, exists: bool):
    async def story() -> None:
        monkeypatch.setattr(supply, "LOOK_S", 0.3)
        if exists:
            supplies.place.mkdir()
        async with watching(supplies) as watched:
            await watched.until(lambda: watched.looks == 2)
            assert watched.told == []

    asyncio.run(story())


def test_gauge_that_hangs_holds_nothing_up_and_no_second_thread_waits_for_it(supplies: Supplies):
    async def story() -> None:
        supplies.battery()
        stuck = supplies.place / "BAT0" / "capacity"
        stuck.unlink()
        os.mkfifo(stuck)  # opening it waits for a writer, in the kernel, as a stuck bus does
        with kernel() as (into, opened):
            async with watching(supplies, opened) as watched:
                writer = await asyncio.to_thread(stuck.open, "wb")  # opens once its reader waits
                with writer:
                    for _ in range(3):
                        into.send(announced("BAT0"))
                    await asyncio.sleep(2.5 * supply.LEAST_S)  # two looks' worth: that nothing happens cannot be waited for
                    assert (watched.begun, watched.looks) == (1, 0)
                    writer.write(b"7\n")
                await watched.until(lambda: watched.told == [Power(7.0, low=True)])

    asyncio.run(story())


def test_machine_without_a_thread_to_spare_is_looked_at_again(supplies: Supplies, monkeypatch: pytest.MonkeyPatch):
    async def story() -> None:
        monkeypatch.setattr(supply, "LOOK_S", 0.25)
        supplies.battery(capacity=50)
        refused = iter([True])

        async def beside(work: Callable[[], Entries]) -> Entries:
            if next(refused, False):
                raise OSError("no thread is left")
            return work()

        told: asyncio.Queue[Power] = asyncio.Queue()
        watcher = KernelSupply(str(supplies.place), low_percent=LOW, clock_at=time.monotonic, beside=beside, uevents=lambda: None)
        running = asyncio.create_task(watcher.run(told.put_nowait))
        async with asyncio.timeout(5):
            assert await told.get() == Power(50.0)
        running.cancel()

    asyncio.run(story())


def test_kernel_of_this_machine_lets_us_listen_or_says_no_without_harm():
    sock = supply.open_uevents()
    if sock is not None:
        with sock, pytest.raises(BlockingIOError):
            sock.recv(1)  # open, and it does not block


# --- what it means --------------------------------------------------------------------------------------------------------


def judged(supplies: Supplies, judge: Judge | None = None, at: float = 0.0) -> Power:
    return (judge or Judge(LOW)).take(read(supplies.place), at)


def test_lowest_battery_counts_and_others_devices_do_not(supplies: Supplies):
    supplies.battery("BAT0", capacity=80)
    supplies.battery("BAT1", capacity=40)
    supplies.battery("mouse", capacity=3, scope="Device")
    supplies.put("slot", type="Battery", present=0, capacity=0, status="Unknown")
    supplies.put("strange", type="Windmill", online=1, capacity=1)
    assert judged(supplies) == Power(40.0)


@pytest.mark.parametrize(
    ("capacity", "status", "online", "low"),
    [
        (15, "Discharging", None, True),
        (16, "Discharging", None, False),
        (15, "Charging", None, False),
        (15, "Full", None, False),
        (15, "Not charging", 1, True),  # on mains, and yet nothing fills it up
        (15, "Unknown", None, True),
        (15, "Unknown", 1, False),  # a plain gauge beside a charger
        (15, "", 0, True),
        (0, "Discharging", 0, True),
    ],
)
def test_battery_is_low_when_it_is_nearly_empty_and_nothing_fills_it(
    supplies: Supplies, capacity: int, status: str, online: int | None, *, low: bool
):
    supplies.battery(capacity=capacity, status=status)
    if online is not None:
        supplies.mains(online=online)
    assert judged(supplies).low is low


@pytest.mark.parametrize(("level", "low"), [("Critical", True), ("Low", True), ("Normal", False), ("Full", False), ("Unknown", False)])
def test_battery_that_tells_only_a_level_is_judged_by_it(supplies: Supplies, level: str, *, low: bool):
    supplies.put("BAT0", type="Battery", status="Discharging", capacity_level=level)
    assert judged(supplies) == Power(low=low)


def test_low_is_over_only_three_points_higher_and_not_for_a_moment(supplies: Supplies):
    judge = Judge(LOW)
    story = [(15, 0, True), (17, 30, True), (18, 40, True), (18, 49.9, True), (17, 49.95, True), (18, 60, True), (18, 70, False)]
    for capacity, at, low in [*story, (16, 80, False), (15, 82, True)]:
        supplies.battery(capacity=capacity)
        assert judged(supplies, judge, at).low is low, (capacity, at)


def test_charging_at_a_loose_contact_is_one_low_battery(supplies: Supplies):
    judge = Judge(LOW)
    for at in range(60):
        supplies.battery(capacity=9, status="Charging" if at % 4 else "Discharging")
        assert judged(supplies, judge, at).low
    supplies.battery(capacity=9, status="Charging")
    assert judged(supplies, judge, 60).low
    assert not judged(supplies, judge, 71).low


def test_battery_that_tells_nothing_any_more_stays_as_it_was(supplies: Supplies):
    judge = Judge(LOW)
    supplies.battery(capacity=9)
    assert judged(supplies, judge, 0).low
    (supplies.place / "BAT0" / "capacity").unlink()
    for at in (10, 20, 30):
        assert judged(supplies, judge, at) == Power(low=True)
    supplies.take_away("BAT0")
    assert judged(supplies, judge, 40).low
    assert judged(supplies, judge, 50) == Power()


def test_supply_is_lost_when_it_goes_and_back_when_it_has_stayed(supplies: Supplies):
    judge = Judge(LOW)
    supplies.mains(online=0)
    assert judged(supplies, judge, 0) == Power(mains=False), "started on its battery: nothing was lost"
    supplies.mains(online=1)
    assert judged(supplies, judge, 2) == Power(mains=True)
    supplies.mains(online=0)
    assert judged(supplies, judge, 4) == Power(mains=False, lost=True)
    supplies.mains(online=1)
    assert judged(supplies, judge, 6) == Power(mains=True, lost=True)
    supplies.mains(online=0)
    assert judged(supplies, judge, 15).lost
    supplies.mains(online=1)
    assert judged(supplies, judge, 16).lost
    assert judged(supplies, judge, 26) == Power(mains=True)


def test_any_of_several_supplies_feeds_the_device(supplies: Supplies):
    judge = Judge(LOW)
    supplies.mains("AC", online=0)
    supplies.mains("usb", online=2, kind="USB_PD")
    assert judged(supplies, judge, 0) == Power(mains=True)
    supplies.mains("usb", online=0, kind="USB_PD")
    assert judged(supplies, judge, 2) == Power(mains=False, lost=True)
    supplies.put("usb", online="ENODATA?")
    supplies.put("AC", online="?")
    assert judged(supplies, judge, 60) == Power(lost=True), "what is unknown changes nothing"


# --- odd files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [b"", b"\n", b"-1", b"101", b"255", b"nan", b"1e400", b"\xff\xfe\x00", b"9" * 70, b"12 %"])
def test_capacity_that_is_none_is_unknown(supplies: Supplies, capacity: bytes):
    supplies.battery(capacity=capacity)
    assert judged(supplies) == Power()


def test_folders_links_and_files_where_others_belong_are_passed_over(supplies: Supplies):
    supplies.battery(capacity=50)
    (supplies.place / "file").write_text("not a folder")
    (supplies.place / "gone").symlink_to(supplies.place / "nowhere")
    (supplies.place / "loop").symlink_to(supplies.place / "loop")
    (supplies.place / "AC" / "online").mkdir(parents=True)
    supplies.put("AC", type="Mains")
    assert judged(supplies) == Power(50.0)


FILES = st.dictionaries(
    st.sampled_from(["type", "scope", "present", "capacity", "capacity_level", "status", "online"]),
    st.one_of(st.binary(max_size=80), st.sampled_from([b"Battery", b"Mains", b"USB_C", b"UPS", b"0", b"1", b"15", b"Charging", b"Low"])),
)


@given(looks=st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), FILES), max_size=4), at=st.floats(0, 1e9))
def test_nothing_that_a_file_holds_does_harm(looks: list[dict[str, dict[str, bytes]]], at: float):
    judge = Judge(LOW)
    with tempfile.TemporaryDirectory() as folder:
        supplies = Supplies(Path(folder))
        for number, look in enumerate(looks):
            for name, files in look.items():
                supplies.put(name, **files)
            power = judged(supplies, judge, at + number)
            assert power.percent is None or 0 <= power.percent <= 100
