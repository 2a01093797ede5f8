"""The location lane: the newest position to the callout of now, and only ever forward (law 3).

One slot, conflated: what was not sent when a newer fix came is never sent here. Bodies carry no time, so an older position
sent later would be a lie on the responder's map. Never sends a stored position; never waits for the store. When the next one is due
`cadence` says; how many of the last ones needed several attempts, and how long the answers took, is remembered here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from agent.cadence import REMEMBERED, SHARP_DEG, Delivery, interval_s, manoeuvred, send_in_s
from agent.conversation import Responder
from agent.delivery import backoff_s, lost
from agent.health import Origin
from agent.lanes.desk import Desk, Lane
from agent.lanes.turns import Rank, Turns
from agent.lifecycle import stream_to
from agent.model import Asked, CalloutId, Fix, Meaning, Outcome
from agent.signals import LocationReplied

PROBE_EVERY_S = 60.0  # DESIGN section 4: a callout that is closed for us and open for dispatch
UNKNOWN_EVERY_S = 60.0  # DESIGN section 4: `callout.unknown` is tried once a minute
STUCK_S = 2.0  # on the way for this long when the network changes: likely on the one that was
MAX_CUTS = 3  # in a row: a network that flaps must not keep a slow line from ever getting an attempt through


class LocationLane(Lane):
    """Posts at cadence while a callout is on; at once when told to, or when the wearer starts, stops or turns."""

    def __init__(self, desk: Desk, turns: Turns, responder: Callable[[], Responder]) -> None:
        """responder: how far help has come."""
        super().__init__(desk, turns, Rank.POSITION)
        self._responder = responder
        self._dispatch = desk.open()
        self._to: CalloutId | None = None
        self._handed: Fix | None = None  # the newest fix that this callout has, or has refused
        self._posted_at: float | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._lost = 0  # attempts since the last answer that was one
        self._deliveries: deque[Delivery] = deque(maxlen=REMEMBERED)
        self._asking: asyncio.Timeout | None = None  # of the request that is on its way
        self._cuts = 0
        self._cut_short = False
        self._probes: deque[CalloutId] = deque(maxlen=1)
        self._probed_at = float("-inf")

    def locate_now(self) -> None:
        """The next fix goes at once, whatever the cadence."""
        self._posted_at = None
        self.hurry()

    def hurry(self) -> None:
        """The link came back: a position that waits to be tried again goes at once."""
        self._retry_at = float("-inf")
        super().hurry()

    def make_room(self) -> None:
        """The network changed: a request that hangs gives way to one with the newest position."""
        stuck = self._posted_at is not None and self.desk.clock.at() - self._posted_at >= STUCK_S
        if self._asking is not None and not self._asking.expired() and stuck and self._cuts < MAX_CUTS:
            self._cuts, self._cut_short = self._cuts + 1, True
            self._asking.reschedule(asyncio.get_running_loop().time())

    @property
    def interval_s(self) -> float:
        """Seconds between two positions as things are; reads of the callout follow it."""
        return interval_s(self.desk.terms.pace, self._responder(), self.deliveries)

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """How the last positions fared, by which the line is judged."""
        return tuple(self._deliveries)

    def probe(self, callout_id: CalloutId) -> None:
        """One position to a callout that we know as closed, at most one a minute."""
        self._probes.append(callout_id)
        self.ring()

    async def run(self) -> None:
        """Never returns."""
        while True:
            await self.until(self._wanted)
            if self._probes:
                await self._probe(self._probes.popleft())
                continue
            await self.until_due(self._due_in_s, self._wanted)
            async with self.turn(at_once=self._posted_at is None):  # told to, or the first: the device may be about to go silent
                to, fix = stream_to(self.desk.state), self._fresh()
                if to is not None and fix is not None and self._due_in_s() <= 0:
                    await self._post(to, fix)

    def _wanted(self) -> bool:
        if self._probes:
            return True
        to = stream_to(self.desk.state)
        if to != self._to:
            self._to, self._handed, self._posted_at, self._failures = to, None, None, 0
            self._lost = 0
            self._deliveries.clear()  # the line of an earlier callout says nothing of now
        return to is not None and self._fresh() is not None

    def _fresh(self) -> Fix | None:
        fix = self.desk.live()
        return fix if fix is not None and (self._handed is None or fix.at > self._handed.at) else None

    def _due_in_s(self) -> float:
        now_at = self.desk.clock.at()
        if self._failures == 0:
            return send_in_s(self._posted_at, now_at, self.interval_s, self.desk.terms.pace, manoeuvre=self._manoeuvre())
        return max(0.0, self._retry_at - now_at) if self._posted_at is not None else 0.0

    def _manoeuvre(self) -> bool:
        fix = self._fresh()
        return fix is not None and self._handed is not None and manoeuvred(self._handed, fix, SHARP_DEG)

    async def _post(self, to: CalloutId, fix: Fix) -> None:
        began_at = self._posted_at = self.desk.clock.at()
        kept = self.connected
        outcome, fix = await self._ask(to, fix)
        self.learn(outcome)
        self._judge(outcome, self.desk.clock.at() - began_at if kept else None)
        if outcome.meaning is Meaning.ACCEPTED:
            self._handed, self._failures = fix, 0
            self.desk.sent(fix)
        elif outcome.meaning is Meaning.REJECTED and outcome.http_status in (400, 422):
            self._handed, self._failures = fix, 0  # this body is not wanted; the next fix is another one
            self.desk.not_sent()
        elif outcome.meaning is not Meaning.CLOSED:
            self._failures += 1
            self._retry_at = self.desk.clock.at() + self._retry_in_s(outcome)
            self.desk.not_sent()
        self.desk.notice(outcome, Origin.CALLOUT)
        await self.desk.decide(LocationReplied(outcome, self.desk.clock.at(), self.desk.clock.wall()))

    async def _ask(self, to: CalloutId, fix: Fix) -> tuple[Outcome, Fix]:
        """What it came to, and which position left: the newest at the moment when the connection was open."""
        left = fix

        def newest() -> Fix:
            nonlocal left
            live = self.desk.live()
            left = live if live is not None and live.at > left.at else left
            return left

        self._cut_short = False
        try:
            async with asyncio.timeout(None) as self._asking:
                outcome = await self._dispatch.locate(to, newest, deadline_s=self.deadline_s)
        except TimeoutError:
            return lost(Asked.LOCATION, to, "reset", "given up: the network changed"), left
        finally:
            self._asking = None
        self._cuts = 0 if outcome.http_status is not None else self._cuts
        return outcome, left

    def _judge(self, outcome: Outcome, answer_s: float | None) -> None:
        """What this attempt says of the line. A refusal is an answer; a server that is busy is spared like a line that is poor."""
        if outcome.meaning is Meaning.RETRY:
            self._lost += 1
            return
        self._deliveries.append(Delivery(1 + self._lost, answer_s))
        self._lost = 0

    def _retry_in_s(self, outcome: Outcome) -> float:
        if self.desk.state.unknown:
            return UNKNOWN_EVERY_S
        if self._cut_short:
            return 0.0
        return backoff_s(self._failures, roll=self.desk.roll(), retry_after_s=outcome.retry_after_s)

    async def _probe(self, callout_id: CalloutId) -> None:
        fix, now_at = self.desk.live(), self.desk.clock.at()
        if fix is None or now_at - self._probed_at < PROBE_EVERY_S:
            return
        self._probed_at = now_at
        async with self.turn():
            outcome = await self._dispatch.locate(callout_id, lambda: self.desk.live() or fix, deadline_s=self.deadline_s)
        self.learn(outcome)
        await self.desk.decide(LocationReplied(outcome, self.desk.clock.at(), self.desk.clock.wall()))
