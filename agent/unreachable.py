"""Help unreachable: when no raise was accepted for too long, the owner's program (SMS, siren) is told, each minute until one is.

Decides when, from the lifecycle's state; runs the program through `hooks`. Never while calm: a siren would betray that the cancelled
raise goes on (law 5). Never for a drill, and never with a code: there is none in what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from agent import wording
from agent.health import Conditions
from agent.hooks import Hook
from agent.model import Place, Press
from agent.ports import Clock
from agent.signals import State

EVERY_S: Final = 60.0
# A press from before this start is old already, but this process has only begun to raise.
SETTLE_S: Final = 10.0


class Unreachable:
    """One per daemon; `look` is called every second. command: empty for none. after_s: without an accepted raise."""

    def __init__(
        self,
        command: Sequence[str],
        after_s: float,
        clock: Clock,
        conditions: Conditions,
        *,
        place: Callable[[], Place | None],
    ) -> None:
        self._hook, self._after_s = Hook(command, clock, conditions), after_s
        self._clock, self._place = clock, place
        self._started_at = clock.at()
        self._next_at: float | None = None

    def look(self, state: State) -> None:
        """Tell the program if it is time."""
        owed = [] if state.calm else [press for press in state.owed if not press.drill]
        if not owed:
            self._next_at = None
            if state.calm:
                self._hook.end()  # a siren that still sounds ends with its program; after an acceptance it may finish its SMS
            return
        now_at = self._clock.at()
        if self._next_at is None:
            self._next_at = max(owed[0].at + self._after_s, self._started_at + min(SETTLE_S, self._after_s))
        if self._hook and now_at >= self._next_at and self._hook.running is None:
            self._next_at = now_at + EVERY_S
            self._hook.start(document(owed[0], self._place(), now_at=now_at, now_wall=self._clock.wall()))


def document(press: Press, place: Place | None, *, now_at: float, now_wall: float) -> dict[str, Any]:
    """What the program reads: press time and best position, and the same as a sentence that fits an SMS."""
    age_s = press.age_s(now_at, now_wall)
    where = {} if place is None else _where(place, now_wall)
    return {
        "event": "unreachable",
        "press_time": wording.utc(press.wall if press.wall_trusted else now_wall - age_s),
        "press_time_trusted": press.wall_trusted,
        "press_age_s": round(age_s),
        "origin": press.origin,
        "position": where or None,
        "text": wording.unreachable(press, place, age_s=age_s, now_wall=now_wall),
    }


def _where(place: Place, now_wall: float) -> dict[str, Any]:
    return {
        "latitude": round(place.latitude, 6),
        "longitude": round(place.longitude, 6),
        "accuracy_m": None if place.accuracy_m is None else round(place.accuracy_m),
        "source": place.quality.value,
        "time": None if place.wall is None else wording.utc(place.wall),
        "age_s": None if place.wall is None else round(max(0.0, now_wall - place.wall)),
    }
