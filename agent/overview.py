"""The whole of the device in one document: what `status` shows, and the conditions brought up to date before it is read.

Gathers from the rooms; decides nothing (`health` and `checkup` do). It must not show more while calm than a device in standby would:
what differs is left out here, before anything is put into words (law 5).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from agent import checkup, health
from agent.conversing import Conversing
from agent.health import Conditions, Facts
from agent.panel import Panel
from agent.ports import Clock
from agent.positions import Positions
from agent.proving import Proving
from agent.recovery import Recovery
from agent.selftest import SelfTest
from agent.signals import State
from agent.store import Store
from agent.timekeeping import Timekeeping
from agent.tracking import Tracking


class Rooms(Protocol):
    """What an overview is of."""

    conditions: Conditions
    positions: Positions
    store: Store
    timekeeping: Timekeeping
    tracking: Tracking
    recovery: Recovery
    panel: Panel
    conversation: Conversing
    proving: Proving
    self_test: SelfTest

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""


class Overview:
    """One per daemon."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._started_at = rooms.clock.at()

    def outward(self) -> State:
        """The state as far as calm goes: until the store has told whether a cancel was handed over, one was."""
        state = self._rooms.state
        return replace(state, calm=state.calm or self._rooms.recovery.unsure)

    def document(self, *, inner: bool = False) -> dict[str, Any]:
        """The status document of now."""
        self.check()
        rooms, now_at = self._rooms, self._rooms.clock.at()
        used = rooms.positions.used(now_at)
        state = self.outward()
        hidden = state.calm and not inner
        facts = Facts(
            at=now_at,
            wall=rooms.clock.wall(),
            state=state,
            conditions=rooms.conditions.shown(calm=hidden),
            fix=rooms.positions.newest if hidden else rooms.positions.live(now_at) or rooms.positions.newest,
            store=rooms.store.summary(),
            stream=rooms.tracking.stream,
            receiver_kind=None if used is None else used.kind,
            rejected=rooms.positions.rejected(now_at),
            clock=rooms.timekeeping.standing(),
            armed_proof_wall=rooms.recovery.proof_wall,
            conversation=rooms.conversation.outward,
            proofs=rooms.proving.all(),
            self_test=rooms.self_test.last,
        )
        return health.document(facts, inner=inner)

    def check(self) -> None:
        """Bring every condition up to date."""
        rooms = self._rooms
        rooms.panel.look()
        rooms.proving.look()
        checkup.look(
            rooms.conditions,
            positions=rooms.positions,
            clock=rooms.clock,
            standing=rooms.timekeeping.standing(),
            store=rooms.store.summary(),
            proof_wall=rooms.recovery.proof_wall,
            started_at=self._started_at,
        )
