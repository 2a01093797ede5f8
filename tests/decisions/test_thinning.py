"""A thinned track: what is left out lies on the line at its own time, lines never cross a gap, and little is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.replay import Heard
from agent.geo import east_deg
from agent.model import Fix
from agent.thinning import Run, runs, thin
from tests.decisions.tracks import CAPE, MORNING, Car, city, off_line_m, parked, tracks

REPO = Path(__file__).parents[2]


def allowed_m(fix: Fix) -> float:
    """Its accuracy, as far as a text can tell it, and no more than an unknown one counts for."""
    return 50.0 if fix.accuracy_m is None else min(50.0, max(1.0, fix.accuracy_m))


def worst_share(fixes: Sequence[Fix], kept: Sequence[int]) -> float:
    """The largest error of a left-out fix, in accuracies of its own."""
    shares = [
        off_line_m(fixes[here], fixes[index], fixes[there]) / allowed_m(fixes[index])
        for here, there in pairwise(kept)
        for index in range(here + 1, there)
    ]
    return max(shares, default=0.0)


def line(places: Sequence[tuple[float, float]], **fields: float) -> list[Fix]:
    """Fixes every 5 s."""
    return [Fix(1_000 + 5.0 * i, MORNING + 5.0 * i, "gps", *place, 5.0, **fields) for i, place in enumerate(places)]


@given(fixes=tracks(), scale=st.sampled_from([0.5, 1.0, 3.0, 40.0]))
def test_what_is_left_out_lies_within_its_own_accuracy_of_the_line_at_its_own_time(fixes: list[Fix], scale: float):
    kept = thin(fixes, scale)
    assert list(kept) == sorted(set(kept))
    assert worst_share(fixes, kept) <= scale * 1.001
    if fixes:
        assert (kept[0], kept[-1]) == (0, len(fixes) - 1)


@given(fixes=tracks())
def test_no_line_is_drawn_over_a_gap_or_a_clock_that_was_set(fixes: list[Fix]):
    for here, there in pairwise(thin(fixes, 1e6)):
        for earlier, later in pairwise(fixes[here : there + 1] if there > here + 1 else []):
            told_s, passed_s = later.wall - earlier.wall, later.at - earlier.at
            assert 0 <= told_s <= 90.001, "three times the slowest rhythm of these tracks"
            assert abs(told_s - passed_s) <= 2.001 or earlier.at <= 0
            assert earlier.segment == later.segment


@given(fixes=tracks())
def test_runs_are_all_of_the_track_and_their_ends_are_kept(fixes: list[Fix]):
    stretches = runs(fixes)
    assert [index for run in stretches for index in range(run.first, run.last + 1)] == list(range(len(fixes)))
    assert {end for run in stretches for end in (run.first, run.last)} <= set(thin(fixes, 1e6))


def fewest(fixes: Sequence[Fix], share: float) -> int:
    """How many any thinning must keep, by trying every line."""
    needed = [1] + [len(fixes)] * (len(fixes) - 1)
    for there in range(1, len(fixes)):
        for here in range(there):
            if all(off_line_m(fixes[here], fixes[i], fixes[there]) <= share * allowed_m(fixes[i]) for i in range(here + 1, there)):
                needed[there] = min(needed[there], needed[here] + 1)
    return needed[-1]


@pytest.mark.parametrize("start", [0, 200, 500, 900])
def test_little_more_is_kept_than_any_line_needs(start: int):
    fixes = city()[start : start + 120]
    assert len(thin(fixes)) <= 1.3 * fewest(fixes, 1.0) + 1


def test_even_ride_is_its_two_ends_and_a_parked_receiver_a_handful():
    ride = line([(CAPE[0] + i * 0.0005, CAPE[1]) for i in range(150)])
    assert thin(ride) == (0, 149)
    assert len(thin(parked())) < 80
    assert len(thin(parked(), 3.0)) == 2


def test_time_counts_not_only_shape():
    """Twice as fast on the second half of a straight street: right place, wrong moment, unless the change is told."""
    places = [(CAPE[0] + (i if i < 20 else 2 * i - 20) * 0.0005, CAPE[1]) for i in range(40)]
    assert thin(line(places)) == (0, 20, 39)


def test_ferry_over_the_date_line_is_thinned_like_any_other():
    here, there = Car((-17.0, 179.9)), Car((-17.0, 18.0))
    for ferry in (here, there):
        ferry.go(3_000, 9.0, 70)
    assert min(fix.longitude for fix in here.fixes) < -179 < 179 < max(fix.longitude for fix in here.fixes)
    assert len(thin(here.fixes)) <= 1.2 * len(thin(there.fixes))
    assert worst_share(here.fixes, thin(here.fixes)) <= 1.001


@pytest.mark.parametrize("latitude", [-89.0, 75.0, 88.5])
@pytest.mark.parametrize("scale", [1, 200])
def test_bound_holds_near_the_poles(latitude: float, scale: int):
    skidoo = Car((latitude, 10.0))
    for heading in (90, 180, 45, 300, 170, 10):
        skidoo.go(600, 30.0, heading if latitude > 0 else 180 - heading)
    kept = thin(skidoo.fixes, scale)
    assert worst_share(skidoo.fixes, kept) <= scale * 1.001
    assert len(kept) < len(skidoo.fixes) / 3


def test_towards_the_equator_a_degree_of_longitude_grows_and_so_does_an_error():
    """Down from the pole with detours of 280 m at first, 390 m at last: the same longitudes."""
    places = [(89.5 - i * 0.001, 10.0 + (0.285 if i % 7 == 3 else 0.0)) for i in range(200)]
    skidoo = line(places)
    assert worst_share(skidoo, thin(skidoo, 60)) <= 60 * 1.001


def test_accuracy_finer_than_the_text_is_a_metre():
    still = [replace(fix, accuracy_m=0.0, latitude=CAPE[0] + i % 2 * 0.000005) for i, fix in enumerate(line([CAPE] * 50))]
    assert thin(still) == (0, 49)


def test_long_lines_are_short_enough_to_be_straight_on_every_map():
    motorway = line([(60.0, 10.0 + i * 0.002) for i in range(1_500)])
    kept = thin(motorway)
    assert all(east_deg(motorway[a].longitude, motorway[b].longitude) * 55_600 <= 10_001 for a, b in pairwise(kept))
    assert len(kept) <= 1_500 * 0.002 * 55_600 / 9_800 + 3


@pytest.mark.parametrize(("rhythm_s", "longest_s"), [(1, 60), (5, 60), (20, 60), (30, 90), (120, 360)])
def test_gap_is_a_minute_or_three_times_the_usual_rhythm(rhythm_s: int, longest_s: int):
    def pausing(pause_s: float) -> list[Fix]:
        seconds = [i * rhythm_s + (pause_s - rhythm_s if i >= 20 else 0) for i in range(40)]
        return [Fix(1_000.0 + s, MORNING + s, "gps", *CAPE, 5.0) for s in seconds]

    assert runs(pausing(longest_s)) == (Run(0, 39),)
    assert runs(pausing(longest_s + 1)) == (Run(0, 19), Run(20, 39))


def test_few_fixes_show_no_rhythm():
    far_apart = [Fix(1_000 + s, MORNING + s, "gps", *CAPE, 5.0) for s in (0.0, 100.0, 200.0)]
    assert runs(far_apart) == (Run(0, 0), Run(1, 1), Run(2, 2))


def test_clock_steps_break_the_line_and_a_reboot_does_not_where_the_time_is_known():
    ride = line([(CAPE[0] + i * 0.0005, CAPE[1]) for i in range(40)])

    def from_20(**fields: float) -> list[Fix]:
        return ride[:20] + [replace(fix, **{name: getattr(fix, name) + by for name, by in fields.items()}) for fix in ride[20:]]

    broken = (Run(0, 19), Run(20, 39))
    assert runs(from_20(wall=-3_600)) == broken
    assert runs(from_20(wall=30)) == broken
    assert runs(from_20(wall=1)) == (Run(0, 39),)
    assert runs(from_20(segment=1)) == broken
    assert runs([ride[0], replace(ride[1], at=ride[0].at + 1, wall=ride[0].wall - 0.5)]) == (Run(0, 0), Run(1, 1))
    rebooted = [replace(fix, at=fix.at - 1_100) for fix in ride]  # the first 20 are of the boot before
    assert runs(rebooted) == (Run(0, 39),)
    unknown = [replace(fix, wall_trusted=fix.at > 0) for fix in rebooted]
    assert all(run.last <= 20 or run.first >= 20 for run in runs(unknown))
    backwards = [replace(fix, wall=fix.wall - (3_600 if fix.at > 0 else 0)) for fix in rebooted]
    assert len(runs(backwards)) == 2


def test_same_second_twice_needs_no_velocity():
    twins = [replace(fix, wall=MORNING, at=1_000.0) for fix in line([CAPE] * 5)]
    assert thin(twins) == (0, 4)
    jump = [*twins[:2], replace(twins[2], latitude=-33.0), *twins[3:]]
    assert 2 in thin(jump)


def spiral(count: int) -> list[Fix]:
    """What makes Douglas-Peucker quadratic and deep."""
    turns = [(i * 0.05, 1e-6 * i) for i in range(count)]
    return line([(CAPE[0] + far * math.cos(turn), CAPE[1] + far * math.sin(turn)) for turn, far in turns])


@pytest.mark.parametrize("fixes", [city(14.0), parked(14.0), spiral(10_000)], ids=["city", "parked", "spiral"])
def test_time_is_linear_in_the_fixes(fixes: list[Fix]):
    spent = []
    for count in (len(fixes) // 4, len(fixes)):
        begun = time.process_time()
        thin(fixes[:count])
        spent.append(time.process_time() - begun)
    assert spent[1] < 1.0
    assert spent[1] < 10 * spent[0] + 0.05, "four times the fixes"


def test_recorded_drive():
    drive = list(Heard().fixes(REPO / "agent" / "cli" / "drive.nmea"))
    kept = thin(drive)
    assert worst_share(drive, kept) <= 1.001
    assert len(kept) < len(drive) / 8
