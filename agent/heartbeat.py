"""A sign of life to the fleet's own server, every so often, so that silence means something.

Touches the network over a connection of its own, and one condition. Decides when. It says whether the device is armed and which
conditions there are, as everybody may see them: nothing of a place, of a callout, or of what a cancel hides (law 5). It must not be
noticed by a raise: while one is owed nothing is sent, and what is under way is given up. The address may hold a secret: no text has it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from agent.delivery import Reply
from agent.health import Conditions
from agent.model import Severity
from agent.ports import Clock
from agent.yielding import giving_way

CODE: Final = "heartbeat.failed"
DEADLINE_S: Final = 10.0
FIRST_S, SPREAD_S = 5.0, 25.0  # after the start: what the start itself needs goes first, and a fleet does not speak at once
JITTER: Final = 0.1
AGAIN_S: Final = 60.0  # after one that failed; never later than the usual time
FAILURES_TOLD: Final = 3  # in a row
REPLY_BYTES: Final = 4_096  # nothing of it is read but its status


class Line(Protocol):
    """An HTTPS connection of one's own, see `line.Line`."""

    async def exchange(self, method: str, url: str, *, body: bytes, limit_bytes: int) -> Reply | Any:
        """A reply, or a failure with its `text`."""

    async def aclose(self) -> None:
        """Drop the connection."""


class Heartbeat:
    """A comfort. document: the status as everybody may see it. owed: whether a press is not settled, for everybody to know.

    turn: held while a connection is opened, see `lanes.turns`. roll: in [0, 1).
    """

    def __init__(
        self,
        url: str,
        every_s: float,
        line: Line,
        clock: Clock,
        conditions: Conditions,
        *,
        document: Callable[[], Mapping[str, Any]],
        owed: Callable[[], bool],
        turn: Callable[[], AbstractAsyncContextManager[object]],
        roll: Callable[[], float],
        first_s: float = FIRST_S,
    ) -> None:
        self._url, self._every_s, self._line, self._clock, self._conditions = url, every_s, line, clock, conditions
        self._document, self._owed, self._turn, self._roll = document, owed, turn, roll
        self._first_s = first_s
        self._failures = 0

    async def run(self) -> None:
        """Beat for ever. Whatever the network does is a condition, not an exception."""
        self._conditions.drop(CODE)
        pause_s = self._first_s + SPREAD_S * self._roll() if self._first_s else 0.0
        while True:
            await asyncio.sleep(pause_s)
            failed = await self._beat()
            self._put(failed)
            usual_s = self._every_s * (1 + JITTER * (2 * self._roll() - 1))
            pause_s = usual_s if failed is None else min(usual_s, AGAIN_S)

    async def _beat(self) -> str | None:
        """One beat, begun and ended while no raise is owed. None, or in words why it did not arrive."""
        return await giving_way(self._owed, self._send)

    async def _send(self) -> str | None:
        try:
            async with self._turn(), asyncio.timeout(DEADLINE_S):
                answer = await self._line.exchange("POST", self._url, body=self._body(), limit_bytes=REPLY_BYTES)
        except TimeoutError:
            return f"no answer within {DEADLINE_S:.0f} s"
        finally:
            await self._line.aclose()  # the next beat is due long after a network has forgotten this connection
        if not isinstance(answer, Reply):
            return str(answer.text)
        return None if 200 <= answer.status < 300 else f"it answers {answer.status}"

    def _body(self) -> bytes:
        told = self._document()
        codes = [condition["code"] for condition in told["conditions"]]
        return json.dumps({"version": told["version"], "armed": told["armed"], "conditions": codes}).encode()

    def _put(self, failed: str | None) -> None:
        self._failures = 0 if failed is None else self._failures + 1
        if failed is None:
            self._conditions.drop(CODE)
        elif self._failures >= FAILURES_TOLD:
            text = f"the fleet's server does not take the sign of life: {failed}"
            hint = "check [heartbeat] url and that server; a raise does not depend on it"
            self._conditions.put(CODE, Severity.DEGRADED, text, hint, wall=self._clock.wall())
