"""The demo's wearer: does at a played button and keypad what a scenario says, and watches the scenario to its end.

Knows the stage and what the simulator tells of its scenario; decides nothing about either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agent.cli.rehearsal import Telling
from agent.cli.stage import Stage
from simulator.scenario import Scenario

HOLD_S = 2.0  # longer than the gesture of the demo's button
ARMED_S = 40.0
LOOK_S = 0.1
WRONG_CODE = "9999"


class Wearer:
    """One person with one device. right_code: their own."""

    def __init__(self, stage: Stage, right_code: str) -> None:
        self._stage = stage
        self._codes = {"right": right_code, "wrong": WRONG_CODE}
        self._acts: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[None]]] = {
            "drive": self._drive,
            "press": self._press,
            "cancel": self._type,
            "type": self._type,
            "say": self._say,
            "restart": self._restart,
        }

    async def rehearse(self, scenario: Scenario) -> bool:
        """Play it; whether it ran to its end."""
        telling, done = Telling(), set[int]()
        progress = await self._stage.start_scenario(scenario.text)
        while True:
            telling.print(progress)
            if progress["state"] != "playing":
                return bool(progress["state"] == "ended")
            for step in progress["steps"]:
                if step["due"] and step["number"] not in done:
                    done.add(step["number"])
                    await self._acts[step["device"]["act"]](step["device"])
            await asyncio.sleep(LOOK_S)
            progress = await self._stage.scenario()

    async def _drive(self, _: Mapping[str, Any]) -> None:
        if self._stage.agent is None:
            await self._stage.start_agent()
        async with asyncio.timeout(ARMED_S):
            while not ((status := await self._stage.status()).get("armed") and status.get("fix")):  # noqa: ASYNC110 - another process
                await asyncio.sleep(LOOK_S)

    async def _press(self, _: Mapping[str, Any]) -> None:
        self._stage.press()
        await asyncio.sleep(HOLD_S)
        self._stage.release()

    async def _type(self, device: Mapping[str, Any]) -> None:
        self._stage.type(self._codes[device["code"]])

    async def _say(self, device: Mapping[str, Any]) -> None:
        await self._stage.command("say", str(device["text"]))

    async def _restart(self, _: Mapping[str, Any]) -> None:
        await self._stage.cut_power()
        await self._stage.start_agent()
