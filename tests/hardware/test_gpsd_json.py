"""gpsd's lines become epochs and facts, and never an exception."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Report
from hardware.gpsd_json import LONGEST, Fact, GpsdStream

FULL = {
    "class": "TPV", "device": "/dev/ttyACM0", "status": 2, "mode": 3, "time": "2024-01-01T12:00:00.200Z", "lat": -33.9, "lon": 18.4,
    "altHAE": 75.0, "altMSL": 42.0, "alt": 42.0, "epx": 3.0, "epy": 4.0, "eph": 6.5, "track": 90.0, "speed": 5.0,
}  # fmt: skip


def tpv(**changes: object) -> bytes:
    """The full TPV with some fields changed; None takes one out."""
    return json.dumps({key: value for key, value in (FULL | changes).items() if value is not None}).encode() + b"\r\n"


def reports(*lines: bytes, device: str | None = None, step_s: float = 1.0) -> list[Report]:
    stream = GpsdStream("r", device)
    said = [each for index, line in enumerate(lines) for each in stream.feed(line, index * step_s)]
    return [each for each in said if isinstance(each, Report)]


def test_a_tpv_is_an_epoch_with_its_units():
    """All that a Report knows, from one line; altitude above mean sea level, as the serial line tells it."""
    assert reports(tpv()) == [
        Report(0.0, "r", 3, 1704110400.2, 43200.2, -33.9, 18.4, accuracy_m=6.5, altitude_m=42.0, speed_mps=5.0, track_deg=90.0)
    ]


@pytest.mark.parametrize(
    ("changes", "accuracy"),
    [
        ({"eph": None}, 5.0),
        ({"eph": 0}, 5.0),
        ({"eph": None, "epy": None}, None),
        ({"eph": "x", "epx": None}, None),
        ({"eph": 0.2}, 1.0),
        ({"eph": 1e9, "epx": None}, None),
    ],
)
def test_accuracy_is_eph_else_the_diagonal_of_epx_and_epy(changes: dict[str, object], accuracy: float | None):
    """What gpsd does not know stays unknown."""
    assert reports(tpv(**changes))[0].accuracy_m == accuracy


@pytest.mark.parametrize(
    "changes", [{"mode": 1}, {"mode": 0}, {"mode": None}, {"mode": "3"}, {"mode": True}, {"lat": None}, {"lon": "18.4"}, {"lat": False}]
)
def test_without_mode_or_place_there_is_no_fix(changes: dict[str, object]):
    """A missing position is none, never 0/0."""
    (report,) = reports(tpv(**changes))
    assert (report.mode < 2, report.latitude, report.longitude) == (True, None, None)


def test_a_simulated_status_is_told():
    """Simulated fixes come as valid ones; status 8 gives them away."""
    assert reports(tpv(status=8))[0].simulated
    assert not reports(tpv(status=None))[0].simulated


def test_first_tpv_of_a_device_waits_for_the_word_that_it_is_simulated():
    """Seen of gpsd 3.22 behind a Garmin simulator: RMC alone makes the first TPV, and only GGA brings the status."""
    first = tpv(mode=2, status=None)
    assert [each.simulated for each in reports(first, tpv(status=8), tpv(status=8), step_s=0.01)] == [True]
    flat = [tpv(mode=2, time=f"2024-01-01T12:00:{second:02d}.000Z") for second in range(4)]
    assert len(reports(*flat)) == 3, "a receiver that is two-dimensional for good loses one epoch"
    stream = GpsdStream("r")
    assert not stream.feed(first, 0.0)
    assert len(stream.feed(tpv(), 0.1)) == 1
    stream.reset()
    assert not stream.feed(first, 1.0), "a gpsd that was restarted begins anew"
    stream.feed(b'{"class":"DEVICE","path":"/dev/ttyACM0","activated":"2024-01-01T00:00:00Z"}\r\n', 2.0)
    assert not stream.feed(first, 3.0), "and so does a device that was taken in again"


@pytest.mark.parametrize("time", [None, "", "yesterday", "2024-01-01T12:00:00", 17, "2024-13-01T00:00:00Z", "9" * 500])
def test_a_time_that_is_none_leaves_the_position(time: object):
    """For a receiver without a date there is no time: the place counts all the same."""
    (report,) = reports(tpv(time=time))
    assert (report.gnss_time, report.time_of_day_s, report.mode) == (None, None, 3)


def test_an_epoch_is_told_once_however_often_gpsd_repeats_it():
    """Up to three TPVs with one time are one epoch; the next time is the next."""
    again = [tpv(mode=2, eph=None), tpv(), tpv(epv=9.0), tpv(time="2024-01-01T12:00:00.400Z"), tpv(time="2024-01-01T12:00:00.400Z")]
    assert [each.gnss_time for each in reports(*again)] == [1704110400.2, 1704110400.4]


def test_a_position_that_comes_second_is_not_lost_to_the_first():
    """If the first TPV of a time had no position, the one that has it is told."""
    assert [each.mode for each in reports(tpv(mode=1), tpv(), tpv())] == [1, 3]


def test_epochs_without_time_are_kept_apart_by_their_arrival():
    """A dateless receiver at rest: each second is an epoch, a burst within it is one."""
    assert len(reports(*[tpv(time=None)] * 5, step_s=1.0)) == 5
    assert len(reports(*[tpv(time=None)] * 3, step_s=0.01)) == 1


def test_the_same_time_of_another_device_is_not_a_repeat_but_another_receiver():
    """One receiver at a time: the second is heard once the first has been quiet for five seconds."""
    other = {"device": "/dev/ttyUSB1"}
    assert len(reports(tpv(), tpv(**other), step_s=1.0)) == 1
    assert [each.latitude for each in reports(tpv(), tpv(lat=-34.0, **other), step_s=6.0)] == [-33.9, -34.0]


def test_a_chosen_device_is_the_only_one_heard():
    """`device` names one of several."""
    assert [each.latitude for each in reports(tpv(), tpv(lat=-34.0, device="/dev/x"), device="/dev/x")] == [-34.0]


def test_facts_tell_version_devices_and_errors():
    """What `status` and the hints need."""
    lines = [
        b'{"class":"VERSION","release":"3.22","rev":"3.22"}\r\n',
        b'{"class":"DEVICES","devices":[{"class":"DEVICE","path":"/dev/a"},{"class":"DEVICE","path":"/dev/b"},7]}\r\n',
        b'{"class":"DEVICE","path":"/dev/a","activated":0}\r\n',
        b'{"class":"DEVICE","path":"/dev/a","activated":"2024-01-01T00:00:00Z"}\r\n',
        b'{"class":"ERROR","message":"No such device as /dev/c"}\r\n',
        b'{"class":"SKY","satellites":[]}\r\n',
    ]
    assert GpsdStream("r").feed(b"".join(lines), 0.0) == [
        Fact("VERSION", (), "3.22"),
        Fact("DEVICES", ("/dev/a", "/dev/b")),
        Fact("DEVICE"),
        Fact("DEVICE", ("/dev/a",)),
        Fact("ERROR", (), "No such device as /dev/c"),
    ]


def test_numbers_that_are_none_go_to_the_gate_as_they_are():
    """NaN and infinity are for the gate to count, and a number beyond floats does not raise."""
    assert math.isnan(reports(tpv(lat=math.nan))[0].latitude or 0.0)
    assert reports(tpv(lat=10**400))[0].latitude == math.inf


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff\xfe\n",
        b"[1]\n",
        b"[" * 100_000 + b"\n",
        b'{"class":["TPV"]}\n',
        b'{"class":"TPV"',
        b'{"class":"DEVICES","devices":7}\n',
        b"7" * 5000 + b"\n",
    ],
)
def test_what_is_no_report_never_raises(line: bytes):
    """Broken JSON, deep JSON, other JSON: counted at most, and the next line is read."""
    stream = GpsdStream("r")
    stream.feed(line + b"\n", 0.0)
    assert len(stream.feed(tpv(), 1.0)) == 1


def test_a_line_without_end_does_not_fill_the_memory():
    """More than LONGEST without a line end is dropped."""
    stream = GpsdStream("r")
    for _ in range(100):
        stream.feed(b"x" * 4096, 0.0)
    assert len(stream._rest) <= LONGEST
    stream.feed(b"\n", 0.0)
    assert len(stream.feed(tpv(), 1.0)) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2024-01-01T12:00:00.200Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)  # a shared machine may stall
@given(st.dictionaries(st.sampled_from(sorted(FULL)), JSON), st.sampled_from(["TPV", "DEVICES", "DEVICE", "ERROR", "VERSION"]))
def test_any_value_in_any_field_is_survived(changes: dict[str, object], kind: str):
    """Types that gpsd never sends do not end the connection."""
    GpsdStream("r").feed(tpv(**changes | {"class": kind}), 0.0)


@settings(deadline=None)  # a shared machine may stall
@given(st.lists(st.integers(0, 3000), max_size=30))
def test_chunks_do_not_matter(cuts: list[int]):
    """Lines split anywhere say the same."""
    data = b"".join(tpv(time=f"2024-01-01T12:00:{second:02d}.000Z") for second in range(8))
    edges = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    stream = GpsdStream("r")
    assert len([each for a, b in pairwise(edges) for each in stream.feed(data[a:b], 0.0)]) == 8
