"""Exactly one callout, however often the daemon is killed between the press and the callout, while answers are lost (law 1).

Eight runs in `make test`, 200 in `make test-long` (CALLOUT_AGENT_KILLS). Run n of a seed (CALLOUT_AGENT_SEED) is always the same; a
failure names both. One simulator serves all runs: dispatch closes the callout of a run before the next one begins.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stage import INNER, Stage, staged

from agent import identity, spool, starts
from hardware.played_chip import PlayedChip

RUNS = int(os.environ.get("CALLOUT_AGENT_KILLS", "8"))
SEED = os.environ.get("CALLOUT_AGENT_SEED", "1")
RESUMED_S = 5.0
SITE = "[site]\nlatitude = -33.9\nlongitude = 18.4\naccuracy_m = 50\n"
LINE, HOLD_S = 5, 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    entry: "button", held until the callout is there; "socket"; or "file" in the runtime directory while the daemon runs, or is "down".
    kills_s: how long after the press, or after the start before, each SIGKILL comes. lost: answers to raises that are lost, after so many
    that are not; other answers are lost by halves. slow_s: how long dispatch takes for a raise. store: "kept", "fresh" (from before the
    press), or "lost" with the last kill.
    """

    entry: str
    kills_s: tuple[float, ...]
    lost: int
    passed: int
    others_lost: bool
    slow_s: float
    store: str

    @property
    def faults(self) -> list[dict[str, Any]]:
        """For the simulator."""
        rules: list[dict[str, Any]] = [
            {"action": "lost", "on": "raise", "count": self.lost, "after": self.passed, "delay_s": self.slow_s / 2}
        ]
        if self.others_lost:
            rules.append({"action": "lost", "on": ["locate", "list_customer", "read"], "count": 4, "share": 0.5})
        return [*rules, {"action": "latency", "on": "raise", "delay_s": self.slow_s}]


def draw(number: int) -> Plan:
    """Run `number` of this seed."""
    roll = random.Random(f"{SEED}/{number}")  # noqa: S311 - no secret
    early, late = (lambda: roll.uniform(0.0, 0.06)), (lambda: roll.uniform(0.0, 0.6))
    kills_s = tuple(roll.choice((early, late))() + (roll.uniform(0.3, 0.9) if each else 0.0) for each in range(roll.choice((1, 1, 2, 3))))
    return Plan(
        entry=roll.choice(("button", "button", "socket", "file", "down")),
        kills_s=kills_s,
        lost=roll.choice((0, 1, 1, 2)),
        passed=roll.choice((0, 0, 1)),
        others_lost=roll.random() < 0.5,
        slow_s=roll.choice((0.0, roll.uniform(0.0, 0.4))),
        store=roll.choice(("kept", "kept", "fresh", "lost")),
    )


class Runs:
    """Run after run on one stage."""

    def __init__(self, stage: Stage, chip: PlayedChip) -> None:
        self.stage, self.chip = stage, chip
        self.presses = stage.folder / "run" / "presses"
        self.known = 0

    async def carry_out(self, plan: Plan) -> float:
        """One press to its callout and to the close of that; how long after the last start it was resumed, s."""
        # The kills of one run are its own: all together they are a crash loop, and what runs then has no database.
        (self.presses / starts.NAME).unlink(missing_ok=True)
        await self._stand(plan)
        await self.stage.desk("PUT", "faults", plan.faults)
        await self._press(plan.entry)
        if plan.entry == "down":
            await self.stage.start()
        started_at = time.monotonic()
        for number, after_s in enumerate(plan.kills_s):
            await asyncio.sleep(after_s)  # the moment is what is drawn; there is nothing to wait for
            await self.stage.kill()
            if plan.store == "lost" and number == len(plan.kills_s) - 1:
                self._lose("agent.db", "agent.db-wal", "agent.db-shm")
            started_at = time.monotonic()
            await self.stage.start()
        callout_id = await self._resumed()
        took_s = time.monotonic() - started_at
        await self._close(callout_id, plan)
        return took_s

    async def _stand(self, plan: Plan) -> None:
        """The daemon in standby, or killed where the press is to find none."""
        if plan.store == "fresh" or plan.entry == "down":
            await self.stage.kill()
            if plan.store == "fresh":
                self._lose(*(path.name for path in self.stage.folder.glob("agent.db*")))
            if plan.entry != "down":
                await self.stage.start()
        if plan.entry != "down":
            await self.stage.until(self._phase, lambda told: told == "standby", what="standby")

    def _lose(self, *names: str) -> None:
        for name in names:
            (self.stage.folder / name).unlink(missing_ok=True)

    async def _press(self, entry: str) -> None:
        if entry == "button":
            self.chip.press(LINE)
        elif entry == "socket":
            assert (await self.stage.ask(do="raise"))["ok"]
        else:
            spool.put(self.presses, spool.SpooledPress(identity.read_boot_id(), time.monotonic(), time.time(), "spool"))

    async def _phase(self) -> str | None:
        return (await self.stage.status(inner=INNER)).get("callout", {}).get("state")

    async def _news(self) -> list[dict[str, Any]]:
        """The callouts of this run."""
        return (await self.stage.callouts())[self.known :]

    async def _resumed(self) -> int:
        await self.stage.until(self._phase, lambda told: told == "active", what="active")
        callout_id: int = (await self.stage.status(inner=INNER))["callout"]["id"]
        return callout_id

    async def _close(self, callout_id: int, plan: Plan) -> None:
        """By dispatch, once nothing is owed and no request is on its way any more."""
        self.chip.release(LINE)
        await self.stage.until(self._kept, lambda kept: kept.owed is None and kept.callout.id == callout_id, what="settled")
        await self.stage.until(self._under_way, lambda seen: not seen, what="no raise is on its way")
        await self.stage.desk("DELETE", "faults")
        await self.stage.desk("POST", f"callouts/{callout_id}/close")
        await self.stage.until(self._phase, lambda told: told == "standby", what="standby")
        seen = await self._news()
        assert [each["id"] for each in seen] == [callout_id], "exactly one"
        # A kill between a press and the note of its level makes two of it, and so may the loss of the database that knew it settled.
        if plan.entry != "button" and plan.store != "lost":
            assert not [each for each in seen[0]["events"] if "Pressed again" in each["text"]], "it was pressed once"
        self.known += 1

    async def _kept(self) -> identity.Identity | None:
        return identity.load(self.stage.folder / "agent.db.identity")

    async def _under_way(self) -> list[dict[str, Any]]:
        """Raises that dispatch has not done with. One of a killed daemon, too, would open another callout after the close."""
        return [each for each in await self.stage.desk("GET", "requests") if each["operation"] == "raise" and each["took_s"] is None]


@pytest.mark.timeout(60 + 20 * RUNS)
def test_press_ends_in_exactly_one_callout_whenever_the_daemon_is_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    async def story() -> None:
        path = tmp_path / "gpiochip"
        async with staged(tmp_path) as stage, PlayedChip(path) as chip:
            stage.receivers = SITE  # every raise has a position, and no run waits for a receiver
            stage.more = f'[[button]]\nname = "panic"\nchip = "{path}"\nline = {LINE}\nhold_s = {HOLD_S}\n'
            await stage.start()
            runs, took_s = Runs(stage, chip), []
            for number in range(RUNS):
                plan = draw(number)
                try:
                    took_s.append(await runs.carry_out(plan))
                    assert took_s[-1] < RESUMED_S
                except BaseException as error:
                    error.add_note(f"run {number} of seed {SEED}: {plan}")
                    raise
            with capsys.disabled():
                sys.stdout.write(f"\n{RUNS} runs: resumed {statistics.median(took_s):.2f} s after the start, at most {max(took_s):.2f} s\n")

    asyncio.run(story())
