"""Moments, places, distances and lists as a trail tells them: ASCII that can be read aloud.

Words only; decides nothing but how to say it, and must not need more than it is handed. Times are UTC. `~` stands before a time by a
clock that was not set, `?` behind a position that was let through in spite of doubts.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from statistics import median

from agent.geo import UNKNOWN_ACCURACY_M, bearing_deg, distance_m
from agent.journey import STOP_M, Journey, doubtful
from agent.model import Fix
from agent.thinning import told_s
from agent.wording import span

COMPASS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
SLOWEST_MPS = 0.5  # a speed below is noise of the receiver


def day(wall: float) -> str:
    """`2026-03-02`; "unknown day" for what no calendar can show."""
    told = _calendar(wall)
    return "unknown day" if told is None else f"{told.date()}"


def clock(wall: float) -> str:
    """`14:03:20`, to the nearest second."""
    told = _calendar(wall)
    return "??:??:??" if told is None else f"{told:%H:%M:%S}"


def _calendar(wall: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(told_s(wall), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def moment(fix: Fix, after: Fix | None = None) -> str:
    """`2026-03-02 14:03:20`; without its day where that is the day of `after`."""
    known_day = after is not None and day(after.wall) == day(fix.wall)
    return clock_of(fix) if known_day else f"{day(fix.wall)} {clock_of(fix)}"


def clock_of(fix: Fix) -> str:
    """`14:03:20`, marked where the clock was not set."""
    return f"{'' if fix.wall_trusted else '~'}{clock(fix.wall)}"


def place(latitude: float, longitude: float) -> str:
    """`-33.92490,18.42410`: a metre, which is more than any fix is good for."""
    return f"{round(latitude, 5) + 0.0:.5f},{round(longitude, 5) + 0.0:.5f}"


def place_of(fix: Fix) -> str:
    """The place of a fix, marked where it is doubtful."""
    return f"{place(fix.latitude, fix.longitude)}{'?' if doubtful(fix) else ''}"


def measured(fix: Fix) -> str:
    """The place of a fix and what it is good for."""
    return place_of(fix) if fix.accuracy_m is None else f"{place_of(fix)} (within {math.ceil(fix.accuracy_m)} m)"


def legend(fixes: Iterable[Fix]) -> str:
    """What stands in a list of positions, and what its marks mean where there are any."""
    fixes = tuple(fixes)
    time = "; ~ time by a clock that was not set" if any(not fix.wall_trusted for fix in fixes) else ""
    doubt = "; ? doubtful position" if any(doubtful(fix) for fix in fixes) else ""
    return f"(UTC; latitude,longitude{time}{doubt})"


def far(metres: float) -> str:
    """`450 m`, `4.2 km`, `62 km`."""
    if metres < 995:
        return f"{round(metres, -1):.0f} m"
    return f"{metres / 1_000:.1f} km" if metres < 9_950 else f"{metres / 1_000:.0f} km"


def good(fixes: Sequence[Fix]) -> str:
    """What the fixes are good for, and the worst where it is much worse."""
    known = [fix.accuracy_m for fix in fixes if fix.accuracy_m is not None]
    if not known:
        return f"how good the fixes are is not known; {UNKNOWN_ACCURACY_M:.0f} m is assumed"
    usual, worst = math.ceil(median(known)), math.ceil(max(known))
    much_worse = f", the worst to {worst} m" if worst > 2 * usual else ""
    unknown = f"; where it is not known, {UNKNOWN_ACCURACY_M:.0f} m is assumed" if len(known) < len(fixes) else ""
    return f"the fixes are good to {usual if much_worse else worst} m{much_worse}{unknown}"


def moved(fixes: Sequence[Fix], journey: Journey) -> str:
    """How far, which way, how fast."""
    sound = [fix for fix in fixes if not doubtful(fix)] or fixes
    ends = (sound[0].latitude, sound[0].longitude, sound[-1].latitude, sound[-1].longitude)
    whole_m, net_m = journey.moved_m + journey.unseen_m, distance_m(*ends)
    if whole_m < STOP_M:
        return f"It moved less than {STOP_M:.0f} m."
    least = "at least " if journey.unseen_m >= STOP_M else ""
    where = f"{far(net_m)} {COMPASS[round(bearing_deg(*ends) / 45) % 8]} of" if net_m >= STOP_M else "about"
    return f"It moved {least}{far(whole_m)} and ended {where} where it began{_speeds(journey)}."


def _speeds(journey: Journey) -> str:
    known = ((journey.average_mps, "on average while moving"), (journey.top_mps, "at most"))
    told = [f"{mps * 3.6:.0f} km/h {what}" for mps, what in known if mps is not None and mps >= SLOWEST_MPS]
    return f"; {', '.join(told)}" if told else ""


def stood(journey: Journey, fixes: Sequence[Fix]) -> str:
    """Where it stood all the time, and how near to that all of its fixes are."""
    stop = journey.stops[0]
    spread_m = max(distance_m(stop.latitude, stop.longitude, fix.latitude, fix.longitude) for fix in fixes)
    return f"at {place(stop.latitude, stop.longitude)} (all {len(fixes)} positions lie within {spread_m + 1:.0f} m of that)"


def stops(journey: Journey, fixes: Sequence[Fix], most: int) -> str:
    """When and where it stood, and for how long."""

    def words(index: int) -> str:
        stop = journey.stops[index]
        return f"from {moment(fixes[stop.first], fixes[0])} for {span(stop.length_s)} at {place(stop.latitude, stop.longitude)}"

    return listed("It stood", [stop.length_s for stop in journey.stops], words, most)


def gaps(journey: Journey, fixes: Sequence[Fix], most: int) -> str:
    """When there was no position, and how far on it was when there was one again."""

    def words(index: int) -> str:
        gap = journey.gaps[index]
        further = f", {far(gap.apart_m)} further on" if gap.apart_m > STOP_M else ""
        return f"from {moment(gap.before, fixes[0])} to {moment(gap.after, gap.before)} ({span(gap.length_s)}{further})"

    return listed("No position", [gap.length_s for gap in journey.gaps], words, most)


def listed(what: str, lengths_s: Sequence[float], words: Callable[[int], str], most: int) -> str:
    """A sentence of the `most` longest of a list, in order, and how many more there are. words: of the entry at an index."""
    if not lengths_s:
        return ""
    total = span(math.fsum(lengths_s))
    if most == 0:
        return f"{what} {times(len(lengths_s))}, {total} in all."
    longest = sorted(heapq.nlargest(most, range(len(lengths_s)), key=lengths_s.__getitem__))
    more = f"; {times(len(lengths_s) - most)} more, {total} in all" if most < len(lengths_s) else ""
    return f"{what} {'; '.join(map(words, longest))}{more}."


def times(count: int) -> str:
    """`once`, `3 times`."""
    return "once" if count == 1 else f"{count} times"
