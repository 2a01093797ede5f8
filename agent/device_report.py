"""What dispatch is told of the device itself, every so often: battery level and a sign of life, as its template there knows them.

Touches the network through a connection of its own and one condition. Decides when, and that a message which dispatch takes for
something else is not sent again. It must not be noticed by a raise: while one is owed nothing is sent, and what is under way is given up.
It does not know whether a callout is on or calm, so it can show neither (law 5), and its replies say nothing about being armed.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from agent.health import Conditions
from agent.model import Meaning, Outcome, Power, Severity
from agent.paperwork import DeviceAnswer
from agent.ports import Clock, Office
from agent.scalars import exact_id_of
from agent.yielding import giving_way

CODE: Final = "device_event.failed"
FIRST_S: Final = 10.0  # after the start: what the start itself needs goes first
SPREAD_S: Final = 50.0  # a fleet that comes back with the power does not speak at once
JITTER: Final = 0.2
AGAIN_S: Final = 300.0  # after no answer; never sooner than the usual time
ACTS: Final = re.compile(r"callout|cancel|location", re.IGNORECASE)  # no battery and no sign of life means any of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What is sent and how often, as configured. Numbers are those of the device's template at dispatch; None: not sent."""

    device_id: str
    type_id: int
    every_s: float
    battery_message_type: int | None = None
    health_message_type: int | None = None
    deadline_s: float = 10.0


class DeviceReport:
    """A comfort. owed: whether a press is not settled, for everybody to know. turn: held while a connection is opened, see `lanes.turns`.

    roll: in [0, 1).
    """

    def __init__(
        self,
        duty: Duty,
        office: Office,
        clock: Clock,
        conditions: Conditions,
        *,
        owed: Callable[[], bool],
        roll: Callable[[], float],
        turn: Callable[[], AbstractAsyncContextManager[object]] = contextlib.nullcontext,
        first_s: float = FIRST_S,
    ) -> None:
        self._duty, self._office, self._clock, self._conditions = duty, office, clock, conditions
        self._owed, self._roll, self._turn, self._first_s = owed, roll, turn, first_s
        self._power: Power | None = None
        self._mistaken: dict[int, str] = {}  # message types that dispatch takes for something else -> what for

    def fed(self, power: Power) -> None:
        """What feeds the device, whenever that changes."""
        self._power = power

    async def run(self) -> None:
        """Send for ever. Whatever the network does is a condition, not an exception."""
        self._conditions.drop(CODE)
        pause_s = self._first_s + SPREAD_S * self._roll() if self._first_s else 0.0
        while True:
            await asyncio.sleep(pause_s)
            answered = await self._report()
            usual_s = self._duty.every_s * (1 - JITTER * self._roll())
            pause_s = usual_s if answered else min(usual_s, AGAIN_S)

    async def _report(self) -> bool:
        """Everything once. False: something went unanswered."""
        failed: list[Outcome] = []
        try:
            for message_type in self._due():
                outcome = await self._send(message_type)
                if outcome.meaning is Meaning.ACCEPTED:
                    self._judge(message_type, outcome)
                else:
                    failed.append(outcome)
        finally:
            await self._office.aclose()  # the next one is due long after a network has forgotten this connection
        self._put(failed)
        return all(outcome.meaning is not Meaning.RETRY for outcome in failed)

    def _due(self) -> list[int]:
        """The messages that there is something to say in: a level that nobody tells is not sent."""
        duty, told = self._duty, self._power is not None and self._power.percent is not None
        wanted = (duty.battery_message_type if told else None, duty.health_message_type)
        return [each for each in wanted if each is not None and each not in self._mistaken]

    async def _send(self, message_type: int) -> Outcome:
        """One message, begun and ended while no raise is owed; given up and sent anew afterwards where one comes between."""
        return await giving_way(self._owed, lambda: self._exchange(message_type))

    async def _exchange(self, message_type: int) -> Outcome:
        duty, percent = self._duty, None if self._power is None else self._power.percent
        level = message_type == duty.battery_message_type and percent is not None
        extra = {"battery_level": round(percent or 0.0)} if level else {}
        device_id = exact_id_of(duty.device_id) or duty.device_id
        async with self._turn():
            return await self._office.device_event(device_id, duty.type_id, message_type, extra=extra, deadline_s=duty.deadline_s)

    def _judge(self, message_type: int, outcome: Outcome) -> None:
        """Whether dispatch took it for what it is. A template's numbers are easily mixed up, and one of them opens callouts."""
        event = outcome.paper.event if isinstance(outcome.paper, DeviceAnswer) else None
        if event is not None and ACTS.search(event):
            self._mistaken[message_type] = "".join(each for each in event[:40] if each.isalnum() or each in "_ -")

    def _put(self, failed: list[Outcome]) -> None:
        wall = self._clock.wall()
        if self._mistaken:
            taken = ", ".join(f"{number} for {event}" for number, event in self._mistaken.items())
            hint = "TELL DISPATCH that nobody asked for this. Correct the message types in [device], then restart"
            text = f"dispatch takes device message type {taken}: it is not sent again"
            self._conditions.put(CODE, Severity.DEGRADED, text, hint, wall=wall)
        elif failed:
            outcome = failed[0]
            text = f"dispatch is not told of battery and health ({outcome.cause}): {outcome.text}"
            self._conditions.put(CODE, Severity.DEGRADED, text, _hint(outcome), wall=wall)
        else:
            self._conditions.drop(CODE)


def _hint(outcome: Outcome) -> str:
    if outcome.meaning is Meaning.UNAUTHORISED:
        return "a callout token may not cover device events: ask dispatch, or remove [device]"
    if outcome.meaning is Meaning.REJECTED:
        return "check id, type_id and the message types of [device] with dispatch"
    return "it is tried again by itself; a raise does not depend on it"
