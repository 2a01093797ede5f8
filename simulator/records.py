"""What the simulation remembers: customers, sites, callouts and what happened to them.

Plain data. Decides nothing, knows no HTTP and no JSON. `wall` is UTC seconds since 1970; degrees and metres as named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(slots=True)
class Customer:
    """Someone who may be in danger. The safe code is the last four digits of the mobile number."""

    id: int
    name: str
    mobile: str
    subscribed: bool

    @property
    def safe_code(self) -> str:
        """Four digits, leading zeros kept."""
        return "".join(letter for letter in self.mobile if letter.isdigit())[-4:]


@dataclass(frozen=True, slots=True)
class Site:
    """A fixed location that can be raised for without coordinates."""

    id: int
    reference: str
    customer_id: int
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Position:
    """Where a callout was said to be. received_wall is the arrival: the API has no time of the fix."""

    received_wall: float
    latitude: float
    longitude: float
    accuracy_m: float | None
    via: str  # "raise", "location", "site" or "elsewhere"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a callout's event stream, as both sides see it. kind: "chat" or "lifecycle"."""

    id: int
    wall: float
    source: str
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Note:
    """What only the dispatcher sees of a callout."""

    wall: float
    text: str
    alarming: bool = False


class Verdict(StrEnum):
    """What a cancel was."""

    RIGHT = "right"
    WRONG = "wrong"
    UNCONDITIONAL = "unconditional"


@dataclass(frozen=True, slots=True)
class Cancel:
    """One cancel request. `typed` is for the dispatcher alone and is in no general view; None without a code."""

    wall: float
    verdict: Verdict
    typed: str | None = field(repr=False)


@dataclass(slots=True)
class Callout:
    """One emergency, from raise to close. status is the free text that the API shows."""

    id: int
    customer_id: int
    response_type_id: int
    classification_id: int | None
    internal_test: bool
    origin: str  # "device", "site" or "elsewhere"
    raised_wall: float
    track_key: str = field(repr=False)
    site_id: int | None = None
    status: str = "created"
    presses: int = 1
    duress: bool = False
    soft_cancelled: bool = False
    positions: list[Position] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)
    dispatched_wall: float | None = None
    arrived_wall: float | None = None
    completed_wall: float | None = None
    closed_wall: float | None = None

    @property
    def closed(self) -> bool:
        """Whether dispatch is done with it."""
        return self.closed_wall is not None
