"""The watchdog bites who stands still and nobody else; a crash loop ends in the alarm path; a button is felt before all else is there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from stage import CODE_WRONG, INNER, Stage, codes, driving, side_by_side, streamed
from supervising import Notified, log_of, mend, spoil, supervised
from wearing import BUTTON, LAMP, Wearing, wearing

from agent.cli.run import UNUSABLE_S
from agent.lanes.desk import REST_S
from agent.lanes.turns import PATIENCE_S
from agent.progress import LANE_S
from agent.starts import MOST

# --- who feeds the watchdog -----------------------------------------------------------------------------------------------------

# The file named by $FAULT says which part hangs, as long as it does. Limits and rests are a tenth of what they are.
HANGS = """
import agent.daemon, agent.decider, agent.lanes.desk, agent.lanes.watch, agent.ticking, hardware.button, hardware.serial_port
agent.daemon.DECIDER_S = agent.daemon.BUTTON_S = agent.daemon.RECEIVER_S = 2.5
agent.daemon.DEADLINE_CAP_S, agent.daemon.LANE_S, agent.lanes.desk.REST_S = 2.0, 1.0, 0.5
def hangs(part):
    try:
        with open(os.environ["FAULT"]) as file:
            return file.read() == part
    except OSError:
        return False
def spoil(owner, name, part):
    sound = getattr(owner, name)
    async def hanging(*args, **more):
        while hangs(part):
            await asyncio.sleep(0.05)
        return await sound(*args, **more)
    setattr(owner, name, hanging)
spoil(agent.decider.Decider, "_carry_out", "decider")
spoil(hardware.button.Waking, "wait", "button panic")
spoil(hardware.serial_port._Line, "gone_within", "receiver")
spoil(agent.lanes.watch.WatchLane, "_look_up", "watch lane")
tick = agent.ticking.Ticking._tick
def standing_tick(self):
    while hangs("loop"):
        time.sleep(0.05)
    tick(self)
agent.ticking.Ticking._tick = standing_tick
"""


async def starved_by(stage: Stage, notified: Notified, part: str) -> None:
    """While this part hangs nobody feeds; it is named, nothing is shown, and all is well again when it goes on."""
    fault, before = stage.folder / "fault", len(log_of(stage))
    shown = set(codes(await stage.status()))
    fault.write_text(part)
    name = "serial" if part == "receiver" else part

    async def said() -> str:
        return log_of(stage)[before:]

    await stage.until(said, lambda log: re.search(rf"ERROR {name}.* stands still", log), 20, f"{part} is named")
    count = len(notified.fed)
    await asyncio.sleep(2.5)  # for so long, at least, nobody feeds
    assert len(notified.fed) <= count + 1, part
    assert set(codes(await stage.status())) <= shown | {"clock.untrusted", "button.unproven"}, "nothing is shown (law 5)"
    fault.unlink()
    count = len(notified.fed)
    await stage.until(_counted(notified), lambda fed: fed > count + 1, 15, f"{part} goes on")


def _counted(notified: Notified) -> Callable[[], Awaitable[int]]:
    async def fed() -> int:
        return len(notified.fed)

    return fed


def test_part_that_stands_still_starves_the_watchdog_and_is_named(tmp_path: Path):
    """A hung decider, a finger's task, a receiver's, a lane that waits for ever; last the loop itself, which says so when it is killed."""

    async def story() -> None:
        async with wearing(tmp_path) as (stage, _):
            with supervised(stage) as notified:
                stage.env["FAULT"] = str(tmp_path / "fault")
                spoil(stage, HANGS)
                await stage.start()
                await stage.until_armed()
                await stage.until(_counted(notified), lambda fed: fed > 2)
                for part in ("decider", "button panic", "receiver", "watch lane"):
                    await starved_by(stage, notified, part)
                (tmp_path / "fault").write_text("loop")
                await asyncio.sleep(3.0)  # the beats that were on their way
                count = len(notified.fed)
                await asyncio.sleep(2.0)  # for so long, at least, nobody feeds
                assert len(notified.fed) == count
                await stage.signal(signal.SIGABRT)  # as systemd does
                assert await stage.ended() == -signal.SIGABRT
                assert re.search(r"Fatal Python error: Aborted(.|\n)*in standing_tick", log_of(stage)), "where it stood"

    asyncio.run(story())


# Everything outside hangs at once. $PROBE: how long each part went without an attempt at most, beside its limit.
TROUBLE = """
import json, pathlib, socket
import agent.keeper, agent.progress
commit, look, real = agent.keeper.Keeper.commit, agent.progress.Progress.look, socket.getaddrinfo
fault, probe, most = pathlib.Path(os.environ["FAULT"]), pathlib.Path(os.environ["PROBE"]), {}
def hung(sound):
    def hanging(*args, **more):
        while fault.exists():
            time.sleep(0.1)
        return sound(*args, **more)
    return hanging
agent.keeper.Keeper.commit = hung(commit)
socket.getaddrinfo = hung(real)
def probed(self, attempts, at):
    found = look(self, attempts, at)
    for part, idle_s in self._idle_s.items():
        most[part] = [max(idle_s, most.get(part, [0.0])[0]), self._limits_s[part]]
    probe.write_text(json.dumps(most))
    return found
agent.progress.Progress.look = probed
"""


def test_no_network_no_receiver_a_hung_disk_and_hung_look_ups_never_starve_the_watchdog(tmp_path: Path):
    """All at once, with a callout on and a press owed: each part goes on attempting, far within its limit."""

    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            with supervised(stage) as notified:
                stage.env |= {"FAULT": str(tmp_path / "fault"), "PROBE": str(tmp_path / "probe")}
                stage.receivers += '[[receiver]]\nkind = "gpsd"\nhost = "nowhere.example"\n'
                stage.receivers += f'[[receiver]]\nname = "gone"\nkind = "serial"\npath = "{tmp_path}/nothing"\n'
                spoil(stage, TROUBLE)
                await stage.start()
                await stage.until_armed()
                await stage.ask(do="raise")
                await stage.until_callout(lambda seen: len(seen["positions"]) >= 2)
                (tmp_path / "fault").touch()
                await stage.desk("PUT", "faults", {"on": "/panic-api/*", "action": "latency", "delay_s": 600.0})
                began = time.monotonic()
                await stage.ask(do="raise")
                await asyncio.sleep(25.0)  # the story is that nothing happens
                status = await stage.status()
                assert status["callout"]["state"] == "active"
                assert "store.hung" in codes(status), "it is a condition, and no reason to start anew"
                assert notified.longest_s(began) < 8.0
                assert "stands still" not in log_of(stage)
                idle = json.loads((tmp_path / "probe").read_text())
                assert {"decider", "gone", "alert lane", "location lane", "watch lane", "event lane", "cancel lane"} <= idle.keys()
                assert {part: told for part, told in idle.items() if told[0] > told[1] / 2} == {}

    asyncio.run(story())
    assert max(PATIENCE_S.values()) + REST_S <= LANE_S, "an attempt has its deadline for itself"


# --- a crash loop ---------------------------------------------------------------------------------------------------------------

DEFECT = """
import agent.trails
async def run(self):
    await asyncio.sleep(0.3)
    raise ValueError("at -33.9249, 18.4241")
agent.trails.Trails.run = run
"""
MUTE = """
import hardware.serial_port
async def run(self, heard, ailing):
    raise ValueError("at -33.9249, 18.4241")
hardware.serial_port.SerialReceiver.run = run
"""
IMPATIENT = "import agent.safe_mode\nagent.safe_mode.QUIET_S = 2.0\n"


async def crash(stage: Stage) -> None:
    """As often as makes the next start a careful one."""
    for _ in range(MOST - 1):
        await stage.start()
        assert await stage.ended(30) == 70


def database(stage: Stage) -> list[str]:
    """What lies on the disk of it."""
    paths = [stage.store, stage.store.with_name(f"{stage.store.name}-wal")]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()]


async def the_alarm_path_alone(folder: Path) -> None:
    async with driving(folder) as (stage, _):
        spoil(stage, DEFECT)
        await crash(stage)
        left = database(stage)
        await stage.start()
        status = await stage.until_status(lambda told: "safe_mode" in codes(told) and told["fix"], 20, "safe mode")
        assert not status["armed"], "a person is to look at it"
        log = log_of(stage)
        assert re.search(r"5 starts within .*ended on: ValueError at <string>:\d+ in run", log), "what made it crash is logged"
        assert "33.9" not in log
        assert (await stage.ask(do="raise")).get("ok")
        await stage.until_callout(lambda seen: len(seen["positions"]) >= 2, 15, "raised and streamed")
        await stage.kill()
        await stage.start()
        await stage.until_status(lambda told: told["callout"]["state"] == "active" and "safe_mode" in codes(told), 20, "resumed")
        await streamed(stage)
        assert (await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG))[0] == 0
        await stage.until_callout(lambda seen: seen["duress"], 10, "the code has reached dispatch")
        assert (await stage.status())["callout"]["state"] == "standby"
        await stage.kill()
        spoil(stage, DEFECT + IMPATIENT)
        await stage.start()
        await stage.until_status(lambda told: "safe_mode" in codes(told) and told["callout"]["state"] == "standby", 20, "calm is kept")
        # What the cancel hides counts as none: outwardly it is quiet, as it would be without.
        assert await stage.ended(20) == 0
        assert database(stage) == left, "it was not touched"
        mend(stage)
        await stage.start()
        status = await stage.until_status(lambda told: told["fix"] and "safe_mode" not in codes(told), 20, "a normal start")
        assert status["callout"]["state"] == "standby", "the database knows of no cancel, the tiny file does: the more serious wins"
        await streamed(stage)
        if INNER:
            assert (await stage.status(inner=True))["callout"]["state"] == "cancelling"
        await stage.desk("POST", f"callouts/{(await stage.callouts())[-1]['id']}/close")
        if INNER:
            await stage.until(lambda: stage.status(inner=True), lambda told: told["callout"]["state"] == "standby")
        assert len(await stage.callouts()) == 1


async def a_receiver_that_ends_the_daemon(folder: Path) -> None:
    """The others go on; a press that was left for the daemon is taken up, with the position that the last sound life knew."""
    async with driving(folder) as (stage, _):
        await stage.start()
        await stage.until_armed()
        await stage.until(lambda: _files(folder, "run/presses/.own/presses/.last-fix"), bool, 10, "the position is kept")
        await stage.signal(signal.SIGTERM)
        await stage.ended()
        spoil(stage, MUTE)
        await crash(stage)
        assert (await stage.command("raise"))[0] == 3, "kept for the daemon"
        await stage.start()
        callout = await stage.until_callout(lambda seen: any("stored" in event["text"] for event in seen["events"]), 20, "raised")
        status = await stage.until_status(lambda told: told["callout"]["state"] == "active", 10)
        assert "safe_mode" in codes(status)
        assert status["callout"]["id"] == callout["id"]
        await stage.desk("POST", f"callouts/{callout['id']}/close")
        await stage.until_status(lambda told: told["callout"]["state"] == "standby", 20)
        await stage.signal(signal.SIGTERM)
        assert await stage.ended() == 0
        mend(stage)
        await stage.start()
        status = await stage.until_armed()
        assert "safe_mode" not in codes(status), "a clean end is the end of the loop"
        assert status["callout"]["state"] == "standby", "and what was answered is not raised again"
        assert len(await stage.callouts()) == 1


async def a_library_of_the_nightly_jobs_that_is_gone(folder: Path) -> None:
    """A card that lost a file of it: the jobs are missed and said to be, nothing else."""
    async with driving(folder) as (stage, _):
        spoil(stage, "sys.modules['apscheduler'] = None\n")
        await stage.start()
        status = await stage.until_status(lambda told: told["armed"] and "housekeeping.failed" in codes(told), 20, "armed without jobs")
        assert "safe_mode" not in codes(status)
        assert (await stage.ask(do="raise")).get("ok")
        await stage.until_callout(lambda seen: seen["positions"], 15, "raised and streamed")


async def a_library_of_the_receiver_that_is_gone(folder: Path) -> None:
    """The careful start does without that receiver: help that comes without a live position is help."""
    async with driving(folder) as (stage, _):
        stage.more = "[site]\nlatitude = -33.9249\nlongitude = 18.4241\n"
        spoil(stage, "sys.modules['serial'] = None\n")
        await crash(stage)
        assert (await stage.command("raise"))[0] == 3, "kept for the daemon"
        await stage.start()
        status = await stage.until_status(lambda told: "safe_mode" in codes(told), 20, "safe mode")
        assert status["fix"] is None
        assert "cannot be opened: ModuleNotFoundError" in log_of(stage)
        await stage.until_callout(lambda seen: not seen["closed"], 20, "raised for the site")


async def a_library_without_which_nothing_can_be_said(folder: Path) -> None:
    """Whoever looks is told, not that the rest is starting; and it is not tried each second for months."""
    async with driving(folder) as (stage, _):
        spoil(stage, "sys.modules['httpx'] = None\nimport agent.cli.run\nagent.cli.run.NOT_LOADED_S = 4.0\n")
        with supervised(stage) as notified:
            await crash(stage)
            before_at, before = time.monotonic(), log_of(stage)
            await stage.start()
            assert await stage.ended(30) == 70
            assert time.monotonic() - before_at > 4.0
            assert len(log_of(stage).removeprefix(before).splitlines()) <= 4

            async def told() -> list[str]:
                return notified.lines("STATUS")

            await stage.until(told, lambda lines: "NOT ARMED" in lines[-1] and "ModuleNotFoundError" in lines[-1], 10, "said")


def test_library_that_is_gone_keeps_nobody_from_raising(tmp_path: Path):
    """Memory cards lose files, and what most of them are for no emergency waits for."""
    jobs, receiver = a_library_of_the_nightly_jobs_that_is_gone, a_library_of_the_receiver_that_is_gone
    side_by_side(tmp_path, jobs, receiver, a_library_without_which_nothing_can_be_said)


def test_after_a_crash_loop_the_alarm_path_runs_alone_and_leaves_by_itself(tmp_path: Path):
    """It raises, streams, cancels and keeps calm without the database, whatever made the normal start crash."""
    side_by_side(tmp_path, the_alarm_path_alone, a_receiver_that_ends_the_daemon)


def test_config_that_nobody_can_use_floods_no_journal_and_is_taken_up_once_it_is_mended(tmp_path: Path):
    """It would be started anew each second, for months. Who tries it is told at once, later the status line says what is wrong."""

    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            write = stage.write_config
            stage.write_config = lambda: None  # type: ignore[method-assign]
            stage.config.write_text("[panic_api")
            with supervised(stage) as notified:
                stage.env["RUNTIME_DIRECTORY"] = str(tmp_path)
                await stage.start()
                assert await stage.ended() == 1
                await stage.start()

                async def told() -> list[str]:
                    return notified.lines("STATUS")

                await stage.until(told, lambda lines: lines and "NOT ARMED" in lines[-1] and str(stage.config) in lines[-1], 20, "said")
                assert float(notified.lines("EXTEND_TIMEOUT_USEC")[-1]) / 1e6 > UNUSABLE_S
                await asyncio.sleep(3.0)  # nothing is to happen
                assert stage.agent is not None
                assert stage.agent.returncode is None
                write()
                assert await stage.ended(10) == 1, "the next start reads it"
                stage.write_config = write  # type: ignore[method-assign]
                await stage.start()
                await stage.until_armed()

    asyncio.run(story())


# --- first the button -----------------------------------------------------------------------------------------------------------

# What talks to dispatch is not to be had before the file $GATE is there; the database hangs for longer.
GATE = """
import pathlib
gate = pathlib.Path(os.environ["GATE"])
class Gate:
    def find_spec(self, name, path=None, target=None):
        if name in ("httpx", "serial", "sqlite3", "agent.connections", "agent.store"):
            pathlib.Path(os.environ["GATE"] + "." + name).touch()
            while not gate.exists():
                time.sleep(0.05)
        return None
sys.meta_path.insert(0, Gate())
"""


def test_button_is_felt_before_what_talks_to_dispatch_is_there(tmp_path: Path):
    """Its line is held, a press lies on tmpfs and the lamp says so; the callout follows when the rest has come."""

    async def held(wearer: Wearing) -> str | None:
        return wearer.chip.holder(BUTTON)

    async def story() -> None:
        async with wearing(tmp_path) as (stage, wearer):
            stage.env["GATE"] = str(tmp_path / "gate")
            spoil(stage, GATE)
            await stage.start()
            await stage.until(lambda: held(wearer), bool, 20, "the button's line is held")
            assert not (tmp_path / "gate.httpx").exists(), "nothing that talks to dispatch was asked for before"
            await stage.until(lambda: _files(tmp_path, "gate.*"), bool, 10, "the rest is on its way")
            wearer.hold()
            await stage.until(lambda: _files(tmp_path, "run/presses/.own/presses/*.json"), bool, 5, "the press is kept")
            await wearer.until_sees("contacting")
            wearer.let_go()
            assert await stage.status() == {}
            assert await stage.callouts() == []
            (tmp_path / "gate").touch()
            await stage.until_callout(lambda seen: seen["positions"], 20, "raised once the rest has come")
            await wearer.until_steady()
            assert len(await stage.callouts()) == 1
            assert wearer.chip.holder(LAMP) is not None

    asyncio.run(story())


async def _files(folder: Path, pattern: str) -> list[Path]:
    return list(folder.glob(pattern))
