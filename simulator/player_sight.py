"""What a playing scenario sees of the simulation: whether a condition holds, which callout is meant, what was counted so far.

Reads the state and the counts of requests, changes neither. What was over before the scenario began is not seen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from simulator.records import Callout
from simulator.scenario import Condition, Effect
from simulator.simulation import Simulation

# How a position came that was not streamed.
AT_THE_RAISE = ("raise", "site", "elsewhere")


@dataclass(frozen=True, slots=True)
class Tally:
    """How much there was of what is counted: streamed positions of all callouts, requests by operation."""

    positions: int
    requests: Counter[str]


class Sight:
    """The view of one scenario, from its beginning on."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._over = {callout.id for callout in sim.state.callouts.values() if callout.closed}

    def tally(self) -> Tally:
        """As of now."""
        told = (position for callout in self._sim.state.callouts.values() for position in callout.positions)
        positions = sum(position.via not in AT_THE_RAISE for position in told)
        return Tally(positions, Counter(self._sim.transcript.counts))

    def callout(self) -> Callout | None:
        """The one that is meant: the newest open one, else the newest."""
        seen = [callout for callout in self._sim.state.callouts.values() if callout.id not in self._over]
        return max(seen, key=lambda callout: (not callout.closed, callout.id), default=None)

    def holds(self, condition: Condition, since: Tally) -> bool:
        """Whether it is so. since: what was counted when the step before was done."""
        now = self.tally()
        if condition.kind == "positions":
            return now.positions - since.positions >= condition.times
        if condition.kind == "seen":
            return now.requests[condition.wanted] - since.requests[condition.wanted] >= condition.times
        callout = self.callout()
        return callout is not None and _STATES[condition.kind](callout, condition)

    def felt(self, effect: Effect, since: Tally) -> bool:
        """Whether a device act shows: a request of its kind came in."""
        now = self.tally().requests
        if effect.anything:
            return now.total() > since.requests.total()
        return any(now[name] > since.requests[name] for name in effect.operations or ())


def _cancelled(callout: Callout, condition: Condition) -> bool:
    return sum(condition.wanted in ("", str(cancel.verdict)) for cancel in callout.cancels) >= condition.times


def _told(callout: Callout, condition: Condition) -> bool:
    texts = [entry.text for entry in callout.entries if entry.source not in ("dispatch", "system")]
    return sum(matches(condition.wanted, text) for text in texts) >= condition.times


_STATES: dict[str, Callable[[Callout, Condition], bool]] = {
    "raised": lambda callout, _: not callout.closed,
    "closed": lambda callout, _: callout.closed,
    "cancelled": _cancelled,
    "told": _told,
}


def matches(pattern: str, text: str) -> bool:
    """Whether the parts between the pattern's `*` stand in the text in this order, whatever the case and the spaces."""
    rest = _plain(text)
    for part in filter(None, (each.strip() for each in _plain(pattern).split("*"))):
        _, found, rest = rest.partition(part)
        if not found:
            return False
    return True


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).casefold()
