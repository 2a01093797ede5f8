"""What a callout is told of the device that serves it: last words before it may go silent, and what link and sky did.

Touches conditions, and the lanes through what it is given; logs nothing, because a cancelled callout is told as well. Decides what
is one occasion. It must not let the time that an end takes tell whether a callout is on (law 5), and holds up no raise.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from agent import findings, wording
from agent.health import Conditions
from agent.lanes.board import Lanes
from agent.lifecycle import stream_to
from agent.model import CalloutId, Fix, Outcome, Place, Power, Severity
from agent.outage import Outage
from agent.ports import Clock
from agent.signals import State

FAREWELL_S: Final = 1.5  # from the signal on, in every state; a receiver tells a new position each second
CUT_IS_NEWS_S: Final = 600.0  # a supply that was cut longer before the press is how this device is worn


class Rooms(Protocol):
    """What last words need of the daemon."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""

    @property
    def conditions(self) -> Conditions:
        """What is unhealthy."""

    @property
    def lanes(self) -> Lanes:
        """The ways to dispatch."""

    def place(self) -> Place | None:
        """The best position there is."""

    def live(self) -> Fix | None:
        """The newest fix if it is not stale."""

    def tell(self, callout_id: CalloutId, text: str, *, urgent: bool = False) -> None:
        """Queue a message for the event stream; an urgent one goes before all others."""


class Farewell:
    """One per daemon. trail_after_s: see `Outage`."""

    def __init__(self, rooms: Rooms, trail_after_s: float) -> None:
        self._rooms = rooms
        self._outage = Outage(trail_after_s)
        self._power: Power | None = None
        self._cut_at = float("-inf")
        self._to: CalloutId | None = None
        self._cut_told = self._low_told = False  # of the supply and the battery as they are, to the callout of now

    def fed(self, power: Power) -> None:
        """What feeds the device has changed, or is known for the first time."""
        before, self._power = self._power, power
        self._follow()
        if before is None:  # the process before this one has told it to a callout that goes on
            self._low_told = self._to is not None
        elif power.lost and not before.lost:
            self._cut_at = self._rooms.clock.at()
        self._put_conditions(power)
        self._tell_power(power)

    def replied(self, outcome: Outcome) -> None:
        """A request came to this, or to nothing."""
        self._look_at_sky()
        through, clock = findings.proves_path(outcome), self._rooms.clock
        self._tell(self._outage.replied(self._follow(), through=through, at=clock.at(), wall=clock.wall()))

    def look(self) -> None:
        """Once a second."""
        self._look_at_sky()
        if self._power is not None:
            self._tell_power(self._power)

    async def end(self) -> None:
        """The process is to end: say so, and give lanes and buttons the time that they always get."""
        if self._follow() is not None:
            self._tell(wording.shutting_down(self._rooms.clock.wall()), urgent=True)
        await asyncio.sleep(FAREWELL_S)

    # --- power --------------------------------------------------------------------------------------------------------------

    def _tell_power(self, power: Power) -> None:
        """Each occasion once to each callout: when it begins, or when the callout does."""
        at, wall = self._rooms.clock.at(), self._rooms.clock.wall()
        if power.lost and not self._cut_told and at - self._cut_at < CUT_IS_NEWS_S:
            self._tell(wording.supply_cut(power.percent, wall - (at - self._cut_at)), urgent=True)
            self._cut_told = True
        elif self._cut_told and not power.lost:
            self._tell(wording.supply_back(power.percent, wall))
            self._cut_told = False
        if power.low and not self._low_told:
            self._tell(wording.battery_low(power.percent, wall), urgent=True)
        self._low_told = power.low

    def _put_conditions(self, power: Power) -> None:
        """Facts of the device, whatever goes on."""
        conditions, wall, charge = self._rooms.conditions, self._rooms.clock.wall(), wording.charge(power.percent)
        conditions.drop(*(code for code, on in (("power.low", power.low), ("power.lost", power.lost)) if not on))
        if power.low:
            hint = "charge it, or change it"
            conditions.put("power.low", Severity.DEGRADED, f"the battery is nearly empty{charge}", hint, wall=wall)
        if power.lost:
            hint = "check plug, cable and fuse"
            text = f"the power supply was cut; the device runs on its battery{charge}"
            conditions.put("power.lost", Severity.DEGRADED, text, hint, wall=wall)

    # --- link and sky -------------------------------------------------------------------------------------------------------

    def _look_at_sky(self) -> None:
        clock = self._rooms.clock
        self._tell(self._outage.looked(self._follow(), self._rooms.live(), at=clock.at(), wall=clock.wall()))

    # --- to the callout of now ----------------------------------------------------------------------------------------------

    def _follow(self) -> CalloutId | None:
        """The callout of now; a new one has been told nothing yet."""
        to = stream_to(self._rooms.state)
        if to != self._to:
            self._to, self._cut_told, self._low_told = to, False, False
        return to

    def _tell(self, text: str | None, *, urgent: bool = False) -> None:
        if text is None or self._to is None:
            return
        if not self._rooms.clock.trusted():  # whoever reads times would else believe them
            text += wording.UNVOUCHED
        if not urgent:
            self._rooms.tell(self._to, text)
            return
        last = wording.last_position(self._rooms.place(), self._rooms.clock.wall())
        self._rooms.tell(self._to, text + last, urgent=True)
        self._rooms.lanes.location.locate_now()
