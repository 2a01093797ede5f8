"""Help unreachable: when no raise was accepted for too long, the owner's program (SMS, siren) is told, each minute until one is.

Decides when, from the lifecycle's state; runs the program through `hooks`. Never while calm: a siren would betray that the cancelled
raise goes on (law 5). Never for a drill, and never with a code: there is none in what it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from agent import hooks, wording
from agent.health import Conditions, Origin
from agent.model import Place, Press, Severity
from agent.ports import Clock
from agent.signals import State

EVERY_S: Final = 60.0
# A press from before this start is old already, but this process has only begun to raise.
SETTLE_S: Final = 10.0
FAILED: Final = "hook.failed"


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
        self._command, self._after_s = tuple(command), after_s
        self._clock, self._conditions, self._place = clock, conditions, place
        self._started_at = clock.at()
        self._next_at: float | None = None
        self._running: asyncio.Task[None] | None = None

    def look(self, state: State) -> None:
        """Tell the program if it is time."""
        owed = [] if state.calm else [press for press in state.owed if not press.drill]
        if not owed:
            self._next_at = None
            if state.calm and self._running is not None:
                self._running.cancel()  # a siren that still sounds ends with its program; after an acceptance it may finish its SMS
            return
        now_at = self._clock.at()
        if self._next_at is None:
            self._next_at = max(owed[0].at + self._after_s, self._started_at + min(SETTLE_S, self._after_s))
        if self._command and now_at >= self._next_at and self._running is None:
            self._next_at = now_at + EVERY_S
            told = document(owed[0], self._place(), now_at=now_at, now_wall=self._clock.wall())
            self._running = asyncio.create_task(self._tell(told), name="hook")
            self._running.add_done_callback(self._ended)

    async def _tell(self, told: dict[str, Any]) -> None:
        failed = await hooks.run(self._command, told)
        if failed is None:
            self._conditions.drop(FAILED, origin=Origin.CALLOUT)
            return
        hint = "run it by hand as the agent's user with a line of JSON on standard input"
        self._conditions.put(FAILED, Severity.DEGRADED, failed, hint, wall=self._clock.wall(), origin=Origin.CALLOUT)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running = None
        if not running.cancelled():
            running.result()


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
