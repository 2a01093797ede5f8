"""A receiver that is a log file: NMEA or gpsd JSON, with `#` comments.

Touches: the file. `read_log` reads it whole in log time; `ReplayReceiver` plays it as a FixSource. It must not change the log's own
times (`hardware.restamp` does) and must not judge what it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from agent.model import Ailment, Report
from hardware import ailments
from hardware.epoch import ahead_s
from hardware.gpsd_json import GpsdStream
from hardware.nmea import NmeaStream
from hardware.pulse import Pulse, Vitals

STEP_BACK_S = 1.0  # log time that passes where the log's own clock steps back, or tells no time
_LOOK_S = 0.25
_RETRY_S = 2.0


def read_log(path: Path | str, receiver: str = "replay") -> Iterator[Report]:
    """Every epoch of a log, in its order, with `at` in *log time*.

    Log time starts at 0.0 s and is derived from the GNSS clock in the log: a forward step adds its length, whatever it is; a step
    back, or an epoch without time, adds STEP_BACK_S, because the log goes on even where its clock does not. So `at` only grows.
    Lines that begin with `#` are comments; the first other line decides: gpsd JSON if it begins with `{`, else NMEA.
    Raises OSError if the file cannot be read. Never raises for what is in it.
    """
    with Path(path).open("rb") as file:
        yield from _in_log_time(_reports(_lines(file), receiver))


def _lines(file: Iterable[bytes]) -> Iterator[bytes]:
    """Lines ended by any of CRLF, LF and CR, without comments."""
    lines = (line for chunk in file for line in chunk.splitlines())
    return (line + b"\n" for line in lines if not line.startswith(b"#"))


def _reports(lines: Iterator[bytes], receiver: str) -> Iterator[Report]:
    first = next((line for line in lines if line.strip()), b"")
    lines = chain((first,), lines)
    if first.lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):  # a byte order mark is what an editor leaves
        gpsd = GpsdStream(receiver)
        # A device tells its epochs one after the other: index as `at` keeps untimed ones apart.
        told = (each for index, line in enumerate(lines) for each in gpsd.feed(line, float(index)))
        yield from (each for each in told if isinstance(each, Report))
        return
    nmea = NmeaStream(receiver)
    for line in lines:
        yield from nmea.feed(line, 0.0)
    yield from nmea.flush()


def _in_log_time(reports: Iterator[Report]) -> Iterator[Report]:
    at, before = 0.0, None
    for report in reports:
        if before is not None:
            step = _step_s(before, report)
            at += step if step > 0.0 else STEP_BACK_S
        yield replace(report, at=round(at, 3))
        before = report


def _step_s(before: Report, now: Report) -> float:
    """How far the log's clock went on: by date and time if both are told, else by time of day. 0 when unknown."""
    if before.gnss_time is not None and now.gnss_time is not None:
        return now.gnss_time - before.gnss_time
    if before.time_of_day_s is not None and now.time_of_day_s is not None:
        return ahead_s(now.time_of_day_s, before.time_of_day_s)
    return 0.0


class ReplayReceiver:
    """A FixSource (see `agent.ports`) that plays `path` at `speed` times its own pace, again and again if `loop`.

    The reports keep the log's times and get the time of playing as `at`. At the end it falls silent. clock_at: monotonic s.
    Raises ValueError if speed is not above zero.
    """

    kind = "replay"

    def __init__(self, *, name: str, clock_at: Callable[[], float], path: str, speed: float = 1.0, loop: bool = False) -> None:
        if not speed > 0.0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.name = name
        self.attempts = 0
        self._path = path
        self._speed = speed
        self._loop = loop
        self._clock_at = clock_at
        self._ended = False

    async def run(self, heard: Callable[[Report], None], ailing: Callable[[Ailment | None], None]) -> None:
        """Play the log; see `FixSource.run`."""
        vitals = Vitals(Pulse(self._path, self._clock_at(), self._silence), self._clock_at, heard, ailing)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_often(vitals))
            tasks.create_task(self._play(vitals))

    async def _look_often(self, vitals: Vitals) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self.attempts += 1  # a log may be silent for hours: to wait for its next line is all that there is to do
            vitals.look()

    def _silence(self, where: str, seconds: float) -> Ailment:
        return ailments.ended(where) if self._ended else ailments.silent(where, seconds)

    async def _play(self, vitals: Vitals) -> None:
        while not self._ended:
            try:
                await self._play_once(vitals)
            except OSError as error:
                vitals.lose(ailments.of_opening(self._path, error.errno, error.strerror or str(error)))
                await asyncio.sleep(_RETRY_S)
            else:
                self._ended = not self._loop
                await asyncio.sleep(STEP_BACK_S / self._speed)

    async def _play_once(self, vitals: Vitals) -> None:
        began_at = self._clock_at()
        for report in read_log(self._path, self.name):
            due = began_at + report.at / self._speed
            await asyncio.sleep(max(0.0, due - self._clock_at()))
            vitals.deliver(replace(report, at=self._clock_at()))
