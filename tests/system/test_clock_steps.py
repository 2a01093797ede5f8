"""System clocks that step, run far ahead or begin in 1970, and receivers that lie about the time, with the real daemon (law 9).

Receiver and dispatch live in the true time; only the daemon sees the other one. Whatever this machine's kernel thinks of its own
clock changes nothing here. The stories go on side by side: they wait far more than they work.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sqlite3
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme
from faketime import BEYOND_WITNESSES_S, DAY_S, ROLLOVER_S, YEAR_S, FakedClock, needs_faketime, true_wall
from slow_link import Road
from stage import DRIVE, Stage, codes, driving, press, side_by_side, staged, streamed

from hardware.feeder import Feeder

STEPS = {"+30 days": 30 * DAY_S, "+56 years": 56 * YEAR_S, "-1 hour": -3_600.0, "-10 years": -10 * YEAR_S}
CADENCE_S = 1.0  # of the stage's config
BACKOFF_S = 15.0  # the longest that is waited between two tries while a callout is wanted
EPOCH_S = 2.0  # a position's own time is up to an epoch older than its arrival
BEGAN_AT = time.monotonic()
SITE = "[site]\nlatitude = -33.9\nlongitude = 18.4\naccuracy_m = 50\n"


# --- what is looked at ---------------------------------------------------------------------------------------------------


def rows(stage: Stage, sql: str) -> list[Any]:
    """What another program reads in the database."""
    with contextlib.closing(sqlite3.connect(f"file:{stage.store}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


async def stopped(stage: Stage) -> None:
    """An orderly end: everything is in the database."""
    await stage.signal(signal.SIGTERM)
    await stage.ended()


def wall_of(text: str) -> float:
    """UTC s of a time as the database, dispatch and status write it."""
    return datetime.fromisoformat(text).timestamp()


def off_s(text: str, at: float) -> float:
    """How far a written time is ahead of the truth at that moment."""
    return wall_of(text) - true_wall(at)


def assert_times_kept(stage: Stage, *, marked_since_at: float = 0.0) -> None:
    """Every fix and every press of the database has its true time, and says so; and so have marks of this time."""
    kept = rows(stage, "SELECT at_s, wall_utc, wall_trusted FROM fixes UNION ALL SELECT at_s, wall_utc, wall_trusted FROM presses")
    wrong = [(at, wall, trusted) for at, wall, trusted in kept if abs(off_s(wall, at)) > EPOCH_S or not trusted]
    assert len(kept) > 1
    assert wrong == []
    marks = rows(stage, "SELECT at_s, sent_utc FROM fixes WHERE sent_utc IS NOT NULL")
    assert [(at, sent) for at, sent in marks if at > marked_since_at and abs(off_s(sent, at)) > BACKOFF_S] == []


async def assert_times_told(stage: Stage) -> None:
    """Every date and every time of day in a message is of this very test."""
    told = "\n".join(event["text"] for callout in await stage.callouts() for event in callout["events"])
    assert told
    earliest, latest = true_wall(BEGAN_AT) - EPOCH_S, time.time()
    for day in re.findall(r"\d{4}-\d\d-\d\d", told):
        assert wall_of(f"{day}T23:59:59Z") >= earliest, day
        assert wall_of(f"{day}T00:00:00Z") <= latest, day
    for clock in re.findall(r"\d\d:\d\d:\d\d", told):
        since_s = (wall_of(f"1970-01-01T{clock}Z") - earliest) % DAY_S
        assert since_s <= latest - earliest, clock


async def posted(stage: Stage) -> list[float]:
    """When the positions of the newest callout came (true UTC s)."""
    return [wall_of(each["received"]) for each in (await stage.callouts())[-1]["positions"] if each["via"] == "location"]


async def more_posted(stage: Stage, count: int, within_s: float = BACKOFF_S) -> None:
    """Until so many more positions have come."""
    before = len(await posted(stage))
    await stage.until(lambda: posted(stage), lambda seen: len(seen) >= before + count, within_s, f"{count} more positions")


def worked_s(stage: Stage) -> float:
    """CPU time of the daemon."""
    assert stage.agent is not None
    user, system = Path(f"/proc/{stage.agent.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def until_told(stage: Stage, code: str, within_s: float = BACKOFF_S) -> dict[str, Any]:
    """The status document as soon as it tells this condition, with a hint."""
    told = await stage.until_status(lambda seen: code in codes(seen), within_s, code)
    assert all(each["hint"] for each in told["conditions"])
    return told


async def until_over(stage: Stage, *gone: str, within_s: float = BACKOFF_S) -> None:
    """Until it tells none of these any more."""
    await stage.until_status(lambda seen: not {*gone} & {*codes(seen)}, within_s, f"over: {gone}")


async def vouched(stage: Stage) -> None:
    """Until somebody vouches for the time."""
    await stage.until_status(lambda seen: seen["clock"]["trusted"], what="somebody vouches for the time")


async def on_a_callout(stage: Stage) -> None:
    """Started, sure of the time, raised, streaming."""
    await stage.start()
    await stage.until_armed()
    await vouched(stage)
    await press(stage)
    await stage.until_status(lambda seen: seen["callout"]["state"] == "active", what="active")
    await streamed(stage)


async def pressed_again_at(stage: Stage) -> float:
    """A further press: by how much the time that dispatch is told of it is ahead of the truth."""
    count, at = len(again(await stage.callouts())), await press(stage)
    told = await stage.until(stage.callouts, lambda seen: len(again(seen)) > count, what="the press is told")
    return off_s(again(told)[-1], at)


def again(callouts: list[dict[str, Any]]) -> list[str]:
    """The times of presses that the newest callout was told of."""
    found = (re.match(r"Pressed again at (\S+)", each["text"]) for each in callouts[-1]["events"])
    return [each[1] for each in found if each]


# --- certificates --------------------------------------------------------------------------------------------------------


class Certificate:
    """What dispatch shows: valid from half an hour ago for two weeks, by an authority that the device trusts, or by another."""

    def __init__(self) -> None:
        self.authority, self.stranger = trustme.CA(), trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.show(self.authority)

    def show(self, authority: trustme.CA) -> None:
        """To whoever connects from now on."""
        now = datetime.now(UTC)
        issued = authority.issue_cert("127.0.0.1", not_before=now - timedelta(minutes=30), not_after=now + timedelta(days=14))
        issued.configure_cert(self.context)


@contextlib.asynccontextmanager
async def certified(folder: Path) -> AsyncIterator[tuple[Stage, Road, Certificate]]:
    """A stage whose road to dispatch shows a realistic certificate, and can be cut."""
    certificate = Certificate()
    async with driving(folder) as (stage, _):
        trusted = Path(str(stage.simulator.ca_file))
        far = ssl.create_default_context(cafile=str(trusted))
        trusted.write_bytes(trusted.read_bytes() + certificate.authority.cert_pem.bytes())
        async with Road(stage.simulator.port, own_tls=certificate.context, far_tls=far) as road:
            stage.base_url = stage.base_url.replace(f":{stage.link.port}", f":{road.port}")
            yield stage, road, certificate


# --- steps while a callout is on -----------------------------------------------------------------------------------------


async def a_certificate_for_all_times(folder: Path) -> None:
    """The simulator's own is valid from 2000 to 3000: nothing pauses, nothing is told a wrong time, nothing runs wild."""
    async with driving(folder) as (stage, _):
        clock = FakedClock(stage)
        await on_a_callout(stage)
        began = len(await posted(stage))
        for what, ahead_s in STEPS.items():
            began_at, work_s = time.monotonic(), worked_s(stage)
            clock.set_ahead(ahead_s)
            await more_posted(stage, 2, 3 * CADENCE_S)
            assert abs(await pressed_again_at(stage)) <= EPOCH_S, what
            told = await until_told(stage, "clock.wrong", 3.0)
            assert abs(told["clock"]["system_off_s"] - ahead_s) <= 2, what
            assert told["armed"], what
            assert abs(off_s(told["fix"]["time"], time.monotonic())) <= 2 * EPOCH_S, what
            assert abs(off_s(told["callout"]["since"], time.monotonic())) <= 60, what
            assert worked_s(stage) - work_s < 0.5 + (time.monotonic() - began_at) / 2, what
        clock.set_ahead(0)
        await until_over(stage, "clock.wrong")
        gaps = [later - earlier for earlier, later in pairwise((await posted(stage))[began - 1 :])]
        assert max(gaps) <= 2 * CADENCE_S + 0.5, gaps  # half a second: this machine is busy with other tests
        assert len(await stage.callouts()) == 1
        await assert_times_told(stage)
        await stopped(stage)
        assert_times_kept(stage)


async def a_realistic_certificate(folder: Path, steps: Iterable[str]) -> None:
    """What is open goes on; what is new fails by its name, and goes as soon as the clock is right."""
    async with certified(folder) as (stage, road, _):
        stage.more = "[backlog]\ntrail_after_s = 2\n"
        clock = FakedClock(stage)
        await on_a_callout(stage)
        for what in steps:
            clock.set_ahead(STEPS[what])
            await more_posted(stage, 2)
            await cut_and_refused(stage, road, "clock.tls")
            offline = len(await posted(stage))
            telling = asyncio.create_task(pressed_again_at(stage))
            await recovered(stage, what, offline, lambda: clock.set_ahead(0))
            assert abs(await telling) <= EPOCH_S, what
            await streamed(stage)
        await assert_times_told(stage)
        await stopped(stage)
        assert_times_kept(stage)


async def cut_and_refused(stage: Stage, road: Road, code: str) -> None:
    """Every connection is cut; new ones are refused by the device, and nothing gets through any more."""
    road.cut()
    failed = (await until_told(stage, code))["stream"]["failed"]
    count = len(await posted(stage))
    await stage.until_status(lambda seen: seen["stream"]["failed"] >= failed + 2, what="it goes on trying")
    assert len(await posted(stage)) == count


async def recovered(stage: Stage, what: str, offline: int, mend: Callable[[], None]) -> None:
    """Positions come again within one backoff of the repair, and the trouble is over."""
    mend()
    mended_at = time.monotonic()
    await stage.until(lambda: posted(stage), lambda seen: len(seen) > offline, BACKOFF_S, f"recovered from {what}")
    print(f"{what}: a position {time.monotonic() - mended_at:.1f} s after the repair")  # noqa: T201 - pytest -s shows it
    await until_over(stage, "clock.tls", "dispatch.tls", "clock.wrong")


async def a_strangers_certificate(folder: Path) -> None:
    """No verification is weakened: by nobody that the device knows, it is refused while the clock is wrong and when it is right."""
    async with certified(folder) as (stage, road, certificate):
        clock = FakedClock(stage)
        await on_a_callout(stage)
        clock.set_ahead(STEPS["+30 days"])
        certificate.show(certificate.stranger)
        await cut_and_refused(stage, road, "dispatch.tls")
        clock.set_ahead(0)
        await until_over(stage, "clock.wrong")
        await cut_and_refused(stage, road, "dispatch.tls")
        offline = len(await posted(stage))
        await recovered(stage, "a stranger's certificate", offline, lambda: certificate.show(certificate.authority))


# --- starts without the time ---------------------------------------------------------------------------------------------


class Dateless(Feeder):
    """A receiver that tells the time of day, as long as it is told to leave it at that."""

    dateless = True

    async def _say(self, data: bytes) -> None:
        if not (self.dateless and b"RMC" in data):
            await super()._say(data)


async def a_start_in_2001(folder: Path) -> None:
    """Certificates hold. What is pressed and recorded before anybody vouches gets its true time when a receiver tells the date."""
    async with staged(folder) as stage, Dateless(DRIVE, stage.tty, wall=time.time) as receiver:
        FakedClock(stage).set_to(1_000_000_000)
        await stage.start()
        await until_told(stage, "clock.untrusted")
        await stage.until_armed()
        at = await press(stage)
        await stage.until_callout(lambda seen: len(seen["positions"]) > 1 and seen["events"], what="raised, streaming, and told of")
        assert not (await stage.status())["clock"]["trusted"]
        receiver.dateless = False
        await until_told(stage, "clock.wrong")
        await until_over(stage, "clock.untrusted", "armed_proof.old")  # it was proven a moment ago, whatever the clock said then
        vouched_at = time.monotonic()
        await streamed(stage)
        assert abs(await pressed_again_at(stage)) <= EPOCH_S
        receiver.pause()
        await assert_times_told(stage)
        await stopped(stage)
        assert_times_kept(stage, marked_since_at=vouched_at)
        early = rows(stage, "SELECT min(at_s), count(*) FROM fixes WHERE gnss_utc IS NULL")
        assert early[0][0] < at
        assert early[0][1] > 1
        await a_process_that_learns_from_the_last(stage)


async def a_process_that_learns_from_the_last(stage: Stage) -> None:
    """In the same boot: no receiver says anything, and the time is known at once."""
    await stage.start()
    told = await stage.until_status(lambda seen: seen, what="an answer")
    assert told["clock"]["trusted"]
    assert "clock.untrusted" not in codes(told)
    assert abs(await pressed_again_at(stage)) <= EPOCH_S


async def a_start_in_1970(folder: Path) -> None:
    """No certificate holds: help cannot be summoned, and it says so. It is summoned as soon as somebody sets the clock."""
    async with driving(folder) as (stage, _):
        clock = FakedClock(stage)
        clock.set_to(300.0)
        await stage.start()
        told = await until_told(stage, "clock.tls")
        assert not told["armed"]
        await vouched(stage)
        await until_told(stage, "clock.wrong")
        await until_over(stage, "clock.untrusted")
        at = await press(stage)
        await stage.until_status(lambda seen: seen["callout"]["state"] == "raising", what="raising")
        assert await stage.callouts() == []
        clock.set_ahead(0)
        set_at = time.monotonic()
        await stage.until(stage.callouts, lambda seen: seen, BACKOFF_S, "raised once the clock was set")
        print(f"1970: raised {time.monotonic() - set_at:.1f} s after the clock was set")  # noqa: T201 - pytest -s shows it
        await until_over(stage, "clock.tls", "clock.wrong")
        await streamed(stage)
        assert abs(await pressed_again_at(stage)) <= EPOCH_S
        await assert_times_told(stage)
        await stopped(stage)
        assert_times_kept(stage)
        assert abs(off_s(rows(stage, "SELECT wall_utc FROM presses")[0][0], at)) <= EPOCH_S


# --- receivers that lie --------------------------------------------------------------------------------------------------


class Liar(Feeder):
    """A receiver with its own idea of the time."""

    def __init__(self, path: Path, by_s: float) -> None:
        self._by_s, self._anew = by_s, False
        super().__init__(DRIVE, path, wall=lambda: time.time() + self._by_s)

    def lie(self, by_s: float) -> None:
        """From the next sentence on."""
        self._by_s, self._anew = by_s, True

    async def _interrupted(self) -> bool:
        anew, self._anew = self._anew, False
        return await super()._interrupted() or anew


@contextlib.asynccontextmanager
async def lied_to(folder: Path, by_s: float) -> AsyncIterator[tuple[Stage, Liar]]:
    """A stage with such a receiver."""
    async with staged(folder) as stage, Liar(stage.tty, by_s) as liar:
        yield stage, liar


async def a_week_rollover_and_nobody_else(folder: Path) -> None:
    """A time before the build is nobody's witness; the positions are as good as ever."""
    async with lied_to(folder, -ROLLOVER_S) as (stage, _):
        FakedClock(stage, BEYOND_WITNESSES_S)
        await stage.start()
        await stage.until_armed()
        await press(stage)
        await stage.until_callout(lambda seen: seen["positions"], what="raised")
        told = await until_told(stage, "receiver.date")
        assert not told["clock"]["trusted"]
        await until_told(stage, "clock.untrusted")
        await streamed(stage)
        assert abs(await pressed_again_at(stage) - BEYOND_WITNESSES_S) <= EPOCH_S, "the system clock is all there is"
        await stopped(stage)
        fixes = rows(stage, "SELECT at_s, wall_utc, wall_trusted, gnss_utc FROM fixes")
        assert all(
            abs(off_s(wall, at) - BEYOND_WITNESSES_S) <= EPOCH_S and (trusted, gnss) == (0, None) for at, wall, trusted, gnss in fixes
        )


async def a_plausible_lie_and_nobody_else(folder: Path) -> None:
    """Two days ahead from the start: that cannot be told from the truth. What is shown is that the two clocks disagree."""
    async with lied_to(folder, 2 * DAY_S) as (stage, _):
        FakedClock(stage, BEYOND_WITNESSES_S)
        await stage.start()
        told = await until_told(stage, "clock.wrong")
        assert told["clock"]["witness"] == "receiver"
        assert abs(told["clock"]["system_off_s"] + 2 * DAY_S - BEYOND_WITNESSES_S) <= 2
        await stage.until_armed()
        await press(stage)
        await stage.until_callout(lambda seen: seen["positions"], what="raised all the same")
        await streamed(stage)


async def a_lie_after_the_truth(folder: Path) -> None:
    """What was believed stays; the positions go on, with the time of their arrival."""
    async with lied_to(folder, 0.0) as (stage, liar):
        FakedClock(stage)
        await on_a_callout(stage)
        for by_s, reason in ((-ROLLOVER_S, "rolled_over"), (2 * DAY_S, "future")):
            liar.lie(by_s)
            await stage.until_status(lambda seen, reason=reason: seen["receiver"]["rejected"][reason] > 2, what=reason)
            await until_told(stage, "receiver.date")
            await streamed(stage)
            told = await stage.status()
            assert "clock.wrong" not in codes(told)
            assert abs(told["clock"]["system_off_s"]) <= EPOCH_S
            assert abs(off_s(told["fix"]["time"], time.monotonic())) <= 2 * EPOCH_S
            assert abs(await pressed_again_at(stage)) <= EPOCH_S
        await assert_times_told(stage)
        await stopped(stage)
        assert_times_kept(stage)


@needs_faketime
@pytest.mark.timeout(120)
def test_steps_of_the_system_clock_stop_nothing_and_falsify_nothing(tmp_path: Path):
    forward, back = (partial(a_realistic_certificate, steps=steps) for steps in (("+30 days", "+56 years"), ("-1 hour", "-10 years")))
    side_by_side(tmp_path, a_certificate_for_all_times, forward, back, a_strangers_certificate)


@needs_faketime
def test_starts_without_the_time_and_receivers_that_lie(tmp_path: Path):
    side_by_side(
        tmp_path,
        a_start_in_2001,
        a_start_in_1970,
        a_week_rollover_and_nobody_else,
        a_plausible_lie_and_nobody_else,
        a_lie_after_the_truth,
    )
