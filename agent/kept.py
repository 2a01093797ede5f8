"""What the store keeps and remembers, as values: the writes of a step, and what was kept when a process starts.

LEAF beside `model`: imports nothing else of ours, decides nothing, touches nothing. Everything here is frozen and slotted.
Units are in every name; `at` is monotonic seconds of this boot, `wall` is UTC seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.model import Ailment, CalloutId, Fix, Press

CALM_SINCE_NOTE = "calm_since"  # a note: when the calm of now began, as UTC text; empty when there is none


@dataclass(frozen=True, slots=True)
class CalloutRecord:
    """A callout as the store keeps it: enough to go on with it after a restart. Never holds a code.

    phase: the lifecycle phase (`raising`, `active`, `cancelling`, or `standby` once closed). origin: "button:NAME", "cli",
    "spool" or "elsewhere" (adopted). press_number: the press it answered, 0 if none. base_url and customer_id: the only
    place where it may be spoken of.
    """

    id: CalloutId
    base_url: str
    customer_id: int
    phase: str
    calm: bool
    origin: str
    drill: bool
    raised_wall: float
    press_number: int = 0
    dispatch_status: str | None = None
    closed_wall: float | None = None


@dataclass(frozen=True, slots=True)
class PressMade:
    """Write: a press exists and is owed a callout."""

    press: Press


@dataclass(frozen=True, slots=True)
class PressesSettled:
    """Write: every press up to this number has its callout (None: it was taken back in its abort window)."""

    up_to: int
    callout_id: CalloutId | None
    wall: float


@dataclass(frozen=True, slots=True)
class CalloutKept:
    """Write: insert or update a callout by (base_url, customer_id, id)."""

    record: CalloutRecord


@dataclass(frozen=True, slots=True)
class EventKept:
    """Write: a message for, or read from, a callout's event stream.

    told: dispatch has it. key: unique per callout, so that a retry does not keep it twice.
    """

    callout_id: CalloutId
    key: str
    text: str
    wall: float
    source: str
    told: bool


@dataclass(frozen=True, slots=True)
class NoteKept:
    """Write: one small fact by name (`armed_proof`, `trusted_wall`, ...), replacing the older one."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FixesTold:
    """Write: everything that the location lane missed in this emergency, captured until monotonic `until_at`, is told.

    It goes with the messages that tell it, in one transaction: a crash tells nothing twice and leaves nothing out. wall: UTC s.
    since_at: of the `Missed` that was told; None: from the beginning.
    """

    until_at: float
    wall: float
    since_at: float | None = None


Write = PressMade | PressesSettled | CalloutKept | EventKept | NoteKept | FixesTold


@dataclass(frozen=True, slots=True)
class Missed:
    """What the location lane missed, in capture order.

    before: the last fix that dispatch has, captured before the first of `fixes`; None if there is none in this emergency.
    more: there are further ones than were asked for, or than could be read.
    since_at: None, but where the disk could not be read: then these only waited for it, the first since this monotonic s. What lies on
    the disk from before is not told with them.
    """

    before: Fix | None = None
    fixes: tuple[Fix, ...] = ()
    more: bool = False
    since_at: float | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the store (or, failing it, the identity file) knew at start.

    owed: presses without a callout, oldest first. callout: the one still open, if any. closed: ids known closed, newest first,
    at most 32. untold: events not yet told, oldest first. notes: the small facts by name.
    """

    press_number: int = 0
    owed: tuple[Press, ...] = ()
    callout: CalloutRecord | None = None
    closed: tuple[CalloutId, ...] = ()
    last_fix: Fix | None = None
    untold: tuple[EventKept, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """What `status` says of the store.

    fixes: rows kept. untold: fixes recorded during the open callout that neither lane told yet. bytes: on disk, WAL included.
    mode: "disk", "memory" (the file could not be used) or "closed". trouble: what is wrong, None if nothing.
    """

    fixes: int = 0
    untold: int = 0
    bytes: int = 0
    mode: str = "closed"
    trouble: Ailment | None = None
