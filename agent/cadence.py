"""When to record a fix, when to send the next one, and when to look at what dispatch wrote.

Pure: fixes, times and what became of earlier positions in, yes or seconds out. What it must not do: silence an active callout because
nothing moves, nor spare a line that has merely been away.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from agent.conversation import Responder
from agent.geo import bearing_deg, distance_m, turn_deg
from agent.model import Fix

TOLERANCE_S = 0.25  # epochs come a few milliseconds early or late; without it every second one would be skipped

STANDS_MPS = 0.5  # what a receiver that stands may tell; between this and the next it neither starts nor stops
MOVES_MPS = 1.0  # a slow walk
COURSE_MPS = 2.0  # below it a receiver's course is noise of tens of degrees: it spins while the device stands
COURSE_M = 10.0  # nor does a course mean anything over less than a position is good for
SHARP_DEG = 45.0  # a turn that a responder must hear of at once

REMEMBERED = 6  # deliveries by which a line is judged
LABOURED = 3  # so many of them needed more than one attempt: one in six is chance, three are a line that loses half of what it is given
SLOW_S = 2.0  # an answer over an open connection; a mobile line of the second generation takes less than a second and a half


@dataclass(frozen=True, slots=True)
class Pace:
    """From `[cadence]`. Seconds, metres, degrees; send_min_s <= send_active_s <= send_max_s."""

    record_idle_s: float = 30.0
    record_moved_m: float = 50.0
    record_turned_deg: float = 30.0
    send_active_s: float = 5.0
    send_min_s: float = 5.0
    send_max_s: float = 20.0


# --- recording ----------------------------------------------------------------------------------------------------------


def record_due(last: Fix | None, fix: Fix, pace: Pace, *, streaming: bool) -> bool:
    """Whether this fix belongs into the track.

    streaming: a callout is on and not outwardly over. (Law 5: a cancelled one is recorded like standby, or the growing track
    would give it away.)
    """
    if last is None or fix.segment != last.segment or fix.receiver != last.receiver:
        return True
    passed_s = fix.at - last.at
    if streaming:
        due = passed_s >= min(pace.send_active_s, pace.record_idle_s) - TOLERANCE_S
        return due or manoeuvred(last, fix, pace.record_turned_deg)
    moved_m = distance_m(last.latitude, last.longitude, fix.latitude, fix.longitude)
    if passed_s >= pace.record_idle_s - TOLERANCE_S or moved_m >= pace.record_moved_m:
        return True
    return turned_deg(last, fix) >= pace.record_turned_deg


def manoeuvred(last: Fix, fix: Fix, sharp_deg: float) -> bool:
    """Whether the device started, stopped or turned by so much between two fixes. Those of two receivers or segments do not tell."""
    if fix.segment != last.segment or fix.receiver != last.receiver:
        return False
    if last.speed_mps is not None and fix.speed_mps is not None:
        slower_mps, faster_mps = sorted((last.speed_mps, fix.speed_mps))
        if slower_mps <= STANDS_MPS and faster_mps >= MOVES_MPS:
            return True
    return turned_deg(last, fix) >= sharp_deg


def turned_deg(last: Fix, fix: Fix) -> float:
    """Change of heading between two fixes, 0 to 180 degrees; 0 where the device does not move, or nobody knows."""
    path = (last.latitude, last.longitude, fix.latitude, fix.longitude)
    moved_m, passed_s = distance_m(*path), fix.at - last.at
    speed_mps = fix.speed_mps if fix.speed_mps is not None else moved_m / max(passed_s, TOLERANCE_S)
    if moved_m < COURSE_M or speed_mps < COURSE_MPS:
        return 0.0
    before, after = _course_deg(last), _course_deg(fix)
    between = bearing_deg(*path)  # where one of them told none
    return turn_deg(between if before is None else before, between if after is None else after)


def _course_deg(fix: Fix) -> float | None:
    return fix.track_deg if fix.speed_mps is None or fix.speed_mps >= COURSE_MPS else None


# --- sending ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delivery:
    """A position that was answered. attempts: that it took. answer_s: of the last one; None where a connection had to be opened first."""

    attempts: int
    answer_s: float | None


def poor(deliveries: tuple[Delivery, ...]) -> bool:
    """Whether the last deliveries show a line that is needed for what matters more than the next position.

    However long an outage was, it is one delivery that took several attempts: a line that was away and is back is not poor. Nor is one
    that took long to open: only answers over an open connection are timed, and the median takes three of them to be slow.
    """
    last = deliveries[-REMEMBERED:]
    if sum(each.attempts > 1 for each in last) >= LABOURED:
        return True
    answers = [each.answer_s for each in last if each.answer_s is not None]
    return len(answers) >= LABOURED and median(answers) >= SLOW_S


def interval_s(pace: Pace, responder: Responder, deliveries: tuple[Delivery, ...]) -> float:
    """Seconds between positions, and between reads of the callout: never outside [send_min_s, send_max_s].

    A poor line widens it also when a responder is on the way.
    """
    if responder is Responder.THERE or poor(deliveries):
        return pace.send_max_s
    return pace.send_min_s if responder is Responder.COMING else pace.send_active_s


def send_in_s(posted_at: float | None, now_at: float, every_s: float, pace: Pace, *, manoeuvre: bool) -> float:
    """Seconds until the next position may leave; 0 for at once.

    posted_at: when the last one left. every_s: from `interval_s`. manoeuvre: the newest fix shows one that dispatch has not seen.
    """
    if posted_at is None:
        return 0.0
    return max(0.0, posted_at + (min(pace.send_min_s, every_s) if manoeuvre else every_s) - now_at)


# --- listening ----------------------------------------------------------------------------------------------------------

LISTEN_EVERY = 2  # every second read: what is written is for a person, and costs as much as the read before it
LISTEN_MOST_S = 60.0  # whoever waits for help reads an answer within a minute
LISTEN_BYTES_PER_S = 1_000.0  # on average: the list comes whole each time, and only ever grows
ENTRY_BYTES = 400  # of an entry of the list, beside its text
LETTER_BYTES = 1.2  # UTF-8 and escapes


def look_pays_s(entries: int, letters: int) -> float:
    """Seconds that a look at such a list of so many entries and letters uses up of the budget."""
    return (entries * ENTRY_BYTES + letters * LETTER_BYTES) / LISTEN_BYTES_PER_S


def listen_s(read_s: float, entries: int, letters: int, deliveries: tuple[Delivery, ...], failures: int) -> float:
    """Seconds until the next look at the event stream. read_s: between two reads of the callout.

    entries, letters: of the list as it was last. failures: looks in a row that came to nothing. A list of more than 60 kB goes over the
    budget: by then a minute is worth more than the bytes.
    """
    every_s = max(LISTEN_EVERY * read_s, look_pays_s(entries, letters))
    if poor(deliveries):
        every_s *= 2
    return min(LISTEN_MOST_S, every_s * 2.0 ** min(failures, 10))
