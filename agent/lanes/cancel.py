"""The cancel lane: hands each code to the one callout it was typed for, in the order typed.

An answer ends nothing (law 2) and shows nothing (law 5): this lane logs nothing and tells health nothing. It never invents
the unconditional form. A cancel without an answer is tried again while that callout lives, in this process only.
"""

from __future__ import annotations

from agent.delivery import backoff_s
from agent.health import Origin
from agent.lanes.desk import Desk, Lane
from agent.lanes.turns import Rank, Turns
from agent.lifecycle import next_cancel
from agent.model import Asked, Meaning, Outcome
from agent.signals import CancelReplied, CancelSent

NOT_SENT = Outcome(Asked.CANCEL, Meaning.RETRY, "not_sent")  # nothing left the device; the lifecycle forgets that it was about to


class CancelLane(Lane):
    """One cancel at a time."""

    def __init__(self, desk: Desk, turns: Turns) -> None:
        super().__init__(desk, turns, Rank.CANCEL)
        self._dispatch = desk.open()

    async def run(self) -> None:
        """Never returns."""
        failures = 0
        while True:
            await self.until(self._wanted)
            async with self.turn():
                outcome = await self._hand_over()
            if outcome is None:
                continue
            failures = failures + 1 if outcome.meaning in (Meaning.RETRY, Meaning.UNAUTHORISED) else 0
            if failures:
                await self.pause(backoff_s(failures, roll=self.desk.roll(), retry_after_s=outcome.retry_after_s), self._wanted)

    async def _hand_over(self) -> Outcome | None:
        """The oldest code; None when there is none any more."""
        cancel = next_cancel(self.desk.state)
        if cancel is None or cancel.bound is None:
            return None
        await self.desk.decide(CancelSent(cancel.number))
        if next_cancel(self.desk.state) != cancel:  # the step between was a press or a close
            await self.desk.decide(CancelReplied(NOT_SENT, cancel.number))
            return None
        outcome = await self._dispatch.cancel(cancel.bound, cancel.code, deadline_s=self.deadline_s)
        self.learn(outcome)
        self.desk.notice(outcome, Origin.CALLOUT)
        await self.desk.decide(CancelReplied(outcome, cancel.number))
        return outcome

    def _wanted(self) -> bool:
        return next_cancel(self.desk.state) is not None
