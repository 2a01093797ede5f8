"""What comes back around an emergency, out of whatever shape it came in (the strict way out is `bodies`).

Decides where in a JSON document reasons, a report, a map, ratings, devices and kinds of response are; both generations of the
documentation are understood, bare or wrapped. Must not raise for anything that came in: what cannot be understood is None, and
`delivery` decides what that means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from agent.model import Asked
from agent.paperwork import (
    CancellationReason,
    Device,
    DeviceAnswer,
    MapPicture,
    Paper,
    Rating,
    RatingItem,
    Report,
    ResponseType,
)
from agent.scalars import exact_id_of, first_text, id_of, text_of

Item = TypeVar("Item")

MAX_ITEMS: Final = 1000
WRAPPERS: Final = ("data", "items", "results", "records")
REASON_KEYS: Final = ("reason", "description", "name", "value", "exceptionReason")
REASON_LISTS: Final = ("exceptionReasons", "cancellationReasons", "reasons", "calloutExceptionReasons")
REASON_HOLDERS: Final = ("exceptionReason", "calloutExceptionReason")
ITEM_KEYS: Final = ("description", "ratingItemDescription", "ratingItem", "name", "value")
ITEM_LISTS: Final = ("ratingItems", "calloutRatingItems", "calloutRatingItemResults")
RATING_HOLDERS: Final = ("calloutRatingPostResult", "calloutRating", "rating")
DEVICE_HOLDERS: Final = ("device", "linkedDevice")


def _reason(raw: dict[str, Any]) -> CancellationReason | None:
    reason = first_text(raw, REASON_KEYS)
    return None if reason is None else CancellationReason(id_of(raw.get("id", raw.get("exceptionReasonId"))), reason)


def _report(document: Any, body: bytes) -> Report | None:
    """Any object is a report; anything else that can be read as text is one in words."""
    if isinstance(document, dict):
        inner = [value for key, value in document.items() if key != "message"]
        return Report(inner[0] if len(inner) == 1 and isinstance(inner[0], dict) else document)
    if isinstance(document, list):
        return Report({"items": document})
    if isinstance(document, str):
        return Report({}, document) if document.strip() else None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return Report({}, text) if document is None and text.strip() and "\0" not in text else None


def _picture(raw: dict[str, Any]) -> MapPicture | None:
    """Both may be null: it is then a picture that is not there yet."""
    if "url" not in raw and "image" not in raw:
        return None
    return MapPicture(text_of(raw.get("url")), text_of(raw.get("image")))


def _added_reason(document: Any) -> CancellationReason | None:
    """The newer answer is of the link between callout and reason: it need not repeat the reason's words."""
    linked = document.get("createdExceptionReason") if isinstance(document, dict) else None
    if isinstance(linked, dict):
        told = linked.get("exceptionReasonId")
        reason_id = id_of(linked.get("id") if told is None else told)
        return CancellationReason(reason_id, first_text(linked, (*REASON_KEYS, "notes")) or "")
    return _first(document, REASON_HOLDERS, _reason)


def _item(raw: dict[str, Any]) -> RatingItem | None:
    description = first_text(raw, ITEM_KEYS)
    return None if description is None else RatingItem(id_of(raw.get("id", raw.get("ratingItemId"))), description)


def _rated_item(document: Any) -> Paper | None:
    if isinstance(document, dict) and isinstance(document.get("calloutRatingItemResults"), list):
        return _list_of(document, ITEM_LISTS, _item)
    return _first(document, ("calloutRatingItemResults", "ratingItem"), _item)


def _rating(raw: dict[str, Any]) -> Rating | None:
    rating_id = id_of(raw.get("id", raw.get("calloutRatingId", raw.get("ratingId"))))
    return None if rating_id is None else Rating(rating_id)


def _type(raw: dict[str, Any]) -> ResponseType | None:
    value = first_text(raw, ("value", "name", "description"))
    return None if value is None else ResponseType(id_of(raw.get("id")), value, text_of(raw.get("description")))


def _device(raw: dict[str, Any]) -> Device | None:
    """`id` is a row's, not the device's: only `deviceId` serves the other calls."""
    device_id, serial = exact_id_of(raw.get("deviceId")), text_of(raw.get("deviceSerial"))
    if device_id is None and serial is None and id_of(raw.get("id")) is None:
        return None
    return Device(device_id, serial, raw)


def _device_answer(document: Any) -> DeviceAnswer | None:
    """`eventTypes` is one text despite its name; a list of texts is taken, too."""
    if not isinstance(document, dict):
        return None
    resolved = document.get("resolvedAuraEvent")
    resolved = resolved if isinstance(resolved, dict) else {}
    response = resolved.get("eventResponse")
    told = resolved.get("eventTypes")
    event = next((each for each in (told if isinstance(told, list) else [told]) if text_of(each)), None)
    return DeviceAnswer(event, id_of(response.get("calloutId")) if isinstance(response, dict) else None)


def _list_of(document: Any, keys: tuple[str, ...], read: Callable[[dict[str, Any]], Item | None]) -> tuple[Item, ...] | None:
    """A list, bare or wrapped. None when there is none, or nothing in it can be understood."""
    found = document if isinstance(document, list) else next(_lists(document, (*keys, *WRAPPERS)), None)
    if found is None:
        return None
    items = tuple(item for item in map(read, (each for each in found[:MAX_ITEMS] if isinstance(each, dict))) if item is not None)
    return None if found and not items else items


def _lists(document: Any, keys: tuple[str, ...]) -> Iterator[list[Any]]:
    inner = document.get("data") if isinstance(document, dict) else None
    for holder in (document, inner):
        if isinstance(holder, dict):
            yield from (holder[key] for key in keys if isinstance(holder.get(key), list))


def _first(document: Any, holders: tuple[str, ...], read: Callable[[dict[str, Any]], Item | None]) -> Item | None:
    """One thing: under a key of its own, under `data`, or the document itself."""
    if not isinstance(document, dict):
        return None
    data = document.get("data")
    inner = data if isinstance(data, dict) else {}
    places = (*(document.get(key) for key in holders), *(inner.get(key) for key in holders), data, document)
    found = (read(each) for each in places if isinstance(each, dict))
    return next((item for item in found if item is not None), None)


READERS: Final[Mapping[Asked, Callable[[Any], Paper | None]]] = {
    Asked.REASONS: lambda document: _list_of(document, REASON_LISTS, _reason),
    Asked.ADD_REASON: _added_reason,
    Asked.MAP: lambda document: _first(document, ("map", "calloutMap"), _picture),
    Asked.RATING_ITEMS: lambda document: _list_of(document, ITEM_LISTS, _item),
    Asked.RATE_ITEM: _rated_item,
    Asked.RATE: lambda document: _first(document, RATING_HOLDERS, _rating),
    Asked.RESPONSE_TYPES: lambda document: _list_of(document, ("responseTypes",), _type),
    Asked.LINK_DEVICE: lambda document: _first(document, DEVICE_HOLDERS, _device),
    Asked.UPDATE_DEVICE: lambda document: _first(document, DEVICE_HOLDERS, _device),
    Asked.UNLINK_DEVICE: lambda _: None,
    Asked.DEVICE_EVENT: _device_answer,
}
BRINGS: Final = frozenset({*READERS, Asked.REPORT})
LISTS: Final = frozenset({Asked.REASONS, Asked.RATING_ITEMS, Asked.RESPONSE_TYPES})  # 204 is an empty one
DUE: Final = LISTS | {Asked.REPORT, Asked.MAP, Asked.LINK_DEVICE}  # without what they bring they are no success


def paper_of(asked: Asked, document: Any, body: bytes) -> Paper | None:
    """What the reply to this request brings. document: None for what is not JSON; body: as it came."""
    return _report(document, body) if asked is Asked.REPORT else READERS[asked](document)
