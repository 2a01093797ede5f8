"""What comes back around an emergency: every documented shape is understood, nothing that comes in raises, nothing wrong goes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import bodies, wire
from agent.model import Asked, Place, Quality
from agent.paper_wire import BRINGS, DUE, LISTS, MAX_ITEMS, paper_of
from agent.paperwork import CancellationReason, Device, DeviceAnswer, MapPicture, Rating, RatingItem, Report, ResponseType

REASONS = (CancellationReason(1, "nobody there"), CancellationReason("x", "false alarm"))
RAW_REASONS = [{"id": 1, "reason": "nobody there"}, {"id": "x", "reason": "false alarm"}]


def read(asked: Asked, document: Any) -> Any:
    return paper_of(asked, document, json.dumps(document).encode())


# --- in -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        RAW_REASONS,
        {"message": "ok", "exceptionReasons": RAW_REASONS},
        {"data": RAW_REASONS},
        {"data": {"reasons": RAW_REASONS}},
        {"cancellationReasons": [None, *RAW_REASONS, {"id": 3}, "x"]},
    ],
)
def test_reasons_come_bare_or_wrapped(document: Any) -> None:
    """What has no words is left out."""
    assert read(Asked.REASONS, document) == REASONS


@pytest.mark.parametrize(
    ("document", "added"),
    [
        ({"id": 2, "reason": "false alarm"}, CancellationReason(2, "false alarm")),
        (
            {"message": "ok", "createdExceptionReason": {"id": 9, "exceptionReasonId": 2, "notes": "the cat"}},
            CancellationReason(2, "the cat"),
        ),
        ({"createdExceptionReason": {"id": 9}}, CancellationReason(9, "")),
        ({"message": "ok"}, None),
    ],
)
def test_an_added_reason_is_that_of_the_list(document: Any, added: Any) -> None:
    """The newer answer is of the link and need not repeat the words."""
    assert read(Asked.ADD_REASON, document) == added


@pytest.mark.parametrize(
    ("document", "picture"),
    [
        ({"url": "https://x/m", "image": None}, MapPicture("https://x/m", None)),
        ({"message": "ok", "map": {"url": None, "image": "data:image/png;base64,AA=="}}, MapPicture(None, "data:image/png;base64,AA==")),
        ({"data": {"url": "https://x/m"}}, MapPicture("https://x/m", None)),
        ({"url": 7, "image": []}, MapPicture(None, None)),
        ({"message": "ok"}, None),
        ([], None),
    ],
)
def test_a_map_is_a_url_or_an_image(document: Any, picture: Any) -> None:
    """And neither appears in a repr: it shows where the wearer was."""
    found = read(Asked.MAP, document)
    assert found == picture
    assert "https" not in repr(found)
    assert "base64" not in repr(found)


@pytest.mark.parametrize(
    ("document", "report"),
    [
        ({"outcome": "attended", "arrivedAt": None}, Report({"outcome": "attended", "arrivedAt": None})),
        ({"message": "ok", "resolutionReport": {"outcome": "x"}}, Report({"outcome": "x"})),
        ({"data": {"outcome": "x"}}, Report({"outcome": "x"})),
        ({"message": "ok"}, Report({"message": "ok"})),
        ([{"a": 1}], Report({"items": [{"a": 1}]})),
        ("All well", Report({}, "All well")),
        (" ", None),
        (7, None),
    ],
)
def test_a_report_is_whatever_dispatch_says(document: Any, report: Any) -> None:
    """Its keys are nowhere documented; a wrapper around a single thing is taken off."""
    assert read(Asked.REPORT, document) == report
    assert "attended" not in repr(read(Asked.REPORT, document))


@pytest.mark.parametrize(
    ("asked", "document", "paper"),
    [
        (Asked.RATING_ITEMS, [{"id": 1, "description": "speed"}], (RatingItem(1, "speed"),)),
        (Asked.RATING_ITEMS, {"ratingItems": [{"ratingItemId": 2, "name": "conduct"}]}, (RatingItem(2, "conduct"),)),
        (Asked.RATING_ITEMS, [], ()),
        (Asked.RATE_ITEM, {"calloutRatingItemResults": {"id": 5, "ratingItemDescription": "speed"}}, RatingItem(5, "speed")),
        (Asked.RATE_ITEM, {"calloutRatingItemResults": [{"id": 5, "ratingItemDescription": "speed"}]}, (RatingItem(5, "speed"),)),
        (Asked.RATE_ITEM, {"id": 5, "ratingId": 1, "ratingItemId": 2, "score": 5}, None),
        (Asked.RATE, {"id": 9, "calloutId": 7, "rating": 4}, Rating(9)),
        (Asked.RATE, {"calloutRatingPostResult": {"id": 9, "rating": 4}}, Rating(9)),
        (Asked.RATE, {"message": "ok"}, None),
        (
            Asked.RESPONSE_TYPES,
            {"responseTypes": [{"id": 1, "value": "SECURITY", "description": "armed"}]},
            (ResponseType(1, "SECURITY", "armed"),),
        ),
        (Asked.RESPONSE_TYPES, [{"id": 2, "name": "MEDICAL"}, {"id": 3}], (ResponseType(2, "MEDICAL"),)),
        (Asked.UNLINK_DEVICE, {"message": "ok"}, None),
    ],
)
def test_ratings_and_kinds_of_response_of_both_generations(asked: Asked, document: Any, paper: Any) -> None:
    """Bare or wrapped, one or several."""
    assert read(asked, document) == paper


@pytest.mark.parametrize(
    ("document", "device_id", "serial"),
    [
        ({"id": 1, "deviceId": "8812345", "deviceSerial": "SN-8812345"}, 8812345, "SN-8812345"),
        ({"device": {"id": 1, "deviceId": 5}}, 5, None),
        ({"deviceId": "0042"}, "0042", None),
        ({"id": 1, "deviceId": None}, None, None),
    ],
)
def test_a_device_is_known_by_what_the_other_calls_take(document: Any, device_id: Any, serial: Any) -> None:
    """`id` is a row's; a leading zero is part of a name."""
    for asked in (Asked.LINK_DEVICE, Asked.UPDATE_DEVICE):
        device = read(asked, document)
        assert isinstance(device, Device)
        assert (device.id, device.serial) == (device_id, serial)


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        (
            {"message": "ok", "resolvedAuraEvent": {"eventTypes": "NEW_CALLOUT", "eventResponse": {"calloutId": "7", "deviceId": 1}}},
            DeviceAnswer("NEW_CALLOUT", 7),
        ),
        ({"resolvedAuraEvent": {"eventTypes": ["BATTERY"], "eventResponse": None}}, DeviceAnswer("BATTERY", None)),
        ({"message": "ok"}, DeviceAnswer(None, None)),
        ([], None),
    ],
)
def test_a_device_event_tells_what_it_was_taken_for(document: Any, answer: Any) -> None:
    """One text despite its plural key, or a list of them."""
    assert read(Asked.DEVICE_EVENT, document) == answer


keys = st.sampled_from(
    (
        *("id", "reason", "exceptionReasons", "createdExceptionReason", "exceptionReasonId", "notes", "url", "image", "map", "data"),
        *("ratingItems", "description", "calloutRatingItemResults", "calloutRatingPostResult", "responseTypes", "value", "deviceId"),
        *("deviceSerial", "resolvedAuraEvent", "eventTypes", "eventResponse", "calloutId", "message", "items"),
    )
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["9" * 5000, "..", "0042"])
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | st.text(max_size=4), inner, max_size=6), max_leaves=25
)


@given(st.sampled_from(sorted(BRINGS)), documents, st.binary(max_size=40))
def test_nothing_that_comes_in_raises(asked: Asked, document: Any, body: bytes) -> None:
    """Any JSON, or none, is a paper or None; lists are tuples of one kind."""
    for each in (document, None):
        paper = paper_of(asked, each, body)
        assert not isinstance(paper, list)
        if isinstance(paper, tuple):
            assert len({type(item) for item in paper}) <= 1


def test_lists_are_bounded_and_what_is_due_is_brought() -> None:
    """The table of what a success needs agrees with itself."""
    assert len(read(Asked.REASONS, [{"id": n, "reason": "x"} for n in range(MAX_ITEMS + 5)])) == MAX_ITEMS
    assert LISTS < DUE < BRINGS


# --- kinds of events ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "kind", "text"),
    [
        ({"event": {"text": "hello"}, "calloutEventType": {"id": 1, "name": "chat"}}, "chat", "hello"),
        ({"event": {"text": "hello", "type": "CHAT_MESSAGE"}}, "CHAT_MESSAGE", "hello"),
        (
            {"event": {}, "calloutEventType": {"name": "RESPONDER_ARRIVED_ON_SCENE"}},
            "RESPONDER_ARRIVED_ON_SCENE",
            "RESPONDER_ARRIVED_ON_SCENE",
        ),
        ({"event": "CALLOUT_OWNED"}, "CALLOUT_OWNED", "CALLOUT_OWNED"),
        ({"message": "on our way"}, None, "on our way"),
        ({"message": "OK"}, None, "OK"),
        ({"message": "hello", "eventType": "\u202ek" * 200}, ("k " * 64)[:63].rstrip(), "hello"),
        ({"message": "hello", "calloutEventType": {"id": 1}, "type": 7}, None, "hello"),
    ],
)
def test_an_event_tells_its_kind_if_it_has_one(raw: Any, kind: str | None, text: str) -> None:
    """The name of its type, or a constant that stands for itself; an entry of nothing else is not lost."""
    (event,) = wire.events_of([raw]) or ()
    assert (event.kind, event.text) == (kind, text)


# --- out ------------------------------------------------------------------------------------------------------------------


def test_a_row_number_is_not_what_a_device_is_called() -> None:
    """It would lead every later call about it to another device, or to none."""
    device = read(Asked.LINK_DEVICE, {"device": {"id": 77, "deviceSerial": "SN-1"}})
    assert isinstance(device, Device)
    assert (device.id, device.serial) == (None, "SN-1")


@pytest.mark.parametrize("asked", sorted(LISTS))
def test_a_list_that_cannot_be_understood_is_none_and_not_an_empty_one(asked: Asked) -> None:
    """There is something, and nobody may say that there is nothing."""
    assert read(asked, [{"colour": "red"}, 7]) is None
    assert read(asked, []) == ()


def test_bodies_say_only_what_was_given() -> None:
    """Nobody documents that null is taken."""
    assert bodies.reason_body(2, None) == {"exceptionReasonId": 2}
    assert bodies.reason_body(None, "the cat") == {"notes": "the cat"}
    assert bodies.device_body(4711, "0042", None) == {"customerId": 4711, "deviceId": "0042"}


def test_a_rating_differs_between_generations_only_where_it_has_words() -> None:
    """What is the same in both is sent once."""
    assert bodies.rating_bodies(7, 4, None, may_contact=None).old is None
    both = bodies.rating_bodies(7, 4, "quick", may_contact=False)
    assert both.new == {"calloutId": 7, "rating": 4, "additionalDetails": "quick", "customerAllowedToBeContacted": False}
    assert both.old == {"calloutId": 7, "rating": 4, "comment": "quick"}


@pytest.mark.parametrize("stars", [0, 6, -1, True])
def test_a_rating_is_one_to_five(stars: int) -> None:
    """A typing mistake must not go out."""
    with pytest.raises(ValueError, match="1 to 5"):
        bodies.rating_bodies(7, stars, None, may_contact=None)


def test_an_item_is_rated_in_words_or_by_number() -> None:
    """The older form has no words, so it is not tried without number and score."""
    assert bodies.rating_item_bodies(9, "conduct", item_id=None, sentiment="good", score=5).old is None
    both = bodies.rating_item_bodies(9, "conduct", item_id=2, sentiment=None, score=5)
    assert both.new == {"calloutRatingId": 9, "ratingItemDescription": "conduct", "ratingItemId": 2}
    assert both.old == {"ratingId": 9, "ratingItemId": 2, "score": 5}


def test_a_link_has_the_keys_of_its_generation() -> None:
    """The serial is a serial, or the id itself."""
    both = bodies.link_bodies(4711, "SN-1", "Brand", device_type_id=5, alias=None, firmware="1.2")
    assert both.new == {"customerId": 4711, "deviceSerial": "SN-1", "deviceSupplier": "Brand", "deviceType": 5, "firmwareVersion": "1.2"}
    assert both.old == {"customerId": 4711, "deviceId": "SN-1", "deviceTypeId": 5}


def test_a_device_event_keeps_its_own_keys() -> None:
    """What a template wants beside them never replaces one; what is no position on Earth is left out."""
    extra = {"battery_level": 81, "message_type": 1, "device_id": "another"}
    body = bodies.device_event_body(8812345, 5, 4, Place(-33.9, 18.4, 6.0, Quality.LIVE, None), extra)
    where = {"latitude": -33.9, "longitude": 18.4, "accuracy": 6.0}
    assert body == {"device_id": 8812345, "device_type_id": 5, "message_type": 4, "battery_level": 81, "location": where}
    assert "location" not in bodies.device_event_body(1, 5, 4, Place(float("nan"), 0.0, None, Quality.LIVE, None), None)
