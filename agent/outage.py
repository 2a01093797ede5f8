"""What link and sky did while a callout was on, in a sentence for the controller once it can be told.

Decides from replies and from one look a second; knows no lane and no receiver. Must not tell a change twice, nor one that it only
supposes: an outage lasts from the last reply to the next, a gap from the last position to the next. Where the positions of an
outage go is not its matter. Memory is bounded: few gaps are kept one by one, further ones are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent import wording
from agent.gate import STALE_S
from agent.model import CalloutId, Fix

GAP_TOLD_S = 60.0  # without a position, and with a good link, before that is news
TOGETHER_S = 30.0  # a position is missed 10 s after the last one, a link at the deadline of the next request
MAX_GAPS = 3  # the first and the newest two; a receiver that flickers would fill a page


@dataclass(frozen=True, slots=True)
class Gap:
    """Without a live position. from_at: monotonic s of the last one, None: there was none before. to_at: of the next, None: none yet.

    told: the controller knows that it began, and not that it ended.
    """

    from_at: float | None
    to_at: float | None = None
    told: bool = False


class Outage:
    """One per daemon; forgets everything with its callout. trail_after_s: an outage of the link at least this long is told."""

    def __init__(self, trail_after_s: float) -> None:
        self._trail_after_s = trail_after_s
        self._begin(None, 0.0)

    def replied(self, to: CalloutId | None, *, through: bool, at: float, wall: float) -> str | None:
        """A request came to an end at monotonic s `at`, UTC s `wall`. to: the callout of now. through: dispatch itself answered.

        What is to be told to the callout, if anything.
        """
        self._follow(to, at)
        if to is None:
            return None
        if not through:
            self._failing = True
            return None
        return self._got_through(at, wall)

    def looked(self, to: CalloutId | None, fix: Fix | None, *, at: float, wall: float) -> str | None:
        """Once a second, and before each reply. fix: the live one, if there is one. What is to be told to the callout, if anything."""
        self._follow(to, at)
        if to is None:
            return None
        return self._missed(at, wall) if fix is None else self._positioned(fix, at, wall)

    def _follow(self, to: CalloutId | None, at: float) -> None:
        if to != self._to:
            self._begin(to, at)

    def _begin(self, to: CalloutId | None, at: float) -> None:
        self._to = to
        self._through_at = at  # dispatch has just answered, or this process has just begun to ask
        self._failing = False
        self._fix_at: float | None = None
        self._gap: Gap | None = None
        self._gaps: tuple[Gap, ...] = ()  # that ended since dispatch last answered
        self._more_gaps = 0

    # --- the link ---------------------------------------------------------------------------------------------------------

    def _got_through(self, at: float, wall: float) -> str | None:
        lost_at, failing = self._through_at, self._failing
        gaps, more = self._gaps, self._more_gaps
        self._through_at, self._failing, self._gaps, self._more_gaps = at, False, (), 0
        if failing and at - lost_at >= self._trail_after_s:
            return self._outage(gaps, more, lost_at, at, wall)
        ended = next((gap for gap in reversed(gaps) if gap.told), None)
        return None if ended is None else _back(ended, at, wall)

    def _outage(self, gaps: tuple[Gap, ...], more: int, lost_at: float, at: float, wall: float) -> str:
        if self._gap is not None:
            gaps = (*gaps, self._gap)
            self._gap = replace(self._gap, told=True)
        together = any(gap.from_at is not None and abs(gap.from_at - lost_at) <= TOGETHER_S for gap in gaps)
        position = wording.without_position([_walls(gap, at, wall) for gap in gaps], more)
        return wording.outage(wall - (at - lost_at), wall, position, together=together)

    # --- the sky ----------------------------------------------------------------------------------------------------------

    def _missed(self, at: float, wall: float) -> str | None:
        gap = self._gap = self._gap or Gap(self._fix_at)
        if gap.told or gap.from_at is None or self._failing or at - gap.from_at < GAP_TOLD_S:
            return None
        self._gap = replace(gap, told=True)
        return wording.position_lost(wall - (at - gap.from_at), wall)

    def _positioned(self, fix: Fix, at: float, wall: float) -> str | None:
        gap, before_at = self._gap, self._fix_at
        self._gap, self._fix_at = None, fix.at
        if gap is None and before_at is not None and fix.at - before_at > STALE_S:
            gap = Gap(before_at)  # it fell between two looks
        if gap is None:
            return None
        say = gap.told and not self._failing
        ended = replace(gap, to_at=fix.at, told=gap.told and not say)
        if len(self._gaps) == MAX_GAPS:
            self._gaps = self._gaps[:1] + self._gaps[2:]
            self._more_gaps += 1
        self._gaps = (*self._gaps, ended)
        return _back(ended, at, wall) if say else None


def _back(gap: Gap, at: float, wall: float) -> str | None:
    before_wall, after_wall = _walls(gap, at, wall)
    return None if before_wall is None or after_wall is None else wording.position_back(before_wall, after_wall)


def _walls(gap: Gap, at: float, wall: float) -> tuple[float | None, float | None]:
    """UTC s of its ends, by the newest reading of the clock: it may have been set meanwhile."""
    ends = (None if end_at is None else wall - (at - end_at) for end_at in (gap.from_at, gap.to_at))
    return next(ends), next(ends)
