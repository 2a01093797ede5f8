"""Law 3 over random journeys: whatever the link, the receivers and the clocks do, positions reach dispatch in the order of capture.

The real lanes, lifecycle and gate in model time. Where the device was tells when: it drives north at a steady pace, so that each latitude
is the time of its capture, whatever anybody says of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from dispatchers import Line, Service, lost
from hypothesis import example, given, settings
from hypothesis import strategies as st
from model_time import ASKED, ModelLoop, Trial

from agent.gate import STALE_S
from agent.lanes.board import Lanes
from agent.lifecycle import stream_to
from agent.model import Asked, Fix, Meaning, Outcome, Place, Quality, Report
from agent.positions import HELD_S, Positions
from agent.signals import LocateNow

NORTH_MPS = 10.0
DEGREE_M = 111_195.0
WALL = 1.8e9
LATE_S = 0.4  # a receiver's usual delay
BACK_S = 20.0 + 15.0 + 1.0  # the longest an attempt may hang, the longest pause after it, an epoch

LINKS = ("up", "silent", "refused", "answers lost", "slow", "very slow", "busy")


@dataclass(frozen=True)
class Stretch:
    """For so many seconds. link: one of LINKS. alive: the receivers that speak; late_s: how late the second one is."""

    seconds: int
    link: str = "up"
    alive: frozenset[str] = frozenset({"gpsd", "serial"})
    late_s: float = LATE_S


@dataclass(frozen=True)
class Mishap:
    """At a second of the journey."""

    second: int
    what: str  # "restart", "told that the link is back", "press", or a clock that steps: "gnss", "wall"
    step_s: float = 0.0


stretches = st.lists(
    st.builds(
        Stretch,
        st.integers(1, 60),
        st.sampled_from(LINKS),
        st.sampled_from([frozenset({"gpsd", "serial"}), frozenset({"gpsd"}), frozenset({"serial"}), frozenset()]),
        st.sampled_from([0.0, LATE_S, 3.0, 8.0]),
    ),
    min_size=1,
    max_size=6,
)
mishaps = st.lists(
    st.builds(
        Mishap,
        st.integers(1, 240),
        st.sampled_from(["restart", "told that the link is back", "press", "gnss", "wall"]),
        st.sampled_from([-4e8, -3600.0, -12.0, -3.0, 3.0, 12.0, 3600.0, 4e8]),
    ),
    max_size=5,
)


@dataclass
class Handed:
    """A position as it left the lane."""

    at: float
    fix: Fix
    newest: Fix | None  # that had passed the gate by then


@dataclass
class Road:
    """What happened, and what the link is like."""

    link: str = "up"
    handed: list[Handed] = field(default_factory=list)
    arrived: list[tuple[float, Fix]] = field(default_factory=list)  # accepted by dispatch, in the order of its receiving them
    passed: list[Fix] = field(default_factory=list)


class Radio:
    """A line whose requests and answers meet what the link is like when each sets off. A request that was given up arrives nowhere."""

    def __init__(self, line: Line, journey: Journey) -> None:
        self._line, self._journey = line, journey

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Outcome]]:
        async def request(*words: Any, deadline_s: float, **more: Any) -> Outcome:
            road, asked = self._journey.road, ASKED[name]
            if asked is Asked.LOCATION:
                newest, fix = max(road.passed, key=lambda fix: fix.at, default=None), words[1]()
                words = (words[0], lambda: fix)  # it is on its way from now on
                road.handed.append(Handed(self._journey.clock.at(), fix, newest))
            try:
                async with asyncio.timeout(deadline_s):
                    if road.link == "refused":
                        return lost(asked, "connect")
                    await self._travel()
                    if road.link == "busy":
                        return Outcome(asked, Meaning.RETRY, "http_503", http_status=503)
                    outcome: Outcome = await getattr(self._line, name)(*words, deadline_s=deadline_s, **more)
                    if asked is Asked.LOCATION and outcome.meaning is Meaning.ACCEPTED:
                        road.arrived.append((self._journey.clock.at(), words[1]()))
                    if road.link == "answers lost":
                        await asyncio.Event().wait()
                    await self._travel()
                    return outcome
            except TimeoutError:
                return lost(asked)

        return request

    async def _travel(self) -> None:
        link = self._journey.road.link
        if link == "silent":
            await asyncio.Event().wait()
        await asyncio.sleep({"slow": 1.5, "very slow": 7.0}.get(link, 0.05))

    async def aclose(self) -> None:
        """Nothing to drop."""


class Journey(Trial):
    """A device that drives north. Its receivers, its lanes and its process are the real ones or die like them."""

    def __init__(self, service: Service) -> None:
        self.road = Road()
        self.positions = self._waking(None)
        self.gnss_step_s = self.wall_step_s = 0.0
        super().__init__(service)

    def open(self) -> Any:
        return Radio(self.service.connect(), self)

    def live(self) -> Fix | None:
        return self.positions.live(self.clock.at())

    def place(self) -> Place | None:
        return None

    def _waking(self, stored: Fix | None) -> Positions:
        positions = Positions((("gpsd", "gpsd"), ("serial", "serial")))
        positions.stored = stored
        return positions

    # --- what goes on at once -----------------------------------------------------------------------------------------------

    async def hear(self, receiver: str, captured_at: float, late_s: float) -> None:
        """One epoch, as late as it is."""
        await asyncio.sleep(late_s)
        now_at = self.clock.at()
        told = WALL + captured_at + self.gnss_step_s
        latitude = captured_at * NORTH_MPS / DEGREE_M + 1.0
        report = Report(now_at, receiver, 3, told, told % 86_400, latitude, 18.4, 5.0, None, NORTH_MPS, 0.0)
        fixes, _ = self.positions.hear(report, wall=WALL + now_at + self.wall_step_s, wall_trusted=True)
        self._passed(*fixes)

    def relieve(self) -> None:
        """As the daemon does every second while a callout is on: a doubted position rather than none."""
        fix = self.positions.relieve(self.clock.at()) if stream_to(self.state) is not None else None
        self._passed(*(() if fix is None else (fix,)))

    def _passed(self, *fixes: Fix) -> None:
        self.road.passed += fixes
        self.lanes.location.ring()

    async def suffer(self, mishap: Mishap) -> None:
        """What may happen to a device on its way."""
        match mishap.what:
            case "restart":
                await self.restart()
            case "press":
                await self.press(self.state.press_number + 1)
            case "gnss":
                self.gnss_step_s += mishap.step_s
            case "wall":
                self.wall_step_s += mishap.step_s
            case _:
                self.lanes.hurry()

    async def restart(self) -> None:
        """SIGKILL and a new process: what the store and the lifecycle keep is all that is left."""
        await self.down()
        self.positions = self._waking(max(self.road.passed, key=lambda fix: fix.at, default=None))
        self.lanes = Lanes(self, lambda _message, _told: None, self.conversation)
        self.up()
        self.lanes.obey(LocateNow())

    def up(self) -> None:
        """The lanes run."""
        self._tasks = [asyncio.ensure_future(work()) for work, _ in self.lanes.works()]

    async def down(self) -> None:
        """The lanes end; one that had died before is a defect."""
        assert not any(task.done() for task in self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def drive(plan: list[Stretch], happens: list[Mishap]) -> Journey:
    """The whole journey, second by second.

    That a report is late shows only against the reports before it, while the receiver's clock and our process go on.
    """
    steady = not any(mishap.what in ("restart", "gnss") for mishap in happens)
    plan = [Stretch(3), *plan]

    async def whole() -> Journey:
        journey = Journey(Service())
        journey.up()
        deciding = asyncio.ensure_future(journey.decider.run())
        await journey.press()
        second, epochs = itertools.count(1), set()
        for stretch in plan:
            journey.road.link = stretch.link
            for now in itertools.islice(second, stretch.seconds):
                for name in stretch.alive:
                    late_s = 0.1 if name == "gpsd" else stretch.late_s if steady else LATE_S
                    epochs.add(asyncio.ensure_future(journey.hear(name, journey.clock.at(), late_s)))
                for mishap in happens:
                    if mishap.second == now:
                        await journey.suffer(mishap)
                await asyncio.sleep(1.0)
                journey.relieve()
        await journey.down()
        for task in (deciding, *epochs):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(deciding, *epochs)
        return journey

    with asyncio.Runner(loop_factory=ModelLoop) as runner:
        return runner.run(whole())


def captured_at(fix: Fix) -> float:
    """When the device was there."""
    return (fix.latitude - 1.0) * DEGREE_M / NORTH_MPS


# The better receiver falls silent, and what the other one says is older than what is known already.
BEHIND = [Stretch(20, late_s=8.0), Stretch(20, alive=frozenset({"serial"}), late_s=8.0)]


@settings(max_examples=80)
@given(stretches, mishaps)
@example(BEHIND, [])
def test_no_older_position_ever_follows_a_newer_one_and_none_is_of_before(plan: list[Stretch], happens: list[Mishap]):
    road = drive(plan, happens).road
    for (_, earlier), (_, later) in itertools.pairwise(road.arrived):
        assert later.at >= earlier.at
        assert captured_at(later) >= captured_at(earlier) - HELD_S, "what nobody can notice is less than this"
    for each in road.handed:
        assert each.fix.quality is not Quality.STORED
        assert each.at - captured_at(each.fix) <= STALE_S + HELD_S


@settings(max_examples=80)
@given(stretches, mishaps)
@example(BEHIND, [])
def test_what_leaves_is_always_the_newest_of_that_moment(plan: list[Stretch], happens: list[Mishap]):
    """So the first position after an outage is, too."""
    for each in drive(plan, happens).road.handed:
        assert each.newest is not None
        assert each.fix.at == each.newest.at


@settings(max_examples=40)
@given(stretches, st.booleans())
def test_link_that_is_back_has_a_position_accepted_within_an_attempt_and_a_pause(plan: list[Stretch], told: bool):  # noqa: FBT001
    """At once where the attempt before has ended and somebody tells that the link is back."""
    lasting = 3 + sum(each.seconds for each in plan)
    mishaps = [Mishap(lasting + 1, "told that the link is back")] if told else []
    road = drive([*plan, Stretch(60)], mishaps).road
    back = [at for at, _ in road.arrived if at >= lasting]
    assert back
    assert back[0] - lasting <= BACK_S
    assert max((later - earlier for earlier, later in itertools.pairwise([*back, lasting + 60.0])), default=0.0) <= 21.0
