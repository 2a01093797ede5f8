"""What the simulation remembers: customers, sites, callouts and what happened to them.

Plain data. Decides nothing, knows no HTTP and no JSON. `wall` is UTC seconds since 1970; degrees and metres as named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

DIGITS = "0123456789"  # of any alphabet but this one, a telephone has no keys


@dataclass(slots=True)
class Subscription:
    """A span in which a customer may raise. It has no state of its own: that follows from the moment."""

    id: int
    type_id: int
    valid_from_wall: float
    valid_to_wall: float
    cancelled_wall: float | None = None

    def active_at(self, now: float) -> bool:
        """Whether it counts at that moment."""
        return self.cancelled_wall is None and self.valid_from_wall <= now < self.valid_to_wall


@dataclass(slots=True)
class Customer:
    """Someone who may be in danger. The safe code is the last four digits of the mobile number.

    deleted_wall: softly deleted, so that the callouts keep whom they were for.
    """

    id: int
    name: str
    mobile: str
    surname: str = ""
    email: str | None = None
    created_wall: float = 0.0
    deleted_wall: float | None = None
    subscriptions: list[Subscription] = field(default_factory=list)

    def subscribed_at(self, now: float) -> bool:
        """Whether a subscription is active at that moment."""
        return any(each.active_at(now) for each in self.subscriptions)

    @property
    def safe_code(self) -> str:
        """Four digits, leading zeros kept."""
        return "".join(letter for letter in self.mobile if letter in DIGITS)[-4:]


@dataclass(frozen=True, slots=True)
class Site:
    """A fixed location that can be raised for without coordinates. identifier: its name for people."""

    id: int
    reference: str
    customer_id: int
    latitude: float
    longitude: float
    identifier: str = ""
    type_id: int | None = None
    description: str | None = None
    additional_information: str | None = None
    formatted_address: str | None = None
    w3w: str | None = None
    created_wall: float = 0.0


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


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a callout was no emergency, as the customer's side told it. reason_id None: in words alone."""

    id: int
    reason_id: int | None
    text: str
    notes: str | None
    wall: float


@dataclass(slots=True)
class Rating:
    """What the customer thought of the response, 1 to 5. may_contact None: not said."""

    id: int
    stars: int
    comment: str | None
    may_contact: bool | None
    wall: float


@dataclass(slots=True)
class RatedItem:
    """One aspect of a rating. OLD scores it, NEW describes it."""

    id: int
    rating_id: int
    item_id: int | None
    description: str | None
    item: str | None
    sentiment: str | None
    score: int | None
    wall: float


@dataclass(slots=True)
class Callout:
    """One emergency, from raise to close. status is the free text that the API shows. eta_wall: when a responder is expected."""

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
    reasons: list[Reason] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)
    rated_items: list[RatedItem] = field(default_factory=list)
    owned_wall: float | None = None
    dispatched_wall: float | None = None
    eta_wall: float | None = None
    arrived_wall: float | None = None
    completed_wall: float | None = None
    stood_down_wall: float | None = None
    closed_wall: float | None = None

    @property
    def closed(self) -> bool:
        """Whether dispatch is done with it."""
        return self.closed_wall is not None


@dataclass(slots=True)
class Device:
    """A gadget linked to a customer, and what it last told. device_id: its name in events, derived from the serial in NEW."""

    id: int
    device_id: str
    serial: str
    supplier: str
    type_id: int
    customer_id: int
    alias: str | None
    firmware: str | None
    created_wall: float
    updated_wall: float
    last_event: str | None = None
    last_wall: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    battery_percent: float | None = None
    battery_wall: float | None = None
    health_wall: float | None = None
    health: str | None = None  # what came with the last health message, as JSON


@dataclass(slots=True)
class Webhook:
    """Where the source wants to be told. There is one; headers are secrets of whoever registered it."""

    id: int
    url: str = field(repr=False)
    events: list[str]
    method: str
    headers: dict[str, str] = field(repr=False)
    created_wall: float


class Happening(StrEnum):
    """What a webhook can be registered for."""

    NEW_CALLOUT = "NEW_CALLOUT"
    CALLOUT_OWNED = "CALLOUT_OWNED"
    RESPONDER_MANUALLY_DISPATCHED = "RESPONDER_MANUALLY_DISPATCHED"
    RESPONDER_ACKNOWLEDGED_CALLOUT = "RESPONDER_ACKNOWLEDGED_CALLOUT"
    RESPONDER_ACKNOWLEDGED_CALLOUT_WITH_ETA = "RESPONDER_ACKNOWLEDGED_CALLOUT_WITH_ETA"  # deprecated: may be asked for, never comes
    RESPONDER_ARRIVED_ON_SCENE = "RESPONDER_ARRIVED_ON_SCENE"
    RESPONDER_COMPLETED = "RESPONDER_COMPLETED"
    CALLOUT_EVENTS_CHANGED = "CALLOUT_EVENTS_CHANGED"
    CALLOUT_SOFT_CANCELLED_BY_CUSTOMER = "CALLOUT_SOFT_CANCELLED_BY_CUSTOMER"
    CALLOUT_NO_LONGER_REQUIRES_RESPONSE = "CALLOUT_NO_LONGER_REQUIRES_RESPONSE"
    CALLOUT_CLOSED = "CALLOUT_CLOSED"
    SUBSCRIPTION_CREATED = "SUBSCRIPTION_CREATED"
    SUBSCRIPTION_UPDATED = "SUBSCRIPTION_UPDATED"
    SUBSCRIPTION_CANCELLED = "SUBSCRIPTION_CANCELLED"
    SUBSCRIPTION_CANCELLED_FAILED = "SUBSCRIPTION_CANCELLED_FAILED"
    CREATED_CUSTOMER = "CREATED_CUSTOMER"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a webhook may want to hear of. entity: "callout", "customer" or "subscription"."""

    event: str
    entity: str
    id: int


@dataclass(slots=True)
class Counters:
    """The next id of each kind. Ids only go on, so that none comes twice."""

    callout: int
    entry: int = 1
    customer: int = 100_001
    subscription: int = 1
    site: int = 9001
    device: int = 1
    reason: int = 1
    rating: int = 1
    rated_item: int = 1
    webhook: int = 1
