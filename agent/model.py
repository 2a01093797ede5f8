"""The words of the house as values: what was said, what is believed, what is wanted, what dispatch answered.

LEAF: imports nothing but its neighbour `paperwork`, decides nothing, touches nothing. Everything here is frozen and slotted.
Units are in every name (`_s`, `_m`, `_mps`, `_deg`); `at` is monotonic seconds of this boot, `wall` is UTC seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agent.paperwork import Paper

# Dispatch documents integers and some clients see strings. A string of digits is turned into an int on the way in.
CalloutId = int | str


class Reason(StrEnum):
    """Why the gate did not let a report pass as it was. The order is the order of `status`."""

    SIMULATED = "simulated"
    NULL_ISLAND = "null_island"
    NON_FINITE = "non_finite"
    OUT_OF_RANGE = "out_of_range"
    FUTURE = "future"
    ROLLED_OVER = "rolled_over"
    STALE = "stale"
    IMPOSSIBLE = "impossible"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Report:
    """One epoch as a receiver told it, before the gate. Nothing in it is believed yet; numbers may be NaN or absurd.

    at: monotonic s when the last byte of the epoch's deciding sentence arrived.
    receiver: the receiver's name in config (see `config.Receiver.name`).
    mode: 0 unknown or 1 none: no position; 2: two-dimensional; 3: three-dimensional.
    gnss_time: UTC s since 1970 by the receiver; None when it has not told both date and time of day.
    time_of_day_s: UTC s since midnight by the receiver; None when untold. Present whenever gnss_time is.
    accuracy_m: horizontal, 95 %; None when the receiver tells nothing it could be computed from.
    simulated: the receiver itself says that it plays or estimates (GGA quality 7 or 8, mode S or M, gpsd status 8).
    """

    at: float
    receiver: str
    mode: int
    gnss_time: float | None = None
    time_of_day_s: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    altitude_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Ailment:
    """What a receiver suffers from, in words for `status`. `code` is stable (`receiver.silent`), `hint` says what to do."""

    code: str
    text: str
    hint: str


class Quality(StrEnum):
    """How far a position may be trusted, best first: the order in which a raise takes them."""

    LIVE = "live"
    UNCONFIRMED = "unconfirmed"
    STORED = "stored"
    SITE = "site"
    FORCED = "forced"  # passed only because the wearer must not be starved (law 10); accuracy raised to cover the doubt


@dataclass(frozen=True, slots=True)
class Fix:
    """A position that passed the gate.

    at: monotonic s of arrival, less what it was held up by on its way.
    wall: UTC s of the position, the receiver's time where believed, else of arrival.
    gnss_time: the receiver's own time where believed, else None.
    wall_trusted: False for a wall time taken from a clock that was not yet plausible.
    segment: counts up when the receiver's time steps: positions of different segments are not compared.
    accuracy_m: horizontal, 95 %; None when unknown.
    """

    at: float
    wall: float
    receiver: str
    latitude: float
    longitude: float
    accuracy_m: float | None = None
    altitude_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None
    gnss_time: float | None = None
    wall_trusted: bool = True
    segment: int = 0
    quality: Quality = Quality.LIVE


@dataclass(frozen=True, slots=True)
class Press:
    """A qualified act of the wearer that must end in a callout.

    number: counts up per device, never reused. origin: "button:NAME", "cli" or "spool". at: at most 0 for one of an earlier boot.
    """

    number: int
    at: float
    wall: float
    origin: str
    wall_trusted: bool = True
    response_type_id: int | None = None
    note: str | None = None
    drill: bool = False

    def age_s(self, at: float, wall: float) -> float:
        """How long ago it was made, at monotonic `at` when it was `wall`. The wall clock is asked only about another boot."""
        since_s = max(0.0, at - self.at)
        return max(since_s, wall - self.wall) if self.at <= 0 and self.wall_trusted else since_s


class Act(StrEnum):
    """What a finger did at a button, as the gesture machine reads its line."""

    TOUCHED = "touched"  # the line became active; nothing is decided yet
    RELEASED = "released"
    GESTURE = "gesture"  # the configured gesture is complete: a press
    ABORT = "abort"  # another act than the gesture: the abort line, or held for long where the gesture is several presses


@dataclass(frozen=True, slots=True)
class Acted:
    """An act and when it was complete: `at` is the kernel's time of the edge, or the moment when it had been held for long enough."""

    act: Act
    at: float


class Sign(StrEnum):
    """What lamp and buzzer say to the wearer. Each is a claim, and must be true."""

    NOTHING = "nothing"  # standby, calm, or a callout that was raised elsewhere
    PRESSED = "pressed"  # the button is felt
    WINDOW = "window"  # a pre-alarm: a press that a different act can still take back
    CONTACTING = "contacting"  # a press is owed; no attempt has failed yet
    FAILING = "failing"  # a press is owed and attempts fail, or dispatch has lost the callout; attempts go on
    ACCEPTED = "accepted"  # dispatch has the callout
    RESPONDING = "responding"  # dispatch says that a responder is on the way
    ARRIVED = "arrived"  # dispatch says that a responder is at the scene
    MESSAGE = "message"  # for some seconds: dispatch wrote something


@dataclass(frozen=True, slots=True)
class Power:
    """What feeds the device. low and lost last until they have been over for a while."""

    percent: float | None = None  # of the emptiest battery; None: none tells it
    mains: bool | None = None  # fed from outside; None: no supply tells it
    low: bool = False  # a battery is nearly empty and nothing fills it
    lost: bool = False  # it was fed from outside, and was cut off


@dataclass(frozen=True, slots=True)
class Place:
    """Where a raise says that we are. `wall` None: a site, which has no time."""

    latitude: float
    longitude: float
    accuracy_m: float | None
    quality: Quality
    wall: float | None


@dataclass(frozen=True, slots=True)
class Help:
    """What dispatch says of the responder; None: it does not say. *_wall: UTC s since 1970 by dispatch's clock.

    eta_wall: when they are expected, if dispatch told an instant, or a span with a unit in its key. eta_text: as told, where it has
    no unit that we know. responder: a name, at most 60 printable characters.
    """

    dispatched_wall: float | None = None
    arrived_wall: float | None = None
    completed_wall: float | None = None
    eta_wall: float | None = None
    eta_text: str | None = None
    responder: str | None = None


@dataclass(frozen=True, slots=True)
class Callout:
    """A callout as dispatch describes it, whatever the generation of the answer. Unknown is None, never a guess.

    status: as sent, free text (`created`, `Responder Dispatched`, `closed`, ...). created_wall: UTC s since 1970.
    existed: dispatch said or showed that this callout was open before the raise that returned it; None when it did not say.
    """

    id: CalloutId
    status: str | None = None
    customer_id: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    created_wall: float | None = None
    existed: bool | None = None
    url: str | None = field(default=None, repr=False)  # opens live tracking: sensitive
    help: Help = Help()

    @property
    def closed(self) -> bool:
        """Closed by read: the trimmed, case-folded status `closed` and nothing else (DESIGN section 4)."""
        return self.status is not None and self.status.strip().casefold() == "closed"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a callout's event stream as read from dispatch. wall: UTC s, None when untold.

    kind: the name of its type, or a constant like `CALLOUT_OWNED`, as sent; an entry that has nothing else has it as its text, too.
    """

    id: CalloutId | None
    source: str
    text: str
    wall: float | None = None
    kind: str | None = None


class Asked(StrEnum):
    """The kind of a request; a reply carries the kind (and callout id) of its request."""

    RAISE = "raise"
    LOCATION = "location"
    READ = "read"
    LOOK_UP = "look_up"
    CANCEL = "cancel"
    EVENT = "event"
    EVENTS = "events"
    LIST_ACTIVE = "list_active"
    REASONS = "reasons"
    ADD_REASON = "add_reason"
    REPORT = "report"
    MAP = "map"
    RATING_ITEMS = "rating_items"
    RATE_ITEM = "rate_item"
    RATE = "rate"
    LINK_DEVICE = "link_device"
    UPDATE_DEVICE = "update_device"
    UNLINK_DEVICE = "unlink_device"
    DEVICE_EVENT = "device_event"
    RESPONSE_TYPES = "response_types"
    PROBE = "probe"  # whether a path exists; the answer is of no interest
    TOKEN = "token"  # noqa: S105 - the kind of a request, not a secret


class Meaning(StrEnum):
    """What a reply means (DESIGN section 6)."""

    ACCEPTED = "accepted"
    CLOSED = "closed"
    REJECTED = "rejected"  # 400, 403, 404, 409, 422: the request as it stands; `http_status` tells which
    RETRY = "retry"
    UNAUTHORISED = "unauthorised"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request to dispatch came to.

    asked, callout_id: of the request. http_status: None when no reply came.
    cause: a stable word for logs and conditions: "ok", "closed", "timeout", "dns", "connect", "reset", "tls", "tls.clock", "html",
    "odd", "too_large", "redirect", "http_<n>", "scope", "no_token".
    text: one line for a person, free of secrets and coordinates. retry_after_s: as asked by dispatch, unclipped.
    callout: of a raise, read or location-and-return. callouts, events: of a look-up or an event list. paper: of all else that brings
    something back. shape: in which of the documented shapes the body went, where there are several.
    """

    asked: Asked
    meaning: Meaning
    cause: str
    text: str = ""
    callout_id: CalloutId | None = None
    http_status: int | None = None
    retry_after_s: float | None = None
    callout: Callout | None = None
    callouts: tuple[Callout, ...] | None = None
    events: tuple[Event, ...] | None = None
    shape: str | None = None  # of a raise: "nested", "flat", "legacy", "predefined"; of other bodies: "new", "old"
    paper: Paper | None = None


class Severity(StrEnum):
    """critical: a raise would not work (not armed). degraded: it would, something else is worse. note: to be known."""

    CRITICAL = "critical"
    DEGRADED = "degraded"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Condition:
    """A named, dated unhealthy fact, with a hint. since_wall: UTC s."""

    code: str
    severity: Severity
    since_wall: float
    text: str
    hint: str


class Secret:
    """A token, a key: what must not turn up in a log, a traceback or a file by accident. It can be compared, not printed, not pickled.

    Its one way out is `revealed()`, for the header or body of a request and for the file that keeps it. (DESIGN law 11.)
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def revealed(self) -> str:
        """The value itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is stored by whoever says so: reveal it there")


class SafeCode:
    """A safe code as typed: 1 to 16 characters, kept as they are. It cannot be printed, logged, compared or pickled.

    Its one way out is `typed()`, which only the Panic API client calls. (DESIGN law 5.)
    """

    __slots__ = ("_typed",)

    def __init__(self, typed: str) -> None:
        """Raises ValueError for a blank one or one longer than 16 characters."""
        if not typed.strip():
            raise ValueError("a blank code is no code")
        if len(typed) > 16:
            raise ValueError("a code has at most 16 characters")
        self._typed = typed

    def typed(self) -> str:
        """The code as typed, for the request body of a cancel and nothing else."""
        return self._typed

    def __repr__(self) -> str:
        return "SafeCode(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a safe code is never stored")
