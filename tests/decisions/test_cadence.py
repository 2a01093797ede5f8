"""When a fix is recorded and sent; an active callout is never silenced by standing still."""

from __future__ import annotations

from agent.cadence import Pace, record_due, send_in_s
from agent.model import Fix

PACE = Pace()


def fix(at: float, latitude: float = 0.5, segment: int = 0, receiver: str = "gpsd") -> Fix:
    return Fix(at, at, receiver, latitude, 18.0, segment=segment)


def test_first_fix_a_new_segment_and_another_receiver_are_recorded():
    assert record_due(None, fix(0), PACE, streaming=False)
    assert record_due(fix(0), fix(1, segment=1), PACE, streaming=False)
    assert record_due(fix(0), fix(1, receiver="serial"), PACE, streaming=False)


def test_idle_records_by_time_and_by_distance():
    assert not record_due(fix(0), fix(29), PACE, streaming=False)
    assert record_due(fix(0), fix(30), PACE, streaming=False)
    assert record_due(fix(0), fix(29.9), PACE, streaming=False), "an epoch a few milliseconds early is not skipped"
    assert record_due(fix(0), fix(1, latitude=0.5 + 51 / 111_195), PACE, streaming=False)


def test_streaming_records_at_the_pace_of_sending_even_when_standing():
    assert record_due(fix(0), fix(7), PACE, streaming=True)
    assert not record_due(fix(0), fix(7), PACE, streaming=False)


def test_first_position_leaves_at_once_and_the_next_at_cadence():
    assert send_in_s(None, 100.0, PACE, struggling=False) == 0.0
    assert send_in_s(100.0, 101.0, PACE, struggling=False) == 4.0
    assert send_in_s(100.0, 110.0, PACE, struggling=False) == 0.0
    assert send_in_s(100.0, 101.0, PACE, struggling=True) == 19.0
