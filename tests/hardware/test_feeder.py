"""The receiver that is not there behaves like one that is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import time
from pathlib import Path

from hardware.feeder import FakePort, Feeder
from hardware.nmea import NmeaStream
from tests.hardware.rigs import generated_log, with_checksum


def test_the_link_points_to_a_line_that_others_may_read(folder: Path):
    """Raw, world readable for gpsd, under a stable name; gone when unplugged, another pty when plugged again."""
    port = FakePort(folder / "gps")
    first = (folder / "gps").resolve()
    assert first.stat().st_mode & 0o666 == 0o666
    port.unplug()
    assert not (folder / "gps").is_symlink()
    assert port.write(b"x") == 0
    port.plug()
    fd = os.open(folder / "gps", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    assert port.write(b"\x00\x03\n") == 3
    assert os.read(fd, 10) == b"\x00\x03\n"
    os.close(fd)
    port.close()
    port.close()


def test_a_line_that_nobody_reads_never_blocks(folder: Path):
    """Writing for ever into an unread line loses bytes and costs nothing."""
    port = FakePort(folder / "gps")
    began = time.monotonic()
    assert sum(port.write(b"x" * 1000) for _ in range(1000)) < 100_000
    assert time.monotonic() - began < 1.0
    port.close()


def test_what_a_reader_writes_is_thrown_away(folder: Path):
    """The probes that gpsd sends to its receivers do not fill the line."""
    port = FakePort(folder / "gps")
    fd = os.open(folder / "gps", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    for _ in range(200):
        assert os.write(fd, b"?" * 500) == 500
        assert port.write(b"y") == 1
        os.read(fd, 100)
    os.close(fd)
    port.close()


def test_a_reader_that_comes_late_hears_the_time_of_now(folder: Path):
    """An unread line is full of old sentences; once those are flushed, as pyserial does, the time told is that of now."""

    async def scenario() -> None:
        line = with_checksum("GPTXT," + "x" * 70)
        log = [sentence for each in generated_log(400)[::3] for sentence in (each, *[line] * 20)]
        async with Feeder(log, folder / "gps", wall=time.time):
            await asyncio.sleep(5)  # no wait for anything: five seconds unread are what is tried here
            fd = os.open(folder / "gps", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            termios.tcflush(fd, termios.TCIFLUSH)
            stream, reports = NmeaStream("r"), []
            async with asyncio.timeout(5):
                while not reports:
                    await asyncio.sleep(0.01)
                    with contextlib.suppress(BlockingIOError):
                        reports += stream.feed(os.read(fd, 65536), time.monotonic())
            assert abs((reports[0].gnss_time or 0.0) - time.time()) < 2.5
            os.close(fd)

    asyncio.run(scenario())
