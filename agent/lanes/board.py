"""All lanes, and the lifecycle's commands that are theirs to carry out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator

from agent.lanes.alert import AlertLane
from agent.lanes.cancel import CancelLane
from agent.lanes.desk import Desk, Lane
from agent.lanes.event import EventLane, Message, UrgentLane
from agent.lanes.location import LocationLane
from agent.lanes.turns import Rank, Turns
from agent.lanes.watch import Ears, WatchLane
from agent.model import Outcome
from agent.signals import Command, LocateNow, LookUpNow, Probe, ReadNow

SILENCE_S = 10.0  # no lane got an answer for so long; after less no lane waits for long


class Lanes:
    """One of each. settled: told of every message whether dispatch has it. ears: whoever hears what dispatch says back."""

    def __init__(self, desk: Desk, settled: Callable[[Message, bool], None], ears: Ears) -> None:
        turns = self.turns = Turns()
        self.alert = AlertLane(desk, turns)
        self.cancel = CancelLane(desk, turns)
        self.location = LocationLane(desk, turns, ears.responder)
        self.event = EventLane(desk, turns, settled)
        self.urgent = UrgentLane(desk, turns, settled, Rank.AT_ONCE)
        self.watch = WatchLane(desk, turns, lambda: self.location.interval_s, ears, lambda: self.location.deliveries)
        self._desk = desk
        self._silent, self._answered_at = False, float("-inf")
        self._all = (self.alert, self.cancel, self.location, self.event, self.urgent, self.watch)

    def works(self) -> Iterator[tuple[Callable[[], Coroutine[None, None, None]], str]]:
        """What never returns, for each lane, with its name."""
        for lane in self._all:
            yield lane.run, _name_of(lane)

    def attempts(self) -> dict[str, int]:
        """How often each lane has tried or looked, by its name: one that does not hang does so every few seconds."""
        return {_name_of(lane): lane.attempts for lane in self._all}

    def ring(self) -> None:
        """Something changed: every lane looks again."""
        for lane in self._all:
            lane.ring()

    def hurry(self) -> None:
        """The link or the address changed: no lane waits for its next attempt."""
        self._hurry()
        self.watch.poll_now()

    def _hurry(self) -> None:
        for lane in self._all:
            lane.hurry()
        self.alert.make_room()
        self.location.make_room()

    def heard(self, outcome: Outcome) -> None:
        """An answer after silence: where the kernel could not tell that the link is back, this does, and no lane waits any longer.

        Silence is that of all lanes, and lasts. Where one gets answers and another fails at once (its connection is the one that has to
        be opened anew by a clock that was set wrong), each answer would start the next failure, thousands of times a second.
        """
        if outcome.http_status is None:
            self._silent = True
            return
        now_at = self._desk.clock.at()
        over = self._silent and now_at - self._answered_at >= SILENCE_S
        self._silent, self._answered_at = False, now_at
        if over and self._desk.state.calm:  # what the poll finds out is shown: in standby nothing would tell it sooner (law 5)
            self._hurry()
            self.watch.read_now()
        elif over:
            self.hurry()

    def obey(self, command: Command) -> bool:
        """Carry a command out if it is a lane's; False if it is not."""
        match command:
            case LocateNow():
                self.location.locate_now()
            case ReadNow():
                self.watch.read_now()
            case LookUpNow():
                self.watch.look_up_now()
            case Probe(callout_id):
                self.location.probe(callout_id)
            case _:
                return False
        return True


def _name_of(lane: Lane) -> str:
    return f"{type(lane).__name__.removesuffix('Lane').lower()} lane"
