"""Power cuts one after another, whatever the device is: press, cut, look at the disk, come back; and what must hold after each.

Decides when the cut comes (from a seed) and what is owed then. It knows no disk and no kernel: a `Device` does.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from evidence import Kept, Owed, Runner, judge, judge_callouts, missing
from stage import INNER, Stage

SEED = os.environ.get("CALLOUT_AGENT_SEED", "1")


class Device(Protocol):
    """What is cut. stage: where its daemon is asked and its dispatch service is looked at. Times in s."""

    stage: Stage
    under_way_s: float
    group_s: tuple[float, float]  # how long it records while nothing is on: from one group of fixes to some

    @property
    def runner(self) -> Runner:
        """Its receiver since the last start."""

    async def presses_left(self) -> bool:
        """Whether a press lies in the runtime directory that is not on the disk yet."""

    async def owes(self) -> bool:
        """Whether its disk says that a press is owed."""

    async def cut(self) -> None:
        """Take its power, at once; nothing runs when this ends."""

    async def read(self) -> Kept:
        """What its disk holds now."""

    async def start(self) -> None:
        """Give it its power back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One cut. Seconds: of recording before the first press, after each press, and after the last of these to the cut."""

    record_s: float
    presses_s: tuple[float, ...]
    after_s: float


def draw(number: int, group_s: tuple[float, float]) -> Plan:
    """Cut `number` of this seed. Every fifth while nothing is on, some groups of fixes later; the others around a press."""
    roll = random.Random(f"{SEED}/{number}")  # noqa: S311 - no secret
    if number % 5 == 4:
        return Plan(roll.uniform(*group_s), (), 0.0)
    presses_s = tuple(roll.uniform(0.0, 0.3) for _ in range(roll.choice((1, 1, 2))))
    return Plan(roll.uniform(0.0, 0.5), presses_s, roll.choice((roll.uniform(0.0, 0.08), roll.uniform(0.0, 0.08), roll.uniform(0.0, 0.8))))


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one cut: routine fixes that were said, and that are gone; seconds until the device was armed again."""

    said: int
    gone: int
    took_s: float


@dataclass(slots=True)
class Cuts:
    """Cut after cut of one device, and what is known of its presses outside."""

    device: Device
    stored: set[int] = field(default_factory=set)
    _acknowledged: set[int] = field(default_factory=set)
    _before: Kept | None = None
    _known: int = 0

    async def repeat(self, times: int) -> str:
        """So many cuts, each with what must hold after it. In words what there was; a failure names cut and seed."""
        figures = []
        for number in range(times):
            plan = draw(number, self.device.group_s)
            try:
                figures.append(await self._cut(plan))
            except BaseException as error:
                log = (self.device.stage.folder / "agent.log").read_text()[-2000:]
                error.add_note(f"cut {number} of seed {SEED}: {plan}\nlog:\n{log}")
                raise
        took_s = [each.took_s for each in figures]
        return (
            f"{times} power cuts of seed {SEED}: {len(self.stored)} presses stored, none lost; of {sum(each.said for each in figures)}"
            f" routine fixes at most {max(each.gone for each in figures)} gone with one cut;"
            f" armed again after {statistics.median(took_s):.2f} s, at most {max(took_s):.2f} s"
        )

    async def _cut(self, plan: Plan) -> Figures:
        owed = await self.lead_up(plan)
        kept = await self.device.read()
        judge(owed, kept)
        judge_callouts(kept, await self.device.stage.callouts())
        self._before = kept
        return Figures(len(owed.routine), len(missing(owed, kept)), await self._come_back(stored=owed.synced))

    async def lead_up(self, plan: Plan) -> Owed:
        """Record, press, cut; what has to be on the disk."""
        await self.device.stage.until_status(lambda told: told["armed"] and told["fix"]["age_s"] < 1, what="armed, and recording")
        since, pressed = time.time(), None
        await asyncio.sleep(plan.record_s)  # here and below the moment is what is drawn; there is nothing to wait for
        for pause_s in plan.presses_s:
            pressed = pressed or time.time()
            await self._press()
            await asyncio.sleep(pause_s)
        await asyncio.sleep(plan.after_s)
        synced = bool(plan.presses_s) and await self._note_stored()
        routine = self.device.runner.between(since, pressed or time.time())
        await self.device.cut()
        return Owed(frozenset(self.stored), routine, synced, self._before, self.device.under_way_s, self.device.runner.pace_s)

    async def _come_back(self, *, stored: bool) -> float:
        """Started again it goes on with the callout, of which there is one; dispatch closes it. Seconds from start to armed."""
        stage, began_at = self.device.stage, time.monotonic()
        await self.device.start()
        await stage.until_status(lambda told: told["armed"], 40, "armed")
        took_s = time.monotonic() - began_at
        if stored:
            told = await stage.until(self._inner, lambda told: told["state"] == "active" and told["id"], what="resumed")
            assert told["id"] == (await stage.callouts())[-1]["id"]
        await stage.until(self.device.owes, lambda owes: not owes, what="nothing is owed")
        fresh = (await stage.callouts())[self._known :]
        assert len(fresh) == 1 if stored else len(fresh) <= 1, "exactly one callout"
        for callout in fresh:
            await stage.until_callout(lambda seen: seen["positions"], what="it is streamed to")
            await stage.desk("POST", f"callouts/{callout['id']}/close")
        await stage.until(self._inner, lambda told: told["state"] == "standby", what="standby")
        self._known += len(fresh)
        assert len(await stage.callouts()) == self._known, "no other callout"
        return took_s

    async def _press(self) -> None:
        reply = await self.device.stage.ask(do="raise")
        assert reply.get("ok"), reply
        self._acknowledged.add(reply["press"])
        await self._note_stored()

    async def _note_stored(self) -> bool:
        """A press leaves the runtime directory when the store has it on the disk: what was acknowledged is stored when none is left."""
        if await self.device.presses_left():
            return False
        self.stored |= self._acknowledged
        return True

    async def _inner(self) -> dict[str, Any]:
        told: dict[str, Any] = (await self.device.stage.status(inner=INNER)).get("callout", {})
        return told
