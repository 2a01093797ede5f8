"""Whether a receiver hears anything: an antenna that is off is told from a narrow sky, from GSV and from gpsd's SKY alike."""

from __future__ import annotations

import json

import pytest
from rigs import with_checksum

from agent.model import Report
from hardware.gpsd_json import GpsdStream
from hardware.nmea import NmeaStream
from hardware.pulse import Pulse


def heard_by(*contents: str) -> bool | None:
    stream = NmeaStream("r")
    stream.feed(b"".join(with_checksum(each) for each in contents), 5.0)
    return stream.sky.hears(6.0)


@pytest.mark.parametrize(
    ("contents", "hears"),
    [
        ((), None),
        (("GPRMC,120000.00,V,,,,,,,010124,,,N",), None),
        (("GPGSV,1,1,00",), False),
        (("GPGSV,1,1,00,1", "GLGSV,1,1,00,1"), False),
        (("GPGSV,1,1,02,05,40,083,,12,17,308,",), False),
        (("GPGSV,1,1,02,05,40,083,00,12,17,308,",), False),
        (("GPGSV,1,1,02,05,40,083,,12,17,308,31",), True),
        (("GPGSV,1,1,01,05,40,083,22,1",), True),
        (("GPGSV,1,1,01,05,40,083,22", "GLGSV,1,1,00"), True),
        (("PUBX,GSV,1,1,01,05,40,083,22",), None),
        (("GPGSV,1,1,01,05,40,083,x",), False),
    ],
)
def test_gsv_tells_whether_any_satellite_is_heard(contents: tuple[str, ...], *, hears: bool | None):
    """A satellite that is known by the almanac alone has no signal, and a receiver without GSV says nothing."""
    assert heard_by(*contents) is hears


@pytest.mark.parametrize(
    ("sky", "hears"),
    [
        ({}, None),
        ({"satellites": []}, False),
        ({"satellites": [{"PRN": 5, "ss": 0.0}, {"PRN": 6}]}, False),
        ({"satellites": [{"PRN": 5, "ss": 31.0}]}, True),
        ({"satellites": [{"PRN": 5, "ss": 31.0}], "device": "/dev/other"}, None),
        ({"satellites": ["?", None, {"ss": "loud"}]}, False),
    ],
)
def test_sky_of_gpsd_tells_it_too(sky: dict[str, object], *, hears: bool | None):
    """Only of the receiver that is listened to."""
    stream = GpsdStream("r", "/dev/ours")
    line = json.dumps({"class": "SKY", "device": "/dev/ours"} | sky).encode()
    assert stream.feed(line + b"\n", 5.0) == []
    assert stream.sky.hears(6.0) is hears


def test_what_was_heard_long_ago_is_not_heard_now():
    """Nor is it known any more whether anything is, once the receiver tells nothing of satellites."""
    stream = NmeaStream("r")
    stream.feed(with_checksum("GPGSV,1,1,01,05,40,083,22"), 0.0)
    stream.feed(with_checksum("GPGSV,1,1,00"), 20.0)
    assert stream.sky.hears(21.0) is False
    assert stream.sky.hears(60.0) is None


@pytest.mark.parametrize(("hears", "word"), [(False, "no satellite at all"), (True, "though it hears"), (None, "has no fix")])
def test_ailment_without_a_fix_says_what_is_heard(word: str, *, hears: bool | None):
    """One code, and words that lead to the antenna or to the sky."""
    pulse = Pulse("/dev/r", 0.0)
    pulse.hears = hears
    pulse.opened(0.0)
    pulse.epoch(Report(0.0, "r", mode=1))
    pulse.epoch(Report(3.0, "r", mode=1))
    verdict = pulse.verdict(3.2)
    assert verdict is not None
    assert (verdict.code, word in verdict.text) == ("receiver.no_position", True)
    assert ("antenna: its plug" in verdict.hint) is (hears is False)
