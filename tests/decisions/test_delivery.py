"""What a reply means, when to try again, and in which shape: the table of DESIGN section 6, row by row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import delivery
from agent.delivery import Reply, outcome_of
from agent.model import Asked, Meaning, Outcome
from agent.paperwork import Report

JSON = "application/json"
ID = 7
SOUND: dict[Asked, Any] = {
    Asked.RAISE: {"callout": {"id": ID, "status": "created"}},
    Asked.LOCATION: {"message": "ok"},
    Asked.READ: {"callout": {"id": ID, "status": "created"}},
    Asked.LOOK_UP: [],
    Asked.CANCEL: {"callout": {"id": ID}},
    Asked.EVENT: {"calloutEvent": {}},
    Asked.EVENTS: [],
    Asked.LIST_ACTIVE: {"callouts": [{"id": 8}]},
    Asked.REASONS: [{"id": 1, "reason": "false alarm"}],
    Asked.ADD_REASON: {"createdExceptionReason": {"id": 1, "reason": "false alarm"}},
    Asked.REPORT: {"arrived": None},
    Asked.MAP: {"url": "https://x/map", "image": None},
    Asked.RATING_ITEMS: [{"id": 1, "description": "quick"}],
    Asked.RATE_ITEM: {"calloutRatingItemResults": {"id": 3}},
    Asked.RATE: {"calloutRatingPostResult": {"id": 9}},
    Asked.LINK_DEVICE: {"id": 1, "deviceId": "8812345"},
    Asked.UPDATE_DEVICE: {"deviceId": "8812345"},
    Asked.UNLINK_DEVICE: {"message": "ok"},
    Asked.DEVICE_EVENT: {"message": "ok", "resolvedAuraEvent": {"eventTypes": "BATTERY"}},
    Asked.RESPONSE_TYPES: {"responseTypes": [{"id": 1, "value": "SECURITY"}]},
    Asked.PROBE: {},
    Asked.TOKEN: {"accessToken": "abcdefgh", "expiresIn": 60},
}
every = pytest.mark.parametrize("asked", list(Asked))


def answered(asked: Asked, status: int, document: Any = None, *, body: bytes | None = None, kind: str = JSON, **headers: Any) -> Outcome:
    content = body if body is not None else b"" if document is None else json.dumps(document).encode()
    return outcome_of(asked, ID, Reply(status, content, kind, **headers), now_wall=1_772_446_272.0)


@every
@pytest.mark.parametrize("status", [200, 201, 202])
def test_2xx_with_the_expected_shape_is_accepted(asked: Asked, status: int) -> None:
    """And carries what was asked, of which callout, and what came."""
    outcome = answered(asked, status, SOUND[asked])
    assert (outcome.meaning, outcome.cause, outcome.asked, outcome.callout_id) == (Meaning.ACCEPTED, "ok", asked, ID)
    assert (outcome.callout is not None) == (asked in (Asked.RAISE, Asked.READ))


@every
@pytest.mark.parametrize(
    "body", [b"", b"null", b"{bad", b'{"status":"closed","id":7}', b"<html>", b'{"callout":{"id":7,"status":"closed"}}']
)
def test_285_is_closed_for_a_location_cancel_or_event_and_odd_elsewhere(asked: Asked, body: bytes) -> None:
    """Whatever the body; and never accepted, although it is numerically a 2xx."""
    outcome = answered(asked, 285, body=body)
    if asked in (Asked.LOCATION, Asked.CANCEL, Asked.EVENT):
        assert (outcome.meaning, outcome.cause, outcome.callout_id) == (Meaning.CLOSED, "closed", ID)
    else:
        assert outcome.meaning is Meaning.RETRY
        assert outcome.cause in ("odd", "html")


@every
@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", JSON, ""])
def test_a_web_page_is_no_delivery(asked: Asked, kind: str) -> None:
    """A captive portal answers 200 to everything, also with a lying content type."""
    outcome = answered(asked, 200, body=b" \n<!DOCTYPE html><title>Log in", kind=kind)
    assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "html")


@pytest.mark.parametrize(
    ("asked", "document"),
    [
        (Asked.RAISE, None),
        (Asked.RAISE, {"message": "ok"}),
        (Asked.RAISE, {"callout": {"id": None}}),
        (Asked.READ, None),
        (Asked.READ, {"callout": {"id": 8, "status": "closed"}}),
        (Asked.LOOK_UP, {"message": "ok"}),
        (Asked.LOOK_UP, None),
        (Asked.LOOK_UP, [{"no": "id"}]),
        (Asked.EVENTS, "text"),
        (Asked.LOCATION, "OK"),
        (Asked.LOCATION, 3),
        (Asked.EVENT, "x"),
        (Asked.LIST_ACTIVE, {"message": "ok"}),
        (Asked.REASONS, None),
        (Asked.REASONS, {"message": "ok"}),
        (Asked.REASONS, [{"id": 1}]),
        (Asked.ADD_REASON, "ok"),
        (Asked.REPORT, None),
        (Asked.MAP, None),
        (Asked.MAP, {"message": "ok"}),
        (Asked.RATING_ITEMS, {}),
        (Asked.RATE, 3),
        (Asked.LINK_DEVICE, None),
        (Asked.LINK_DEVICE, {"message": "ok"}),
        (Asked.DEVICE_EVENT, "ok"),
        (Asked.RESPONSE_TYPES, {"responseTypes": None}),
        (Asked.TOKEN, {"expiresIn": 60}),
    ],
)
def test_2xx_without_what_is_due_is_tried_again(asked: Asked, document: Any) -> None:
    """A success without its substance is none."""
    outcome = answered(asked, 200, document)
    assert (outcome.meaning, outcome.cause, outcome.callout) == (Meaning.RETRY, "odd", None)


BRING_SOMETHING = {Asked.RAISE, Asked.READ, Asked.TOKEN, Asked.REPORT, Asked.MAP, Asked.LINK_DEVICE}


@every
def test_204_is_enough_where_nothing_is_due(asked: Asked) -> None:
    """The errors page lists 204 as a success without a body; for a list it means none."""
    outcome = answered(asked, 204)
    assert outcome.meaning is (Meaning.RETRY if asked in BRING_SOMETHING else Meaning.ACCEPTED)
    if asked in (Asked.REASONS, Asked.RATING_ITEMS, Asked.RESPONSE_TYPES):
        assert outcome.paper == ()


@pytest.mark.parametrize("asked", [Asked.REASONS, Asked.LOOK_UP, Asked.EVENTS, Asked.RESPONSE_TYPES])
def test_an_empty_200_is_no_empty_list(asked: Asked) -> None:
    """Only 204 says that there is nothing."""
    assert answered(asked, 200).meaning is Meaning.RETRY


def test_a_report_may_be_plain_text_but_no_page_and_no_picture() -> None:
    """Whatever dispatch says of the outcome is shown; a portal says nothing of it."""
    told = answered(Asked.REPORT, 200, body="Arrived 12:01, all well \u00e9".encode(), kind="text/plain")
    assert (told.meaning, told.paper) == (Meaning.ACCEPTED, Report({}, "Arrived 12:01, all well \u00e9"))
    assert answered(Asked.REPORT, 200, body=b"%PDF-1.7 \xff\xfe\x00", kind="application/pdf").meaning is Meaning.RETRY


def test_a_report_that_is_not_there_yet_is_rejected_with_404() -> None:
    """Nothing is wrong: it comes with the close."""
    outcome = answered(Asked.REPORT, 404, {"message": "not yet"})
    assert (outcome.meaning, outcome.http_status, outcome.paper) == (Meaning.REJECTED, 404, None)


@pytest.mark.parametrize("date", [None, "Mon, 02 Mar 2026 10:11:12 GMT"])
def test_a_span_counts_from_the_replys_own_date(date: str | None) -> None:
    """Else from our clock: 12 minutes from when dispatch said so."""
    document = {"callout": {"id": ID, "incidentInformation": [{"etaMinutes": 12}]}}
    reply = Reply(200, json.dumps(document).encode(), JSON, date=date)
    callout = outcome_of(Asked.READ, ID, reply, now_wall=1_000_000_500.0).callout
    assert callout is not None
    assert callout.help.eta_wall == (1_000_000_500.0 if date is None else 1_772_446_272.0) + 720


def test_a_location_answer_names_its_callout_or_none() -> None:
    """Another id, or a status without an id, is not the callout that was asked about: it must not close it."""
    assert answered(Asked.LOCATION, 200, {"callout": {"id": ID, "status": "closed"}}).callout is not None
    assert answered(Asked.LOCATION, 200, {"callout": {"id": 8, "status": "closed"}}).callout is None
    assert answered(Asked.LOCATION, 200, {"status": "closed"}).callout is None


@every
@pytest.mark.parametrize(
    ("status", "meaning", "cause"),
    [
        (100, Meaning.RETRY, "odd"),
        (101, Meaning.RETRY, "odd"),
        (301, Meaning.RETRY, "redirect"),
        (302, Meaning.RETRY, "redirect"),
        (304, Meaning.RETRY, "redirect"),
        (307, Meaning.RETRY, "redirect"),
        (400, Meaning.REJECTED, "http_400"),
        (422, Meaning.REJECTED, "http_422"),
        (401, Meaning.UNAUTHORISED, "http_401"),
        (403, Meaning.REJECTED, "http_403"),
        (404, Meaning.REJECTED, "http_404"),
        (409, Meaning.REJECTED, "http_409"),
        (402, Meaning.RETRY, "odd"),
        (405, Meaning.RETRY, "odd"),
        (407, Meaning.RETRY, "odd"),
        (418, Meaning.RETRY, "odd"),
        (451, Meaning.RETRY, "odd"),
        (408, Meaning.RETRY, "http_408"),
        (425, Meaning.RETRY, "http_425"),
        (429, Meaning.RETRY, "http_429"),
        (500, Meaning.RETRY, "http_500"),
        (502, Meaning.RETRY, "http_502"),
        (503, Meaning.RETRY, "http_503"),
        (511, Meaning.RETRY, "odd"),
        (599, Meaning.RETRY, "http_599"),
        (600, Meaning.RETRY, "odd"),
        (999, Meaning.RETRY, "odd"),
    ],
)
def test_the_rest_of_the_table(asked: Asked, status: int, meaning: Meaning, cause: str) -> None:
    """Whatever the body says: a refusal with a sound-looking body is still a refusal."""
    for document in (None, {"message": "x"}, SOUND[asked]):
        outcome = answered(asked, status, document)
        assert (outcome.meaning, outcome.cause, outcome.http_status) == (meaning, cause, status)
        assert outcome.callout is None


@given(st.sampled_from(list(Asked)), st.integers(0, 999), st.binary(max_size=80), st.text(max_size=20), st.none() | st.text(max_size=30))
def test_no_reply_raises_and_only_2xx_is_accepted(asked: Asked, status: int, body: bytes, kind: str, header: str | None) -> None:
    """Law 8: nothing but a sound 2xx counts as delivered; nothing but 285 closes."""
    outcome = outcome_of(asked, ID, Reply(status, body, kind, retry_after=header, date=header), now_wall=0.0)
    assert outcome.meaning is not Meaning.ACCEPTED or (200 <= status < 300 and status != 285)
    assert (outcome.meaning is Meaning.CLOSED) == (status == 285 and asked in (Asked.LOCATION, Asked.CANCEL, Asked.EVENT))
    assert outcome.retry_after_s is None or outcome.retry_after_s >= 0


def test_a_body_cut_off_at_the_limit_is_no_delivery() -> None:
    """Even if its beginning looks sound."""
    outcome = outcome_of(Asked.LOCATION, ID, Reply(200, b"{}", JSON, too_large=True), now_wall=0.0)
    assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "too_large")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("12", 12.0),
        (" 0 ", 0.0),
        ("Mon, 02 Mar 2026 10:12:12 GMT", 60.0),
        ("Mon, 02 Mar 2026 10:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("9" * 30, None),
        ("1.5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(told: str, seconds: float | None) -> None:
    """A date counts from the reply's own Date, or from our clock; nonsense is ignored."""
    assert answered(Asked.RAISE, 429, retry_after=told).retry_after_s == seconds
    reply = Reply(503, retry_after=told, date="Mon, 02 Mar 2026 10:11:12 GMT")
    assert outcome_of(Asked.RAISE, None, reply, now_wall=0.0).retry_after_s == seconds


@pytest.mark.parametrize(
    ("created", "existed"),
    [
        ("2026-03-02T10:11:12Z", None),
        ("2026-03-02T10:10:00Z", None),
        ("2026-03-02T09:00:00Z", True),
        (None, None),
        ("2026-03-02T11:00:00Z", None),
    ],
)
def test_a_callout_existed_only_if_that_is_shown(created: str | None, existed: bool | None) -> None:  # noqa: FBT001 - a parameter of a table
    """By dispatch's own clock and with room for raises of ours whose answers were lost."""
    document = {"callout": {"id": ID, "createdAt": created}}
    outcome = answered(Asked.RAISE, 200, document, date="Mon, 02 Mar 2026 10:11:13 GMT", elapsed_s=1.0)
    assert outcome.callout is not None
    assert outcome.callout.existed is existed
    waited_for = answered(Asked.RAISE, 200, document, date="Mon, 02 Mar 2026 10:11:13 GMT", elapsed_s=4_300.0).callout
    assert waited_for is not None
    assert waited_for.existed is None, "it may have been opened by this very raise"
    undated = answered(Asked.RAISE, 200, document).callout
    assert undated is not None
    assert undated.existed is None


def test_a_refused_raise_says_why_in_plain_words_only() -> None:
    """The wearer's operator needs the reason; numbers, tokens and places stay out."""
    message = "No active subscription for customer 4711 at -33.92,18.42 (token eyJhbGciOi.J9) !"
    assert answered(Asked.RAISE, 403, {"message": message}).text == "HTTP 403 to raise: No active subscription for customer at"
    assert answered(Asked.CANCEL, 403, {"message": "wrong code"}).text == "HTTP 403 to cancel"


# --- when, in which shape -----------------------------------------------------------------------------------------------

rolls = st.floats(0, 1, exclude_max=True)


@given(st.integers(-3, 10_000), rolls, st.none() | st.floats(), st.sampled_from([15.0, 60.0]))
def test_a_pause_stays_below_its_cap_and_honours_retry_after_up_to_it(failures: int, roll: float, told: float | None, cap_s: float) -> None:
    """No header and no count of failures keeps a callout waiting for longer."""
    pause_s = delivery.backoff_s(failures, roll=roll, retry_after_s=told, cap_s=cap_s)
    assert 0 <= pause_s <= cap_s
    if told is not None and 0 <= told <= cap_s:
        assert pause_s >= told


def test_the_window_doubles_from_one_second_to_the_cap() -> None:
    """1, 2, 4, 8, 15, 15; full jitter spreads over the whole of it."""
    assert [round(delivery.backoff_s(n, roll=1.0)) for n in range(1, 7)] == [1, 2, 4, 8, 15, 15]
    assert delivery.backoff_s(5, roll=0.0) == 0.0


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_a_raise_refused_outright_is_repeated_at_most_60_s_apart(status: int) -> None:
    """It can only be mended elsewhere, but it is mended one day."""
    outcome = answered(Asked.RAISE, status)
    assert delivery.raise_pause_s(outcome, 50, roll=0.999999) == pytest.approx(60, abs=0.01)


@pytest.mark.parametrize("status", [200, 302, 400, 422, 429, 500, 503, 511])
def test_any_other_failed_raise_is_repeated_within_15_s(status: int) -> None:
    """Also against a Retry-After of an hour."""
    outcome = answered(Asked.RAISE, status, retry_after="3600")
    assert delivery.raise_pause_s(outcome, 50, roll=0.5) <= 15


def test_the_deadline_grows_with_timeouts() -> None:
    """10, 20, 40, 60 and no further; a short one of a test grows alike."""
    assert [delivery.attempt_deadline_s(n) for n in (0, 1, 2, 3, 4, 5_000)] == [10, 20, 40, 60, 60, 60]
    assert delivery.attempt_deadline_s(1, 0.5) == 1.0
    assert delivery.attempt_deadline_s(9, 90.0) == 90.0


@pytest.mark.parametrize(
    ("has_position", "predefined", "shapes"),
    [
        (True, False, ["nested", "flat"]),
        (False, False, ["nested", "flat", "legacy"]),
        (True, True, ["predefined", "nested", "flat"]),
        (False, True, ["predefined", "nested", "flat", "legacy"]),
    ],
)
def test_shapes_take_turns(has_position: bool, predefined: bool, shapes: list[str]) -> None:  # noqa: FBT001 - parameters of a table
    """The documented one first; after the last the first again, for ever."""
    turn = [delivery.raise_shape(n, has_position=has_position, predefined=predefined) for n in range(2 * len(shapes))]
    assert turn == shapes * 2


@pytest.mark.parametrize(("has_position", "predefined", "each"), [(True, False, 2), (False, False, 3), (True, True, 3), (False, True, 4)])
def test_a_type_that_every_shape_was_refused_with_is_done_without_every_other_turn(
    has_position: bool,  # noqa: FBT001 - parameters of a table
    predefined: bool,  # noqa: FBT001
    each: int,
) -> None:
    own = [delivery.asks_own_type(n, has_position=has_position, predefined=predefined) for n in range(4 * each)]
    assert own == ([True] * each + [False] * each) * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
def test_a_fixed_location_that_is_refused_is_not_tried_for_ever(status: int) -> None:
    """Its route may be unknown, or out of the token's scope; a raise with a position is another one."""
    outcome = answered(Asked.RAISE, status)
    assert delivery.refused_tries(0, replace(outcome, shape="predefined")) == 1
    assert delivery.refused_tries(0, replace(outcome, shape="nested")) == (status in (400, 422))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_a_fixed_location_is_kept_while_dispatch_only_cannot_answer(status: int) -> None:
    assert delivery.refused_tries(0, replace(answered(Asked.RAISE, status), shape="predefined")) == 0


def test_once_a_shape_was_refused_every_further_try_changes_it() -> None:
    """Whatever the later tries meet: a legacy route that answers 404 must not be tried for ever."""
    refused, shapes = 0, []
    for status in (500, 503, 400, 422, 404, 401, 500, 400):
        shapes.append(delivery.raise_shape(refused, has_position=False))
        refused = delivery.refused_tries(refused, answered(Asked.RAISE, status))
    assert shapes == ["nested", "nested", "nested", "flat", "legacy", "nested", "flat", "legacy"]
