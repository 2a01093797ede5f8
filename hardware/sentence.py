"""Reads one NMEA sentence: what GGA, RMC, GNS, GLL, VTG, GSA, GST and ZDA say, with units, or nothing.

Pure. pynmeagps names the fields and converts numbers; this module checks what pynmeagps does not: hemisphere, finite numbers,
minutes, mode letters, calendar. It must not judge whether a position is believable (the gate does) and must not know about other
sentences of the same epoch (`hardware.nmea` does).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from pynmeagps import NMEAReader

KNOT_MPS = 1852.0 / 3600.0  # the international nautical mile of 1929: 1852 m exactly
KMH_MPS = 1.0 / 3.6

# 95 % from HDOP. HDOP is by definition the horizontal 1-sigma error over the 1-sigma range error, so 2 drms = 2 x HDOP x UERE.
# UERE 5.1 m, rms, single frequency without selective availability: Parkinson, "GPS Error Analysis", in Global Positioning System:
# Theory and Applications I (AIAA 1996), table of the standard error model. gpsd takes 19 m for the same product, from older data.
UERE_M = 5.1
HDOP_95_M = 2.0 * UERE_M
# Receivers print 99.99 (u-blox) or 50.0 (SiRF) for "no idea". Beyond this HDOP says nothing.
HDOP_WORST = 49.9

# The antenna is not the wearer: no accuracy better than this is passed on. Worse than 10 km is no accuracy.
ACCURACY_BEST_M = 1.0
ACCURACY_WORST_M = 10_000.0

_POSITION = ("GGA", "RMC", "GNS", "GLL")
_HEADER = re.compile(rb"\$(?!P)([A-Z][A-Z0-9])(GGA|RMC|GNS|GLL|VTG|GSA|GST|ZDA),")
_CLOCK = re.compile(r"(\d{1,2})(\d{2})(\d{2})(?:\.(\d*))?")
_DEGREES = re.compile(r"\d{1,3}\d{2}\.\d*")

# Fields that pynmeagps insists to read as integers, that nothing here needs and that receivers fill with all sorts of things.
_BLANKED = MappingProxyType({"GGA": (7, 13, 14), "GNS": (7, 11, 12), "GSA": tuple(range(3, 15))})


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one sentence says. None: it says nothing of that.

    time_of_day_s: UTC s since midnight. whole: its text had no fraction. day: the UTC date. holds: True, there is a fix; False,
    there is none. mode: 1 to 3, of GSA. estimated: dead reckoning (quality 6, mode E). simulated: quality 7 or 8, mode S or M.
    place: latitude and longitude, degrees. accuracy_m: 95 %, of GST. altitude_m: above mean sea level.
    """

    talker: str
    kind: str
    time_of_day_s: float | None = None
    whole: bool = False
    day: date | None = None
    holds: bool | None = None
    estimated: bool = False
    simulated: bool = False
    place: tuple[float, float] | None = None
    mode: int | None = None
    hdop: float | None = None
    accuracy_m: float | None = None
    altitude_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None

    @property
    def places(self) -> bool:
        """Whether a sentence of this kind can carry a position."""
        return self.kind in _POSITION


def read(line: bytes) -> Sentence | None:
    """Read a framed sentence (`$...*hh`); None for one that is of another kind, proprietary or malformed. Never raises."""
    header = _HEADER.match(line)
    if header is None:
        return None
    talker, kind = header.group(1).decode(), header.group(2).decode()
    fields = line[1 : line.rindex(b"*")].decode("ascii").split(",")
    fields = ["" if at in _BLANKED.get(kind, ()) else field.strip() for at, field in enumerate(fields)]
    try:
        # validate=0: the framer has checked the checksum; blanking has made it wrong.
        parsed = NMEAReader.parse(("$" + ",".join(fields) + "*00").encode(), validate=0)
        return _READERS[kind](talker, parsed, fields) if parsed is not None else None
    except Exception:  # noqa: BLE001 - a foreign parser on foreign bytes: whatever it raises, the sentence is malformed
        return None


def _gga(talker: str, parsed: object, fields: Sequence[str]) -> Sentence:
    quality = _field(fields, 6)
    # 0: none. 1, 2, 3: GPS, differential, PPS. 4, 5: RTK. 6: estimated. 7: typed in. 8: simulator. 9 and other digits: vendors'
    # words for a kind of fix (NovAtel 9: SBAS). Blank: nothing was said, so nothing is believed.
    return Sentence(
        talker,
        "GGA",
        *_clock(_field(fields, 1)),
        holds=quality.isdigit() and int(quality) > 0,
        estimated=quality == "6",
        simulated=quality in {"7", "8"},
        hdop=_hdop(_number(parsed, "HDOP")),
        altitude_m=_number(parsed, "alt"),
        place=_place(parsed, fields, 2),
    )


def _gns(talker: str, parsed: object, fields: Sequence[str]) -> Sentence:
    modes = _field(fields, 6)  # a letter per constellation: N means that this one gave nothing
    giving = set(modes) - {"N"}
    return Sentence(
        talker,
        "GNS",
        *_clock(_field(fields, 1)),
        holds=bool(giving),
        estimated=giving == {"E"},
        simulated=bool(giving & {"S", "M"}),
        hdop=_hdop(_number(parsed, "HDOP")),
        altitude_m=_number(parsed, "alt"),
        place=_place(parsed, fields, 2),
    )


def _rmc(talker: str, parsed: object, fields: Sequence[str]) -> Sentence:
    mode = _field(fields, 12)
    holds = _field(fields, 2) == "A" and mode != "N"
    return Sentence(
        talker,
        "RMC",
        *_clock(_field(fields, 1)),
        day=_day(_field(fields, 9)),
        holds=holds,
        estimated=mode == "E",
        simulated=mode in {"S", "M"},
        speed_mps=_speed(_number(parsed, "spd"), KNOT_MPS) if holds else None,
        track_deg=_track(_number(parsed, "cog")) if holds else None,
        place=_place(parsed, fields, 3),
    )


def _gll(talker: str, parsed: object, fields: Sequence[str]) -> Sentence:
    mode = _field(fields, 7)
    return Sentence(
        talker,
        "GLL",
        *_clock(_field(fields, 5)),
        # Before NMEA 2.0 GLL ended with the hemisphere, or with the time; there a position is a position.
        holds=_field(fields, 6) in ({"A"} if len(fields) > 6 else {""}) and mode != "N",
        estimated=mode == "E",
        simulated=mode in {"S", "M"},
        place=_place(parsed, fields, 1),
    )


def _vtg(talker: str, parsed: object, fields: Sequence[str]) -> Sentence:
    if _field(fields, 9) == "N":
        return Sentence(talker, "VTG")
    knots = _speed(_number(parsed, "sogn"), KNOT_MPS)
    return Sentence(
        talker,
        "VTG",
        simulated=_field(fields, 9) in {"S", "M"},
        speed_mps=_speed(_number(parsed, "sogk"), KMH_MPS) if knots is None else knots,
        track_deg=_track(_number(parsed, "cogt")),
    )


def _gsa(talker: str, parsed: object, fields: Sequence[str]) -> Sentence:
    mode = _field(fields, 2)
    # With more or fewer than twelve satellites the dilutions are elsewhere: 17 fields and the header, 18 since NMEA 4.1.
    hdop = _hdop(_number(parsed, "HDOP")) if len(fields) in {18, 19} else None
    return Sentence(talker, "GSA", mode=int(mode) if mode in {"1", "2", "3"} else None, hdop=hdop)


def _gst(talker: str, parsed: object, fields: Sequence[str]) -> Sentence:
    # 2 drms of the two 1-sigma deviations: at least 95 % for every shape of the ellipse (95.4 to 98.2 %), and the same number from
    # latitude/longitude as from the half axes, because the trace of a covariance does not turn with its axes.
    sigmas = _number(parsed, "stdLat"), _number(parsed, "stdLong")
    if None in sigmas or not any(sigmas):
        sigmas = _number(parsed, "stdMajor"), _number(parsed, "stdMinor")
    north, east = sigmas
    accuracy = 2.0 * math.hypot(north, east) if north is not None and east is not None else None
    return Sentence(talker, "GST", *_clock(_field(fields, 1)), accuracy_m=bounded_accuracy(accuracy))


def _zda(talker: str, _parsed: object, fields: Sequence[str]) -> Sentence:
    day, month, year = (_field(fields, at) for at in (2, 3, 4))
    known = day.isdigit() and month.isdigit() and year.isdigit() and len(year) == 4
    return Sentence(talker, "ZDA", *_clock(_field(fields, 1)), day=_calendar_day(int(year), int(month), int(day)) if known else None)


_READERS: MappingProxyType[str, Callable[[str, object, Sequence[str]], Sentence]] = MappingProxyType(
    {"GGA": _gga, "GNS": _gns, "RMC": _rmc, "GLL": _gll, "VTG": _vtg, "GSA": _gsa, "GST": _gst, "ZDA": _zda}
)


def accuracy_of_hdop(hdop: float | None) -> float | None:
    """Horizontal 95 % in metres from a dilution of precision (source: see HDOP_95_M)."""
    return bounded_accuracy(hdop * HDOP_95_M) if hdop is not None else None


def bounded_accuracy(metres: float | None) -> float | None:
    """An accuracy that can be meant: None for nothing, zero, infinity or more than 10 km; never better than ACCURACY_BEST_M."""
    if metres is None or not 0.0 < metres <= ACCURACY_WORST_M:
        return None
    return max(metres, ACCURACY_BEST_M)


def _hdop(hdop: float | None) -> float | None:
    return hdop if hdop is not None and 0.0 < hdop <= HDOP_WORST else None


def _speed(value: float | None, unit_mps: float) -> float | None:
    return value * unit_mps if value is not None and value >= 0.0 else None


def _track(degrees: float | None) -> float | None:
    return degrees % 360.0 if degrees is not None and 0.0 <= degrees <= 360.0 else None


def _field(fields: Sequence[str], at: int) -> str:
    return fields[at] if at < len(fields) else ""


def _number(parsed: object, name: str) -> float | None:
    value = getattr(parsed, name, "")
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def read_clock(text: str) -> float | None:
    """UTC s since midnight of `hhmmss[.sss]`; None if it is none."""
    return _clock(text.strip())[0]


def _clock(text: str) -> tuple[float | None, bool]:
    """UTC s since midnight of `hhmmss[.sss]`, and whether it had no fraction. 60 s is a leap second, not an error."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None, False
    hour, minute, second = (int(part) for part in match.groups()[:3])
    if hour > 23 or minute > 59 or second > 60:
        return None, False
    fraction = match.group(4)
    return hour * 3600 + minute * 60 + second + round(float(f"0.{fraction or 0}"), 3), not fraction


def _day(text: str) -> date | None:
    """The date of `ddmmyy`. 80 to 99 are the 1900s: GPS time begins in 1980."""
    if len(text) != 6 or not text.isdigit():
        return None
    year = int(text[4:])
    return _calendar_day(year + (1900 if year >= 80 else 2000), int(text[2:4]), int(text[:2]))


def _calendar_day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:  # 00/00/00 of a receiver that does not know it yet
        return None


def _place(parsed: object, fields: Sequence[str], at: int) -> tuple[float, float] | None:
    """Latitude and longitude, degrees, signed; None unless both are there with their hemispheres."""
    latitude = _degrees(parsed, "lat", _field(fields, at), _field(fields, at + 1), "NS")
    longitude = _degrees(parsed, "lon", _field(fields, at + 2), _field(fields, at + 3), "EW")
    return (latitude, longitude) if latitude is not None and longitude is not None else None


def _degrees(parsed: object, name: str, text: str, hemisphere: str, hemispheres: str) -> float | None:
    value = _number(parsed, name)
    if value is None or len(hemisphere) != 1 or hemisphere not in hemispheres or not _DEGREES.fullmatch(text):
        return None
    minutes = float(text[text.index(".") - 2 :])
    if minutes > 60.0:  # exactly 60 is a rounded 59.99999 and real
        return None
    return math.copysign(value, -1.0 if hemisphere in "SW" else 1.0)
