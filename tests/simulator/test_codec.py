"""Bodies in and shapes out, without HTTP: each generation of the documentation, and nothing of the other."""

from __future__ import annotations

import base64
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import bodies
from simulator.codec import Codec
from simulator.records import Callout, Customer, Entry, Position
from simulator.settings import EtaForm, Generation, IncidentShape, Settings, change
from simulator.state import Refusal, Refused, State
from simulator.tokens import Tokens

NEW, OLD = Generation.NEW, Generation.OLD
WALL = 1_772_446_272.5  # 2026-03-02T10:11:12.500Z
HERE = {"latitude": -29.8579, "longitude": 31.0292, "accuracy": 14}


def codec(generation: Generation, shape: IncidentShape = IncidentShape.ARRAY) -> Codec:
    return Codec(generation, "http://127.0.0.1:1", shape, ((1, "SECURITY"),))


def callout(**known: object) -> Callout:
    made = Callout(500123, 4711, 1, None, internal_test=False, origin="device", raised_wall=WALL, track_key="k", **known)
    made.positions.append(Position(WALL, -29.8579, 31.0292, 14.0, "raise"))
    return made


FLAT = {
    "id": 500123,
    "customerId": 4711,
    "predefinedLocationId": None,
    "status": "created",
    "latitude": -29.8579,
    "longitude": 31.0292,
    "responseTypeId": 1,
    "calloutClassificationId": None,
    "createdAt": "2026-03-02T10:11:12.500Z",
}


def test_a_raise_answers_flat_in_old_and_wrapped_with_a_url_in_new() -> None:
    assert codec(OLD).raised(callout()) == FLAT
    told = codec(NEW).raised(callout())
    assert told["callout"] == {**FLAT, "url": "http://127.0.0.1:1/track/k"}
    assert isinstance(told["message"], str)


@pytest.mark.parametrize(("passed_s", "minutes"), [(0, 5), (61, 4), (299, 1), (300, 0), (900, 0)])
def test_minutes_until_a_responder_is_there_are_never_below_none(passed_s: int, minutes: int) -> None:
    """Who is overdue is expected now."""
    sent = callout(dispatched_wall=WALL, eta_wall=WALL + 300)
    told = dataclasses.replace(codec(NEW), eta_form=EtaForm.MINUTES, now_wall=WALL + passed_s).read(sent)
    assert told["callout"]["incidentInformation"][0]["etaMinutes"] == minutes


@pytest.mark.parametrize(("shape", "kind"), [(IncidentShape.ARRAY, list), (IncidentShape.OBJECT, dict)])
def test_a_read_is_nested_in_new(shape: IncidentShape, kind: type) -> None:
    told = codec(NEW, shape).read(callout(dispatched_wall=WALL))["callout"]
    incident = told["incidentInformation"]
    assert isinstance(incident, kind)
    incident = incident[0] if isinstance(incident, list) else incident
    assert incident["location"] == {**HERE, "accuracy": 14.0}
    assert incident["dispatchedAt"] == "2026-03-02T10:11:12.500Z"
    assert "latitude" not in told


def test_incident_information_can_be_left_out() -> None:
    assert "incidentInformation" not in codec(NEW, IncidentShape.ABSENT).read(callout())["callout"]


def test_a_read_is_flat_in_old() -> None:
    assert codec(OLD).read(callout()) == FLAT


def test_no_answer_tells_duress_or_a_soft_cancel() -> None:
    """Every answer about a callout is the same whatever the dispatcher knows."""
    plain, marked = callout(), callout(duress=True, soft_cancelled=True, presses=3)
    for generation in Generation:
        for shape in ("raised", "read", "cancelled", "flat", "nested", "map"):
            assert getattr(codec(generation), shape)(plain) == getattr(codec(generation), shape)(marked)


def test_event_shapes() -> None:
    entry = Entry(7, WALL, "dispatch", "On our way @team", "chat")
    assert codec(OLD).event(callout(), entry) == {
        "id": 7,
        "calloutId": 500123,
        "message": "On our way @team",
        "createdAt": "2026-03-02T10:11:12.500Z",
    }
    told = codec(NEW).event(callout(), entry)
    assert told["event"] == {"text": "On our way @team", "source": "dispatch"}
    assert codec(NEW).event_sent(callout(), entry) == {"calloutEvent": told, "calloutEventTags": ["@team"]}


def test_token_shapes_and_expiry() -> None:
    token = Tokens().mint(4711, WALL, 90.0)
    assert codec(NEW).token(token, epoch=False) == {"accessToken": token.text, "tokenType": "Bearer", "expiresIn": 90}
    assert codec(OLD).token(token, epoch=True) == {"access_token": token.text, "token_type": "Bearer", "expires_in": int(WALL + 90)}


def test_a_token_reads_as_a_jwt_that_expires_when_it_does() -> None:
    tokens = Tokens()
    token = tokens.mint(4711, WALL, 90.0)
    claims = token.text.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"] == int(WALL + 90)
    assert tokens.find(token.text, WALL + 89) == token
    assert tokens.find(token.text, WALL + 90) is None
    assert token.text not in repr(token)


def test_expiring_one_customers_tokens_leaves_the_others() -> None:
    tokens = Tokens()
    mine, other, server = tokens.mint(1, 0.0, 10.0), tokens.mint(2, 0.0, 10.0), tokens.mint(None, 0.0, 10.0)
    assert tokens.expire(1.0, 1) == 1
    assert [tokens.find(each.text, 2.0) is not None for each in (mine, other, server)] == [False, True, True]


# --- bodies ---


def refused(read: object, *given_: object) -> str:
    with pytest.raises(Refused) as caught:
        read(*given_)  # type: ignore[operator]
    assert caught.value.why is Refusal.BAD
    return caught.value.message


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b"null", b'{"a": NaN}', b"\xff", b"[" * 60000, b'{"a":' + b"1" * 5000 + b"}"])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    refused(bodies.parse, raw)


def test_a_raise_is_read_in_its_own_generation_only() -> None:
    nested, flat = {"location": HERE, "responseTypeId": 1}, {**HERE, "responseTypeId": 1}
    assert bodies.read_raise(nested, NEW).point == bodies.read_raise(flat, OLD).point
    assert bodies.read_raise(nested, NEW).point is not None
    assert bodies.read_raise(flat, NEW).point is None
    assert bodies.read_raise(nested, OLD).point is None


@pytest.mark.parametrize(
    "change_",
    [
        {"latitude": None},
        {"latitude": "-29.8"},
        {"latitude": True},
        {"latitude": 90.1},
        {"latitude": 1e400},
        {"longitude": -180.5},
        {"longitude": []},
        {"accuracy": -1},
        {"accuracy": None},
        {"accuracy": "5"},
        {"latitude": 10**400},
    ],
)
def test_coordinates_of_another_type_or_out_of_range_are_refused(change_: dict[str, object]) -> None:
    message = refused(bodies.read_point, {**HERE, **change_})
    assert next(iter(change_)) in message


@pytest.mark.parametrize("missing", ["latitude", "longitude"])
def test_a_position_needs_both_coordinates(missing: str) -> None:
    assert missing in refused(bodies.read_point, {key: value for key, value in HERE.items() if key != missing})


def test_accuracy_is_optional() -> None:
    assert bodies.read_point({"latitude": 1, "longitude": 2}).accuracy_m is None


def test_coordinates_and_a_site_together_are_refused() -> None:
    refused(bodies.read_raise, {"location": HERE, "predefinedLocationId": 9001}, NEW)


@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True, None, 2**53])
def test_ids_are_positive_integers(value: object) -> None:
    assert "responseTypeId" in refused(bodies.read_raise, {"location": HERE, "responseTypeId": value}, NEW)


def test_events_are_read_in_their_own_generation_only() -> None:
    assert bodies.read_event({"source": "customer", "event": "hello"}, NEW) == ("customer", "hello")
    assert bodies.read_event({"message": "hello"}, OLD) == ("customer", "hello")
    assert "source" in refused(bodies.read_event, {"message": "hello"}, NEW)
    assert "message" in refused(bodies.read_event, {"source": "customer", "event": "hello"}, OLD)


@pytest.mark.parametrize("code", ["", "  ", None, 42, ["0042"]])
def test_a_blank_code_is_refused_and_never_read_as_none(code: object) -> None:
    assert "safeCode" in refused(bodies.read_safe_code, {"safeCode": code})


def test_a_code_is_read_as_typed() -> None:
    assert bodies.read_safe_code({"safeCode": " 0042 "}) == " 0042 "
    assert bodies.read_safe_code({}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["location", "latitude", "longitude", "accuracy", "responseTypeId", "predefinedLocationId", "internalTest", "customerId"]


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6), st.sampled_from(list(Generation)))
def test_a_raise_is_read_or_refused_whatever_it_holds(body: dict[str, object], generation: Generation) -> None:
    try:
        point = bodies.read_raise(body, generation).point
    except Refused:
        return
    assert point is None or (-90 <= point.latitude <= 90 and -180 <= point.longitude <= 180)


# --- settings ---


def test_settings_change_by_json_and_refuse_what_does_not_fit() -> None:
    changed = change(Settings(), {"generation": "old", "closed_body": "empty", "scope": ["read"], "callout_token_s": 5})
    assert (changed.generation, changed.closed_body, changed.scope, changed.callout_token_s) == (OLD, "empty", frozenset({"read"}), 5)
    for wrong in ({"generation": "newest"}, {"device_key": "x"}, {"scope": "read"}, {"epoch_expiry": 1}, {"created_status": 99}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            change(Settings(), wrong)


@pytest.mark.parametrize(("mobile", "code"), [("+27820000042", "0042"), ("082 000 0042", "0042"), ("+27-82-000-12 34", "1234")])
def test_the_safe_code_is_the_last_four_digits_with_their_zeros(mobile: str, code: str) -> None:
    assert Customer(1, "x", mobile).safe_code == code


def test_defaults_hold_together() -> None:
    state = State(Settings(), 1)
    assert state.customer(4711).safe_code == "0042"
    assert state.sites["STORE-001"].customer_id == 4711
