"""What waits to be committed: deeds in the order in which they were given, at most so many.

Decides which are given up when memory, too, runs out, and what fixes that are not on the disk yet look like to a reader. Touches
nothing, knows no clock and no lock: its owner holds one. Must not drop a press, a callout or an event.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.deeds import Covered, Deed, Restamped, Sent, Taken, TrailTold
from agent.model import Fix


class Waiting:
    """dropped: how many fixes were given up. pressing: how many of what waits must not wait long.

    Marks behind a cancel may, and go with the next fix: a disk that is written to oftener than in standby can be seen (the light of a
    card, /proc/diskstats), and is found full sooner (law 5). A mark that a power cut takes has a position told twice.
    """

    def __init__(self, most: int, deeds: Iterable[Deed] = ()) -> None:
        self._most = most
        self._deeds = deque(deeds)
        self.dropped, self.pressing = 0, len(self._deeds)

    def __len__(self) -> int:
        return len(self._deeds)

    def add(self, deed: Deed, *, patient: bool = False) -> None:
        """One more, behind all others. patient: it goes with whatever else is written next, and makes nothing be written."""
        self._deeds.append(deed)
        self.pressing += not patient
        if len(self._deeds) > self._most:
            self._give_up_oldest()

    def take(self) -> list[Deed]:
        """All of them; none is left."""
        batch, self._deeds, self.pressing = list(self._deeds), deque(), 0
        return batch

    def put_back(self, left: list[Deed]) -> None:
        """What could not be committed, before all others."""
        self._deeds.extendleft(reversed(left))
        self.pressing += len(left)

    def seen(self) -> tuple[Deed, ...]:
        """All of them, as they are now."""
        return tuple(self._deeds)

    def begin_anew(self, deeds: list[Deed]) -> None:
        """These instead of those."""
        self._deeds = deque(deeds)
        self.pressing = len(self._deeds)

    def _give_up_oldest(self) -> None:
        """Drop a twentieth of what may be dropped: marks first, then routine fixes, then fixes of the emergency; never a write."""
        goal = max(1, self._most // 20)
        marks = [deed for deed in self._deeds if isinstance(deed, Sent | Covered)]
        fixes = [deed for deed in self._deeds if isinstance(deed, Taken)]
        dropped = [*marks, *sorted(fixes, key=lambda fix: fix.episode is not None)][:goal]
        self.dropped += sum(isinstance(deed, Taken) for deed in dropped)
        gone = {id(deed) for deed in dropped}
        self._deeds = deque(deed for deed in self._deeds if id(deed) not in gone)


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What a reader must know of deeds that wait.

    taken: the fixes, with the true time if that came later. sent: (at, receiver) of those that were accepted. told: spans of monotonic
    time that were told or need no words, by emergency.
    """

    taken: tuple[Taken, ...]
    sent: frozenset[tuple[float, str]]
    told: dict[str, list[tuple[float, float]]]

    def is_marked(self, fix: Fix, episode: str) -> bool:
        """Whether something that waits says that dispatch has this fix of the emergency, in one lane or the other."""
        return (fix.at, fix.receiver) in self.sent or any(since <= fix.at <= until for since, until in self.told.get(episode, ()))

    def part(self, fixes: Iterable[Fix], episode: str) -> tuple[list[Fix], list[Fix]]:
        """Those that are marked, and those that are not."""
        parts: tuple[list[Fix], list[Fix]] = ([], [])
        for fix in fixes:
            parts[not self.is_marked(fix, episode)].append(fix)
        return parts


def read(deeds: Iterable[Deed]) -> Unwritten:
    """What a reader has to know of them."""
    taken: list[Taken] = []
    sent: set[tuple[float, str]] = set()
    told: dict[str, list[tuple[float, float]]] = {}
    for deed in deeds:
        match deed:
            case Taken():
                taken.append(deed)
            case Sent():
                sent.add((deed.at, deed.receiver))
            case Covered():
                _widen(told.setdefault(deed.episode, []), deed.since_at, deed.until_at)
            case TrailTold(told=trail, episode=str(episode)):
                _widen(told.setdefault(episode, []), -math.inf if trail.since_at is None else trail.since_at, trail.until_at)
            case Restamped(at, wall):
                taken = [replace(t, fix=_restamp(t.fix, wall - at)) for t in taken]
    return Unwritten(tuple(taken), frozenset(sent), told)


def _widen(spans: list[tuple[float, float]], since_at: float, until_at: float) -> None:
    """One more span. Most begin where the last one ended: then they are one."""
    if spans and spans[-1][0] <= since_at <= spans[-1][1]:
        spans[-1] = (spans[-1][0], max(spans[-1][1], until_at))
    else:
        spans.append((since_at, until_at))


def untold(deeds: Iterable[Deed], episode: str | None) -> int:
    """How many fixes of this emergency wait, and were told by neither lane."""
    found = read(deeds)
    return 0 if episode is None else sum(t.episode == episode and not found.is_marked(t.fix, episode) for t in found.taken)


def _restamp(fix: Fix, zero: float) -> Fix:
    return fix if fix.wall_trusted else replace(fix, wall=zero + fix.at, wall_trusted=True)
