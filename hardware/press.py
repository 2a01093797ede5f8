"""What a finger did, judged from the edges of a line and their own times.

Pure: time is data (`at`, monotonic s). Decides what is a touch, a gesture, an abort and a stuck line (docs/PRESS.md). It must not read a
line or a clock, must not lose a press to a late look, and where edges are missing it judges in the wearer's favour.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agent.model import Act, Acted

ABORT_HOLD_S = 3.0
STUCK_S = 60.0


@dataclass(slots=True)
class _Hold:
    """One time that the line is active.

    from_start: it was active when this process first saw it. fresh: seen to begin. spent: it is part of a completed gesture or was
    judged already. stuck: no press can come of it any more.
    """

    since: float
    from_start: bool = False
    fresh: bool = True
    spent: bool = False
    stuck: bool = False


class Gestures:
    """The gesture machine of one button.

    presses 1: the gesture is to hold for hold_s; more: so many touches that begin within within_s. was_active: the level that an earlier
    process stored last, None if unknown; asked when a line that was held at first sight would complete a gesture.
    Feed edges in the order of the chip, then `look`. Every call returns the acts it completed, in order of their times.
    """

    def __init__(self, *, hold_s: float, presses: int, within_s: float, was_active: Callable[[], bool | None]) -> None:
        self._several = presses > 1
        self._judged_after_s = ABORT_HOLD_S if self._several else hold_s
        self._within_s = within_s
        self._was_active = was_active
        self._touches: deque[float] = deque(maxlen=presses)
        self._doubtful_touch: float | None = None
        self._hold: _Hold | None = None
        self._interrupted: _Hold | None = None
        self._ever_seen = False
        self._at = float("-inf")
        self.level: bool | None = None

    @property
    def stuck(self) -> bool:
        """Whether the line is active and no press can come of it until it has been seen released."""
        return self._hold is not None and self._hold.stuck

    @property
    def due(self) -> float | None:
        """When the next look is worth while; None: not before the next edge."""
        hold = self._hold
        if hold is None or hold.stuck:
            return None
        return hold.since + (STUCK_S if hold.spent else self._judged_after_s)

    def sight(self, active: bool, at: float) -> list[Acted]:  # noqa: FBT001 - a level, as everywhere here
        """The line is seen for the first time, or again after it was lost.

        A hold that the loss interrupted goes on, counted from now: we cannot know that it never broke.
        """
        at = self._moment(at)
        first, self._ever_seen = not self._ever_seen, True
        before, self._interrupted = self._interrupted, None
        self.level = active
        if not active:
            return []
        if before is not None:
            before.since = at
            self._hold = before
            return [Acted(Act.TOUCHED, at), *self.look(at)]
        return [*self._touch(_Hold(at, from_start=first, fresh=not first)), *self.look(at)]

    def edge(self, active: bool, at: float) -> list[Acted]:  # noqa: FBT001
        """The line changed. The same level again, or a time before the last one, is a quirk of the chip and harmless."""
        acts = self.look(at)
        if active == self.level:
            return acts
        at = self._moment(at)
        self.level = active
        if active:
            acts += self._touch(_Hold(at))
        else:
            self._hold = None
            acts.append(Acted(Act.RELEASED, at))
        return [*acts, *self.look(at)]

    def abort_touched(self, at: float) -> list[Acted]:
        """The abort line became active."""
        acts = self.look(at)
        return [*acts, Acted(Act.ABORT, self._moment(at))]

    def look(self, at: float) -> list[Acted]:
        """Time has passed, and every edge before `at` has been fed."""
        acts: list[Acted] = []
        while self._hold is not None and (due := self.due) is not None and due <= at:
            acts += self._ripen(self._hold, self._moment(due))
        return acts

    def lost(self, at: float) -> list[Acted]:
        """The chip has vanished: the button is not felt any more."""
        acts = self.look(at)
        self.level = None
        if self._hold is None:
            return acts
        self._interrupted, self._hold = self._hold, None
        return [*acts, Acted(Act.RELEASED, self._moment(at))]

    def _moment(self, at: float) -> float:
        self._at = max(self._at, at)
        return self._at

    def _ripen(self, hold: _Hold, at: float) -> list[Acted]:
        """The hold has lasted until its due time."""
        if hold.spent:
            hold.stuck = True
            return []
        hold.spent = True
        if hold.from_start and self._was_active() is True:
            hold.stuck = True
            return []
        if not self._several:
            return [Acted(Act.GESTURE, at)]
        return [Acted(Act.ABORT, at)] if hold.fresh else []

    def _touch(self, hold: _Hold) -> list[Acted]:
        self._hold = hold
        acts = [Acted(Act.TOUCHED, hold.since)]
        if not self._several:
            return acts
        if hold.from_start:
            self._doubtful_touch = hold.since
        self._touches.append(hold.since)
        if self._complete():
            self._touches.clear()
            hold.spent = True
            acts.append(Acted(Act.GESTURE, hold.since))
        return acts

    def _complete(self) -> bool:
        """Whether the last touches are the gesture. One that was there before us counts unless an earlier process had seen it, too."""
        touches = self._touches
        if len(touches) < (touches.maxlen or 0) or touches[-1] - touches[0] > self._within_s:
            return False
        if touches[0] == self._doubtful_touch and self._was_active() is True:
            touches.popleft()
            return False
        return True


class Debounce:
    """Tells a change of level once it has lasted for period_s, stamped with that moment, as the kernel's own debounce does.

    For chips whose driver refuses to; a period of 0 lets everything through. Pure.
    """

    def __init__(self, period_s: float, *, active: bool) -> None:
        self._period_s = period_s
        self._settled = active
        self._changed_at = float("-inf")
        self.raw = active

    @property
    def due(self) -> float | None:
        """When the level will have settled, if it is unsettled now."""
        return None if self.raw == self._settled else self._changed_at + self._period_s

    def edge(self, active: bool, at: float) -> list[tuple[bool, float]]:  # noqa: FBT001
        """The line changed: returns what has settled by then, as (active, at)."""
        settled = self.look(at)
        self.raw = active
        self._changed_at = at
        return [*settled, *self.look(at)]

    def look(self, at: float) -> list[tuple[bool, float]]:
        """Time has passed: returns what has settled by then."""
        due = self.due
        if due is None or due > at:
            return []
        self._settled = self.raw
        return [(self._settled, due)]
