"""What is heard on a line that nobody has told us about: which protocol, and what its receiver sees of the sky.

Pure: bytes in, counts out. Decides whether a speed is the right one. It must not judge a position (the gate does) and must not open
anything (`hardware.discovery` does).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import Any

from hardware.framing import Framer
from hardware.sentence import read

# The speeds of receivers, the usual ones first: 9600 of most modules, 115200 and 38400 of newer ones, 4800 of NMEA 0183 itself.
SPEEDS = (9600, 115200, 38400, 4800, 57600, 19200, 230400, 460800, 921600)
_ENOUGH = 2  # sentences with a right checksum: one may be chance, of 1 in 256
_LONGEST = 4096  # of a binary frame
_WORST_M = 1e6  # an accuracy beyond it is none
_FIXED, _EACH = 4, 4  # of a GSV: header and three counts, then four fields a satellite


class Speech(StrEnum):
    """What a line speaks at one speed."""

    NMEA = "nmea"
    UNCHECKED = "unchecked"  # sentences without checksums
    UBX = "ubx"
    SIRF = "sirf"
    NOISE = "noise"  # bytes that are nothing
    SILENCE = "silence"


@dataclass(slots=True)
class View:
    """What a receiver says of the sky; None: it has not said.

    mode: 1 no fix, 2, 3. in_view: satellites that should be up there; heard: of these, with a signal; used: for the fix.
    antenna: "open" or "short" where the receiver itself says so. accuracy_m: 95 %.
    """

    mode: int | None = None
    in_view: int | None = None
    heard: int | None = None
    used: int | None = None
    accuracy_m: float | None = None
    antenna: str = ""
    simulated: bool = False

    @property
    def fixed(self) -> bool:
        """Whether there is a fix."""
        return (self.mode or 0) >= 2


class Ear:
    """Listens at one speed: `take` bytes as they come. Never raises."""

    def __init__(self) -> None:
        self.count = 0
        self.view = View()
        self._framer = Framer()
        self._ubx = _Frames(b"\xb5\x62", _ubx_length, _ubx_right)
        self._sirf = _Frames(b"\xa0\xa2", _sirf_length, _sirf_right)
        self._sky = _Sky()

    def take(self, data: bytes) -> bool:
        """Take what came; True: heard enough to know that this is NMEA."""
        self.count += len(data)
        for line in self._framer.feed(data):
            self._learn(line)
        self._ubx.feed(data)
        self._sirf.feed(data)
        return self._framer.good >= _ENOUGH

    @property
    def good(self) -> int:
        """Sentences with a right checksum."""
        return self._framer.good

    @property
    def speech(self) -> Speech:
        """What it is, by what has been heard so far."""
        if self._framer.good >= _ENOUGH or (self._framer.good and not self._framer.bad):
            return Speech.NMEA
        if self._ubx.good:
            return Speech.UBX
        if self._sirf.good:
            return Speech.SIRF
        if self._framer.unchecked >= _ENOUGH:
            return Speech.UNCHECKED
        return Speech.NOISE if self.count else Speech.SILENCE

    def _learn(self, line: bytes) -> None:
        view = self.view
        if line[3:7] == b"GSV,":
            view.in_view, view.heard = self._sky.take(line)
        elif b"TXT," in line[:8]:
            view.antenna = _antenna(line, view.antenna)
        told = read(line)
        if told is None:
            return
        if told.mode is not None or told.holds is not None:
            view.mode = told.mode or (2 if told.holds else 1)
        view.simulated = view.simulated or told.simulated
        view.accuracy_m = told.accuracy_m or view.accuracy_m
        if told.kind == "GGA":
            used = line.split(b",")[7:8]
            view.used = int(used[0]) if used and used[0].isdigit() else view.used


class _Sky:
    """GSV sentences: each constellation, and each of its signals, tells a cycle of its own."""

    def __init__(self) -> None:
        self._in_view: dict[bytes, int] = {}
        self._heard: dict[tuple[bytes, bytes], int] = {}
        self._begun: dict[bytes, int] = {}

    def take(self, line: bytes) -> tuple[int, int]:
        """In view and heard, of all constellations."""
        fields = line[: line.rindex(b"*")].split(b",")
        talker, satellites = fields[0][1:3], fields[_FIXED:]
        signal = satellites[-1][:1] if len(satellites) % _EACH == 1 else b""  # one hexadecimal digit
        heard = sum(field.isdigit() and int(field) > 0 for field in satellites[_EACH - 1 :: _EACH])
        if len(fields) >= _FIXED and fields[3].isdigit():
            self._in_view[talker] = int(fields[3])
        before = 0 if fields[2:3] == [b"1"] else self._begun.get(talker, 0)
        self._begun[talker] = before + heard
        if fields[1:2] == fields[2:3]:
            self._heard[talker, signal] = self._begun[talker]
        talkers = {each for each, _ in self._heard}
        best = {each: max(count for (whose, _), count in self._heard.items() if whose == each) for each in talkers}
        return sum(self._in_view.values()), sum(best.values())


def _antenna(line: bytes, before: str) -> str:
    """What u-blox and MediaTek receivers say in TXT: ANTENNA OPEN, ANTSTATUS=SHORT, ANTENNA OK."""
    text = line.upper()
    if b"ANT" not in text:
        return before
    return next((word for word in ("open", "short") if word.upper().encode() in text), "" if b"OK" in text else before)


class _Frames:
    """Counts the frames of a binary protocol whose checksum is right."""

    def __init__(self, sign: bytes, length: Any, right: Any) -> None:
        self.good = 0
        self._sign, self._length, self._right = sign, length, right
        self._rest = bytearray()

    def feed(self, data: bytes) -> None:
        self._rest += data
        while (start := self._rest.find(self._sign)) >= 0:
            del self._rest[:start]
            size = self._length(self._rest)
            if size is None or (size <= _LONGEST and size > len(self._rest)):
                return
            right = size <= _LONGEST and self._right(bytes(self._rest[:size]))
            self.good += right
            del self._rest[: size if right else 1]
        del self._rest[:-1]


def _ubx_length(frame: bytearray) -> int | None:
    """Sync, class, id, length (little-endian), payload, two bytes of checksum."""
    return None if len(frame) < 6 else 8 + int.from_bytes(frame[4:6], "little")


def _ubx_right(frame: bytes) -> bool:
    a, b = reduce(lambda sums, byte: ((sums[0] + byte) & 255, (sums[0] + sums[1] + byte) & 255), frame[2:-2], (0, 0))
    return frame[-2:] == bytes((a, b))


def _sirf_length(frame: bytearray) -> int | None:
    """Sync, length (big-endian), payload, two bytes of checksum, two that end it."""
    return None if len(frame) < 4 else 8 + int.from_bytes(frame[2:4], "big")


def _sirf_right(frame: bytes) -> bool:
    return frame[-2:] == b"\xb0\xb3" and sum(frame[4:-4]) & 0x7FFF == int.from_bytes(frame[-4:-2], "big")


class GpsdEar:
    """The same of gpsd's JSON lines. devices: the paths that it reads, None until it has said."""

    def __init__(self, device: str | None = None) -> None:
        self.view = View()
        self.devices: tuple[str, ...] | None = None
        self.version = ""
        self.epochs = 0
        self._device = device
        self._rest = b""

    def take(self, data: bytes) -> None:
        """Take what came. Never raises."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-65_536:]
        for line in lines:
            try:
                told = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(told, dict):
                self._learn(told)

    def _learn(self, told: dict[str, Any]) -> None:
        kind, devices = told.get("class"), told.get("devices")
        if kind == "VERSION":
            self.version = str(told.get("release", ""))[:40]
        elif kind == "DEVICES" and isinstance(devices, list):
            self.devices = tuple(str(each.get("path", "")) for each in devices if isinstance(each, dict))
        elif self._device is None or told.get("device") in (None, self._device):
            if kind == "TPV":
                self._fix(told)
            elif kind == "SKY" and isinstance(told.get("satellites"), list):
                each = [satellite for satellite in told["satellites"] if isinstance(satellite, dict)]
                self.view.in_view = len(each)
                self.view.heard = sum(_positive(satellite.get("ss")) for satellite in each)
                self.view.used = sum(satellite.get("used") is True for satellite in each)

    def _fix(self, told: dict[str, Any]) -> None:
        self.epochs += 1
        mode, error_m = told.get("mode"), told.get("eph")
        self.view.mode = mode if type(mode) is int and 0 <= mode <= 3 else 1
        self.view.simulated = told.get("status") == 8
        if isinstance(error_m, int | float) and 0 < error_m <= _WORST_M:
            self.view.accuracy_m = float(error_m)


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0
