"""The gate: nothing false passes as real, and the wearer is never starved (laws 10, position rules)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import BUILT_AT_WALL
from agent.gate import Gate, Verdict, judge, relieve
from agent.model import Fix, Quality, Reason, Report

T0 = BUILT_AT_WALL + 30 * 86_400.0
LAT, LON = -33.9249, 18.4241


def report(n: float, **changes: object) -> Report:
    """The n-th second of a receiver standing at one place, its time equal to its arrival."""
    base = Report(at=1000.0 + n, receiver="gpsd", mode=3, gnss_time=T0 + n, latitude=LAT, longitude=LON, accuracy_m=5.0, speed_mps=0.0)
    return replace(base, **changes)  # type: ignore[arg-type]


def feed(reports: list[Report], *, gate: Gate | None = None, wall_trusted: bool = True) -> tuple[Gate, list[Verdict]]:
    """Judge in order, the system clock being right (it shows T0 at monotonic 1000)."""
    gate = gate or Gate()
    verdicts = []
    for each in reports:
        gate, verdict = judge(gate, each, wall=T0 + each.at - 1000.0, wall_trusted=wall_trusted)
        verdicts.append(verdict)
    return gate, verdicts


def passed(verdicts: list[Verdict]) -> list[Fix]:
    return [fix for verdict in verdicts for fix in verdict.fixes]


def settled() -> Gate:
    """A gate that has seen ten good seconds."""
    return feed([report(n) for n in range(10)])[0]


def test_first_fix_waits_for_a_second_that_agrees_and_is_then_recorded_with_its_own_time():
    gate, verdicts = feed([report(0)])
    assert verdicts == [Verdict(reason=Reason.UNCONFIRMED)]
    assert gate.unconfirmed is not None
    assert gate.counts()["unconfirmed"] == 1
    gate, verdicts = feed([report(1)], gate=gate)
    assert [fix.gnss_time for fix in passed(verdicts)] == [T0, T0 + 1]
    assert gate.counts()["unconfirmed"] == 0


def test_first_fix_that_a_second_contradicts_never_passes():
    far = report(0, latitude=10.0)
    gate, verdicts = feed([far, report(1), report(2)])
    assert [fix.gnss_time for fix in passed(verdicts)] == [T0 + 1, T0 + 2]
    assert gate.counts()["unconfirmed"] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"simulated": True}, Reason.SIMULATED),
        ({"latitude": 0.0, "longitude": 0.0}, Reason.NULL_ISLAND),
        ({"latitude": math.nan}, Reason.NON_FINITE),
        ({"longitude": -math.inf}, Reason.NON_FINITE),
        ({"latitude": 90.5}, Reason.OUT_OF_RANGE),
        ({"longitude": 181.0}, Reason.OUT_OF_RANGE),
        ({"latitude": LAT + 1.0}, Reason.IMPOSSIBLE),
        ({"gnss_time": T0 - 50.0}, Reason.STALE),
    ],
)
def test_false_report_after_good_ones_is_rejected_and_counted(changes: dict[str, object], reason: Reason):
    gate, verdicts = feed([report(10, **changes)], gate=settled())
    assert verdicts == [Verdict(reason=reason)]
    assert gate.counts() == {each.value: int(each is reason) for each in Reason}


@pytest.mark.parametrize("bad", [{"simulated": True}, {"latitude": 0.0, "longitude": 0.0}, {"latitude": math.nan}, {"latitude": 91.0}])
def test_what_is_no_position_never_passes_even_when_the_wearer_starves(bad: dict[str, object]):
    gate, verdicts = feed([report(n, **bad) for n in range(60)])
    assert not passed(verdicts)
    assert relieve(gate, 1059.0)[1] is None


@pytest.mark.parametrize(
    ("offset_s", "reason"), [(-1024 * 7 * 86_400.0, Reason.ROLLED_OVER), (1024 * 7 * 86_400.0, Reason.FUTURE), (7200.0, Reason.FUTURE)]
)
def test_wrong_date_costs_the_time_not_the_position(offset_s: float, reason: Reason):
    gate, verdicts = feed([report(n, gnss_time=T0 + n + offset_s) for n in range(5)])
    assert len(passed(verdicts)) == 5
    assert {fix.gnss_time for fix in passed(verdicts)} == {None}
    assert passed(verdicts)[-1].wall == T0 + 4
    assert gate.counts()[reason.value] == 5


def test_gnss_date_is_believed_over_a_clock_that_is_not_trusted():
    gate = Gate()
    for n in range(3):
        gate, verdict = judge(gate, report(n), wall=12.0 + n, wall_trusted=False)
    assert verdict.fixes[-1].wall == T0 + 2
    assert verdict.fixes[-1].wall_trusted


@pytest.mark.parametrize("vouched", [True, False])
def test_time_of_day_takes_its_date_from_a_clock_that_somebody_vouches_for_and_from_no_other(*, vouched: bool):
    """Law 9: a row with an invented date would pass for true and never be stamped anew."""
    dateless = [report(n, gnss_time=None, time_of_day_s=(T0 + n) % 86_400.0) for n in range(3)]
    fixes = passed(feed(dateless, wall_trusted=vouched)[1])
    assert [(fix.wall_trusted, fix.gnss_time) for fix in fixes] == [(vouched, T0 + n if vouched else None) for n in range(3)]


def test_backlog_flushed_in_a_burst_is_stale_until_it_reaches_now():
    held_up = [report(n, at=1100.0 + n / 1000) for n in range(10, 100)]
    gate, verdicts = feed(held_up, gate=settled())
    assert min(fix.gnss_time or 0 for fix in passed(verdicts)) >= T0 + 90
    assert gate.counts()["stale"] == 81, "seconds 10 to 90 are later than ten seconds"
    assert passed(feed([report(101)], gate=gate)[1])


def test_stale_burst_is_stale_even_as_the_first_thing_heard():
    gate, verdicts = feed([report(n, at=1100.0 + n / 1000) for n in range(50)])
    assert not passed(verdicts)
    assert gate.counts()["stale"] == 50


def test_receiver_clock_that_steps_back_for_good_starts_a_new_segment():
    _gate, verdicts = feed([report(n, gnss_time=T0 + n - 3600.0) for n in range(10, 20)], gate=settled())
    fixes = passed(verdicts)
    assert len(fixes) >= 6
    assert {fix.segment for fix in fixes} == {1}
    assert {fix.gnss_time for fix in fixes} == {None}, "a time that a trusted clock contradicts is not shown"


def test_receiver_clock_that_steps_forward_starts_a_new_segment_at_once():
    _gate, verdicts = feed([report(n, gnss_time=T0 + n + 15.0) for n in range(10, 13)], gate=settled())
    assert [fix.segment for fix in passed(verdicts)] == [1, 1, 1]


def test_same_epoch_told_twice_is_no_second_fix_and_no_rejection():
    gate, verdicts = feed([report(10), report(10, at=1010.2)], gate=settled())
    assert len(passed(verdicts)) == 1
    assert sum(gate.rejected) == 0


def test_receiver_that_repeats_one_epoch_for_ever_becomes_stale():
    gate, verdicts = feed([report(n, gnss_time=T0 + 9) for n in range(10, 60)], gate=settled())
    assert not passed(verdicts)
    assert gate.counts()["stale"] > 30


def test_three_rejected_fixes_that_agree_replace_the_anchor_and_are_all_recorded():
    gate, verdicts = feed([report(n, latitude=LAT + 1) for n in range(10, 14)], gate=settled())
    assert [len(verdict.fixes) for verdict in verdicts] == [0, 0, 3, 1]
    assert gate.counts()["impossible"] == 0


def test_scattered_jumps_never_replace_the_anchor():
    gate, verdicts = feed([report(n, latitude=LAT + (n % 2 * 2 - 1) * n) for n in range(10, 40)], gate=settled())
    assert not passed(verdicts)
    assert gate.anchor is not None
    assert gate.anchor.gnss_time == T0 + 9


def test_aircraft_that_says_its_speed_is_no_jump():
    step_deg = 240.0 / 111_195.0
    _gate, verdicts = feed([report(n, latitude=LAT + n * step_deg, speed_mps=240.0) for n in range(30)])
    assert len(passed(verdicts)) == 30


def test_days_of_crystal_drift_are_no_staleness():
    gate = settled()
    for hour in range(1, 24 * 14):
        t = hour * 3600.0
        gate, verdict = judge(gate, report(t, at=1000.0 + t * (1 + 1e-4)), wall=T0 + t, wall_trusted=True)
        assert verdict.fixes, f"hour {hour}"


def test_starved_wearer_gets_the_best_doubted_position_with_its_doubt():
    gate, verdicts = feed([report(n, latitude=LAT + n) for n in range(10, 40, 3)], gate=settled())
    assert not passed(verdicts)
    gate, fix = relieve(gate, 1037.5)
    assert fix is not None
    assert fix.quality is Quality.FORCED
    assert (fix.accuracy_m or 0) >= 100_000.0
    assert relieve(gate, 1037.6)[1] is None, "one report is forced once"


def test_nothing_is_forced_while_fixes_pass():
    gate, _ = feed([report(10, latitude=LAT + 1)], gate=settled())
    assert relieve(gate, 1010.5)[1] is None


def test_log_is_judged_by_its_own_clock_and_a_backward_step_starts_a_segment():
    old = [report(n, gnss_time=1e9 + n) for n in range(3)] + [report(n, gnss_time=9e8 + n, latitude=LAT + 5) for n in range(3, 6)]
    gate = Gate(log=True)
    fixes: list[Fix] = []
    for each in old:
        gate, verdict = judge(gate, each)
        fixes += verdict.fixes
    assert [fix.gnss_time for fix in fixes] == [1e9, 1e9 + 1, 1e9 + 2, 9e8 + 3, 9e8 + 4, 9e8 + 5]
    assert [fix.segment for fix in fixes] == [0, 0, 0, 1, 1, 1]


ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
ANY_REPORT = st.builds(
    Report,
    at=st.floats(0, 1e6),
    receiver=st.just("x"),
    mode=st.integers(0, 3),
    gnss_time=st.none() | ANY_FLOAT | st.floats(T0 - 100, T0 + 100),
    time_of_day_s=st.none() | ANY_FLOAT,
    latitude=st.none() | ANY_FLOAT | st.floats(-34, -33),
    longitude=st.none() | ANY_FLOAT | st.floats(18, 19),
    accuracy_m=st.none() | ANY_FLOAT,
    speed_mps=st.none() | ANY_FLOAT,
    track_deg=st.none() | ANY_FLOAT,
    simulated=st.booleans(),
)


@given(st.lists(ANY_REPORT, max_size=40), st.booleans(), st.booleans())
def test_whatever_a_receiver_says_only_sane_positions_pass(reports: list[Report], wall_trusted: bool, log: bool):  # noqa: FBT001
    gate = Gate(log=log)
    for each in sorted(reports, key=lambda r: r.at):
        gate, verdict = judge(gate, each, wall=T0 + each.at, wall_trusted=wall_trusted)
        gate, forced = relieve(gate, each.at)
        for fix in (*verdict.fixes, *([forced] if forced else [])):
            assert -90 <= fix.latitude <= 90
            assert -180 <= fix.longitude <= 180
            assert abs(fix.latitude) + abs(fix.longitude) > 0.0005
            numbers = (fix.accuracy_m, fix.speed_mps, fix.track_deg, fix.gnss_time, fix.wall)
            assert all(number is None or math.isfinite(number) for number in numbers)
        assert all(count >= 0 for count in gate.rejected)
