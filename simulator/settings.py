"""What can be chosen about a simulation: one frozen value with defaults that work.

Decides nothing and touches nothing. Where the documentation is silent, the choice is a setting here, so that a client can be
proven against each reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any


class Generation(StrEnum):
    """Which generation of the documentation the answers follow: OLD is A/B, NEW is C."""

    OLD = "old"
    NEW = "new"


class ClosedBody(StrEnum):
    """What the body of a 285 holds; the documentation does not say."""

    FULL = "full"
    MESSAGE = "message"
    EMPTY = "empty"


class IncidentShape(StrEnum):
    """How `incidentInformation` comes: the guides show an array, the webhook page calls it a block."""

    ARRAY = "array"
    OBJECT = "object"
    ABSENT = "absent"


class EtaForm(StrEnum):
    """How the read view tells when a responder is expected; the documentation names no key."""

    INSTANT = "instant"
    MINUTES = "minutes"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class DeviceTemplate:
    """What the messages of one device type mean: message_type -> NEW_CALLOUT, LOCATION_UPDATE, CANCEL, HEALTH or BATTERY."""

    type_id: int
    supplier: str
    messages: tuple[tuple[int, str], ...]


# Two, with other numbers each: a number means nothing without its template.
DEVICE_TEMPLATES = (
    DeviceTemplate(5, "Simulated", ((1, "NEW_CALLOUT"), (2, "LOCATION_UPDATE"), (3, "CANCEL"), (4, "HEALTH"), (5, "BATTERY"))),
    DeviceTemplate(6, "Wearables", ((11, "NEW_CALLOUT"), (12, "CANCEL"), (20, "BATTERY"), (21, "HEALTH"), (30, "LOCATION_UPDATE"))),
)

EXCEPTION_REASONS = (
    (1, "Nobody was there"),
    (2, "False alarm"),
    (3, "Technical fault of the device"),
    (4, "Raised as a test"),
    (5, "Help came from elsewhere"),
    (6, "Another reason"),
)
RATING_ITEMS = ((1, "Time until someone came"), (2, "Conduct of the responder"), (3, "Conversation with the control room"))

# Latitude and longitude of the corners: a box around southern Africa.
COVERAGE = ((-35.5, 16.0), (-35.5, 33.5), (-21.5, 33.5), (-21.5, 16.0))

# Operations of one customer's callout flow. Which ones a callout token really reaches is not documented.
CALLOUT_FLOW = frozenset(
    {
        "raise",
        "raise_legacy",
        "raise_site",
        "list_customer",
        "read",
        "locate",
        "locate_return",
        "list_events",
        "send_event",
        "cancel",
        "map",
        "list_reasons",
        "add_reason",
        "report",
        "rate",
        "rating_items",
        "rate_item",
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one simulation.

    scope: operations that a callout token reaches (names as in `operations.OPERATIONS`). refuse_closed: operations that answer
    285 on a closed callout. *_token_s: lifetime of a token in seconds; epoch_expiry tells it as a Unix time instead.
    right_code_closes, unconditional_closes: whether such a cancel closes at once or waits for dispatch.
    position_required: whether a raise must hold a position or a site. created_status: of a raise or event that made something.
    existing_status: of a raise answered with the callout that was open already. first_callout_id: None takes it from the clock,
    so that ids of an earlier run do not come again.

    refuse_unknown: a key that the operation's body does not have is 400 instead of ignored (operations of a callout). strict_code: a
    wrong code answers 400, the callout stays open and is marked as ever. arrival_status: arrival and completion
    change the status text, too. closed_text: the status text of a callout that is closed, which documents write as `closed` without a
    list of what else it may be. return_path, report_segment: last segment of update-and-return ("": the callout's own path) and of
    the report. *_path: open paths below the API's prefix; customer_list_path may be "" (not served), and one without
    {customerId} lists for the token's own customer. coverage: corners of the covered area as (latitude, longitude) in degrees.
    """

    generation: Generation = Generation.NEW
    client_id: str = "demo-client"
    client_secret: str = "demo-client-secret"  # noqa: S105 - a stand-in's secret protects nothing
    device_key: str = "demo-device-key"
    dispatcher_key: str = "demo-dispatcher-key"
    customer_id: int = 4711
    customer_name: str = "Demo Customer"
    customer_mobile: str = "+27820000042"
    subscribed: bool = True
    site_reference: str = "STORE-001"
    site_latitude: float = -33.9249
    site_longitude: float = 18.4241
    server_token_s: float = 3600.0
    callout_token_s: float = 3600.0
    epoch_expiry: bool = False
    scope: frozenset[str] = CALLOUT_FLOW
    refuse_closed: frozenset[str] = frozenset({"locate", "locate_return"})
    closed_body: ClosedBody = ClosedBody.FULL
    incident_shape: IncidentShape = IncidentShape.ARRAY
    right_code_closes: bool = False
    unconditional_closes: bool = True
    position_required: bool = True
    created_status: int = 201
    existing_status: int = 200
    response_types: tuple[tuple[int, str], ...] = ((1, "SECURITY"), (2, "MEDICAL"))
    first_callout_id: int | None = None
    strict_code: bool = False
    arrival_status: bool = False
    closed_text: str = "closed"
    refuse_unknown: bool = False
    eta_form: EtaForm = EtaForm.INSTANT
    return_path: str = "updateLocationAndReturnCallout"
    report_segment: str = "resolutionReport"
    customer_list_path: str = "/customers/{customerId}/callouts"
    rating_items_path: str = "/rating-items"
    response_types_path: str = "/responseTypes"
    classifications: tuple[tuple[int, str], ...] = ((1, "Real"), (2, "Test"))
    subscription_types: tuple[tuple[int, str], ...] = ((1, "Personal"), (2, "Family"))
    exception_reasons: tuple[tuple[int, str], ...] = EXCEPTION_REASONS
    rating_items: tuple[tuple[int, str], ...] = RATING_ITEMS
    device_templates: tuple[DeviceTemplate, ...] = DEVICE_TEMPLATES
    coverage: tuple[tuple[float, float], ...] = COVERAGE

    def __post_init__(self) -> None:
        """Plain words are taken for the choices they name. Raises ValueError for any other word."""
        object.__setattr__(self, "generation", Generation(self.generation))
        object.__setattr__(self, "closed_body", ClosedBody(self.closed_body))
        object.__setattr__(self, "incident_shape", IncidentShape(self.incident_shape))
        object.__setattr__(self, "eta_form", EtaForm(self.eta_form))
        for name in _PATHS:
            _require(name, getattr(self, name), _is_path(name, getattr(self, name)))


MOST_LETTERS = 60  # of a status text

# Texts that become a part of a route, and whether they begin with a slash.
_PATHS = {
    "return_path": False,
    "report_segment": False,
    "customer_list_path": True,
    "rating_items_path": True,
    "response_types_path": True,
}
_MAY_BE_EMPTY = {"return_path", "customer_list_path"}
_PART = r"(?:[A-Za-z0-9._~-]+|\{customerId\})"

# What a person or a test may change while it runs. Keys and customers are not among them.
_CHANGEABLE = (
    "generation",
    "server_token_s",
    "callout_token_s",
    "epoch_expiry",
    "scope",
    "refuse_closed",
    "closed_body",
    "incident_shape",
    "right_code_closes",
    "unconditional_closes",
    "position_required",
    "created_status",
    "existing_status",
    "strict_code",
    "arrival_status",
    "closed_text",
    "refuse_unknown",
    "eta_form",
    *_PATHS,
)


def tell(settings: Settings) -> dict[str, Any]:
    """The changeable settings as JSON; no secret is among them."""
    values = {name: getattr(settings, name) for name in _CHANGEABLE}
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}


def change(settings: Settings, wanted: Mapping[str, Any]) -> Settings:
    """The settings with these changes. Raises ValueError that names the key."""
    return replace(settings, **{name: _convert(settings, name, value) for name, value in wanted.items()})


def _convert(settings: Settings, name: str, value: Any) -> Any:
    if name not in _CHANGEABLE:
        raise ValueError(f"{name}: not a setting that can be changed; there are {', '.join(_CHANGEABLE)}")
    now = getattr(settings, name)
    if isinstance(now, bool):
        return _require(name, value, isinstance(value, bool))
    if isinstance(now, StrEnum):
        return _choose(type(now), name, value)
    if isinstance(now, frozenset):
        _require(name, value, isinstance(value, list) and all(isinstance(item, str) for item in value))
        return frozenset(value if isinstance(value, list) else ())
    if name in _PATHS:
        return _require(name, value, _is_path(name, value))
    if isinstance(now, str):
        return _require(name, value, isinstance(value, str) and bool(value.strip()) and len(value) <= MOST_LETTERS)
    whole = name.endswith("_status")
    fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    return _require(name, value, fits and (200 <= value <= 599 if whole else 0 <= value < 1e9))


def _require(name: str, value: object, fits: bool) -> object:  # noqa: FBT001 - the question itself is the argument
    if not fits:
        raise ValueError(f"{name}: {value!r} does not fit")
    return value


def _is_path(name: str, value: object) -> bool:
    if not isinstance(value, str):
        return False
    if not value:
        return name in _MAY_BE_EMPTY
    if not _PATHS[name]:
        return re.fullmatch(_PART, value) is not None and "{" not in value
    return re.fullmatch(rf"(?:/{_PART})+", value) is not None and ("{" not in value or name == "customer_list_path")


def _choose(kind: type[StrEnum], name: str, value: object) -> StrEnum:
    try:
        return kind(str(value))
    except ValueError:
        raise ValueError(f"{name}: one of {', '.join(kind)}") from None


assert set(_CHANGEABLE) <= {field.name for field in fields(Settings)}  # noqa: S101 - a slip here is a defect of this file
