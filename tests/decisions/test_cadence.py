"""When a fix is recorded and sent; an active callout is never silenced by standing still."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cadence import (
    ENTRY_BYTES,
    LISTEN_BYTES_PER_S,
    LISTEN_MOST_S,
    REMEMBERED,
    SHARP_DEG,
    Delivery,
    Pace,
    interval_s,
    listen_s,
    manoeuvred,
    poor,
    record_due,
    send_in_s,
    turned_deg,
)
from agent.conversation import Responder
from agent.geo import bearing_deg
from agent.model import Fix

PACE = Pace()
DEGREE_M = 111_195.0
GOOD, LABOURED, OPENED, SLOW = Delivery(1, 0.3), Delivery(4, 0.3), Delivery(1, None), Delivery(1, 2.5)


def fix(at: float, north_m: float = 0.0, **more: object) -> Fix:
    """On the equator at 18 degrees east, so many metres north."""
    more = {"receiver": "gpsd", "latitude": north_m / DEGREE_M, "longitude": 18.0, **more}
    return Fix(at, at, **more)  # type: ignore[arg-type]


def driving(at: float, track_deg: float | None, north_m: float = 0.0, speed_mps: float | None = 10.0) -> Fix:
    return fix(at, north_m, speed_mps=speed_mps, track_deg=track_deg)


# --- recording ----------------------------------------------------------------------------------------------------------


def test_first_fix_a_new_segment_and_another_receiver_are_recorded():
    assert record_due(None, fix(0), PACE, streaming=False)
    assert record_due(fix(0), fix(1, segment=1), PACE, streaming=False)
    assert record_due(fix(0), fix(1, receiver="serial"), PACE, streaming=False)


def test_idle_records_by_time_and_by_distance():
    assert not record_due(fix(0), fix(29), PACE, streaming=False)
    assert record_due(fix(0), fix(30), PACE, streaming=False)
    assert record_due(fix(0), fix(29.9), PACE, streaming=False), "an epoch a few milliseconds early is not skipped"
    assert record_due(fix(0), fix(5, 51), PACE, streaming=False)
    assert not record_due(fix(0), fix(5, 49), PACE, streaming=False)


@pytest.mark.parametrize(
    ("before", "after", "turn"), [(350, 10, False), (350, 20, True), (20, 350, True), (90, 119, False), (90, 121, True)]
)
def test_idle_records_a_change_of_heading_across_north_too(before: float, after: float, turn: bool):  # noqa: FBT001
    assert record_due(driving(0, before), driving(2, after, 20), PACE, streaming=False) is turn


def test_course_that_spins_while_the_device_stands_fills_no_store():
    last, recorded = driving(0, 0.0, speed_mps=0.1), 0
    for second in range(1, 30):
        spun = driving(second, second * 77.0 % 360, north_m=second % 3, speed_mps=0.3 + second % 2)
        recorded += record_due(last, spun, PACE, streaming=False)
    assert recorded == 0
    assert not record_due(driving(0, 0), driving(1, 180, 4, speed_mps=3.0), PACE, streaming=False), "nor within what a fix is good for"


def test_heading_that_a_receiver_does_not_tell_is_that_of_the_way():
    """North by its course, or by the way from the fix before; then south or east."""
    assert turned_deg(driving(0, 90), driving(2, None, 20)) == pytest.approx(90)
    assert turned_deg(driving(0, None), driving(2, 90, 20)) == pytest.approx(90)
    assert turned_deg(driving(0, None), driving(2, None, 20)) == 0
    assert turned_deg(driving(0, 180, speed_mps=0.2), driving(5, 90, 20)) == pytest.approx(90), "the course of one that stood is noise"
    assert turned_deg(driving(0, 90, speed_mps=None), driving(2, 0, 20, speed_mps=None)) == pytest.approx(90)
    assert turned_deg(driving(0, 90, speed_mps=None), driving(20, 0, 20, speed_mps=None)) == 0, "20 m in 20 s: it hardly moves"


@given(st.floats(-85, 85), st.floats(-179, 179), st.floats(0, 359.9))
def test_bearing_is_where_a_point_lies(latitude: float, longitude: float, course: float):
    """Against a step in that direction, short enough that the earth is flat."""
    north, east = 1e-4 * cos(radians(course)), 1e-4 * sin(radians(course)) / cos(radians(latitude))
    found = bearing_deg(latitude, longitude, latitude + north, longitude + east)
    assert abs((found - course + 180) % 360 - 180) < 0.1


def test_streaming_records_at_the_pace_of_sending_even_when_standing_and_every_manoeuvre():
    assert record_due(fix(0), fix(7), PACE, streaming=True)
    assert not record_due(fix(0), fix(7), PACE, streaming=False)
    assert not record_due(driving(0, 0), driving(2, 0, 20), PACE, streaming=True)
    assert record_due(driving(0, 0), driving(2, 40, 20), PACE, streaming=True)
    assert record_due(driving(0, 0), driving(2, 0, 5, speed_mps=0.1), PACE, streaming=True)


# --- what has to be told at once ----------------------------------------------------------------------------------------


def test_start_and_stop_are_manoeuvres_and_a_trembling_speed_is_none():
    standing, walking, going = (driving(0, 0, speed_mps=speed) for speed in (0.2, 1.4, 10.0))
    creeping = driving(0, 0, speed_mps=0.8)
    assert manoeuvred(standing, walking, SHARP_DEG)
    assert manoeuvred(going, standing, SHARP_DEG)
    for before, after in ((standing, creeping), (creeping, standing), (creeping, walking), (walking, going), (standing, standing)):
        assert not manoeuvred(before, after, SHARP_DEG)


def test_sharp_turn_is_a_manoeuvre_and_another_receiver_is_none():
    assert manoeuvred(driving(0, 350), driving(2, 40, 20), SHARP_DEG)
    assert not manoeuvred(driving(0, 350), driving(2, 30, 20), SHARP_DEG)
    elsewhere = replace(driving(2, 180, 20), receiver="serial")
    assert not manoeuvred(driving(0, 0), elsewhere, SHARP_DEG), "two receivers are two opinions"
    assert not manoeuvred(driving(0, 0), replace(elsewhere, receiver="gpsd", segment=1), SHARP_DEG)


def test_receiver_that_tells_no_speed_makes_no_starts_of_its_own():
    assert not manoeuvred(driving(0, 0, speed_mps=None), driving(1, 0, speed_mps=9.0), SHARP_DEG)


# --- sending ------------------------------------------------------------------------------------------------------------


def test_responder_and_line_choose_the_interval():
    pace = Pace(send_active_s=8, send_min_s=5, send_max_s=20)
    assert interval_s(pace, Responder.NONE, ()) == 8
    assert interval_s(pace, Responder.COMING, ()) == 5
    assert interval_s(pace, Responder.THERE, ()) == 20
    assert interval_s(pace, Responder.NONE, (LABOURED,) * 3) == 20
    assert interval_s(pace, Responder.COMING, (SLOW,) * 3) == 20, "what matters more than the next position needs a poor line"


def test_line_is_poor_when_half_its_deliveries_were_laboured_or_its_answers_slow():
    assert not poor(())
    assert poor((LABOURED, GOOD, LABOURED, GOOD, LABOURED))
    assert poor((SLOW, SLOW, GOOD, SLOW))


def test_one_long_outage_one_slow_handshake_or_one_slow_answer_make_no_poor_line():
    assert not poor((Delivery(90, None),))
    assert not poor((GOOD, Delivery(90, None), Delivery(2, None), GOOD))
    assert not poor((OPENED,) * REMEMBERED), "what was not timed was not slow"
    assert not poor((GOOD, SLOW, GOOD, GOOD))


@given(st.lists(st.sampled_from((GOOD, LABOURED, OPENED, SLOW))))
def test_poor_line_recovers_by_itself(past: list[Delivery]):
    assert not poor((*past, GOOD, GOOD, GOOD, GOOD))


def test_first_position_leaves_at_once_and_the_next_at_its_interval():
    assert send_in_s(None, 100.0, 5.0, PACE, manoeuvre=False) == 0.0
    assert send_in_s(100.0, 101.0, 5.0, PACE, manoeuvre=False) == 4.0
    assert send_in_s(100.0, 110.0, 5.0, PACE, manoeuvre=False) == 0.0


def test_manoeuvre_goes_at_once_but_not_sooner_than_the_least_interval():
    assert send_in_s(100.0, 106.0, 20.0, PACE, manoeuvre=True) == 0.0
    assert send_in_s(100.0, 101.0, 20.0, PACE, manoeuvre=True) == 4.0
    assert send_in_s(100.0, 106.0, 20.0, PACE, manoeuvre=False) == 14.0


bounds = st.tuples(*[st.floats(1, 600)] * 3).map(sorted)
deliveries = st.lists(st.builds(Delivery, st.integers(1, 99), st.none() | st.floats(0, 60)), max_size=9).map(tuple)


@given(bounds, st.sampled_from(Responder), deliveries, st.booleans(), st.floats(0, 1e6), st.floats(0, 1e3))
def test_pause_is_never_outside_its_bounds_whatever_dispatch_line_and_wearer_do(
    limits: list[float],
    responder: Responder,
    past: tuple[Delivery, ...],
    manoeuvre: bool,  # noqa: FBT001
    posted_at: float,
    later_s: float,
):
    least, usual, most = limits
    pace = Pace(send_min_s=least, send_active_s=usual, send_max_s=most)
    every_s = interval_s(pace, responder, past)
    assert least <= every_s <= most
    due_s = send_in_s(posted_at, posted_at + later_s, every_s, pace, manoeuvre=manoeuvre)
    assert due_s >= 0
    assert later_s + due_s <= max(most, later_s) + 1e-6
    assert due_s > 0 or later_s >= least - 1e-6


# --- listening ----------------------------------------------------------------------------------------------------------


def test_event_stream_is_looked_at_every_second_read_while_it_is_short():
    assert listen_s(5.0, 3, 200, (GOOD,) * 6, 0) == 10.0
    assert listen_s(20.0, 3, 200, (GOOD,) * 6, 0) == 40.0


def test_long_stream_costs_no_more_than_its_budget_up_to_a_minute():
    every_s = listen_s(5.0, 50, 20_000, (GOOD,) * 6, 0)
    assert every_s == pytest.approx((50 * ENTRY_BYTES + 20_000 * 1.2) / LISTEN_BYTES_PER_S)
    assert listen_s(5.0, 500, 500_000, (GOOD,) * 6, 0) == LISTEN_MOST_S


def test_poor_line_and_looks_that_come_to_nothing_make_it_rarer():
    assert listen_s(5.0, 0, 0, (LABOURED,) * 6, 0) == 20.0
    assert [listen_s(5.0, 0, 0, (), failures) for failures in range(5)] == [10.0, 20.0, 40.0, 60.0, 60.0]


@given(st.floats(0.01, 1_000), st.integers(0, 5_000), st.integers(0, 10**7), deliveries, st.integers(0, 10**6))
def test_listening_is_never_at_once_again_nor_rarer_than_once_a_minute(
    read_s: float, entries: int, letters: int, line: tuple[Delivery, ...], failures: int
):
    every_s = listen_s(read_s, entries, letters, line, failures)
    assert min(2 * read_s, LISTEN_MOST_S) <= every_s <= LISTEN_MOST_S
    assert every_s <= listen_s(read_s, entries + 1, letters + 400, line, failures + 1)
