"""What comes back around an emergency: reasons, report, map, ratings, devices, kinds of response, as values.

LEAF: imports nothing of ours, decides nothing, touches nothing. Everything here is frozen and slotted. It must not hold what an
emergency itself needs: that is in `model`. What dispatch did not tell is None, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Id = int | str  # as `model.CalloutId`: integers in the documents, text with some clients


@dataclass(frozen=True, slots=True)
class CancellationReason:
    """Why a callout was called off ("exception reason" in the paths). id: what `add_reason` takes."""

    id: Id | None
    reason: str


@dataclass(frozen=True, slots=True)
class MapPicture:
    """Where the callout took place. image: a URL, a data: URI or base64, as sent. Both show the wearer's place: sensitive."""

    url: str | None = field(repr=False)
    image: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Report:
    """The resolution report: times and outcome, in whatever keys dispatch uses. text: a body that is not JSON."""

    document: dict[str, Any] = field(repr=False)
    text: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RatingItem:
    """One thing that a rating may speak of."""

    id: Id | None
    description: str


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating that dispatch took. id: what `rate_item` takes."""

    id: Id | None


@dataclass(frozen=True, slots=True)
class Device:
    """A device as linked to the customer. id: the `deviceId` that every other call about it takes; it is not the serial."""

    id: Id | None
    serial: str | None
    document: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """What dispatch made of a device event. event: like `NEW_CALLOUT`; callout_id: of the callout that it touched."""

    event: str | None
    callout_id: Id | None


@dataclass(frozen=True, slots=True)
class ResponseType:
    """A kind of help that a raise may ask for. value: like `SECURITY`."""

    id: Id | None
    value: str
    description: str | None = None


Paper = (
    CancellationReason
    | tuple[CancellationReason, ...]
    | MapPicture
    | Report
    | tuple[RatingItem, ...]
    | RatingItem
    | Rating
    | Device
    | DeviceAnswer
    | tuple[ResponseType, ...]
)
