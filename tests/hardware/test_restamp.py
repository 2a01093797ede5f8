"""A recorded log becomes one of now, and nothing else about it changes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Report
from hardware.framing import Framer
from hardware.nmea import NmeaStream
from hardware.restamp import read_lines, restamp, stamp
from tests.hardware.rigs import generated_log, with_checksum

NOON = 1_900_000_000.0 - 1_900_000_000 % 86400 + 43200  # a noon of 2030
BEFORE_MIDNIGHT = NOON + 43198


def epochs(lines: list[bytes]) -> list[Report]:
    stream = NmeaStream("r")
    return stream.feed(b"".join(line + b"\r\n" for line in lines), 0.0) + stream.flush()


@settings(deadline=None)  # a shared machine may stall
@given(st.floats(1e9, 3.4e9))
def test_a_restamped_log_is_the_same_log_at_another_time(start: float):
    """Every epoch moved by one offset, everything else equal, every checksum right."""
    log = [line.rstrip() for line in generated_log(8)]
    moved = [line for _, line in restamp(log, start)]
    before, after = epochs(log), epochs(moved)
    offsets = {round((new.gnss_time or 0) - (old.gnss_time or 0), 3) for old, new in zip(before, after, strict=True)}
    assert len(offsets) == 1
    assert int(start) == after[0].gnss_time
    assert [replace(each, gnss_time=None, time_of_day_s=None) for each in after] == [
        replace(each, gnss_time=None, time_of_day_s=None) for each in before
    ]
    framer = Framer()
    assert len(framer.feed(b"\n".join(moved))) == len(log)


def test_the_log_crosses_midnight_with_the_right_dates():
    """Two seconds before midnight, at 5 Hz: the date turns with the time, in RMC and ZDA, in the same epoch."""
    log = [line.rstrip() for line in generated_log(20)]
    times = [each.gnss_time for each in epochs([line for _, line in restamp(log, BEFORE_MIDNIGHT)])]
    assert times == [round(BEFORE_MIDNIGHT + index / 5, 3) for index in range(20)]


def test_a_line_is_never_said_before_its_own_time():
    """When to say a line, and what it says, agree to the second."""
    for wall, line in restamp(generated_log(10), NOON):
        (report,) = epochs([line]) or [None]
        if report is not None and report.time_of_day_s is not None:
            assert 0 <= round(wall % 86400 - report.time_of_day_s, 4) < 0.001


@pytest.mark.parametrize(
    "content",
    [
        "GPRMC,235959.90,A,3355.0,S,01825.5,E,1.0,2.0,311299,,,A", "GNGGA,235959.90,3355.0,S,01825.5,E,8,08,0.9,4,M,3,M,,",
        "GBGNS,235959.90,3355.0,S,01825.5,E,AN,08,0.9,4,3,,", "GPGLL,3355.0,S,01825.5,E,235959.90,A,A", "GPGST,235959.90,1,2,3,4,5,6,7",
        "GAZDA,235959.90,31,12,1999,00,00",
    ],
)  # fmt: skip
def test_times_and_dates_are_replaced_in_every_kind(content: str):
    """Time in its place and with its digits; the date where there is one; everything else untouched."""
    moved = stamp(with_checksum(content).rstrip(), NOON + 0.25)
    expected = content.replace("235959.90", "120000.25").replace("311299", "170330").replace("31,12,1999", "17,03,2030")
    assert moved == with_checksum(expected).rstrip()


@pytest.mark.parametrize(
    "line", [b"$GPGSV,1,1,00*79", b"$GPRMC,,V,,,,,,,,,,N*53", b"# 120000", b"$GPGGA,120000,1*00", b"\xff\x00", b"$PGRMC,120000*00", b""]
)
def test_lines_without_a_time_or_with_a_wrong_checksum_pass_as_they_are(line: bytes):
    """Nothing is repaired on the way: a damaged line stays damaged."""
    assert stamp(line, NOON) == line


def test_whole_seconds_stay_whole():
    """A log without fractions gets none."""
    assert (
        stamp(with_checksum("GPGLL,3355.0,S,01825.5,E,235959,A").rstrip(), NOON + 0.9)
        == with_checksum("GPGLL,3355.0,S,01825.5,E,120000,A").rstrip()
    )


def test_a_log_that_steps_back_goes_forward():
    """Two recordings in one file become one, a second apart; comments are left out, lines without time stay with their neighbours."""
    second = [with_checksum(f"GPGLL,3355.0,S,01825.5,E,{clock},A") for clock in ("120000", "120001", "110000", "110001")]
    told = list(read_lines([b"# comment\n", second[0], second[1], b"$GPGSV,1,1,00*79\n", *second[2:]]))
    assert [each.log_s for each in told] == [0.0, 1.0, 1.0, 2.0, 3.0]
    assert [each.own_s for each in told] == [0.0, 1.0, None, 2.0, 3.0]


def test_sentences_that_differ_by_a_second_keep_their_difference():
    """A burst that straddles a second is no step back: its laggard keeps its own time."""
    log = [with_checksum(f"GPGLL,3355.0,S,01825.5,E,12000{t},A") for t in (1, 0, 2, 1, 3)]
    told = list(read_lines(log))
    assert [each.own_s for each in told] == [0.0, -1.0, 1.0, 0.0, 2.0]
    assert all(b.log_s >= a.log_s for a, b in pairwise(told))
