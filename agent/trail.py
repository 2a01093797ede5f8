"""The track that dispatch missed, and the minutes before a press, in words for a control room.

Decides how a track is told, in at most MAX_MESSAGES messages: first what it amounts to, then times with positions, oldest first.
What it leaves out it says, and within what bound. Must not decide what was missed (the store knows), nor log: it is told behind a
cancel as before it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from agent import particulars
from agent.journey import summed_up
from agent.model import Fix
from agent.thinning import GAP_S, Break, Run, broken, elapsed_s, longest_s, runs, thin, tolerance_m
from agent.wording import MAX_EVENT_CHARS, span

MAX_MESSAGES = 8  # of one trail, with its head
MOST_RUNS = 50  # stretches between gaps that are told: the longest, where a receiver flickers for hours
WIDEST_SCALE = 2.0**40  # nothing but the ends of the stretches is left long before
REFINEMENTS = 3  # between a bound that is too narrow and twice that
MOST_LISTED = 6  # stops or gaps in the head
DOUBTED_S = 86_400.0  # a press that is so far from the position before it was timed by another clock


def missed(before: Fix | None, fixes: Sequence[Fix]) -> tuple[str, ...]:
    """The messages of a trail. before: the last fix that dispatch has, None if none. fixes: what it missed, in capture order."""
    if not fixes:
        return ()
    track = _Track((*([] if before is None else [before]), *fixes))
    first, last = particulars.moment(track.fixes[0]), particulars.moment(fixes[-1], track.fixes[0])
    if len(track.fixes) == 1:
        return (f"One position did not get through: at {first} UTC the device was at {particulars.measured(fixes[0])}.",)
    subject = f"where the device was while its positions did not get through, {first} to {last} UTC"
    return _Trail(track, f"{subject}{track.length}.", known=before is not None).messages()


def before_press(fixes: Sequence[Fix], press_wall: float) -> tuple[str, ...]:
    """The messages about the minutes before a press. fixes: in capture order. press_wall: UTC s of the press, NaN if unknown."""
    if not fixes:
        return ()
    first, last = fixes[0], fixes[-1]
    # By the clock of a device that did not know the time a press may be decades off: that would only mislead.
    known = last.wall_trusted and abs(press_wall - last.wall) < DOUBTED_S
    press = f"the press at {particulars.day(press_wall)} {particulars.clock(press_wall)} UTC" if known else "the press"
    first_s, last_s = press_wall - first.wall, press_wall - last.wall if last.wall_trusted else 0.0
    if len(fixes) == 1:
        ago = f"{span(last_s)} before" if last_s >= 1 else "before"
        return (f"The device was at {particulars.measured(first)} {ago} {press}.",)
    silent = f" There was no position in the last {span(last_s)} before the press." if last_s > GAP_S else ""
    track = _Track(fixes)
    timed = first.wall_trusted and last.wall_trusted and not track.journey.stepped and first_s >= 1
    when = f"for the {span(first_s)} before {press}" if timed else f"before {press}"
    if track.journey.stood:
        return (f"The device stood {when} {particulars.stood(track.journey, fixes)}.{silent}",)
    return _Trail(track, f"where the device was {when}{'' if timed else track.length}.{silent}").messages()


def lines(fixes: Sequence[Fix], most_messages: int) -> tuple[tuple[str, ...], int]:
    """Every fix as a dated line, in at most `most_messages` messages; and how many of the fixes (a prefix) they tell."""
    head = f"Positions that did not get through {particulars.legend(fixes)}: "
    messages: list[str] = []
    told = 0
    for fix in fixes:
        line = f"{particulars.moment(fix)} {particulars.measured(fix)}"
        if messages and len(messages[-1]) + len(line) + 3 <= MAX_EVENT_CHARS:
            messages[-1] += f"; {line}"
        elif len(messages) < most_messages:
            messages.append(head + line)
        else:
            break
        told += 1
    return tuple(f"{message}." for message in messages), told


@dataclass(frozen=True, slots=True)
class _Item:
    """One position in words. gap: why no line leads to it, with a space behind; empty where one does."""

    gap: str
    day: str
    words: str


class _Track:
    """Fixes, where lines may join them, and what they amount to."""

    def __init__(self, fixes: Sequence[Fix]) -> None:
        self.fixes = fixes
        self.gap_s, self.runs = longest_s(fixes), runs(fixes)
        self.finest = thin(fixes)
        self.journey = summed_up(fixes, self.runs, self.finest)

    @property
    def length(self) -> str:
        """` (67 min)`; nothing where the clocks do not tell."""
        return "" if self.journey.span_s is None else f" ({span(self.journey.span_s)})"


class _Trail:
    """One track on its way into messages. subject: the first sentence. known: dispatch has the first fix."""

    def __init__(self, track: _Track, subject: str, *, known: bool = False) -> None:
        self._track, self._fixes, self._subject, self._known = track, track.fixes, subject, known
        self._told_runs = _longest(track.fixes, track.runs)
        self._members = {index for run in self._told_runs for index in range(run.first, run.last + 1)}
        self._starts = [run.first for run in track.runs]
        self._legend = particulars.legend(track.fixes)
        self._facts = [self._facts_of(most) for most in range(MOST_LISTED, -1, -1)]

    def messages(self) -> tuple[str, ...]:
        """At the narrowest bound that fits; a device that stood is told in one message."""
        most = 1 if self._track.journey.stood else MAX_MESSAGES
        scale, messages = 1.0, self._worded(self._track.finest, 1.0)
        while len(messages) > most and scale < WIDEST_SCALE:
            scale *= 2
            messages = self._worded(thin(self._fixes, scale), scale)
        return messages if scale == 1 else self._refined(scale, messages, most)

    def _refined(self, wide: float, messages: tuple[str, ...], most: int) -> tuple[str, ...]:
        narrow = wide / 2
        for _ in range(REFINEMENTS):
            scale = (narrow + wide) / 2
            finer = self._worded(thin(self._fixes, scale), scale)
            if len(finer) > most:
                narrow = scale
            else:
                wide, messages = scale, finer
        return messages

    # --- messages -----------------------------------------------------------------------------------------------------------

    def _worded(self, kept: Sequence[int], scale: float) -> tuple[str, ...]:
        told = [index for index in kept if index in self._members]
        items, head = self._items(told), self._head(self._bound(told, scale))
        whole = f"Trail: {head} Positions {self._legend}: "
        bodies = _packed(items, MAX_EVENT_CHARS - len(whole) - 1)
        if len(bodies) == 1:
            return (f"{whole}{bodies[0]}.",)
        bodies = _packed(items, MAX_EVENT_CHARS - len(self._prefix(9, 9)) - 1)
        parts = len(bodies) + 1
        details = (f"{self._prefix(part, parts)}{body}." for part, body in enumerate(bodies, 2))
        return (f"Trail, part 1 of {parts}: {head}", *details)

    def _prefix(self, part: int, parts: int) -> str:
        return f"Trail, part {part} of {parts} {self._legend}: "

    def _items(self, told: Sequence[int]) -> list[_Item]:
        items = []
        for place, index in enumerate(told):
            fix = self._fixes[index]
            gap = self._gap_between(told[place - 1], index) if place else ""
            known = " (last known)" if index == 0 and self._known else ""
            items.append(_Item(gap, particulars.day(fix.wall), f"{particulars.clock_of(fix)} {particulars.place_of(fix)}{known}"))
        return items

    def _gap_between(self, earlier: int, later: int) -> str:
        begun, now = bisect_right(self._starts, earlier), bisect_right(self._starts, later)
        if begun == now:
            return ""
        if now > begun + 1:
            return "(short stretches not told) "
        before, after = self._fixes[self._starts[begun] - 1], self._fixes[self._starts[begun]]
        gap = broken(before, after, self._track.gap_s) is Break.GAP
        return f"(no position for {span(elapsed_s(before, after) or 0.0)}) " if gap else "(clock set) "

    # --- the head -----------------------------------------------------------------------------------------------------------

    def _head(self, bound: str) -> str:
        """With the longest lists of stops and gaps that leave room for the rest."""
        room = MAX_EVENT_CHARS - len("Trail, part 9 of 9: ")
        heads = (f"{self._subject} {facts} {bound}" for facts in self._facts)
        return next((head for head in heads if len(head) <= room), f"{self._subject} {bound}")

    def _facts_of(self, most: int) -> str:
        journey, fixes = self._track.journey, self._fixes
        gaps = particulars.gaps(journey, fixes, most)
        steps = f"The clock was set {particulars.times(journey.stepped)} on the way." if journey.stepped else ""
        if journey.stood:
            return " ".join(filter(None, (f"It stood {particulars.stood(journey, fixes)}.", gaps, steps)))
        return " ".join(filter(None, (particulars.moved(fixes, journey), particulars.stops(journey, fixes, most), gaps, steps)))

    def _bound(self, told: Sequence[int], scale: float) -> str:
        """How many of the positions are told, and within what the others lie."""
        good, everything = particulars.good(self._fixes), len(self._fixes)
        if len(told) == everything:
            return f"All {everything} positions follow ({good})."
        tolerances = [tolerance_m(self._fixes[index]) for index in self._members.difference(told)]
        why = ", wider than usual to keep this short" if scale > 1 else ""
        bound_m = math.ceil(max(tolerances, default=0.0) * scale)
        line = f" What is left out lies within {bound_m} m of the line between these positions{why} ({good})." if bound_m else ""
        dropped = len(self._track.runs) - len(self._told_runs)
        stretches = f" {dropped} short stretches of it are not told." if dropped else ""
        return f"{len(told)} of {everything} positions follow.{line}{stretches}"


def _longest(fixes: Sequence[Fix], stretches: Sequence[Run]) -> tuple[Run, ...]:
    """The first, the last and the longest, MOST_RUNS in all, in order."""
    if len(stretches) <= MOST_RUNS:
        return tuple(stretches)
    lengths = [(fixes[run.last].wall - fixes[run.first].wall, place) for place, run in enumerate(stretches[1:-1], 1)]
    longest = sorted(place for _, place in sorted(lengths, key=itemgetter(0), reverse=True)[: MOST_RUNS - 2])
    return (stretches[0], *(stretches[place] for place in longest), stretches[-1])


def _packed(items: Sequence[_Item], room: int) -> list[str]:
    """Items joined to texts of at most `room` characters, the day at the beginning of each and where it changes."""
    bodies: list[str] = []
    day = ""
    for item in items:
        full = f"{item.gap}{item.day} {item.words}"
        more = f"; {item.gap}{item.words}" if item.day == day else f"; {full}"
        if bodies and len(bodies[-1]) + len(more) <= room:
            bodies[-1] += more
        else:
            bodies.append(full)
        day = item.day
    return bodies
