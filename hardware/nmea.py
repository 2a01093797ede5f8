"""NMEA bytes in, one Report per epoch out, each epoch once.

Pure: decides where an epoch begins and ends. It takes time only as data (`at`, monotonic s) and must not read, wait or judge a
position. How the sentences of an epoch become one Report is `hardware.epoch`'s business.

An epoch is the sentences of one time of day. It is over when

1. the sentence came that ended the two epochs before it (learned, so that nothing waits for the next second), or
2. a position of another time of day came, or
3. the line has been quiet for QUIET_S (`flush`).

Whatever still comes for a time of day that was told is dropped. A position up to BEHIND_S behind the newest is a laggard of the
same receiver and dropped too; the second of its kind in a row is a clock that stepped back, and is followed.
"""

from __future__ import annotations

import math
from collections import Counter

from agent.model import Report
from hardware.epoch import Calendar, Epoch, ahead_s, holds, report_of
from hardware.framing import Framer
from hardware.sentence import Sentence, read
from hardware.sky import Sky

QUIET_S = 0.3
BEHIND_S = 2.5
_TAIL_S = 0.2  # VTG and GSA have no time: so soon after another sentence they end a burst, later they begin one
_WARY_CYCLES = 12  # a receiver of 10 Hz may tell RMC once a second
_ZDA_ALONE = 3  # so many in a row without any position: the receiver sends nothing else


class NmeaStream:
    """One receiver's line. `feed` bytes as they come, `flush` when quiet; works for any chunking.

    good, bad, unchecked: sentences so far (see `hardware.framing.Framer`). Never raises.
    """

    def __init__(self, receiver: str) -> None:
        self.sky = Sky()
        self._receiver = receiver
        self._framer = Framer()
        self._calendar = Calendar()
        self._open: Epoch | None = None
        self._told: Epoch | None = None
        self._loose: list[tuple[Sentence, float]] = []
        self._behind_s: float | None = None
        self._zda_alone = 0
        self._heard_at = -math.inf
        self._ender = _Ender()

    @property
    def good(self) -> int:
        """Sentences with the right checksum, of any kind."""
        return self._framer.good

    @property
    def bad(self) -> int:
        """Sentences cut off, too long or with a wrong checksum."""
        return self._framer.bad

    @property
    def unchecked(self) -> int:
        """Sentences without a checksum: not used."""
        return self._framer.unchecked

    @property
    def waiting(self) -> bool:
        """Whether an epoch is open: call `flush` when the line falls quiet."""
        return self._open is not None

    def feed(self, data: bytes, at: float) -> list[Report]:
        """Take bytes that arrived at `at` (monotonic s); return the Reports of the epochs that they complete."""
        reports: list[Report] = []
        for line in self._framer.feed(data):
            self.sky.sentence(line, at)
            told = read(line)
            if told is not None:
                reports += self._take(told, at)
            self._heard_at = at
        return reports

    def flush(self, at: float = math.inf) -> list[Report]:
        """Close the open epoch if the line has been quiet for QUIET_S at `at` (monotonic s); without `at` in any case."""
        return self._close() if at - self._heard_at >= QUIET_S else []

    def reset(self) -> None:
        """Begin anew after the device was reopened: half sentences and epochs are gone, what was learned stays."""
        self._framer.reset()
        self._open = None
        self._loose.clear()

    def _take(self, told: Sentence, at: float) -> list[Report]:
        if told.day is not None and told.time_of_day_s is not None:
            self._calendar.learn(told.day, told.time_of_day_s, at)
        if told.places:
            return self._place(told, at)
        if told.kind in {"VTG", "GSA"}:
            return self._join_timeless(told, at)
        return self._join_timed(told, at)

    def _place(self, told: Sentence, at: float) -> list[Report]:
        self._zda_alone = 0
        if self._open is not None and self._open.same_time(told) and not self._starts_over(told, self._open):
            self._open.add(told, at)
            return self._end_here(told)
        if self._told is not None and self._told.same_time(told) and not self._starts_over(told, self._told):
            self._ender.overtake(told)
            return []
        if self._lags(told):
            return []
        return [*self._close(), *self._begin(told, at)]

    def _begin(self, told: Sentence, at: float) -> list[Report]:
        self._ender.next_cycle()
        self._behind_s = None
        self._open = Epoch(told.time_of_day_s, told.whole)
        for loose, arrived in self._loose:
            if loose.time_of_day_s is None or self._open.same_time(loose):
                self._open.add(loose, arrived)
        self._loose.clear()
        self._open.add(told, at)
        return self._end_here(told)

    def _end_here(self, told: Sentence) -> list[Report]:
        return self._close() if self._ender.count(told) else []

    def _close(self) -> list[Report]:
        if self._open is None:
            return []
        self._told, self._open = self._open, None
        return [report_of(self._told, self._calendar, self._receiver)]

    def _starts_over(self, told: Sentence, epoch: Epoch) -> bool:
        """Whether a sentence of the epoch's own time begins a new one: without time or fix, the clock may simply stand still."""
        if told.time_of_day_s is not None and (told.holds or holds([each for each, _ in epoch.heard])):
            return False
        return epoch.has(told.talker, told.kind)

    def _lags(self, told: Sentence) -> bool:
        newest = self._open or self._told
        if newest is None or newest.time_of_day_s is None or told.time_of_day_s is None:
            return False
        if not 0.0 < ahead_s(newest.time_of_day_s, told.time_of_day_s) <= BEHIND_S:
            return False
        if self._behind_s not in {None, told.time_of_day_s}:
            return False
        self._behind_s = told.time_of_day_s
        return True

    def _join_timeless(self, told: Sentence, at: float) -> list[Report]:
        tail = at - self._heard_at < _TAIL_S
        if tail and self._open is not None:
            self._open.add(told, at)
            return self._end_here(told)
        if tail and self._told is not None:
            self._ender.overtake(told)
            return []
        self._keep(told, at)
        return []

    def _join_timed(self, told: Sentence, at: float) -> list[Report]:
        if self._open is not None and self._open.same_time(told):
            self._open.add(told, at)
            return self._end_here(told)
        if self._told is not None and self._told.same_time(told):
            self._ender.overtake(told)
            return []
        self._keep(told, at)
        return self._zda_only(told, at) if told.kind == "ZDA" else []

    def _keep(self, told: Sentence, at: float) -> None:
        """Hold for the next epoch; the newest of a kind is enough, except for GSA, of which each constellation sends one."""
        self._loose = [each for each in self._loose if each[0].kind != told.kind or told.kind == "GSA"][-7:]
        self._loose.append((told, at))

    def _zda_only(self, told: Sentence, at: float) -> list[Report]:
        """A receiver that sends nothing but ZDA is alive, without a position, and says so."""
        self._zda_alone += 1
        if self._zda_alone < _ZDA_ALONE:
            return []
        reports = self._close()
        self._open = Epoch(told.time_of_day_s, told.whole)
        self._open.add(told, at)
        self._loose.clear()
        return reports + self._close()


class _Ender:
    """Learns which sentence ends a cycle: the one that ended the last two, unless another did lately.

    A sentence is known by talker, kind and how many of them the cycle has had: several GSA in a row are common.
    """

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._last: tuple[str, int] | None = None
        self._before: tuple[str, int] | None = None
        self._ends: tuple[str, int] | None = None
        self._wary = 0

    def count(self, told: Sentence) -> bool:
        """Count a sentence of the running cycle; True if it is the one that ends it."""
        name = told.talker + told.kind
        self._counted[name] += 1
        self._last = (name, self._counted[name])
        return self._last == self._ends

    def overtake(self, told: Sentence) -> None:
        """Count a sentence that came after its epoch was told: for a while no end is trusted, so that the next is not missed."""
        self.count(told)
        self._wary = _WARY_CYCLES

    def next_cycle(self) -> None:
        """Another time of day began: compare how the last two cycles ended."""
        changed = self._before is not None and self._last != self._before
        self._wary = _WARY_CYCLES if changed else max(0, self._wary - 1)
        self._ends = self._last if self._before is not None and not self._wary else None
        self._before, self._last = self._last, None
        self._counted.clear()
