"""A decider and its lanes on a dispatch service to hold in the hand: a daemon without receivers, disk or network."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

from dispatchers import Line, Service

from agent.cadence import Pace
from agent.clock import SystemClock
from agent.conversing import Conversing
from agent.decider import Decider
from agent.health import Conditions, Origin
from agent.hooks import Hook
from agent.kept import Write
from agent.lanes.board import Lanes
from agent.lanes.desk import Terms
from agent.lanes.event import Message
from agent.model import Asked, CalloutId, Fix, Outcome, Place, Press, Quality
from agent.signals import Command, Happening, Pressed, State, Tell

FAST = Pace(send_active_s=0.02, send_min_s=0.01, send_max_s=0.1)


class Paper:
    """A store that keeps at once."""

    def step(self, *_writes: Write) -> Awaitable[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future


class Bench:
    """Decider and lanes on a service: `agent.lanes.desk.Desk` without receivers, disk or network."""

    def __init__(self, service: Service, *, poll_s: float = 300.0) -> None:
        self.clock = SystemClock()
        self.terms = Terms(pace=FAST, response_type_id=1, deadline_s=2.0, adopt="always", adopt_poll_s=poll_s, customer_id=1)
        self.service = service
        self.fix: Fix | None = None
        self.noticed: list[Outcome] = []
        self.origins: list[tuple[Asked, Origin]] = []  # whose each of these was said to be
        self.accepted: list[float] = []
        self.settled: list[tuple[str, bool]] = []
        self.conditions, self.store = Conditions(), Paper()
        self.conversation = Conversing(self, Hook((), self.clock, self.conditions), shown=lambda: None)
        self.lanes = Lanes(self, lambda message, told: self.settled.append((message.text, told)), self.conversation)
        self.decider = Decider(Paper(), self.clock, base_url="https://x", customer_id=1, changed=self._changed)  # type: ignore[arg-type]
        self._keys = itertools.count()
        self.stepped = asyncio.Event()

    @property
    def state(self) -> State:
        return self.decider.state

    def decide(self, event: Happening) -> Awaitable[None]:
        return self.decider.decide(event)

    def open(self) -> Line:
        return self.service.connect()

    def roll(self) -> float:
        return random.random() * 0.02  # noqa: S311 - a test's jitter, small so that tests are quick

    def place(self) -> Place | None:
        return None if self.fix is None else Place(self.fix.latitude, self.fix.longitude, 5.0, Quality.LIVE, 1.8e9)

    def live(self) -> Fix | None:
        return self.fix

    def tell(self, callout_id: CalloutId, text: str, *, urgent: bool = False) -> None:
        (self.lanes.urgent if urgent else self.lanes.event).add(Message(callout_id, text, str(next(self._keys))))

    def notice(self, outcome: Outcome, origin: Origin) -> None:
        self.noticed.append(outcome)
        self.origins.append((outcome.asked, origin))
        self.lanes.heard(outcome)

    def outwardly_calm(self) -> bool:
        return self.state.calm

    def kept_note(self, _name: str) -> str | None:
        return None

    def sent(self, fix: Fix) -> None:
        self.accepted.append(fix.at)

    def not_sent(self) -> None:
        """Nothing to count here."""

    def _changed(self, before: State, after: State, event: Happening, commands: tuple[Command, ...]) -> None:
        self.conversation.follow(before, after, event)
        if isinstance(event, Pressed):
            self.lanes.alert.hurry()
        for command in commands:
            if not self.lanes.obey(command) and isinstance(command, Tell):
                self.tell(command.callout_id, command.text)
        self.lanes.ring()
        self.stepped.set()

    async def press(self, number: int = 1) -> None:
        await self.decide(Pressed(Press(number, self.clock.at(), self.clock.wall(), "button:panic")))

    async def drive(self) -> None:
        """A fix every 5 ms."""
        for n in itertools.count():
            self.fix = Fix(self.clock.at(), self.clock.wall(), "fake", -33.9 + n * 1e-5, 18.4, accuracy_m=5.0)
            self.lanes.location.ring()
            await asyncio.sleep(0.005)

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Wait on the thing: every request and every step is looked at."""
        while not wanted():
            waits = [asyncio.ensure_future(event.wait()) for event in (self.stepped, self.service.heard)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            self.stepped.clear()
            self.service.heard.clear()


def play(story: Callable[[Any, Service], Awaitable[None]], *, drive: bool = True, poll_s: float = 300.0, kind: type[Bench] = Bench) -> None:
    """Tell a story on a bench. drive: fixes come in. poll_s: between look-ups. kind: what is built on it."""

    async def run() -> None:
        service = Service()
        bench = kind(service, poll_s=poll_s)
        works = [bench.decider.run(), *(work() for work, _ in bench.lanes.works())]
        tasks = [asyncio.create_task(work) for work in works + ([bench.drive()] if drive else [])]
        telling = asyncio.create_task(story(bench, service))
        try:
            async with asyncio.timeout(20):
                await asyncio.wait({telling, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        defects = [each for each in results if isinstance(each, BaseException) and not isinstance(each, asyncio.CancelledError)]
        assert not defects
        await telling

    asyncio.run(run())
