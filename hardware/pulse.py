"""Is the receiver alive? Turns what arrives, and when, into the one ailment to tell.

Pure: time is data (`at`, monotonic s). It must not read, wait or look at positions. What counts is *epochs*: a line that chatters or
a connection that stands is no sign of life.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median_low

from agent.model import Ailment, Report
from hardware import ailments

SILENT_S = 3.5  # for receivers of up to one epoch in 2 s; looked at four times a second, so told within 4 s
NO_FIX_S = 3.0
_SLOWEST_S = 40.0
_PERIODS = 5


class Pulse:
    """The vital signs of one receiver. where: how texts call it. silence: which words silence has, given the seconds.

    hears: whether it hears any satellite, for the words alone; None: it does not tell.
    """

    def __init__(self, where: str, at: float, silence: Callable[[str, float], Ailment] = ailments.silent) -> None:
        self.hears: bool | None = None
        self._where = where
        self._silence = silence
        self._started_at = at
        self._epoch_at: float | None = None
        self._no_fix_at: float | None = None
        self._bytes_at: float | None = None
        self._sentence_at: float | None = None
        self._unchecked = False
        self._periods: deque[float] = deque(maxlen=_PERIODS)
        self._interrupted = False
        self._lost: Ailment | None = None
        self._opened_at: float | None = None

    @property
    def limit_s(self) -> float:
        """How long no epoch is no silence: one and a half times the usual period of the last few, SILENT_S at least."""
        if len(self._periods) < 2:
            return SILENT_S
        return min(max(SILENT_S, 1.5 * median_low(self._periods) + 0.5), _SLOWEST_S)

    def lost(self, ailment: Ailment) -> None:
        """The device cannot be opened, or is gone."""
        self._lost = ailment
        self._opened_at = None
        self._interrupted = True

    def opened(self, at: float) -> None:
        """The device was opened. What was wrong stands until it tells an epoch or is silent for too long."""
        self._opened_at = at

    def bytes_came(self, at: float, *, sentences: bool, unchecked: bool = False) -> None:
        """Bytes arrived; `sentences`: with something valid in them; `unchecked`: with sentences that lack checksums."""
        self._bytes_at = at
        if sentences:
            self._sentence_at = at
        self._unchecked = unchecked

    def epoch(self, report: Report) -> None:
        """An epoch arrived."""
        if self._epoch_at is not None and report.at > self._epoch_at and not self._interrupted:
            self._periods.append(report.at - self._epoch_at)
        self._epoch_at, self._interrupted = report.at, False
        if report.mode >= 2:
            self._no_fix_at = None
        elif self._no_fix_at is None:
            self._no_fix_at = report.at
        self._lost = None

    def quiet_s(self, at: float) -> float:
        """Seconds since the last epoch, or since the start."""
        return at - (self._started_at if self._epoch_at is None else self._epoch_at)

    def silent(self, at: float) -> bool:
        """Whether an epoch is overdue."""
        return self.quiet_s(at) >= self.limit_s

    def verdict(self, at: float) -> Ailment | None:
        """What is wrong at `at`; None: nothing."""
        if self._lost is not None and (self._opened_at is None or at - self._opened_at < SILENT_S):
            return self._lost
        if self.silent(at):
            return self._why_silent(at)
        if self._no_fix_at is not None and at - self._no_fix_at >= NO_FIX_S:
            return ailments.no_position(self._where, hears=self.hears)
        return None

    def _why_silent(self, at: float) -> Ailment:
        def lately(moment: float | None) -> bool:
            return moment is not None and at - moment < SILENT_S

        if lately(self._bytes_at) and not lately(self._sentence_at):
            return ailments.garbage(self._where, unchecked=self._unchecked)
        return self._silence(self._where, self.limit_s)


class Vitals:
    """A pulse with the two callbacks of `FixSource.run`: delivers reports, tells an ailment only when it changes."""

    def __init__(
        self,
        pulse: Pulse,
        clock_at: Callable[[], float],
        heard: Callable[[Report], None],
        ailing: Callable[[Ailment | None], None],
    ) -> None:
        self.pulse = pulse
        self._clock_at = clock_at
        self._heard = heard
        self._ailing = ailing
        self._told: Ailment | None = None

    def deliver(self, report: Report) -> None:
        """Pass an epoch on; it may have healed something."""
        self.pulse.epoch(report)
        self._heard(report)
        self.look()

    def lose(self, ailment: Ailment) -> None:
        """The device is gone: say so at once."""
        self.pulse.lost(ailment)
        self.look()

    def look(self) -> None:
        """Tell the ailment if it is another one than before."""
        verdict = self.pulse.verdict(self._clock_at())
        if verdict != self._told:
            self._told = verdict
            self._ailing(verdict)
