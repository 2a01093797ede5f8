"""Panic API shapes: every documented one is understood, nothing that comes in raises, nothing wrong goes out."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import bodies, wire
from agent.model import Place, Quality

FLAT = {
    "id": 500123,
    "customerId": 4711,
    "predefinedLocationId": None,
    "status": "created",
    "latitude": -29.8579,
    "longitude": 31.0292,
    "responseTypeId": 1,
    "createdAt": "2026-03-02T10:11:12Z",
    "unknown": {"x": []},
}
CREATED_WALL = 1_772_446_272.0

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
KNOWN = (
    *wire.LIST_KEYS,
    *wire.TEXT_KEYS,
    *wire.TOKEN_KEYS,
    *wire.EXPIRY_KEYS,
    "id",
    "callout",
    "status",
    "location",
    "latitude",
    "longitude",
)
tempting = st.recursive(
    st.none() | st.integers() | st.floats() | st.sampled_from(["", " ", "7", "closed", "1e400", "x" * 200, "..", "2026-13-45", "9" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*KNOWN, "incidentInformation", "createdAt")), inner, max_size=6)
    ),
    max_leaves=20,
)


def jwt(**claims: Any) -> str:
    """An unsigned JWT with these claims."""
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{middle}.c2lnbmF0dXJl"


# --- in -----------------------------------------------------------------------------------------------------------------


@given(json_values | tempting)
def test_nothing_that_comes_in_raises(document: Any) -> None:
    """Any JSON at all gives a value or None, and the values keep their promises."""
    for callout in (wire.callout_of(document), wire.read_callout_of(document, 7)):
        if callout is not None:
            assert isinstance(callout.id, int | str)
            assert callout.latitude is None or math.isfinite(callout.latitude)
            assert not isinstance(callout.id, int) or abs(callout.id) < 2**63
    for listed in (wire.callouts_of(document), wire.events_of(document)):
        assert listed is None or isinstance(listed, tuple)
    token = wire.token_of(document, at=1.0, wall=1.8e9)
    assert token is None or token.life_s is None or math.isfinite(token.life_s)
    wire.message_of(document)


@given(st.binary() | st.text().map(str.encode) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises(body: bytes) -> None:
    """Any bytes are a document or None."""
    wire.callout_of(wire.document_of(body))
    wire.token_of_text(body.decode("utf-8", "replace"), at=0.0, wall=None)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"9" * 100_000, b"\xff\xfe\x00", b"", b"\xef\xbb\xbf{}x"])
def test_bodies_made_to_break_a_parser_are_no_document(body: bytes) -> None:
    """Depth, absurd numbers and broken encodings are None."""
    assert wire.document_of(body) is None


@pytest.mark.parametrize(
    "document",
    [
        FLAT,
        {"message": "ok", "callout": FLAT},
        {"data": {"callout": FLAT}},
        {"data": FLAT},
        {"callout": {**FLAT, "id": "500123"}},
        {"callout": {**FLAT, "id": 500123.0}},
        {"callout": None, "id": 500123, **FLAT},
    ],
)
def test_a_callout_is_found_in_every_generation_of_the_answer(document: Any) -> None:
    """Flat, wrapped, doubly wrapped; the id as number or text."""
    callout = wire.callout_of(document)
    assert callout is not None
    assert (callout.id, callout.status, callout.customer_id) == (500123, "created", 4711)
    assert (callout.latitude, callout.longitude, callout.created_wall) == (-29.8579, 31.0292, CREATED_WALL)


def test_an_id_of_what_is_around_a_callout_is_not_the_callouts() -> None:
    """A request, or an envelope, may have one of its own: to stream to it would help nobody."""
    for around in ({"callout": FLAT}, {"data": {"id": 8, "callout": FLAT}}):
        found = wire.callout_of({"id": 99, "message": "ok", **around})
        assert found is not None
        assert found.id == 500123
        assert [each.id for each in wire.callouts_of([{"id": 99, **around}]) or ()] == [500123]


@pytest.mark.parametrize("raw", [None, "", "  ", True, False, [], {}, 1.5, float("nan"), float("inf"), "..", ".", "x" * 129, "a\nb"])
def test_what_is_no_id_is_none(raw: Any) -> None:
    """Such an id could not be asked about again."""
    assert wire.callout_of({"callout": {"id": raw, "status": "created"}}) is None


@pytest.mark.parametrize(("raw", "understood"), [("abc-1", "abc-1"), (" 42 ", 42), ("007", 7), (2**70, str(2**70)), ("9" * 40, "9" * 40)])
def test_other_ids_are_kept_as_they_are(raw: Any, understood: Any) -> None:
    """Digits become a number the store can hold; anything else stays text."""
    callout = wire.callout_of({"id": raw})
    assert callout is not None
    assert callout.id == understood


@pytest.mark.parametrize(
    "incident", [None, [], {}, "text", [None, 3], [{"location": {"latitude": -33.9, "longitude": 18.4, "accuracy": 9}}]]
)
def test_incident_information_may_be_anything(incident: Any) -> None:
    """An array, an object or absent; a position in it is found."""
    callout = wire.callout_of({"callout": {"id": 1, "latitude": None, "incidentInformation": incident}})
    assert callout is not None
    found = isinstance(incident, list) and incident and isinstance(incident[0], dict)
    assert (callout.latitude, callout.accuracy_m) == ((-33.9, 9.0) if found else (None, None))


@pytest.mark.parametrize(
    "where", [{"latitude": 91, "longitude": 1}, {"latitude": "x", "longitude": 1}, {"latitude": 1}, {"latitude": 1, "longitude": 1e400}]
)
def test_half_a_position_is_none(where: Any) -> None:
    """Both coordinates in range, or neither."""
    callout = wire.callout_of({"id": 1, **where})
    assert callout is not None
    assert (callout.latitude, callout.longitude) == (None, None)


def test_a_read_without_its_id_is_of_the_one_asked_about_and_never_of_another() -> None:
    """Else the close of one callout could end another."""
    unnamed = wire.read_callout_of({"callout": {"status": "Responder Dispatched"}}, 7)
    assert unnamed is not None
    assert (unnamed.id, unnamed.closed) == (7, False)
    assert wire.read_callout_of({"callout": {"id": 8, "status": "closed"}}, 7) is None
    assert wire.read_callout_of({"message": "ok"}, 7) is None
    named = wire.read_callout_of({"callout": {"id": "7", "status": " CLOSED "}}, 7)
    assert named is not None
    assert named.closed


@pytest.mark.parametrize(
    "wrap",
    [lambda x: x, lambda x: {"callouts": x}, lambda x: {"data": x}, lambda x: {"data": {"callouts": x}}, lambda x: {"activeCallouts": x}],
)
def test_lists_come_bare_or_wrapped(wrap: Any) -> None:
    """Both with and without entries; entries without an id are left out."""
    assert wire.callouts_of(wrap([])) == ()
    assert [each.id for each in wire.callouts_of(wrap([{"callout": {"id": "1"}}, None, {"id": 2}])) or ()] == [1, 2]


@pytest.mark.parametrize("document", [None, {}, {"message": "x"}, "x", 3, [None, "x"], {"callouts": None}])
def test_what_is_no_list_is_none(document: Any) -> None:
    """An empty list means "none active"; nonsense must not mean it."""
    assert wire.callouts_of(document) is None


def test_one_active_callout_may_come_without_a_list() -> None:
    """A single wrapped callout is a list of one."""
    assert [each.id for each in wire.callouts_of({"callout": FLAT}) or ()] == [500123]


def test_events_of_both_generations_are_read() -> None:
    """A message string, an event string, an event object; a sender where told."""
    events = wire.events_of(
        {
            "data": [
                {"id": 1, "calloutId": 7, "message": "on our way", "createdAt": "2026-03-02T10:11:12Z"},
                {"id": "2", "event": "hello", "source": "customer"},
                {"id": 3, "event": {"message": "who?", "role": "controller", "supplierId": 4}, "createdAt": None, "createdBy": 5},
                {"id": 4, "event": None},
                None,
            ]
        }
    )
    assert [(each.id, each.source, each.text, each.wall) for each in events or ()] == [
        (1, "unknown", "on our way", CREATED_WALL),
        (2, "customer", "hello", None),
        (3, "controller", "who?", None),
    ]


@pytest.mark.parametrize("kind", ["RESPONDER_ACKNOWLEDGED_CALLOUT_WITH_ETA", "CALLOUT_SOFT_CANCELLED_BY_CUSTOMER", "chat"])
def test_kind_of_an_event_is_read_whole_wherever_it_stands(kind: str) -> None:
    """Cut short it would say nothing of a responder."""
    for raw in ({"eventType": kind}, {"calloutEventType": {"id": 2, "name": kind}}, {"event": {"type": kind, "text": "x"}}):
        (event,) = wire.events_of([{"id": 1, "message": "Unit 7", **raw}]) or ()
        assert event.kind == kind


@pytest.mark.parametrize("padding", ["", " " * 100_000])
def test_status_is_kept_short_and_closed_is_closed_all_the_same(padding: str) -> None:
    """It is kept with the callout, and shown; what is long says nothing else for it."""
    for status, closed in (("closed", True), ("x" * 100_000, False), ("closed" + "x" * 100_000, False)):
        callout = wire.callout_of({"id": 7, "status": padding + status + padding})
        assert callout is not None
        assert (callout.closed, len(callout.status or "") <= wire.MAX_STATUS_CHARS) == (closed, True)


def test_entry_of_a_time_to_come_has_none_that_can_be_believed() -> None:
    """Else a responder who "arrived" in a hundred years would outweigh every later word, that they were stood down among them."""
    listed = [{"message": "now", "createdAt": CREATED_WALL + 60}, {"message": "then", "createdAt": CREATED_WALL + 3600}]
    assert [each.wall for each in wire.events_of(listed, CREATED_WALL) or ()] == [CREATED_WALL + 60, None]
    assert [each.wall for each in wire.events_of(listed) or ()] == [CREATED_WALL + 60, CREATED_WALL + 3600]


def test_no_stream_is_read_without_end() -> None:
    """As many entries from both ends; of nothing but empty ones none is left, and it is still a list."""
    many = [{"message": str(number)} for number in range(3 * wire.MAX_EVENTS)]
    texts = [each.text for each in wire.events_of(many) or ()]
    assert (len(texts), texts[0], texts[-1]) == (wire.MAX_EVENTS, "0", str(len(many) - 1))
    assert wire.events_of([{}] * 1_000_000) == ()


# --- tokens -------------------------------------------------------------------------------------------------------------

NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("document", "life_s"),
    [
        ({"accessToken": "abcdefgh", "tokenType": "Bearer", "expiresIn": 3600}, 3600),
        ({"access_token": "abcdefgh", "token_type": "Bearer", "expires_in": "3600"}, 3600),
        ({"data": {"accessToken": "abcdefgh", "expiresIn": 3600}}, 3600),
        ({"access_token": "abcdefgh", "expires_in": NOW + 600}, 600),
        ({"access_token": "abcdefgh", "expires_in": (NOW + 600) * 1000}, 600),
        ({"access_token": "abcdefgh", "expiresAt": "2026-11-18T16:26:40Z"}, 1_795_019_200 - NOW),
        ({"accessToken": jwt(exp=NOW + 900)}, 900),
        ({"accessToken": jwt(exp=NOW + 900), "expiresIn": 60}, 60),
        ({"accessToken": jwt(sub="x"), "expiresIn": None}, None),
        ({"accessToken": "abcdefgh"}, None),
        ({"accessToken": "a.b!.c-not-base64"}, None),
    ],
)
def test_a_token_tells_its_life_in_many_ways(document: Any, life_s: float | None) -> None:
    """Both spellings; a duration, an instant in s or ms or as text, or the token's own `exp`."""
    token = wire.token_of(document, at=50.0, wall=NOW)
    assert token is not None
    assert (token.at, token.life_s) == (50.0, life_s)


def test_a_duration_is_immune_to_the_wall_clock_and_an_instant_needs_one() -> None:
    """A device that has no time yet knows a relative lifetime exactly, and does not guess about an instant."""
    relative = wire.token_of({"accessToken": "abcdefgh", "expiresIn": 100}, at=0.0, wall=None)
    instant = wire.token_of({"accessToken": "abcdefgh", "expiresIn": NOW}, at=0.0, wall=None)
    assert relative is not None
    assert instant is not None
    assert (relative.spent(50.0), relative.spent(100.0)) == (0.5, 1.0)
    assert (instant.life_s, instant.expires_wall, instant.spent(1e9)) == (None, NOW, 0.0)


@pytest.mark.parametrize("value", ["", "short", "two words", "line\nbreak", "caf\u00e9-token", 17, None, ["abcdefgh"]])
def test_what_cannot_stand_in_a_header_is_no_token(value: Any) -> None:
    """It would break the request, or smuggle a header into it."""
    assert wire.token_of({"accessToken": value}, at=0.0, wall=None) is None


@pytest.mark.parametrize("text", ["abcdefgh\n", '"abcdefgh"', '{"access_token": "abcdefgh"}', '{"data": {"accessToken": "abcdefgh"}}'])
def test_a_file_holds_a_bare_token_or_the_services_json(text: str) -> None:
    """Whoever keeps the file fresh may simply write what the service answered."""
    token = wire.token_of_text(text, at=0.0, wall=None)
    assert token is not None
    assert token.value.revealed() == "abcdefgh"
    assert "abcdefgh" not in repr(token) + str(token)


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", '{"error": "x"}', "<html>", "null"])
def test_a_file_without_a_token_holds_none(text: str) -> None:
    """An empty or half-written file is not taken for a token."""
    assert wire.token_of_text(text, at=0.0, wall=None) is None


# --- out ----------------------------------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=True, allow_infinity=True)


@given(numbers, numbers, st.none() | numbers)
def test_only_positions_on_earth_go_out(latitude: float, longitude: float, accuracy_m: float | None) -> None:
    """Finite, in range, 7 decimals; an accuracy is positive or left out; the JSON is always encodable."""
    body = bodies.position_body(latitude, longitude, accuracy_m)
    if body is None:
        assert not (abs(latitude) <= 90 and abs(longitude) <= 180)
        return
    assert abs(body["latitude"] - latitude) <= 1e-7
    assert body["longitude"] == round(longitude, 7)
    assert body.get("accuracy", 1.0) > 0
    bodies.encoded(body)


def test_an_accuracy_of_nothing_is_none() -> None:
    """A receiver that tells 0 m does not know it: a responder would trust the place to a step."""
    assert bodies.position_body(1.0, 2.0, 0.0) == {"latitude": 1.0, "longitude": 2.0}
    assert bodies.position_body(1.0, 2.0, 0.01) == {"latitude": 1.0, "longitude": 2.0, "accuracy": 0.1}


@pytest.mark.parametrize("shape", ["nested", "flat", "legacy"])
@given(numbers, numbers)
def test_a_raise_is_never_held_back_by_its_position(shape: str, latitude: float, longitude: float) -> None:
    """A position that is none is left out; the rest of the body stands."""
    place = Place(latitude, longitude, None, Quality.LIVE, None)
    body = bodies.raise_body(shape, place, response_type_id=3, classification_id=1, customer_id=4711)
    assert (body["responseTypeId"], body["calloutClassificationId"]) == (3, 1)
    bodies.encoded(body)


@pytest.mark.parametrize(("drill", "new"), [(False, {}), (True, {"calloutClassificationId": 2})])
def test_a_raise_for_a_site_is_empty_unless_it_is_a_drill(drill: bool, new: dict[str, int]) -> None:  # noqa: FBT001 - a parameter of a table
    """The older page wants a response type there, and takes a classification of any raise."""
    both = bodies.site_bodies(response_type_id=3, classification_id=2, drill=drill)
    assert (both.new, both.old) == (new, {"responseTypeId": 3, "calloutClassificationId": 2})


@given(st.text(min_size=1, max_size=16).filter(lambda text: text.strip()))
def test_a_code_is_sent_as_typed(code: str) -> None:
    """Every character, in order."""
    assert json.loads(bodies.encoded(bodies.cancel_body(code))) == {"safeCode": code}


@pytest.mark.parametrize("code", ["", " ", "\t\n"])
def test_a_blank_code_never_becomes_the_unconditional_cancel(code: str) -> None:
    """Blank is an error; only None is unconditional."""
    with pytest.raises(ValueError, match="blank"):
        bodies.cancel_body(code)
    assert bodies.cancel_body(None) == {}


def test_unknown_shapes_are_errors() -> None:
    """A typing mistake of ours must not go out as something else."""
    with pytest.raises(ValueError, match="shape"):
        bodies.raise_body("netsed", None, response_type_id=1, classification_id=None, customer_id=1)
