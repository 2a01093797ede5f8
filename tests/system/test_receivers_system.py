"""Receivers through the whole daemon as a process, and what else must not stop a raise: a dead store, a hanging token service.

The same positions from gpsd and from the line, every way to lose a receiver during a callout, several receivers, the gate.
Everything is learnt from outside: at the simulator, through `status`, by exit codes. What the receivers said, and when, is in the
diary of the line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from diary import DRIVE_PLACES, diary_of, feeding, nearest, posted, rewritten, said_at, shifted, wall_of
from rigs import Gpsd, needs_gpsd
from stage import Stage, codes, staged

from hardware.feeder import Feeder
from simulator.settings import Settings

TOLD_WITHIN_S = 5.0
HEALED_WITHIN_S = 10.0
OLDEST_S = 10.0  # DESIGN section 5, at sending
ARRIVAL_S = 0.5  # from sending to the dispatcher's clock, on a busy machine
LOWER = 0.001  # degrees: how far south of the first receiver the second one is


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that gpsd, once it has given root up, can enter."""
    path = Path(tempfile.mkdtemp(prefix="callout-system-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def at_once(folder: Path, **stories: Callable[[Path], Coroutine[Any, Any, Any]]) -> dict[str, Any]:
    """Run stories side by side, each with a folder of its own; their results by name. All end before one fails."""

    async def run() -> list[Any]:
        folders = [folder / name for name in stories]
        for each in folders:
            each.mkdir()
        return await asyncio.gather(*(story(each) for story, each in zip(stories.values(), folders, strict=True)), return_exceptions=True)

    results = asyncio.run(run())
    for each in results:
        if isinstance(each, BaseException):
            raise each
    return dict(zip(stories, results, strict=True))


@contextlib.asynccontextmanager
async def gpsd_on(folder: Path, device: Path) -> AsyncIterator[Gpsd]:
    """A real gpsd on a line."""
    gpsd = Gpsd(folder, device)
    await gpsd.start()
    try:
        yield gpsd
    finally:
        await gpsd.kill()


def gpsd_receiver(gpsd: Gpsd) -> str:
    return f'[[receiver]]\nkind = "gpsd"\nport = {gpsd.port}\n'


def serial_receiver(path: Path) -> str:
    return f'[[receiver]]\nkind = "serial"\npath = "{path}"\n'


async def raised(stage: Stage) -> None:
    """Armed, then raised and accepted."""
    await stage.until_armed()
    code, out, err = await stage.command("raise", "--wait", "10")
    assert code == 0, out + err


async def newest(stage: Stage) -> dict[str, Any]:
    return (await stage.callouts())[-1]


async def streams(stage: Stage, *feeders: Feeder, after: float, within_s: float = HEALED_WITHIN_S) -> None:
    """Until two positions that a receiver said after that moment were posted."""

    def new(callout: dict[str, Any]) -> int:
        return sum(each.via == "location" and said_at(each, *feeders) > after for each in posted(callout))

    await stage.until_callout(lambda seen: new(seen) >= 2, within_s, "positions flow again")


async def ails(stage: Stage, code: str) -> float:
    """Until `status --json` says so, with a hint; how long it took. The callout stays active."""
    began = time.monotonic()
    status = await stage.until_status(lambda told: code in codes(told), TOLD_WITHIN_S, code)
    took_s = time.monotonic() - began
    assert status["callout"]["state"] == "active"
    _, out, _ = await stage.command("status", "--json")
    told = next(each for each in json.loads(out)["conditions"] if each["code"] == code)
    assert told["hint"]
    return took_s


async def healed(stage: Stage, code: str, *feeders: Feeder) -> None:
    """Positions of now flow again and the condition is gone, by itself."""
    await streams(stage, *feeders, after=time.time())
    status = await stage.until_status(lambda told: code not in codes(told), TOLD_WITHIN_S, f"{code} gone")
    assert status["callout"]["state"] == "active"
    assert status["armed"]


def assert_fresh_and_forward(callout: dict[str, Any], *feeders: Feeder) -> None:
    """No position was older than 10 s when it was posted, and none older than the one before it."""
    said = [(said_at(each, *feeders), each) for each in posted(callout)]
    ages = [each.wall - at for at, each in said]
    assert max(ages) <= OLDEST_S + ARRIVAL_S, f"posted at the age of {max(ages):.1f} s"
    back = [(one, other) for one, other in pairwise(said) if one[0] > other[0]]
    assert not back, f"a position went back in time: {back}"


# --- the same from both ----------------------------------------------------------------------------------------------------


async def drive_from_gpsd(folder: Path) -> list[int]:
    async with staged(folder) as stage, feeding(stage.tty), gpsd_on(folder, stage.tty) as gpsd:
        stage.receivers = gpsd_receiver(gpsd)
        return await posted_of_drive(stage)


async def drive_from_the_line(folder: Path) -> list[int]:
    async with staged(folder) as stage, feeding(stage.tty):
        return await posted_of_drive(stage)


async def posted_of_drive(stage: Stage) -> list[int]:
    """Which epochs of the drive were posted on the location lane, in order."""
    await stage.start()
    await raised(stage)
    callout = await stage.until_callout(lambda seen: len(seen["positions"]) >= 19, 30, "19 positions")
    told = [(nearest(each.place, DRIVE_PLACES), each.via) for each in posted(callout)]
    assert all(one[0] <= other[0] for one, other in pairwise(told)), f"went back in the log: {told}"
    return [index for index, via in told if via == "location"]


@needs_gpsd
def test_gpsd_and_the_line_itself_bring_the_same_positions(folder: Path):
    """One log at 1 Hz through a real gpsd and through the pty alone: the posted positions are the log's, in its order, the same.

    Every posted position is one of the log's within 1e-6 degrees, and none comes twice on the location lane. Of the seconds that
    both runs cover at least 15 were posted by both, and at most two by one of them only.
    """
    run = at_once(folder, gpsd=drive_from_gpsd, line=drive_from_the_line)
    for told in run.values():
        assert len(told) == len(set(told))
    one, other = set(run["gpsd"]), set(run["line"])
    covered = set(range(max(min(one), min(other)), min(max(one), max(other)) + 1))
    assert len(covered & one & other) >= 15
    assert len(covered & (one ^ other)) <= 2, f"by one only: {sorted(covered & (one ^ other))}"
    assert len(covered - one - other) <= 2, "the log's seconds are posted, not some of them"


# --- lost and found --------------------------------------------------------------------------------------------------------


async def lose_a_line(folder: Path) -> None:
    """Unplugged, silent, garbage."""
    async with staged(folder) as stage, feeding(stage.tty) as feeder:
        await stage.start()
        await raised(stage)
        feeder.unplug()
        await ails(stage, "receiver.unplugged")
        feeder.replug()
        await healed(stage, "receiver.unplugged", feeder)
        feeder.pause()
        await ails(stage, "receiver.silent")
        feeder.resume()
        await healed(stage, "receiver.silent", feeder)
        feeder.garbage(b"$" * 4000)  # each byte begins a sentence: the dearest garbage there is
        await ails(stage, "receiver.garbage")
        assert await slowest_status_s(stage, for_s=3.0) < 1.0
        feeder.resume()
        await healed(stage, "receiver.garbage", feeder)
        assert_fresh_and_forward(await newest(stage), feeder)
        assert len(await stage.callouts()) == 1


async def slowest_status_s(stage: Stage, for_s: float) -> float:
    """The longest time to an answer while asked over and over for so long; the daemon's share of a core stays sane."""
    assert stage.agent is not None
    slowest_s, began, used_s = 0.0, time.monotonic(), cpu_s(stage.agent.pid)

    async def ask() -> float:
        nonlocal slowest_s
        asked_at = time.monotonic()
        assert await stage.status()
        slowest_s = max(slowest_s, time.monotonic() - asked_at)
        return asked_at - began

    await stage.until(ask, lambda passed_s: passed_s >= for_s, for_s + 5, "asking for status")
    share = (cpu_s(stage.agent.pid) - used_s) / (time.monotonic() - began)
    assert share < 0.45, f"garbage takes {share:.0%} of a core"
    return slowest_s


def cpu_s(pid: int) -> float:
    """Processor time of a process, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def lose_gpsd(folder: Path) -> None:
    """The gpsd killed and restarted, its receiver silent, its receiver unplugged."""
    async with staged(folder) as stage, feeding(stage.tty) as feeder, gpsd_on(folder, stage.tty) as gpsd:
        stage.receivers = gpsd_receiver(gpsd)
        await stage.start()
        await raised(stage)
        await gpsd.kill()
        await ails(stage, "receiver.unreachable")
        await gpsd.start()
        await healed(stage, "receiver.unreachable", feeder)
        feeder.pause()
        await ails(stage, "receiver.silent")
        feeder.resume()
        await healed(stage, "receiver.silent", feeder)
        feeder.unplug()
        await ails(stage, "receiver.silent")
        feeder.replug()
        await gpsd.readd()  # gpsd itself takes no replugged device back
        await healed(stage, "receiver.silent", feeder)
        assert_fresh_and_forward(await newest(stage), feeder)


async def stop_gpsd(folder: Path) -> None:
    """The gpsd stopped and continued, once with the connection still standing, once for longer than a position is fresh."""
    async with staged(folder) as stage, feeding(stage.tty) as feeder, gpsd_on(folder, stage.tty) as gpsd:
        stage.receivers = gpsd_receiver(gpsd)
        await stage.start()
        await raised(stage)
        for stopped_s in (7, 13):
            await streams(stage, feeder, after=time.time())
            gpsd.signal(signal.SIGSTOP)
            await ails(stage, "receiver.silent")
            await stage.until_status(lambda told, stopped_s=stopped_s: told["fix"]["age_s"] > stopped_s, 20, "stopped for long")
            gpsd.signal(signal.SIGCONT)
            await healed(stage, "receiver.silent", feeder)
        assert_fresh_and_forward(await newest(stage), feeder)


async def stop_the_agent(folder: Path) -> None:
    """The agent itself stopped (a machine that slept): what waited on the line meanwhile is seen, refused and counted."""
    async with staged(folder) as stage, feeding(stage.tty) as feeder:
        await stage.start()
        await raised(stage)
        count = len((await newest(stage))["positions"])
        # Just after a position left: one that was on its way when the process stopped would leave as it is when it goes on.
        await stage.until_callout(lambda seen: len(seen["positions"]) > count + 1, 5, "a position just left")
        await stage.signal(signal.SIGSTOP)
        end = time.monotonic() + 13
        await stage.until(stage.callouts, lambda _: time.monotonic() > end, 20, "stopped for long")
        await stage.signal(signal.SIGCONT)
        await streams(stage, feeder, after=time.time())
        status = await stage.status()
        assert status["callout"]["state"] == "active"
        assert status["receiver"]["rejected"]["stale"] >= 1
        assert_fresh_and_forward(await newest(stage), feeder)


@needs_gpsd
def test_lost_receiver_is_told_within_5_s_and_taken_back_while_the_callout_goes_on(folder: Path):
    """Unplugged, silent, garbage, gpsd killed, stopped: told with a hint, healed by itself, nothing old ever posted as fresh."""
    at_once(folder, line=lose_a_line, gpsd=lose_gpsd, stopped=stop_gpsd, slept=stop_the_agent)


# --- several receivers -----------------------------------------------------------------------------------------------------


async def second_takes_over(folder: Path) -> None:
    """The first behind gpsd, the second on a line: each silence of the first is filled within 5 s, each return noticed."""
    other = folder / "ttyOther"
    async with (
        staged(folder) as stage,
        feeding(stage.tty) as first,
        feeding(other, shifted()) as second,
        gpsd_on(folder, stage.tty) as gpsd,
    ):
        stage.receivers = gpsd_receiver(gpsd) + serial_receiver(other)
        await stage.start()
        await raised(stage)
        await stage.until(lambda: positions_from(stage, first, 0.0), lambda found: len(found) >= 2, 8, "the first is used")
        for _ in range(2):
            first.pause()
            paused_at = time.time()
            await stage.until(lambda since=paused_at: positions_from(stage, second, since), bool, 8, "the second takes over")
            took_over_s = (await positions_from(stage, second, paused_at))[0] - diary_of(first).entries[-1][0]
            assert took_over_s <= TOLD_WITHIN_S, f"after {took_over_s:.1f} s"
            await stage.until_status(lambda told: told["receiver"]["kind"] == "serial" and "receiver.silent" in codes(told))
            first.resume()
            back_since = time.time()
            await stage.until(
                lambda back=back_since: positions_from(stage, first, back), lambda found: len(found) >= 2, 8, "the first again"
            )
            status = await stage.until_status(lambda told: told["receiver"]["kind"] == "gpsd" and "receiver.silent" not in codes(told))
            assert status["callout"]["state"] == "active"
        assert_fresh_and_forward(await newest(stage), first, second)


async def positions_from(stage: Stage, feeder: Feeder, since: float) -> list[float]:
    """When positions of this receiver, said after that moment, were posted."""
    found = []
    for each in posted(await newest(stage)):
        with contextlib.suppress(AssertionError, ValueError):
            if each.via == "location" and said_at(each, feeder) > since:
                found.append(each.wall)
    return found


async def both_missing(folder: Path) -> None:
    """Neither receiver is there: not armed, and a raise goes out at once all the same. Then the second appears, then the first."""
    other = folder / "ttyOther"
    async with staged(folder, Settings(position_required=False)) as stage, contextlib.AsyncExitStack() as later:
        gpsd = Gpsd(folder, stage.tty)
        stage.receivers = gpsd_receiver(gpsd) + serial_receiver(other)
        await stage.start()
        status = await stage.until_status(lambda told: {"position.none", "receiver.unreachable", "receiver.missing"} <= set(codes(told)))
        assert not status["armed"]
        assert {each["code"]: each["severity"] for each in status["conditions"]}["position.none"] == "critical"
        assert (await stage.command("status"))[0] == 1
        pressed_at = time.time()
        assert (await stage.command("raise", "--wait", "10"))[0] == 0
        callout = await newest(stage)
        assert wall_of(callout["raised"]) - pressed_at < 2.0
        assert callout["positions"] == []

        second = await later.enter_async_context(feeding(other, shifted()))
        callout = await stage.until_callout(lambda seen: seen["positions"], HEALED_WITHIN_S, "the first position follows")
        first_said_at = diary_of(second).entries[0][0]
        assert posted(callout)[0].wall - first_said_at < 3.0
        status = await stage.until_status(lambda told: told["armed"] and "receiver.missing" not in codes(told))
        assert status["receiver"]["kind"] == "serial"
        assert "receiver.unreachable" in codes(status), "what is still missing is still told"
        assert (await stage.command("status"))[0] == 0

        first = await later.enter_async_context(feeding(stage.tty))
        later.push_async_callback(gpsd.kill)
        await gpsd.start()
        await stage.until(
            lambda: positions_from(stage, first, 0.0), lambda found: len(found) >= 2, HEALED_WITHIN_S, "the first is preferred"
        )
        await stage.until_status(lambda told: told["receiver"]["kind"] == "gpsd" and "receiver.unreachable" not in codes(told))
        assert_fresh_and_forward(await newest(stage), first, second)
        assert len(await stage.callouts()) == 1


@needs_gpsd
def test_the_first_receiver_that_lives_is_used(folder: Path):
    """Takes over within 5 s, goes back to the preferred one, starts without any; positions at dispatch never go back in time."""
    at_once(folder, takes_over=second_takes_over, missing=both_missing)


# --- the gate ----------------------------------------------------------------------------------------------------------------


def simulated_drive(mode: bytes) -> list[bytes]:
    """The drive as a Garmin receiver in its simulator mode tells it; mode: of RMC, empty as before NMEA 2.3."""

    def mark(kind: bytes, fields: list[bytes]) -> None:
        if kind == b"GGA":
            fields[6] = b"8"
        if kind == b"RMC":
            fields[12:] = [mode] if mode else []

    return rewritten(mark)


async def simulated_position(folder: Path) -> None:
    async with staged(folder, Settings(position_required=False)) as stage, feeding(stage.tty, simulated_drive(b"")):
        await never_posted(stage)


async def simulated_position_behind_gpsd(folder: Path) -> None:
    async with (
        staged(folder, Settings(position_required=False)) as stage,
        feeding(stage.tty, simulated_drive(b"S")),
        gpsd_on(folder, stage.tty) as gpsd,
    ):
        stage.receivers = gpsd_receiver(gpsd)
        await never_posted(stage)


async def never_posted(stage: Stage) -> None:
    """Not by a raise at the very start, nor however long a callout waits for a position; counted, and not armed for lack of one."""
    await stage.start()
    await stage.until_status(bool)
    assert (await stage.command("raise", "--wait", "10"))[0] == 0
    end = time.monotonic() + 17  # longer than the 15 s after which a doubted position would be let through
    status = await stage.until_status(lambda told: told["receiver"]["rejected"]["simulated"] >= 2 and "position.none" in codes(told), 8)
    counted = status["receiver"]["rejected"]["simulated"]
    code, out, _ = await stage.command("status", "--json")
    assert code == 1
    assert json.loads(out)["armed"] is False
    assert json.loads(out)["fix"] is None
    status = await stage.until_status(lambda _: time.monotonic() > end, 25, "waiting for a position")
    assert status["receiver"]["rejected"]["simulated"] >= counted + 10, "counted all the while"
    callout = await newest(stage)
    assert not callout["closed"]
    assert callout["positions"] == []


async def wrong_date(folder: Path) -> None:
    """A receiver years behind (a week rollover): positions with the time of arrival, and a condition."""

    def years_ago(kind: bytes, fields: list[bytes]) -> None:
        if kind == b"RMC":
            fields[9] = b"020306"

    async with staged(folder) as stage, feeding(stage.tty, rewritten(years_ago), wall=None) as feeder:
        await stage.start()
        await raised(stage)
        await streams(stage, feeder, after=time.time())
        status = await stage.until_status(lambda told: "receiver.date" in codes(told))
        assert status["armed"]
        assert status["receiver"]["rejected"]["rolled_over"] >= 3
        assert abs(wall_of(status["fix"]["time"]) - time.time()) < 5
        condition = next(each for each in status["conditions"] if each["code"] == "receiver.date")
        assert condition["hint"]
        assert_fresh_and_forward(await newest(stage), feeder)


async def impossible_jump(folder: Path) -> None:
    """For one second the receiver is a degree (111 km) away: that second is not posted, those around it are."""
    jump_at = 16
    seconds = 0

    def jump(kind: bytes, fields: list[bytes]) -> None:
        nonlocal seconds
        seconds += kind == b"RMC"
        at = {b"GGA": 2, b"RMC": 3}.get(kind)
        if at is not None and seconds == jump_at:
            fields[at] = b"34" + fields[at][2:]

    async with staged(folder) as stage, feeding(stage.tty, rewritten(jump)) as feeder:
        await stage.start()
        await raised(stage)
        assert len(diary_of(feeder).entries) < jump_at, "the callout is on before the jump"
        await stage.until_status(lambda told: told["receiver"]["rejected"]["impossible"], 20, "the jump is counted")
        await streams(stage, feeder, after=diary_of(feeder).entries[jump_at - 1][0])
        callout = await newest(stage)
        assert diary_of(feeder).entries[jump_at - 1][1][0] < -34.5
        assert all(each.place[0] > -34.5 for each in posted(callout))
        assert (await stage.status())["receiver"]["rejected"]["impossible"] == 1
        assert_fresh_and_forward(callout, feeder)


@needs_gpsd
def test_what_the_gate_keeps_back_is_never_posted_and_always_counted(folder: Path):
    """A simulated receiver (behind gpsd too, which passes it on as valid), a wrong date, an impossible jump: from line to map."""
    at_once(folder, simulated=simulated_position, behind_gpsd=simulated_position_behind_gpsd, date=wrong_date, jump=impossible_jump)


# --- a store that cannot be used, a token service that hangs -----------------------------------------------------------------


def store_at(stage: Stage, path: Path) -> None:
    """Have the store elsewhere."""
    write = stage.write_config

    def write_config() -> None:
        write()
        stage.config.write_text(stage.config.read_text().replace(f"{stage.folder}/agent.db", str(path)))

    stage.write_config = write_config  # type: ignore[method-assign]  # what an installer would type


def run_in_own_mounts(stage: Stage, shell: str) -> None:
    """Start the agent where this mount command was carried out, seen by nobody else."""
    command_line = stage.command_line

    def wrapped(*words: str) -> tuple[str, ...]:
        plain = command_line(*words)
        return ("unshare", "--mount", "sh", "-c", f'{shell} && exec "$@"', "sh", *plain) if words[0] == "run" else plain

    stage.command_line = wrapped  # type: ignore[method-assign]  # the same process, other mounts


async def arms_and_raises(stage: Stage, feeder: Feeder) -> list[dict[str, Any]]:
    """In spite of its store; its store conditions."""
    await stage.start()
    await raised(stage)
    await streams(stage, feeder, after=time.time())
    status = await stage.status()
    assert status["callout"]["state"] == "active"
    return [each for each in status["conditions"] if each["code"].startswith("store.")]


async def file_for_a_directory(folder: Path) -> None:
    async with staged(folder) as stage, feeding(stage.tty) as feeder:
        (folder / "state").write_text("not a directory")
        store_at(stage, folder / "state" / "agent.db")
        conditions = await arms_and_raises(stage, feeder)
        assert conditions
        assert conditions[0]["hint"]
        assert (await stage.status())["store"]["mode"] == "memory"
        assert (folder / "state").read_text() == "not a directory"


async def read_only_directory(folder: Path) -> None:
    async with staged(folder) as stage, feeding(stage.tty) as feeder:
        (folder / "state").mkdir()
        store_at(stage, folder / "state" / "agent.db")
        run_in_own_mounts(stage, f"mount -t tmpfs -o ro none {folder / 'state'}")
        conditions = await arms_and_raises(stage, feeder)
        assert conditions
        assert conditions[0]["hint"]
        assert (await stage.status())["store"]["mode"] == "memory"


async def missing_directory(folder: Path) -> None:
    """It is made, or missed with a condition; either way the device arms and raises."""
    async with staged(folder) as stage, feeding(stage.tty) as feeder:
        store_at(stage, folder / "not" / "there" / "agent.db")
        conditions = await arms_and_raises(stage, feeder)
        mode = (await stage.status())["store"]["mode"]
        assert mode == "disk" if not conditions else conditions[0]["hint"]


async def garbage_for_a_store(folder: Path) -> None:
    """Moved aside and kept, told, and gone on with a new one."""
    async with staged(folder) as stage, feeding(stage.tty) as feeder:
        garbage = bytes(range(256)) * 64
        (folder / "agent.db").write_bytes(garbage)
        conditions = await arms_and_raises(stage, feeder)
        assert conditions
        assert conditions[0]["hint"]
        assert (await stage.status())["store"]["mode"] == "disk"
        assert garbage in [path.read_bytes() for path in folder.glob("agent.db*")]


def test_a_store_that_cannot_be_used_neither_disarms_nor_stops_a_raise(folder: Path):
    """A file where its directory should be, no directory, a read-only one, garbage: armed, raised, streamed, and told."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a read-only directory")
    at_once(folder, file=file_for_a_directory, read_only=read_only_directory, missing=missing_directory, garbage=garbage_for_a_store)


async def raise_beside_hung_look_up(folder: Path) -> None:
    """The kept token is due for renewal, and the name of the token service is never answered."""
    async with staged(folder) as stage, feeding(stage.tty):
        await stage.start()
        await stage.until_armed()
        kept = folder / "token.json"
        await stage.until(lambda: asyncio.to_thread(kept.exists), bool, 5, "the token is kept")
        await stage.kill()
        document = json.loads(kept.read_text())
        kept.write_text(json.dumps({**document, "at": document["at"] - 0.8 * document["life_s"]}))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as name_server:
            name_server.bind(("127.0.0.53", 53))  # takes every question and answers none
            (folder / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:2\n")
            run_in_own_mounts(stage, f"mount --bind {folder / 'resolv.conf'} /etc/resolv.conf")
            write = stage.write_config
            stage.write_config = lambda: (write(), rename_token_service(stage))  # type: ignore[method-assign,assignment]  # as above
            await stage.start()
            await stage.until_armed()
            name_server.settimeout(5)
            assert b"tokens" in await asyncio.to_thread(name_server.recv, 512), "the look-up hangs"
            asked_at = time.time()
            assert (await stage.command("raise"))[0] == 0
            callout = await stage.until_callout(lambda seen: seen["positions"], 5, "raised")
            assert wall_of(callout["raised"]) - asked_at < 1.5


def rename_token_service(stage: Stage) -> None:
    text = stage.config.read_text()
    address = text.split('token_url = "https://')[1].partition(":")[0]
    stage.config.write_text(text.replace(f'token_url = "https://{address}', 'token_url = "https://tokens.example'))


def test_raise_is_at_dispatch_within_one_and_a_half_seconds_while_the_token_service_hangs(folder: Path):
    """From `callout-agent raise` to the callout at the simulator, with a token that was kept over a restart."""
    if os.geteuid() != 0:
        pytest.skip("only root may answer for a name server")
    at_once(folder, hung=raise_beside_hung_look_up)
