"""Receivers are found: by what a line speaks at which speed, under its best name, and never where somebody holds it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from rigs import Gpsd, generated_log, needs_gpsd, with_checksum

from agent.cli import setup_receivers
from hardware.discovery import Heard, SerialLine, _is_wired, holders, hunt, serial_ports, watch_gpsd, watch_serial
from hardware.earshot import SPEEDS, Ear, GpsdEar, Speech, View
from hardware.feeder import FakePort, Feeder

NMEA = b"".join(generated_log(6))


def ubx(payload: bytes) -> bytes:
    """A frame as a u-blox receiver sends it (interface description, UBX checksum)."""
    body = b"\x01\x07" + len(payload).to_bytes(2, "little") + payload
    a = b = 0
    for byte in body:
        a = (a + byte) & 255
        b = (b + a) & 255
    return b"\xb5\x62" + body + bytes((a, b))


def sirf(payload: bytes) -> bytes:
    """A frame of SiRF's binary protocol."""
    return b"\xa0\xa2" + len(payload).to_bytes(2, "big") + payload + (sum(payload) & 0x7FFF).to_bytes(2, "big") + b"\xb0\xb3"


SPOKEN = {
    Speech.NMEA: NMEA,
    Speech.UNCHECKED: b"$GPRMC,120000,A,3355.0,S,01825.5,E,0,0,010124,,\r\n$GPGGA,120000,3355.0,S,01825.5,E,1,8,0.9,4,M,3,M,,\r\n",
    Speech.UBX: ubx(bytes(92)) * 3,
    Speech.SIRF: sirf(b"\x02" + bytes(40)) * 3,
    Speech.NOISE: bytes(range(128, 256)) * 4,
    Speech.SILENCE: b"",
}


@pytest.mark.parametrize("speech", Speech)
@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_protocol_is_known_by_its_checksums(speech: Speech, size: int):
    """However the bytes are cut, and whatever noise was before them."""
    ear = Ear()
    said = SPOKEN[speech]
    for at in range(0, len(said), size):
        ear.take(said[at : at + size])
    assert ear.speech is speech


def test_binary_between_sentences_is_still_nmea():
    """Receivers mix; what counts is that sentences come."""
    ear = Ear()
    ear.take(ubx(bytes(92)) + NMEA + ubx(b""))
    assert ear.speech is Speech.NMEA


class GarblingLine:
    """A receiver at one speed, as it is heard at another: the bits are taken at the wrong moments. Counts how often it was opened."""

    def __init__(self, baud: int, said: bytes) -> None:
        self.baud, self.said, self.opened = baud, said, 0

    async def listen(self, baud: int, _seconds: float, take: Callable[[bytes], bool]) -> None:
        """As `SerialLine.listen`, without the wait."""
        self.opened += 1
        take(self.said if baud == self.baud else self._sampled(baud))

    def _sampled(self, baud: int) -> bytes:
        """10 bits a byte (start, eight, stop), read at `baud`; a start bit is the first low one after a stop."""
        bits = [bit for byte in self.said for bit in (0, *((byte >> n) & 1 for n in range(8)), 1)]
        heard, at, step = bytearray(), 0.0, self.baud / baud
        while at + 10 * step < len(bits):
            if bits[int(at)]:
                at += step
                continue
            heard.append(sum(bits[int(at + (n + 1.5) * step)] << n for n in range(8)))
            at += 10 * step
        return bytes(heard)


@pytest.mark.parametrize("baud", SPEEDS)
def test_the_speed_is_found(baud: int):
    """At every other speed the same receiver is noise."""
    line = GarblingLine(baud, NMEA)
    tried: list[int] = []
    assert asyncio.run(hunt(line.listen, tried.append)).baud == baud
    assert tried == list(SPEEDS[: SPEEDS.index(baud) + 1])


@pytest.mark.parametrize("speech", [Speech.UBX, Speech.SIRF, Speech.UNCHECKED])
def test_what_is_no_nmea_is_named_with_its_speed(speech: Speech):
    """So that a person knows what to change in the receiver."""
    found = asyncio.run(hunt(GarblingLine(38400, SPOKEN[speech]).listen))
    assert (found.speech, found.baud) == (speech, 38400)


def test_a_silent_line_is_not_tried_at_every_speed():
    """Whoever speaks at all is noise at the wrong speed."""
    line = GarblingLine(9600, b"")
    assert asyncio.run(hunt(line.listen)) == Heard(Speech.SILENCE)
    assert line.opened < len(SPEEDS)


def test_noise_at_every_speed_is_no_receiver():
    """An engine's ignition on an open wire, for example."""

    async def listen(_baud: int, _seconds: float, take: Callable[[bytes], bool]) -> None:
        take(random.Random(7).randbytes(3000))  # noqa: S311 - noise, no secret

    assert asyncio.run(hunt(listen)) == Heard(Speech.NOISE)


def gsv(talker: str, in_view: int, signals: list[str]) -> bytes:
    """A cycle of GSV; blank signals are satellites that are not heard."""
    groups = [signals[at : at + 4] for at in range(0, len(signals), 4)]
    told = [",".join(f"{number:02d},45,100,{each}" for number, each in enumerate(group, 1)) for group in groups]
    return b"".join(with_checksum(f"{talker}GSV,{len(groups)},{number},{in_view},{each}") for number, each in enumerate(told, 1))


def test_the_view_of_the_sky():
    """Satellites of all constellations together; the newest cycle counts; fix and accuracy beside them."""
    ear = Ear()
    ear.take(gsv("GP", 6, ["40", "", "35", "22", "", ""]) + gsv("GL", 3, ["", "", "30"]))
    assert (ear.view.in_view, ear.view.heard, ear.view.fixed) == (9, 4, False)
    ear.take(gsv("GP", 6, ["", "", "", "", "", ""]) + NMEA)
    assert (ear.view.in_view, ear.view.heard, ear.view.used, ear.view.fixed) == (9, 1, 8, True)


@pytest.mark.parametrize(("said", "antenna"), [("ANTENNA OPEN", "open"), ("ANTSTATUS=SHORT", "short"), ("ANTSTATUS=OK", ""), ("HELLO", "")])
def test_a_receiver_may_name_its_antenna(said: str, antenna: str):
    """u-blox and MediaTek do, in TXT."""
    ear = Ear()
    ear.take(with_checksum(f"GNTXT,01,01,02,{said}"))
    assert ear.view.antenna == antenna


def test_gpsd_in_pieces():
    """Its devices, its version and the sky, whatever else it says."""
    ear = GpsdEar()
    lines = (
        b'{"class":"VERSION","release":"3.22"}\n{"class":"DEVICES","devices":[{"path":"/dev/ttyACM0"},5]}\n[1]\n{"class":\n'
        b'{"class":"SKY","satellites":[{"ss":40.0,"used":true},{"ss":0,"used":false},{"used":false}]}\n'
        b'{"class":"TPV","mode":3,"eph":4.2}\n'
    )
    for at in range(0, len(lines), 11):
        ear.take(lines[at : at + 11])
    assert (ear.version, ear.devices, ear.view) == ("3.22", ("/dev/ttyACM0",), View(3, 3, 1, 1, 4.2))


@pytest.fixture
def port(tmp_path: Path) -> Iterator[FakePort]:
    """A pty under a name of ours."""
    fake = FakePort(tmp_path / "ttyUSB0")
    yield fake
    fake.close()


def test_a_port_is_offered_once_under_its_best_name(tmp_path: Path, port: FakePort):
    """By-id names stay with the device; what is no port at all is left out."""
    dev = tmp_path / "dev"
    (dev / "serial" / "by-id").mkdir(parents=True)
    (dev / "ttyUSB0").symlink_to(port.path)
    (dev / "ttyUSB1").write_text("")
    best = dev / "serial" / "by-id" / "usb-GNSS_receiver-if00"
    best.symlink_to("../../ttyUSB0")
    assert [each.path for each in serial_ports(dev=dev, sys=tmp_path)] == [str(best)]
    assert [each.path for each in serial_ports([str(port.path)], dev=dev, sys=tmp_path)] == [str(port.path)]


def test_nodes_without_a_port_behind_them_are_left_out(tmp_path: Path):
    """A PC has 32 of them."""
    for name, kind in (("ttyS0", "4"), ("ttyS4", "0")):
        (tmp_path / "class" / "tty" / name).mkdir(parents=True)
        (tmp_path / "class" / "tty" / name / "type").write_text(f"{kind}\n")
    assert [_is_wired(name, tmp_path) for name in ("ttyS0", "ttyS4", "ttyUSB0")] == [True, False, True]


@pytest.mark.parametrize(
    ("comm", "cmdline", "kind"),
    [
        ("gpsd", b"/usr/sbin/gpsd\0-n\0", "gpsd"),
        ("ModemManager", b"/usr/sbin/ModemManager\0", "modem"),
        ("agetty", b"/sbin/agetty\0", "console"),
        ("python3", b"/usr/bin/python3\0/usr/bin/callout-agent\0run\0", "ours"),
        ("minicom", b"minicom\0", "other"),
    ],
)
def test_whoever_holds_a_port_is_named(tmp_path: Path, port: FakePort, comm: str, cmdline: bytes, kind: str):
    """By what the kernel tells of processes."""
    node = os.path.realpath(port.path)
    folder = tmp_path / "proc" / "4711"
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "cmdline").write_bytes(cmdline)
    (folder / "fd" / "3").symlink_to(node)
    (folder / "fd" / "4").symlink_to("/dev/null")
    assert [(each.pid, each.kind) for each in holders(node, proc=tmp_path / "proc")] == [(4711, kind)]
    assert setup_receivers.why_held(holders(node, proc=tmp_path / "proc"))


def test_of_several_holders_the_most_telling_is_named(tmp_path: Path, port: FakePort):
    """Whoever is logged in at a console holds it with a shell: that it is a console is what to know."""
    node = os.path.realpath(port.path)
    for pid, comm in ((1, "bash"), (2, "agetty"), (3, "sudo")):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{comm}\n")
        (folder / "cmdline").write_bytes(comm.encode())
        (folder / "fd" / "0").symlink_to(node)
    assert "console" in (setup_receivers.why_held(holders(node, proc=tmp_path)) or "")
    assert setup_receivers.why_held([]) is None


def test_a_real_holder_is_seen_and_its_port_left_alone(port: FakePort):
    """Another process has it open; the one that plays the device does not count."""
    node = os.path.realpath(port.path)
    assert holders(node) == []
    held = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.open({node!r}, os.O_RDWR | os.O_NOCTTY); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with held:
        assert held.stdout is not None
        assert held.stdin is not None
        held.stdout.readline()
        assert [each.pid for each in holders(node)] == [held.pid]
        found = asyncio.run(setup_receivers._look_at(str(port.path)))
        assert found.offers == []
        assert "another program" in found.useless[0][1]
        held.stdin.close()
    assert holders(node) == []


def test_the_kernels_console_is_no_receiver(tmp_path: Path):
    """As its command line says; a speed behind the name is no part of it."""
    (tmp_path / "cmdline").write_text("root=/dev/mmcblk0p2 console=ttyAMA0,115200 console=tty1 quiet\n")
    assert [each.kind for each in holders("/dev/ttyAMA0", proc=tmp_path)] == ["console"]
    assert holders("/dev/ttyAMA1", proc=tmp_path) == []


@contextlib.asynccontextmanager
async def speaking(port: FakePort, said: bytes):
    """Say it again and again."""

    async def speak() -> None:
        while True:
            port.write(said)
            await asyncio.sleep(0.05)  # the pace of the line, not a wait

    task = asyncio.create_task(speak())
    try:
        yield
    finally:
        task.cancel()


def test_a_real_port_is_heard(port: FakePort):
    """Through the kernel, pyserial and the event loop."""

    async def story() -> None:
        async with speaking(port, NMEA):
            found = await setup_receivers._look_at(str(port.path))
            assert [each.keys for each in found.offers] == [{"kind": "serial", "path": str(port.path), "baud": 9600}]
            ear = await watch_serial(str(port.path), 9600, 10, lambda view: view.fixed)
            assert ear.view.used == 8

    asyncio.run(story())


def test_a_port_that_goes_away_is_an_error_and_no_hang(port: FakePort):
    """Pulled while it is listened to."""

    async def story() -> None:
        asyncio.get_running_loop().call_later(0.2, port.unplug)
        began = time.monotonic()
        with pytest.raises(OSError, match=r"unplugged|Input/output"):
            await SerialLine(str(port.path)).listen(9600, 20, lambda _: False)
        assert time.monotonic() - began < 10
        with pytest.raises(FileNotFoundError):
            await SerialLine(str(port.path)).listen(9600, 20, lambda _: False)

    asyncio.run(story())


@needs_gpsd
def test_a_receiver_behind_gpsd_is_offered_once(tmp_path: Path):
    """Gpsd wins; its port is not even opened."""

    async def story() -> None:
        link = tmp_path / "gps"
        async with Feeder(generated_log(500), link, wall=time.time):
            gpsd = Gpsd(tmp_path, link)
            await gpsd.start()
            try:
                await watch_gpsd("127.0.0.1", gpsd.port, None, 20, lambda view: view.fixed)
                found = await setup_receivers.look([str(link)], gpsd=("127.0.0.1", gpsd.port))
            finally:
                await gpsd.kill()
        assert {"kind": "gpsd", "host": "127.0.0.1", "port": gpsd.port} in [each.keys for each in found.offers]
        assert str(link) not in [each.keys.get("path") for each in found.offers]
        assert str(link) not in [path for path, _ in found.useless]

    asyncio.run(story())


@needs_gpsd
def test_a_gpsd_without_a_receiver_is_named(tmp_path: Path):
    """It runs on many devices and reads nothing."""

    async def story() -> None:
        gpsd = Gpsd(tmp_path, None)
        await gpsd.start()
        try:
            found = await setup_receivers.look(["/nowhere"], gpsd=("127.0.0.1", gpsd.port))
        finally:
            await gpsd.kill()
        assert any("reads no receiver" in why for _, why in found.useless)

    asyncio.run(story())


def test_why_a_port_cannot_be_had(port: FakePort):
    """One that another program keeps for itself is not one that is missing."""

    async def story() -> None:
        with serial.Serial(str(port.path), exclusive=True), pytest.raises(BlockingIOError) as locked:
            await SerialLine(str(port.path)).listen(9600, 5, lambda _: False)
        assert "for itself" in setup_receivers.of_opening(locked.value)

    asyncio.run(story())
    assert "sudo" in setup_receivers.of_opening(PermissionError(13, "Permission denied"))


def test_something_else_on_gpsds_port_is_no_gpsd():
    """Whatever answers there, or does not."""

    async def story() -> None:
        left = asyncio.Event()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()
            left.set()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            found = await setup_receivers.look(["/nowhere"], gpsd=("127.0.0.1", server.sockets[0].getsockname()[1]))
            async with asyncio.timeout(10):
                await left.wait()
        assert [each.keys for each in found.offers if each.keys["kind"] == "gpsd"] == []

    asyncio.run(story())
