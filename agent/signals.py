"""What reaches the lifecycle, what it asks for in return, and the state between: values only.

Decides nothing. Events carry their own time (`at` monotonic s, `wall` UTC s): the lifecycle has no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agent.kept import CalloutRecord
from agent.model import CalloutId, Fix, Outcome, Press, SafeCode

CLOSED_REMEMBERED = 32  # DESIGN section 4, Adoption
ELSEWHERE = "elsewhere"  # the origin of an adopted callout


class Phase(StrEnum):
    """Where the one callout of this device is. Dispatch, not the device, ends a callout."""

    STANDBY = "standby"
    RAISING = "raising"
    ACTIVE = "active"
    CANCELLING = "cancelling"


@dataclass(frozen=True, slots=True)
class Cancel:
    """A cancel handed over and not yet answered. code None: the unconditional form. bound: the only callout it may reach.

    bound None: typed while the raise was still on its way; it takes the first id that comes. number: order of typing.
    """

    number: int
    code: SafeCode | None
    bound: CalloutId | None


@dataclass(frozen=True, slots=True)
class Missing:
    """Evidence that dispatch does not know the callout: 404 on location, 404 on read, a list without it. Rounds need all three."""

    location: bool = False
    read: bool = False
    listed: bool = False
    rounds: int = 0
    first_at: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """The lifecycle's whole memory.

    owed: presses without a callout, oldest first. press_number: the highest ever. origin, since_wall, status, raised_at: of
    the callout (raised_at monotonic, None after a restart). found: an id that a look-up found and the press number that it
    may settle once a location is accepted. cancels: not yet answered, in the order typed. cancel_in_flight: one is on the
    wire. overtaken: a drill's id that became a real emergency: it settles nothing and is cancelled. closed: ids known
    closed, newest first. notes: texts for the event stream that wait for an id. raised_again: the one repeat that
    `callout.unknown` allows was made. unknown: dispatch does not know the callout. disputed: closed for us (or older than the
    callout of now), told as open: only an accepted location makes it ours. offered: an open callout that is not near and was
    told our position.

    drill: every owed press is one. A drill press that is owed beside a real one means that a drill raise was on its way when
    the real press came: the first id that is answered may be the drill's.
    """

    phase: Phase = Phase.STANDBY
    callout_id: CalloutId | None = None
    origin: str = ""
    since_wall: float = 0.0
    raised_at: float | None = None
    status: str | None = None
    calm: bool = False
    drill: bool = False
    owed: tuple[Press, ...] = ()
    press_number: int = 0
    found: tuple[CalloutId, int] | None = None
    cancels: tuple[Cancel, ...] = field(default=(), repr=False)
    cancel_number: int = 0
    cancel_in_flight: bool = False
    overtaken: CalloutId | None = None
    closed: tuple[CalloutId, ...] = ()
    notes: tuple[str, ...] = ()
    missing: Missing = Missing()
    unknown: bool = False
    raised_again: bool = False
    disputed: CalloutId | None = None
    offered: CalloutId | None = None


@dataclass(frozen=True, slots=True)
class AdoptPolicy:
    """mode: "near", "always" or "never". customer_id: ours; callouts of another are ignored."""

    mode: str
    customer_id: int


# --- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restarted:
    """The process starts with what was kept; told a second time by a store that answers late."""

    at: float
    wall: float
    press_number: int = 0
    owed: tuple[Press, ...] = ()
    record: CalloutRecord | None = None
    closed: tuple[CalloutId, ...] = ()
    calm: bool = False


@dataclass(frozen=True, slots=True)
class Pressed:
    """The wearer pressed (or an operator, by software). The press has its number already.

    cancelled: it is older than the cancel that the device is calm of, and is told again because no disk had kept it: raised, but not news.
    """

    press: Press
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Someone asked to cancel. code None: unconditionally."""

    code: SafeCode | None


@dataclass(frozen=True, slots=True)
class CancelSent:
    """The cancel of this number goes on the wire now: a raise sent before its end settles no later press."""

    number: int


@dataclass(frozen=True, slots=True)
class RaiseReplied:
    """covers: the highest press number that this raise may settle, taken when it was sent. drill: it was raised as one.

    sent_at: monotonic s; None when untold. An answer to a raise sent before the callout of now became ours may be old news.
    """

    outcome: Outcome
    covers: int
    drill: bool
    at: float
    wall: float
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The customer's active callouts. covers: as for a raise. here: our newest fix, for adoption."""

    outcome: Outcome
    covers: int
    at: float
    wall: float
    policy: AdoptPolicy
    here: Fix | None = None


@dataclass(frozen=True, slots=True)
class LocationReplied:
    """A reply on the location lane."""

    outcome: Outcome
    at: float
    wall: float


@dataclass(frozen=True, slots=True)
class ReadReplied:
    """A reply to a read of the callout."""

    outcome: Outcome
    at: float


@dataclass(frozen=True, slots=True)
class CancelReplied:
    """What became of the cancel of this number; RETRY for none."""

    outcome: Outcome
    number: int


@dataclass(frozen=True, slots=True)
class EventReplied:
    """A reply on the event lane."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Root gave this callout up by hand: `callout forget ID`."""

    callout_id: CalloutId


Happening = (
    Restarted
    | Pressed
    | CancelAsked
    | CancelSent
    | RaiseReplied
    | LookedUp
    | LocationReplied
    | ReadReplied
    | CancelReplied
    | EventReplied
    | Forgotten
)


# --- commands: what cannot be read off the state ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LocateNow:
    """Post the newest fix at once, whatever the cadence."""


@dataclass(frozen=True, slots=True)
class ReadNow:
    """Read the callout at once."""


@dataclass(frozen=True, slots=True)
class LookUpNow:
    """Ask for the customer's active callouts at once, beside everything else."""


@dataclass(frozen=True, slots=True)
class Tell:
    """One message for the callout's event stream."""

    callout_id: CalloutId
    text: str


@dataclass(frozen=True, slots=True)
class OfferPosition:
    """A callout raised elsewhere is not near: tell it our position and its age, once."""

    callout_id: CalloutId


@dataclass(frozen=True, slots=True)
class Probe:
    """Post one location to a callout that we know as closed and dispatch lists as open."""

    callout_id: CalloutId


@dataclass(frozen=True, slots=True)
class DrillFailed:
    """A drill found a real callout; nothing was written to it."""

    text: str


Command = LocateNow | ReadNow | LookUpNow | Tell | OfferPosition | Probe | DrillFailed

Step = tuple[State, tuple[Command, ...]]
