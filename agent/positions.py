"""Which receiver is used, which fix is the newest, and what position a raise carries.

A decision with a memory: reports and times in, fixes out. No IO and no clock of its own; only how long the device was suspended it
asks by itself, because whoever asks for a position must not be able to forget it. It must not let one receiver's
silence hide another's fixes, nor hand out a stored position as a live one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from agent.gate import POSSIBLE_SPEED_MPS, STALE_S, WORST_ACCURACY_M, Gate, judge, relieve, woken
from agent.geo import UNKNOWN_ACCURACY_M
from agent.model import Ailment, Fix, Place, Quality, Reason, Report
from agent.timescale import LEAP_S

SILENT_S = 3.0  # and a second until the next receiver's epoch, and as much on the way: taken over within 5 s
SIMULATED_EPOCHS = 3  # an epoch cut short may lack the word that gives a simulator away: so many in a row without it end the doubt
HELD_S = 1.0  # a report this much later than its receiver's usual was held up on its way: its position is as old as that
STORED_LIMIT_S = 86_400.0  # a stored position younger than this keeps the device armed (law 7)


@dataclass(slots=True)
class Source:
    """One receiver as we know it. epoch_at, fix_at: monotonic s of the last report and of the last fix that passed.

    fix_gaps_s: between its last three fixes. The smaller one is its rhythm: one long gap was an interruption, two are a slow receiver.
    """

    name: str
    kind: str
    gate: Gate = field(default_factory=Gate)
    epoch_at: float | None = None
    fix_at: float | None = None
    fix_gaps_s: tuple[float, float] = (1.0, 1.0)
    doubtful: int = 0  # epochs that a receiver that played or estimated is not believed yet
    ailment: Ailment | None = None

    def has_position(self, now_at: float) -> bool:
        """Whether its fixes are of now, measured by its own rhythm."""
        return self.fix_at is not None and now_at - self.fix_at <= max(SILENT_S, 2.5 * min(*self.fix_gaps_s, STALE_S))

    def lives(self, now_at: float) -> bool:
        """Whether it says anything at all."""
        return self.epoch_at is not None and now_at - self.epoch_at <= SILENT_S

    def suspect(self, report: Report) -> Report:
        """The report, marked as simulated if this receiver was lately caught at it."""
        if report.simulated:
            self.doubtful = SIMULATED_EPOCHS
        elif report.mode >= 2 and self.doubtful > 0:
            self.doubtful -= 1
            return replace(report, simulated=True)
        return report

    def passed(self, fix: Fix) -> None:
        """A fix passed the gate."""
        if self.fix_at is not None:
            self.fix_gaps_s = (self.fix_gaps_s[1], fix.at - self.fix_at)
        self.fix_at = fix.at


@dataclass(frozen=True, slots=True)
class Site:
    """From `[site]`: where a device without any fix is."""

    latitude: float
    longitude: float
    accuracy_m: float


class Positions:
    """All receivers in order of preference: the first with a position is used, else the first that says anything."""

    def __init__(
        self,
        receivers: tuple[tuple[str, str], ...],
        site: Site | None = None,
        *,
        known_to_dispatch: bool = False,
        asleep_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """receivers: (name, kind) in order of preference. known_to_dispatch: a raise names a fixed location instead of coordinates.

        asleep_s: how long this boot has been suspended in all.
        """
        self._known_to_dispatch = known_to_dispatch
        self._asleep_s, self._slept_s = asleep_s, asleep_s()
        self.sources = {name: Source(name, kind) for name, kind in receivers}
        self.site = site
        self.newest: Fix | None = None
        self.stored: Fix | None = None
        self.forced: Fix | None = None  # doubted, and sent all the same; never shown as ours while calm
        self._used: str | None = next(iter(self.sources), None)

    def used(self, now_at: float) -> Source | None:
        """The receiver whose fixes count now."""
        sources = self.sources.values()
        best = next((each for each in sources if each.has_position(now_at)), None) or next(
            (each for each in sources if each.lives(now_at)), None
        )
        if best is not None:
            self._used = best.name
        return self.sources.get(self._used) if self._used is not None else None

    def hear(self, report: Report, *, wall: float, wall_trusted: bool) -> tuple[tuple[Fix, ...], Reason | None]:
        """Judge a report: the fixes to act on, oldest first (none if another receiver is used), and a reason for a rejection."""
        self._wake()
        source = self.sources[report.receiver]
        source.epoch_at = report.at
        report = source.suspect(report)
        source.gate, verdict = judge(source.gate, report, wall=wall, wall_trusted=wall_trusted)
        if verdict.reason is Reason.SIMULATED:
            source.gate = replace(source.gate, held=(), doubted=None)  # what waited for this one to confirm it was of the same kind
        fixes = tuple(_aged(fix, _held_s(source.gate, report.at)) for fix in verdict.fixes)
        for fix in fixes:
            source.passed(fix)
        if self.used(report.at) is not source:
            return (), verdict.reason
        return self._take(fixes), verdict.reason

    def relieve(self, now_at: float) -> Fix | None:
        """While a callout is wanted: a doubted position rather than none for 15 s (law 10)."""
        self._wake()
        if self.newest is not None and self.newest.quality is not Quality.FORCED and now_at - self.newest.at < STALE_S:
            return None
        for source in self.sources.values():
            source.gate, fix = relieve(source.gate, now_at)
            if fix is not None and (self.newest is None or fix.at > self.newest.at):
                self.forced = fix
                return fix
        return None

    def live(self, now_at: float) -> Fix | None:
        """The newest fix if it is of now, a doubted one included."""
        self._wake()
        best = max((fix for fix in (self.newest, self.forced) if fix is not None), key=lambda fix: fix.at, default=None)
        return best if best is not None and now_at - best.at <= STALE_S else None

    def own(self, now_at: float) -> Fix | None:
        """The newest fix that passed the gate, if it is of now."""
        self._wake()
        return self.newest if self.newest is not None and now_at - self.newest.at <= STALE_S else None

    def for_raise(self, now_at: float, now_wall: float, *, wall_trusted: bool) -> Place | None:
        """The best position there is, in the order of DESIGN section 5. Never waits for a better one."""
        fix = self.live(now_at)
        if fix is not None:
            return Place(fix.latitude, fix.longitude, fix.accuracy_m, fix.quality, fix.wall)
        used = self.used(now_at)
        first = used.gate.unconfirmed if used is not None else None
        if first is not None and now_at - first.at <= STALE_S:
            return Place(first.latitude, first.longitude, first.accuracy_m, Quality.UNCONFIRMED, first.wall)
        return self._stored_place(now_at, now_wall if wall_trusted else None) or self._site_place()

    def armed(self, now_at: float, now_wall: float, *, wall_trusted: bool) -> bool:
        """Whether a raise would carry a position good enough to count as proven (law 7)."""
        self._wake()
        if self.site is not None or self._known_to_dispatch:
            return True
        used = self.used(now_at)
        first = used.gate.unconfirmed if used is not None else None
        if first is not None and now_at - first.at <= STALE_S:
            return True
        if self.newest is not None:
            return now_at - self.newest.at <= STORED_LIMIT_S
        age_s = self._stored_age_s(now_at, now_wall if wall_trusted else None)
        return age_s is not None and age_s <= STORED_LIMIT_S

    def rejected(self, now_at: float) -> dict[str, int]:
        """Rejections of the used receiver by reason, every reason always present."""
        used = self.used(now_at)
        return (used.gate if used is not None else Gate()).counts()

    def _wake(self) -> None:
        """The monotonic clock stands still in a suspend: what was of now before it is as much older as that was long (law 3)."""
        slept_s = self._asleep_s() - self._slept_s
        if slept_s <= HELD_S:
            return
        self._slept_s += slept_s
        self.newest, self.forced = _before_sleep(self.newest, slept_s), _before_sleep(self.forced, slept_s)
        if self.stored is not None and self.stored.at > 0.0:  # else it is of another boot, and its age is known by the wall clock
            self.stored = _before_sleep(self.stored, slept_s)
        for source in self.sources.values():
            source.gate = woken(source.gate)

    def _take(self, fixes: tuple[Fix, ...]) -> tuple[Fix, ...]:
        """Only forward: what is older than the newest of another receiver is dropped."""
        fresh = tuple(fix for fix in fixes if self.newest is None or fix.at > self.newest.at)
        if fresh:
            self.newest = fresh[-1]
        return fresh

    def _stored_place(self, now_at: float, now_wall: float | None) -> Place | None:
        """Accuracy grows with age, and is the worst where that is not known."""
        fix = self.newest or self.stored
        if fix is None:
            return None
        age_s = self._stored_age_s(now_at, now_wall) if self.newest is None else now_at - fix.at
        doubt_m = WORST_ACCURACY_M if age_s is None else age_s * POSSIBLE_SPEED_MPS
        accuracy_m = (fix.accuracy_m or UNKNOWN_ACCURACY_M) + doubt_m
        return Place(fix.latitude, fix.longitude, min(accuracy_m, WORST_ACCURACY_M), Quality.STORED, fix.wall)

    def _stored_age_s(self, now_at: float, now_wall: float | None) -> float | None:
        """How old the stored fix is, None if that is not known. now_wall None: nobody vouches for the time.

        One of this boot, recalled by a restart, has an age by the monotonic clock: exact, whatever the time of day is.
        """
        fix = self.stored
        if fix is None:
            return None
        if fix.at > 0.0:
            return max(0.0, now_at - fix.at)
        if now_wall is None or not fix.wall_trusted or fix.wall - now_wall > LEAP_S:  # of a time to come: one of the two is wrong
            return None
        return max(0.0, now_wall - fix.wall)

    def _site_place(self) -> Place | None:
        if self.site is None:
            return None
        return Place(self.site.latitude, self.site.longitude, self.site.accuracy_m, Quality.SITE, None)


def _held_s(gate: Gate, at: float) -> float:
    """How long the report of `at` was held up on its way (a stopped gpsd, a busy machine); 0 for next to nothing, or unknown."""
    pace = gate.pace
    if pace.gnss is None or pace.base is None or pace.at != at:
        return 0.0
    late_s = pace.at - pace.gnss - pace.base
    return late_s if late_s > HELD_S else 0.0


def _aged(fix: Fix, held_s: float) -> Fix:
    """The fix with the moment at which it would have arrived: "of now" must mean the position, not the delivery (law 3)."""
    if held_s == 0.0:
        return fix
    return replace(fix, at=fix.at - held_s, wall=fix.wall if fix.gnss_time is not None else fix.wall - held_s)


def _before_sleep(fix: Fix | None, slept_s: float) -> Fix | None:
    return None if fix is None else replace(fix, at=fix.at - slept_s)
