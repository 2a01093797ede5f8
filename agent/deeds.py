"""What the store's thread is given to write, as values: the daemon's writes, and what the store adds to them.

Decides nothing and touches nothing. Deeds are done in the order in which they were given; each may be done twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.kept import CalloutKept, EventKept, FixesTold, NoteKept, PressesSettled, PressMade, Write
from agent.model import Fix


@dataclass(frozen=True, slots=True)
class Taken:
    """Deed: a fix was recorded, during the emergency that began at `episode` (None: in quiet times)."""

    fix: Fix
    episode: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """Deed: the location lane had the fix of this boot accepted. wall: UTC s of the acceptance."""

    at: float
    receiver: str
    wall: float


@dataclass(frozen=True, slots=True)
class Covered:
    """Deed: what this emergency recorded between two times of this boot needs no words; it counts as told. wall: UTC s of the mark."""

    since_at: float
    until_at: float
    episode: str
    wall: float


@dataclass(frozen=True, slots=True)
class TrailTold:
    """Deed: `FixesTold` with the emergency that it speaks of."""

    told: FixesTold
    episode: str | None


@dataclass(frozen=True, slots=True)
class Restamped:
    """Deed: the clock became trusted; at monotonic `at` it was `wall`. Earlier rows of this boot get their true time."""

    at: float
    wall: float


@dataclass(frozen=True, slots=True)
class StateKept:
    """Deed: one small fact of the store itself (`calm`, `counted`, `episode`, `machine_id`, `press_number`, `settled`)."""

    name: str
    value: str


Deed = PressMade | PressesSettled | CalloutKept | EventKept | NoteKept | Taken | Sent | Covered | TrailTold | Restamped | StateKept

# These, and fixes of an emergency, are on the disk before a commit returns.
LASTING = (PressMade, PressesSettled, CalloutKept, EventKept, NoteKept, StateKept, TrailTold)


def as_deed(write: Write, episode: str | None) -> Deed:
    """A write of the daemon with what the store knows of the moment."""
    return TrailTold(write, episode) if isinstance(write, FixesTold) else write


def in_episode(deed: Deed, episode: str) -> Deed:
    """The same of another emergency, where it is of one at all."""
    return replace(deed, episode=episode) if isinstance(deed, Taken | Covered | TrailTold) else deed
