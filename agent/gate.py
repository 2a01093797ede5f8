"""Is this report believable? Turns reports into fixes, or into counted reasons why not.

Decides on what it is handed: no IO, no clock, no logging. It must never starve the wearer (DESIGN law 10): a wrong *date*
costs a report its time, not its position; what was doubted and is then confirmed is recorded after all; `relieve` lets the
best of the doubted through while a callout is wanted and nothing else came.

Three questions, in this order:

1. Is it a position at all? Not simulated, not 0/0, finite, in range. These never pass, not even by `relieve`.
2. Is it of now? The receiver's time is compared with its *arrival*, not with a wall clock that may be wrong itself: `lag` is
   arrival minus GNSS time, and `_Pace.base` the smallest lag of this segment. A report later than the base by more than
   STALE_S was held up on its way. Three that are late alike, at the pace of real time, are no backlog: the receiver's clock
   stepped, and a new segment starts.
3. Can a vehicle have got there? Compared with the last fix that passed (the anchor).

A log is judged by its own clock (`Gate(log=True)`): question 2 shrinks to "a backward step starts a new segment".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from agent import BUILT_AT_WALL
from agent.geo import UNKNOWN_ACCURACY_M, distance_m
from agent.model import Fix, Quality, Reason, Report
from agent.timescale import DAY_S, HORIZON_S, LEAP_S

STALE_S = 10.0  # DESIGN section 5: older than this at arrival is not "now"; also the step that starts a new segment
BASE_RISE = 5e-4  # s/s: more than any crystal drifts (100 ppm), so that days of drift never look like a backlog
PACE_SPAN_S = 2.0  # a backlog of 1 Hz epochs flushes faster than this

NULL_ISLAND_DEG = 0.001  # about 110 m: receivers print 0/0 with a rounding error
SPEED_LIMIT_MPS = 150.0  # 540 km/h, above any road vehicle, boat or helicopter
JUMP_SLACK_M = 100.0  # wander under trees and between houses is no jump
AGREEING = 3  # rejected fixes that agree before they outweigh the anchor

STARVED_S = 15.0
POSSIBLE_SPEED_MPS = 40.0  # how far a doubtful position may be off per second of age (DESIGN section 5)
WORST_ACCURACY_M = 100_000.0

NEVER = frozenset({Reason.SIMULATED, Reason.NULL_ISLAND, Reason.NON_FINITE, Reason.OUT_OF_RANGE})


@dataclass(frozen=True, slots=True)
class _Pace:
    """How the receiver's clock runs against arrival. Seconds; `late` holds (at, lag) of consecutive late reports."""

    gnss: float | None = None
    at: float = 0.0
    base: float | None = None
    late: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """fixes: what passed now, oldest first (a confirmed one brings those held for it). reason: why this report did not.

    `reason` may stand beside fixes: FUTURE or ROLLED_OVER cost the report its time, not its position.
    """

    fixes: tuple[Fix, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate remembers of one receiver. Make a new one per receiver; `judge` returns the next.

    anchor: last fix that passed. held: fixes that wait for confirmation, in order (the first after start, or rejected as
    impossible). rejected: counts, one per Reason in order; a held fix counts until it is confirmed. passed_at: monotonic s of
    the last pass. doubted: the newest report that was rejected but could be a position, with the metres of doubt; for `relieve`.
    """

    log: bool = False
    anchor: Fix | None = None
    held: tuple[Fix, ...] = ()
    segment: int = 0
    rejected: tuple[int, ...] = field(default=(0,) * len(Reason))
    passed_at: float | None = None
    doubted: tuple[Fix, float] | None = None
    pace: _Pace = _Pace()

    def counts(self) -> dict[str, int]:
        """Rejections by reason, every reason always present."""
        return {reason.value: count for reason, count in zip(Reason, self.rejected, strict=True)}

    @property
    def unconfirmed(self) -> Fix | None:
        """The first fix after start while it waits for its second: good enough for a raise (DESIGN section 5)."""
        return self.held[-1] if self.held and self.anchor is None else None


def judge(gate: Gate, report: Report, *, wall: float = 0.0, wall_trusted: bool = False) -> tuple[Gate, Verdict]:
    """Judge one report that arrived when the system clock showed `wall` (UTC s; `wall_trusted`: plausible).

    A report without a position, or one told twice, is no rejection: empty verdict.
    """
    if report.mode < 2 or report.latitude is None or report.longitude is None:
        return gate, Verdict()
    never = _impossible_as_position(report)
    if never is not None:
        return _count(gate, never), Verdict(reason=never)
    told = _told_time(report, wall)
    if told is not None and gate.pace.gnss is not None and told == gate.pace.gnss and report.at - gate.pace.at <= STALE_S:
        return gate, Verdict()
    gate, late_s = _keep_pace(gate, report.at, told, wall if wall_trusted and not gate.log else None)
    dated = told == report.gnss_time or wall_trusted  # else its date was taken from a clock that nobody vouches for
    believed, wrong = (told, None) if gate.log else _believe(told if dated else None, wall, wall_trusted)
    fix = _fix(gate, report, believed, wall, wall_trusted)
    if late_s is not None:
        gate = replace(_count(gate, Reason.STALE), doubted=(fix, late_s * POSSIBLE_SPEED_MPS))
        return gate, Verdict(reason=Reason.STALE)
    if wrong is not None:
        gate = _count(gate, wrong)
    gate, verdict = _place(gate, fix)
    return gate, verdict if verdict.reason is not None or wrong is None else replace(verdict, reason=wrong)


def relieve(gate: Gate, now_at: float) -> tuple[Gate, Fix | None]:
    """While a callout is wanted: the best doubted fix if nothing passed for STARVED_S, at most once per report.

    Its accuracy is raised to cover the doubt (distance from the anchor, or age at 40 m/s), its quality is FORCED. The first after the
    start goes at once, as UNCONFIRMED.
    """
    if gate.doubted is None or (gate.passed_at is not None and now_at - gate.passed_at < STARVED_S):
        return gate, None
    fix, doubt_m = gate.doubted
    if now_at - fix.at > STARVED_S:
        return replace(gate, doubted=None), None
    accuracy = min(WORST_ACCURACY_M, max(fix.accuracy_m or UNKNOWN_ACCURACY_M, doubt_m))
    # Nothing speaks against the first after the start: it only waits for its second.
    quality = Quality.UNCONFIRMED if fix is gate.unconfirmed else Quality.FORCED
    return replace(gate, doubted=None), replace(fix, accuracy_m=accuracy, quality=quality)


def woken(gate: Gate) -> Gate:
    """After a suspend: what waited is of then, and the next report may have waited for as long in a buffer. Start over, confirm again."""
    return replace(_new_segment(gate), pace=_Pace(), doubted=None)


def _impossible_as_position(report: Report) -> Reason | None:
    lat, lon = report.latitude, report.longitude
    assert lat is not None  # noqa: S101 - the caller looked; mypy cannot see it
    assert lon is not None  # noqa: S101 - likewise
    if report.simulated:
        return Reason.SIMULATED
    if not (math.isfinite(lat) and math.isfinite(lon)):
        return Reason.NON_FINITE
    if abs(lat) > 90 or abs(lon) > 180:
        return Reason.OUT_OF_RANGE
    if abs(lat) < NULL_ISLAND_DEG and abs(lon) < NULL_ISLAND_DEG:
        return Reason.NULL_ISLAND
    return None


def _told_time(report: Report, wall: float) -> float | None:
    """The receiver's UTC. A time of day without a date takes the date nearest to the clock: within half a day that is sure."""
    if report.gnss_time is not None and math.isfinite(report.gnss_time):
        return report.gnss_time
    if report.time_of_day_s is None or not math.isfinite(report.time_of_day_s):
        return None
    days = round((wall - report.time_of_day_s) / DAY_S)
    return days * DAY_S + report.time_of_day_s


def _believe(told: float | None, wall: float, wall_trusted: bool) -> tuple[float | None, Reason | None]:  # noqa: FBT001 - a clock's state
    """The told time if it can be true; else None and, when the *date* is wrong, which way."""
    if told is None:
        return None, None
    if told < BUILT_AT_WALL - DAY_S or (wall_trusted and told < wall - DAY_S):
        return None, Reason.ROLLED_OVER
    if told > BUILT_AT_WALL + HORIZON_S or (wall_trusted and told > wall + LEAP_S):
        return None, Reason.FUTURE
    return (None if wall_trusted and wall - told > LEAP_S else told), None


def _keep_pace(gate: Gate, at: float, told: float | None, wall: float | None) -> tuple[Gate, float | None]:
    """Follow the receiver's clock; the second value is how late (s) this report is, None when it is of now."""
    pace = gate.pace
    if told is None:
        return gate, None
    if gate.log:
        gate = gate if pace.gnss is None or told >= pace.gnss else _new_segment(gate)
        return replace(gate, pace=_Pace(gnss=told, at=at)), None
    lag = at - told
    if pace.base is None:
        base = lag
        late_s = wall - told if wall is not None and STALE_S < wall - told <= DAY_S else 0.0
    else:
        base = pace.base + max(0.0, at - pace.at) * BASE_RISE
        late_s = lag - base
    if late_s > STALE_S or (pace.gnss is not None and -STALE_S <= told - pace.gnss < 0):
        late = _alike((*pace.late, (at, lag)))
        if not _at_real_pace(late):
            return replace(gate, pace=replace(pace, late=late)), max(late_s, 0.0)
        return replace(_new_segment(gate), pace=_Pace(told, at, lag)), None
    if late_s < -STALE_S:
        return replace(_new_segment(gate), pace=_Pace(told, at, lag)), None
    return replace(gate, pace=_Pace(told, at, min(base, lag))), None


def _alike(late: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """The newest late reports whose lag is the same within a second."""
    lag = late[-1][1]
    alike: list[tuple[float, float]] = []
    for entry in reversed(late[-60:]):
        if abs(entry[1] - lag) > 1.0:
            break
        alike.append(entry)
    return tuple(reversed(alike))


def _at_real_pace(late: tuple[tuple[float, float], ...]) -> bool:
    return len(late) >= AGREEING and late[-1][0] - late[0][0] >= PACE_SPAN_S


def _new_segment(gate: Gate) -> Gate:
    """Positions before and after a step of the receiver's clock are not compared: start over, confirm again."""
    return replace(gate, segment=gate.segment + 1, anchor=None, held=())


def _fix(gate: Gate, report: Report, believed: float | None, wall: float, wall_trusted: bool) -> Fix:  # noqa: FBT001 - a clock's state
    assert report.latitude is not None  # noqa: S101 - `judge` looked; mypy cannot see it
    assert report.longitude is not None  # noqa: S101 - likewise
    speed, track = _finite(report.speed_mps), _finite(report.track_deg)
    accuracy = _finite(report.accuracy_m)
    return Fix(
        at=report.at,
        wall=wall if believed is None else believed,
        receiver=report.receiver,
        latitude=report.latitude,
        longitude=report.longitude,
        accuracy_m=accuracy if accuracy is not None and accuracy >= 0 else None,
        altitude_m=_finite(report.altitude_m),
        speed_mps=speed if speed is not None and speed >= 0 else None,
        track_deg=track % 360.0 if track is not None else None,
        gnss_time=believed,
        wall_trusted=believed is not None or wall_trusted,
        segment=gate.segment,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _place(gate: Gate, fix: Fix) -> tuple[Gate, Verdict]:
    """Question 3: against the anchor if there is one, else against the first fix that waits for its second."""
    against = gate.anchor or (gate.held[-1] if gate.held else None)
    if against is not None and _reachable(against, fix):
        held = gate.held if gate.anchor is None else ()
        return _pass(_count(gate, Reason.UNCONFIRMED, -len(held)), (*held, fix))
    if gate.anchor is None:
        gate = _count(gate, Reason.UNCONFIRMED)
        return replace(gate, held=(fix,), doubted=(fix, fix.accuracy_m or UNKNOWN_ACCURACY_M)), Verdict(reason=Reason.UNCONFIRMED)
    held = (*gate.held, fix) if gate.held and _reachable(gate.held[-1], fix) else (fix,)
    if len(held) >= AGREEING:
        return _pass(_count(gate, Reason.IMPOSSIBLE, 1 - len(held)), held)
    away_m = distance_m(gate.anchor.latitude, gate.anchor.longitude, fix.latitude, fix.longitude)
    return replace(_count(gate, Reason.IMPOSSIBLE), held=held, doubted=(fix, away_m)), Verdict(reason=Reason.IMPOSSIBLE)


def _pass(gate: Gate, fixes: tuple[Fix, ...]) -> tuple[Gate, Verdict]:
    newest = fixes[-1]
    return replace(gate, anchor=newest, held=(), doubted=None, passed_at=newest.at), Verdict(fixes=fixes)


def _reachable(old: Fix, new: Fix) -> bool:
    """Whether anything on a road, on water or in a helicopter could have got from one to the other.

    The receiver's own speed counts as evidence: what says 250 m/s and moves like it is an aircraft, not a jump.
    """
    same_clock = old.gnss_time is not None and new.gnss_time is not None
    passed_s = abs((new.gnss_time or 0.0) - (old.gnss_time or 0.0)) if same_clock else max(0.0, new.at - old.at)
    limit_mps = max(SPEED_LIMIT_MPS, 2 * min(old.speed_mps or 0.0, new.speed_mps or 0.0))
    doubt_m = 3 * ((old.accuracy_m or UNKNOWN_ACCURACY_M) + (new.accuracy_m or UNKNOWN_ACCURACY_M))
    gone_m = distance_m(old.latitude, old.longitude, new.latitude, new.longitude)
    return gone_m <= limit_mps * passed_s + min(doubt_m, 10_000.0) + JUMP_SLACK_M


def _count(gate: Gate, reason: Reason, times: int = 1) -> Gate:
    counts = tuple(count + times if which is reason else count for which, count in zip(Reason, gate.rejected, strict=True))
    return replace(gate, rejected=counts)
