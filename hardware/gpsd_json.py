"""gpsd's JSON in, Reports and facts about gpsd out, each epoch once.

Pure: takes bytes and `at` (monotonic s) as data. It must not connect, wait or judge a position, and nothing that gpsd sends makes it
raise. Meaning of the fields: gpsd's manual page gpsd_json(5), object TPV.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import datetime

from agent.model import Report
from hardware.sentence import bounded_accuracy
from hardware.sky import Sky

LONGEST = 65_536  # a SKY with every constellation is about 8 kB
DAY_S = 86_400.0
_SIMULATED = 8  # gpsd_json(5), TPV.status: 7 time only (surveyed in), 8 simulated, 9 P(Y)
_UNTIMED_S = 0.4  # TPVs without time and with one place, closer than this, are one epoch
_OTHER_DEVICE_S = 5.0  # a second receiver is listened to after the first has given nothing for so long
_FACTS = frozenset({"VERSION", "DEVICES", "DEVICE", "WATCH", "ERROR"})


@dataclass(frozen=True, slots=True)
class Fact:
    """What gpsd said about itself. kind: its class. devices: paths named in it. text: version or error message."""

    kind: str
    devices: tuple[str, ...] = ()
    text: str = ""


@dataclass(slots=True)
class _Heard:
    """The last epoch of one device."""

    time: float | None
    at: float
    place: tuple[float, float] | None


class GpsdStream:
    """One connection to gpsd. `feed` bytes as they come.

    gpsd repeats an epoch for each sentence that adds to it (the first one up to three times): one with the same device and time
    is dropped, unless it is the first of that time with a position. Of several devices the one that gives positions is kept.
    The very first TPV of a device is made of its first sentence alone (an RMC): two-dimensional, without the status that tells a
    simulated fix from a real one. Its position does not count; the fuller TPV of the same time, a moment later, brings it.
    device: the only one to listen to. good, bad: lines that were JSON objects, and others. Never raises.
    """

    def __init__(self, receiver: str, device: str | None = None) -> None:
        self.good = 0
        self.bad = 0
        self.sky = Sky()
        self._receiver = receiver
        self._only = device
        self._rest = b""
        self._heard: dict[str, _Heard] = {}
        self._begun: set[str] = set()  # devices that have told a TPV since they were taken in, on this connection
        self._chosen: tuple[str, float] | None = None

    def feed(self, data: bytes, at: float) -> list[Report | Fact]:
        """Take bytes that arrived at `at` (monotonic s); return what their complete lines say."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            self.bad += 1
            self._rest = b""
        said = [self._read(line, at) for line in lines if line.strip()]
        return [each for each in said if each is not None]

    def reset(self) -> None:
        """Forget a half line: a new connection begins."""
        self._rest = b""
        self._begun.clear()

    def _read(self, line: bytes, at: float) -> Report | Fact | None:
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            self.bad += 1
            return None
        self.good += 1
        kind = told.get("class")
        if kind == "TPV":
            return self._epoch(told, at)
        if kind == "SKY":
            self._look_up(told, at)
            return None
        fact = _fact(kind, told) if isinstance(kind, str) and kind in _FACTS else None
        if fact is not None and fact.kind == "DEVICE":  # taken in afresh, or let go
            self._begun.discard(str(told.get("path")))
        return fact

    def _look_up(self, sky: dict[str, object], at: float) -> None:
        satellites = sky.get("satellites")  # absent in one that tells dilutions of precision only
        if isinstance(satellites, list) and (self._only is None or sky.get("device", self._only) == self._only):
            self.sky.told([_number(each, "ss") for each in satellites if isinstance(each, dict)], at)

    def _epoch(self, tpv: dict[str, object], at: float) -> Report | None:
        device = tpv.get("device")
        device = device if isinstance(device, str) else ""
        report = _report(tpv, at, self._receiver)
        if (self._only and device and device != self._only) or self._elsewhere(device, at):
            return None
        whole = self._whole(device, report)
        if self._again(device, report if whole else replace(report, latitude=None, longitude=None)) or not whole:
            return None
        if report.mode >= 2 or self._chosen is None or self._chosen[0] == device:
            self._chosen = (device, at)
        return report

    def _whole(self, device: str, report: Report) -> bool:
        """Whether a TPV is more than the first sentence after a device was taken in."""
        first = device not in self._begun
        if first and len(self._begun) > 15:
            self._begun.clear()
        self._begun.add(device)
        return not (first and report.mode == 2)

    def _elsewhere(self, device: str, at: float) -> bool:
        return self._chosen is not None and self._chosen[0] != device and at - self._chosen[1] < _OTHER_DEVICE_S

    def _again(self, device: str, report: Report) -> bool:
        place = (report.latitude, report.longitude) if report.latitude is not None and report.longitude is not None else None
        before = self._heard.get(device)
        now = _Heard(report.gnss_time, report.at, place)
        if before is None or before.time != now.time:
            again = False
        elif now.time is None:
            again = before.place == now.place and now.at - before.at < _UNTIMED_S
        else:
            again = before.place is not None or now.place is None
        if not again:
            if len(self._heard) > 15:
                self._heard.clear()
            self._heard[device] = now
        return again


def _fact(kind: str, told: dict[str, object]) -> Fact:
    listed = told.get("devices") if kind == "DEVICES" else [told] if kind == "DEVICE" else []
    paths = [each.get("path") for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    # activated is 0 (or absent) for a device that gpsd has let go
    if kind == "DEVICE" and not told.get("activated"):
        paths = []
    text = told.get("message", told.get("release", ""))
    return Fact(kind, tuple(path for path in paths if isinstance(path, str)), text if isinstance(text, str) else "")


def _report(tpv: dict[str, object], at: float, receiver: str) -> Report:
    mode = tpv.get("mode")
    mode = mode if type(mode) is int and 0 <= mode <= 3 else 0
    time = _time(tpv.get("time"))
    clock = round(time % DAY_S, 3) if time is not None else None
    simulated = tpv.get("status") == _SIMULATED
    latitude, longitude = _number(tpv, "lat"), _number(tpv, "lon")
    if mode < 2 or latitude is None or longitude is None:
        return Report(at, receiver, mode=min(mode, 1), gnss_time=time, time_of_day_s=clock, simulated=simulated)
    return Report(
        at=at,
        receiver=receiver,
        mode=mode,
        gnss_time=time,
        time_of_day_s=clock,
        latitude=latitude,
        longitude=longitude,
        accuracy_m=_accuracy(tpv),
        altitude_m=_first(tpv, "altMSL", "alt", "altHAE"),  # above mean sea level, as GGA tells it, where gpsd knows
        speed_mps=_first(tpv, "speed"),
        track_deg=_first(tpv, "track"),
        simulated=simulated,
    )


def _accuracy(tpv: dict[str, object]) -> float | None:
    """95 % in metres from `eph`, else from `epx` and `epy`.

    gpsd_json(5) called them "95 % confidence" up to 3.19 and "certainty unknown" since; gpsd still computes them from the
    dilutions of precision and its 95 % range errors. The diagonal of two 95 % bounds holds at least 95 %.
    """
    across, along = _first(tpv, "epx"), _first(tpv, "epy")
    both = math.hypot(across, along) if across is not None and along is not None else None
    told = bounded_accuracy(_first(tpv, "eph"))
    return told if told is not None else bounded_accuracy(both)


def _number(tpv: dict[str, object], name: str) -> float | None:
    """A number as it stands, NaN and infinity included: the gate counts them."""
    value = tpv.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _first(tpv: dict[str, object], *names: str) -> float | None:
    values = (_number(tpv, name) for name in names)
    return next((value for value in values if value is not None and math.isfinite(value)), None)


def _time(told: object) -> float | None:
    """UTC s since 1970 of gpsd's ISO 8601 time; None if it is none."""
    if not isinstance(told, str):
        return None
    try:
        moment = datetime.fromisoformat(told)
        return round(moment.timestamp(), 3) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
