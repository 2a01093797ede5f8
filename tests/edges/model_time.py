"""Decider and lanes in model time: nothing is waited for, because the loop's clock jumps to whatever comes next.

For tests of what takes minutes or hours. Requests keep their deadlines as over a real line.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import selectors
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from bench import Bench
from dispatchers import Line, Service, lost

from agent.model import Asked, Outcome


class Jumping(selectors.SelectSelector):
    """Nothing ever arrives from outside, so time may pass at once."""

    now_at = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("nobody would ever wake up again")
        self.now_at += timeout
        return []


class ModelLoop(asyncio.SelectorEventLoop):
    """A loop whose clock is the selector's."""

    def __init__(self) -> None:
        self.passing = Jumping()
        super().__init__(self.passing)

    def time(self) -> float:
        return self.passing.now_at


class ModelClock:
    """The loop's time as the daemon's."""

    def at(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return 1.8e9 + self.at()

    def trusted(self) -> bool:
        return True


@dataclass
class Sent:
    """One request: when it left, with which deadline, and when it ended."""

    asked: Asked
    at: float
    deadline_s: float
    ended_at: float = float("inf")


ASKED = {
    "raise_callout": Asked.RAISE,
    "locate": Asked.LOCATION,
    "read": Asked.READ,
    "look_up": Asked.LOOK_UP,
    "cancel": Asked.CANCEL,
    "tell": Asked.EVENT,
    "events": Asked.EVENTS,
}


class Bounded:
    """A line that keeps the deadline it is given, as the real one does, and tells the trial of every request."""

    def __init__(self, line: Line, trial: Trial) -> None:
        self._line, self._trial = line, trial

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Outcome]]:
        async def request(*words: Any, deadline_s: float, **more: Any) -> Outcome:
            asked, loop = ASKED[name], asyncio.get_running_loop()
            mine = Sent(asked, loop.time(), deadline_s)
            self._trial.went.append(mine)
            self._trial.stepped.set()  # whoever waits looks again
            try:
                async with asyncio.timeout(deadline_s):
                    return await getattr(self._line, name)(*words, deadline_s=deadline_s, **more)
            except TimeoutError:
                return lost(asked)
            finally:
                mine.ended_at = loop.time()

        return request

    async def aclose(self) -> None:
        """Drop the connection."""
        await self._line.aclose()


class Trial(Bench):
    """A bench in model time, with the deadlines and the jitter of the real thing. deaf: requests sent now are never answered."""

    def __init__(self, service: Service) -> None:
        self.went: list[Sent] = []
        super().__init__(service)
        self.clock = ModelClock()  # type: ignore[assignment]
        self.terms = replace(
            self.terms, deadline_s=10.0, adopt="never", pace=replace(self.terms.pace, send_active_s=5.0, send_min_s=5.0, send_max_s=20.0)
        )
        self._dice = random.Random(7)  # noqa: S311 - a test's dice

    def open(self) -> Any:
        return Bounded(super().open(), self)

    def roll(self) -> float:
        return self._dice.random()

    def raises(self) -> list[Sent]:
        return [each for each in self.went if each.asked is Asked.RAISE]

    def gaps(self) -> list[float]:
        return [later.at - earlier.at for earlier, later in itertools.pairwise(self.raises())]

    async def fall_silent(self) -> None:
        """What is sent from now on is never answered, not even later: the far end has lost it."""
        self.service.hold = {asked: asyncio.Event() for asked in Asked}

    async def speak(self) -> None:
        """New requests are answered; those under way stay lost."""
        self.service.hold = {}

    async def until_accepted(self) -> float:
        """How long it takes from now."""
        began = self.clock.at()
        await self.until(lambda: not self.state.owed)
        return self.clock.at() - began


def try_out(story: Callable[[Trial, Service], Awaitable[None]]) -> None:
    async def run() -> None:
        service = Service()
        trial = Trial(service)
        tasks = [asyncio.create_task(work) for work in (trial.decider.run(), *(work() for work, _ in trial.lanes.works()))]
        telling = asyncio.create_task(story(trial, service))
        await asyncio.wait({telling, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each for each in results if not isinstance(each, asyncio.CancelledError)] == []
        await telling

    with asyncio.Runner(loop_factory=ModelLoop) as runner:
        runner.run(run())
