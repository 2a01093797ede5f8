"""What the sentences of one epoch say together: one Report.

Pure. Decides which sentence wins where several of the same time of day disagree, and which date belongs to a time of day
(docs/decisions/0010-which-sentence-wins.md). It must not decide where an epoch begins or ends (`hardware.nmea` does), nor
whether the position is believable (the gate does).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from agent.model import Report
from hardware.sentence import Sentence, accuracy_of_hdop

Place = tuple[float, float]  # latitude and longitude, degrees

DAY_S = 86_400.0
_HALF_DAY_S = 43_200.0
_DAY_TURN_S = 5.0  # some receivers turn the page of their calendar a sentence too late
_ROUNDED_S = 0.0105  # a Magellan eXplorist gives GLL to the millisecond and GGA to the hundredth
_SAME_DEG = 5e-6  # half a metre: receivers round the same position differently from sentence to sentence
_DATE_LASTS_S = 3600.0  # without any epoch for so long, the day may have turned unseen


def ahead_s(time_of_day_s: float, of_s: float) -> float:
    """How far the first time of day lies ahead of the second, the short way round the clock: -43200 to 43200 s."""
    return (time_of_day_s - of_s + _HALF_DAY_S) % DAY_S - _HALF_DAY_S


class Calendar:
    """Knows the date of a receiver that tells it only in some of its sentences, or that has stopped telling it.

    The last date told is carried from epoch to epoch over midnight: a time of day belongs to the date that brings it nearest to
    the epoch before. After an hour without epochs, and until a date was told, there is none.
    """

    def __init__(self) -> None:
        self._known: datetime | None = None
        self._at = 0.0

    def learn(self, day: date, time_of_day_s: float, at: float) -> None:
        """Take the date of a sentence with its time of day. A date one day old just after midnight is a page not yet turned."""
        told = _moment(day, time_of_day_s)
        carried = self._nearest(time_of_day_s, at)
        if carried is not None and time_of_day_s < _DAY_TURN_S and carried - told == timedelta(days=1):
            told = carried
        self._known, self._at = told, at

    def time_of(self, time_of_day_s: float, at: float) -> float | None:
        """UTC s since 1970 of this time of day, and carry the date on to it; None when no date is known."""
        nearest = self._nearest(time_of_day_s, at)
        if nearest is None:
            return None
        self._known, self._at = nearest, at
        return round(nearest.timestamp(), 3)

    def _nearest(self, time_of_day_s: float, at: float) -> datetime | None:
        if self._known is None or at - self._at > _DATE_LASTS_S:
            return None
        now = self._known - datetime.combine(self._known.date(), datetime.min.time(), UTC)
        return self._known + timedelta(seconds=ahead_s(time_of_day_s, now.total_seconds()))


def _moment(day: date, time_of_day_s: float) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(seconds=time_of_day_s)


@dataclass(slots=True)
class Epoch:
    """The sentences heard of one time of day, in order, each with its arrival (monotonic s)."""

    time_of_day_s: float | None
    whole: bool
    heard: list[tuple[Sentence, float]] = field(default_factory=list)

    def has(self, talker: str, kind: str) -> bool:
        """Whether a sentence of this talker and kind is in it."""
        return any(told.talker == talker and told.kind == kind for told, _ in self.heard)

    def same_time(self, told: Sentence) -> bool:
        """Whether a sentence is of this epoch's time.

        One whose time is blurred (no fraction, rounded otherwise, none at all) is of an epoch that lacks its kind.
        """
        if told.time_of_day_s == self.time_of_day_s:
            return True
        if told.time_of_day_s is None or self.time_of_day_s is None:
            fits = True
        else:
            truncated = told.whole != self.whole and int(told.time_of_day_s) == int(self.time_of_day_s)
            fits = truncated or abs(ahead_s(told.time_of_day_s, self.time_of_day_s)) <= _ROUNDED_S
        return fits and not any(other.kind == told.kind for other, _ in self.heard)

    def add(self, told: Sentence, at: float) -> None:
        """Take a sentence in; the finer of two times of day is the epoch's."""
        if told.time_of_day_s is not None and (self.time_of_day_s is None or (self.whole and not told.whole)):
            self.time_of_day_s, self.whole = told.time_of_day_s, told.whole
        self.heard.append((told, at))

    def told_time(self) -> float | None:
        """The time of day that most of the sentences with a fraction agree on, the last of equals; else the epoch's."""
        fine = [told.time_of_day_s for told, _ in self.heard if told.time_of_day_s is not None and not told.whole]
        if not fine:
            return self.time_of_day_s
        return fine[max(range(len(fine)), key=lambda index: (fine.count(fine[index]), index))]


def holds(sentences: Sequence[Sentence]) -> bool:
    """Whether there is a fix. GGA and GNS know best, then RMC, then GLL; of several alike one yes is enough.

    RMC and GLL say V also for a fix outside the limits that the user set, and GGA says 0 for a fix without GPS satellites beside a
    GNS that has it: so one kind outranks the other, and within a kind each talker speaks for its own constellation.
    """
    for kinds in (("GGA", "GNS"), ("RMC",), ("GLL",)):
        verdicts = [told.holds for told in sentences if told.kind in kinds and told.holds is not None]
        if verdicts:
            return any(verdicts)
    return False


def report_of(epoch: Epoch, calendar: Calendar, receiver: str) -> Report:
    """The Report of a finished epoch. Its `at` is the arrival of the sentence whose position won."""
    sentences = [told for told, _ in epoch.heard]
    winner = _winner(epoch) if holds(sentences) else None
    at = winner[2] if winner else max(arrived for _, arrived in epoch.heard)
    clock = epoch.told_time()
    time = calendar.time_of(clock, at) if clock is not None else None
    simulated = any(told.simulated for told in sentences)
    if winner is None:
        return Report(at, receiver, mode=1, gnss_time=time, time_of_day_s=clock, simulated=simulated)
    altitude = _last(sentences, ("GGA", "GNS"), "altitude_m")
    return Report(
        at=at,
        receiver=receiver,
        mode=_mode(sentences, altitude),
        gnss_time=time,
        time_of_day_s=clock,
        latitude=winner[1][0],
        longitude=winner[1][1],
        accuracy_m=_accuracy(sentences, estimated=winner[0].estimated),
        altitude_m=altitude,
        speed_mps=_either(sentences, "speed_mps"),
        track_deg=_either(sentences, "track_deg"),
        simulated=simulated,
    )


def _winner(epoch: Epoch) -> tuple[Sentence, Place, float] | None:
    """The sentence whose place most others share; among those GLL, then the last. One off the globe only if there is no other."""
    placed = [(told, told.place, at) for told, at in epoch.heard if told.holds and told.place is not None]

    def rank(index: int) -> tuple[bool, int, bool, int]:
        told, place, _ = placed[index]
        votes = sum(_same_place(place, other) for _, other, _ in placed)
        return _on_globe(place), votes, told.kind == "GLL", index

    return placed[max(range(len(placed)), key=rank)] if placed else None


def _same_place(one: Place, other: Place) -> bool:
    return abs(one[0] - other[0]) <= _SAME_DEG and abs(one[1] - other[1]) <= _SAME_DEG


def _on_globe(place: Place) -> bool:
    return abs(place[0]) <= 90.0 and abs(place[1]) <= 180.0


def _mode(sentences: Sequence[Sentence], altitude: float | None) -> int:
    """As GSA says (the best of several constellations); without GSA, an altitude makes three dimensions."""
    told = max((each.mode for each in sentences if each.mode is not None), default=0)
    if told >= 2:
        return told
    return 3 if altitude is not None and told == 0 else 2


def _accuracy(sentences: Sequence[Sentence], *, estimated: bool) -> float | None:
    """95 % in metres from GST, else from HDOP. Dead reckoning drifts whatever the satellites' geometry: there only GST counts."""
    told = _last(sentences, ("GST",), "accuracy_m")
    if told is not None or estimated:
        return told
    hdop = _last(sentences, ("GGA", "GNS"), "hdop")
    return accuracy_of_hdop(hdop if hdop is not None else _last(sentences, ("GSA",), "hdop"))


def _either(sentences: Sequence[Sentence], name: str) -> float | None:
    """From RMC, else from VTG, which has no time of its own."""
    told = _last(sentences, ("RMC",), name)
    return told if told is not None else _last(sentences, ("VTG",), name)


def _last(sentences: Sequence[Sentence], kinds: tuple[str, ...], name: str) -> float | None:
    values: list[float | None] = [getattr(told, name) for told in sentences if told.kind in kinds]
    return next((value for value in reversed(values) if value is not None), None)
