"""Receivers by the doctor, live: a pty that speaks, is silent, is held by another or hears no satellite; a real gpsd, asked twice."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from rigs import Gpsd, generated_log, needs_gpsd, with_checksum

from agent.cli import doctor_gpsd, doctor_receiver
from agent.cli.doctor_step import Daemon, Scene, State, Step
from agent.config import GpsdReceiver, Receiver, ReplayReceiver, SerialReceiver
from hardware.feeder import FakePort, Feeder

NO_FIX = [with_checksum("GPRMC,120000.00,V,,,,,,,010124,,,N"), with_checksum("GPGSV,1,1,00")]


def scene_of(*receivers: Receiver, daemon: Daemon = Daemon.DOWN, told: dict[str, Any] | None = None) -> Scene:
    config: Any = argparse.Namespace(receivers=receivers)
    return Scene(argparse.Namespace(), config=config, daemon=daemon, told=told or {})


def serial(path: Path) -> SerialReceiver:
    return SerialReceiver(kind="serial", name="roof", path=str(path), baud=38400)


async def steps_of(scene: Scene) -> dict[str, Step]:
    return {step.name: step for step in await doctor_receiver.receivers(scene)}


@pytest.mark.parametrize(
    ("lines", "state", "word"),
    [(generated_log(500), State.OK, "3D fix within"), (NO_FIX, State.FAIL, "no satellite")],
    ids=["fix", "no satellite"],
)
def test_receiver_is_listened_to_where_no_daemon_runs(tmp_path: Path, lines: list[bytes], state: State, word: str):
    """By the daemon's own adapter, until it is known how it is; no position is told."""

    async def story() -> Step:
        async with Feeder(lines, tmp_path / "tty", wall=time.time):
            return (await steps_of(scene_of(serial(tmp_path / "tty"))))["receiver roof"]

    step = asyncio.run(story())
    assert (step.state, word in step.seen) == (state, True)
    assert "33." not in step.seen
    assert bool(step.do) is (state is State.FAIL)


def test_line_that_is_silent_or_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With what a raise carries then, and where to look."""
    monkeypatch.setattr(doctor_receiver, "LISTEN_S", 4.0)
    port = FakePort(tmp_path / "tty")
    try:
        step = asyncio.run(steps_of(scene_of(serial(tmp_path / "tty"))))["receiver roof"]
    finally:
        port.close()
    assert (step.state, "no epoch" in step.seen, step.means) == (State.FAIL, True, doctor_receiver.NO_FIX)
    gone = asyncio.run(steps_of(scene_of(serial(tmp_path / "tty"))))["receiver roof"]
    assert (gone.state, "does not exist" in gone.seen, "/dev/serial/by-id" in gone.do) == (State.FAIL, True, True)


@pytest.mark.parametrize("daemon", [Daemon.ANSWERS, Daemon.SILENT, Daemon.FORBIDDEN])
def test_line_of_a_daemon_is_not_opened(tmp_path: Path, daemon: Daemon):
    """Two readers share the bytes: what the daemon says counts, and where it says nothing, nothing is known."""
    port = FakePort(tmp_path / "tty")
    read = []
    try:
        port.write(b"x" * 100)
        step = asyncio.run(steps_of(scene_of(serial(tmp_path / "tty"), daemon=daemon, told={"conditions": []})))["receiver roof"]
        with (tmp_path / "tty").open("rb", buffering=0) as line:
            read.append(line.read(200))
    finally:
        port.close()
    assert step.state is (State.OK if daemon is Daemon.ANSWERS else State.SKIPPED)
    assert read == [b"x" * 100], "not a byte was taken"


def test_daemons_word_is_of_the_receiver_that_it_names(tmp_path: Path):
    """Two receivers with troubles of their own."""
    conditions = [{"code": "receiver.silent", "severity": "degraded", "text": "belt: /dev/b has told no epoch", "hint": "check cable"}]
    other = SerialReceiver(kind="serial", name="belt", path=str(tmp_path / "b"))
    (tmp_path / "a").touch()
    told = {"conditions": conditions, "fix": None}
    steps = asyncio.run(steps_of(scene_of(serial(tmp_path / "a"), other, daemon=Daemon.ANSWERS, told=told)))
    assert (steps["receiver roof"].state, steps["receiver belt"].state) == (State.OK, State.FAIL)
    assert steps["receiver belt"].do == "check cable"


@pytest.mark.parametrize(
    ("fix", "seen"),
    [
        (None, "no fix since start"),
        ({"latitude": -33.92487, "longitude": 18.42406, "age_s": 3.2, "accuracy_m": 6.4}, "the last fix is 3 s old, within 6 m"),
    ],
)
def test_position_is_told_by_age_and_accuracy_alone(tmp_path: Path, fix: dict[str, Any] | None, seen: str):
    """Never where."""
    (tmp_path / "a").touch()
    told = {"conditions": [], "fix": fix}
    step = asyncio.run(steps_of(scene_of(serial(tmp_path / "a"), daemon=Daemon.ANSWERS, told=told)))["position"]
    assert (step.state, step.seen) == (State.OK, seen)


def test_recording_is_no_receiver_of_this_device(tmp_path: Path):
    """It is told as such, whatever it plays."""
    steps = asyncio.run(steps_of(scene_of(ReplayReceiver(kind="replay", name="log", path=str(tmp_path / "log")))))
    assert steps["receiver log"].state is State.WARN


@needs_gpsd
def test_gpsd_is_asked_twice_by_readers_that_share_nothing(tmp_path_factory: pytest.TempPathFactory):
    """Beside a daemon, too; both agree within metres, and when gpsd is stopped both say so."""
    folder = tmp_path_factory.mktemp("g")
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)

    async def story() -> tuple[dict[str, Step], dict[str, Step]]:
        async with Feeder(generated_log(500), folder / "tty", wall=time.time, loop=False):
            gpsd = Gpsd(folder, folder / "tty")
            await gpsd.start()
            scene = scene_of(GpsdReceiver(kind="gpsd", name="g", port=gpsd.port))
            try:
                well = await steps_of(scene)
            finally:
                await gpsd.kill()
            return well, await steps_of(scene)

    well, stopped = asyncio.run(story())
    assert well["receiver g"].state is State.OK
    second = well["receiver g, second opinion"]
    assert (second.state, "m from ours" in second.seen) == (State.OK, True), second
    assert (stopped["receiver g"].state, "cannot be reached" in stopped["receiver g"].seen) == (State.FAIL, True)
    assert stopped["receiver g, second opinion"].state is State.SKIPPED


def answering(*said: str) -> Any:
    """A gpsd that says one of these at the beginning and one to each request, and then nothing more."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for each in said:
                writer.write(each.encode() + b"\n")
                await reader.readline()
            await reader.read()  # until the other side goes
        finally:
            writer.transport.abort()

    return converse


VERSION, WATCHED = '{"class":"VERSION"}', '{"class":"DEVICES","devices":[{"path":"/dev/x"}]}\n{"class":"WATCH"}'


@pytest.mark.parametrize(
    ("lines", "trouble", "place"),
    [
        ((VERSION, WATCHED, '{"class":"POLL","active":0,"tpv":[],"sky":[]}'), "no receiver yet", None),
        ((VERSION, WATCHED, '{"class":"POLL","active":1,"tpv":[],"sky":[]}'), "no receiver yet", None),
        ((VERSION, WATCHED, '{"class":"POLL","active":1,"tpv":[{"mode":3}],"sky":[{}]}'), "", None),
        ((VERSION, WATCHED, '{"class":"POLL","active":1,"tpv":[{"mode":3,"lat":-33.9,"lon":18.4}],"sky":[{}]}'), "", (-33.9, 18.4)),
        ((VERSION, WATCHED, '{"class":"TPV"}'), "cannot read", None),
        (("<html>",), "cannot read", None),
        ((VERSION,), "no answer within", None),
    ],
)
def test_second_opinion_is_an_opinion_whatever_gpsd_says(
    monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...], trouble: str, place: tuple[float, float] | None
):
    """A missing position is none and not 0/0; what never answers is given up."""
    monkeypatch.setattr(doctor_gpsd, "LIMIT_S", 1.0)
    monkeypatch.setattr(doctor_gpsd, "PATIENCE_S", 0.0)

    async def story() -> doctor_gpsd.Opinion:
        server = await asyncio.start_server(answering(*lines), "127.0.0.1", 0)
        async with server:
            return await doctor_gpsd.opinion("127.0.0.1", server.sockets[0].getsockname()[1])

    opinion = asyncio.run(story())
    assert (trouble in opinion.trouble, bool(opinion.trouble), opinion.place) == (True, bool(trouble), place)
    assert "33.9" not in repr(opinion)


def test_line_without_end_costs_the_second_opinion_no_memory():
    """Any user may have gpsd's port where no gpsd runs, and whoever examines the device is root."""

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"{" * 65_536)
                await writer.drain()

    async def story() -> doctor_gpsd.Opinion:
        server = await asyncio.start_server(flood, "127.0.0.1", 0)
        async with server:
            return await doctor_gpsd.opinion("127.0.0.1", server.sockets[0].getsockname()[1])

    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "cannot read this gpsd" in asyncio.run(story()).trouble
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 20_000


def test_nobody_there_is_told_by_the_second_opinion_too():
    """At once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "nobody answers" in asyncio.run(doctor_gpsd.opinion("127.0.0.1", port)).trouble
