"""What an emergency does not need, against a scripted TLS server: exact requests, odd answers, and what is learnt from a refusal."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted import CUSTOMER, Answer, Seen, Wired, hang, reply

from agent.caller import LONG_BYTES
from agent.line import MAX_BODY_BYTES, _plain
from agent.model import Asked, Meaning, Outcome
from agent.panic_api import PanicApi
from agent.paperwork import Device, Rating, Report
from agent.ports import Dispatch, Office

LIMIT_S = 2.0
Ask = Callable[[PanicApi], Awaitable[Outcome]]

# Each operation: how it is asked, the request that it makes, and an answer that it takes.
OPERATIONS: dict[str, tuple[Ask, str, Any, Any]] = {
    "list_active": (lambda api: api.list_active(deadline_s=LIMIT_S), "GET /callouts/activeCallouts", None, []),
    "reasons": (lambda api: api.reasons(7, deadline_s=LIMIT_S), "GET /callouts/7/exceptionReasons", None, [{"id": 1, "reason": "x"}]),
    "add_reason": (
        lambda api: api.add_reason(7, 2, "the cat", deadline_s=LIMIT_S),
        "POST /callouts/7/exceptionReasons",
        {"exceptionReasonId": 2, "notes": "the cat"},
        {"createdExceptionReason": {"id": 9, "exceptionReasonId": 2}},
    ),
    "report": (lambda api: api.report(7, deadline_s=LIMIT_S), "GET /callouts/7/resolutionReport", None, {"outcome": "x"}),
    "map": (lambda api: api.picture(7, deadline_s=LIMIT_S), "GET /callouts/7/maps", None, {"url": "https://x/m", "image": None}),
    "rating_items": (lambda api: api.rating_items(deadline_s=LIMIT_S), "GET /rating-items", None, []),
    "rate": (
        lambda api: api.rate(7, 4, "quick", may_contact=False, deadline_s=LIMIT_S),
        "POST /ratings",
        {"calloutId": 7, "rating": 4, "additionalDetails": "quick", "customerAllowedToBeContacted": False},
        {"calloutRatingPostResult": {"id": 9}},
    ),
    "rate_item": (
        lambda api: api.rate_item(9, "conduct", item_id=2, sentiment="good", deadline_s=LIMIT_S),
        "POST /rating-items",
        {"calloutRatingId": 9, "ratingItemDescription": "conduct", "ratingItemId": 2, "sentiment": "good"},
        {"calloutRatingItemResults": {}},
    ),
    "response_types": (lambda api: api.response_types(deadline_s=LIMIT_S), "GET /responseTypes", None, {"responseTypes": []}),
    "link_device": (
        lambda api: api.link_device("SN-1", "Brand", device_type_id=5, alias="vest", firmware="1.2", deadline_s=LIMIT_S),
        "POST /devices",
        {
            "customerId": CUSTOMER,
            "deviceSerial": "SN-1",
            "deviceSupplier": "Brand",
            "deviceType": 5,
            "deviceAlias": "vest",
            "firmwareVersion": "1.2",
        },
        {"id": 1, "deviceId": "8812345"},
    ),
    "update_device": (
        lambda api: api.update_device(8812345, device_type_id=6, deadline_s=LIMIT_S),
        "PUT /devices",
        {"customerId": CUSTOMER, "deviceId": 8812345, "deviceTypeId": 6},
        {"deviceId": 8812345},
    ),
    "unlink_device": (lambda api: api.unlink_device("a/b", deadline_s=LIMIT_S), "DELETE /devices/a%2Fb", None, {"message": "ok"}),
    "device_event": (
        lambda api: api.device_event(8812345, 5, 4, extra={"battery_level": 81}, deadline_s=LIMIT_S),
        "POST /deviceEvent",
        {"device_id": 8812345, "device_type_id": 5, "message_type": 4, "battery_level": 81},
        {"resolvedAuraEvent": {"eventTypes": "HEALTH"}},
    ),
    "probe": (lambda api: api.probe("POST", "/notifiers", deadline_s=LIMIT_S), "POST /notifiers", {}, {"message": "ok"}),
}
every = pytest.mark.parametrize("operation", OPERATIONS)


def on(at: Any, request: str, *answers: Answer) -> None:
    at.server.on(*request.split(" "), *answers)


@every
async def test_the_request_is_exactly_as_documented(rig: Wired, operation: str) -> None:
    """Method, path, body, bearer; and the answer is understood."""
    ask, request, body, answer = OPERATIONS[operation]
    async with rig() as at:
        on(at, request, reply(200, answer))
        outcome = await ask(at.api)
        sent = at.server.seen[-1]
        assert (at.server.paths()[1:], json.loads(sent.body or b"null"), sent.bearer) == ([request], body, "first-token-value")
        assert (outcome.meaning, outcome.cause, outcome.asked) == (Meaning.ACCEPTED, "ok", Asked(operation))


@every
async def test_an_answer_of_nobody_is_no_success(rig: Wired, operation: str) -> None:
    """A portal, a redirect, 285: none of them is dispatch's, and nothing is closed by it."""
    ask, request, _, answer = OPERATIONS[operation]
    async with rig() as at:
        portal = reply(200, body=b"<html>Log in", kind="text/html")
        on(at, request, portal, reply(302, Location="https://portal.test/"), reply(285, {"message": "closed"}), reply(200, answer))
        assert [(outcome.meaning, outcome.cause) for outcome in [await ask(at.api) for _ in range(3)]] == [
            (Meaning.RETRY, "html"),
            (Meaning.RETRY, "redirect"),
            (Meaning.RETRY, "odd"),
        ]
        assert (await ask(at.api)).meaning is Meaning.ACCEPTED


@every
async def test_nothing_outlives_its_deadline(rig: Wired, operation: str) -> None:
    """Also where there are two shapes, and after a refusal of the first."""
    _, request, _, _ = OPERATIONS[operation]
    async with rig() as at:
        on(at, request, hang())
        outcome = await asked_within(at.api, operation, 0.3)
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "timeout")


async def asked_within(api: PanicApi, operation: str, deadline_s: float) -> Outcome:
    """The same call, with another deadline."""

    class Hurried:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **terms: getattr(api, name)(*args, **{**terms, "deadline_s": deadline_s})

    return await OPERATIONS[operation][0](Hurried())  # type: ignore[arg-type]


async def test_configured_paths_are_used(rig: Wired) -> None:
    """No page shows them: whoever knows better says so."""
    paths = {"report_path": "/reports/{callout_id}/pdf", "rating_items_path": "/ratingItems", "response_types_path": "/types/response"}
    async with rig(**paths) as at:
        at.server.on("GET", "/reports/a%2Fb/pdf", reply(200, {"x": 1}))
        at.server.on("GET", "/ratingItems", reply(200, []))
        at.server.on("POST", "/ratingItems", reply(200, {}))
        at.server.on("GET", "/types/response", reply(204))
        outcomes = [
            await at.api.report("a/b", deadline_s=LIMIT_S),
            await at.api.rating_items(deadline_s=LIMIT_S),
            await at.api.rate_item(9, "x", deadline_s=LIMIT_S),
            await at.api.response_types(deadline_s=LIMIT_S),
        ]
        assert [each.meaning for each in outcomes] == [Meaning.ACCEPTED] * 4
        assert [each.paper for each in outcomes] == [Report({"x": 1}), (), None, ()]


@pytest.mark.parametrize("status", [400, 422])
async def test_what_was_taken_comes_first_from_then_on(rig: Wired, status: int) -> None:
    """One refusal teaches it, of that operation alone; a later refusal teaches it back."""
    new = {"calloutId": 7, "rating": 4, "additionalDetails": "a"}
    old = {"calloutId": 7, "rating": 4, "comment": "a"}
    async with rig() as at:
        refused, taken = reply(status, {"message": "no"}), reply(200, {"id": 9})
        at.server.on("POST", "/ratings", refused, taken, taken, refused, taken, taken)
        at.server.on("POST", "/devices", reply(200, {"deviceId": 1}))
        outcomes = [await at.api.rate(7, 4, "a", deadline_s=LIMIT_S) for _ in range(4)]
        assert [(each.meaning, each.shape, each.paper) for each in outcomes] == [
            (Meaning.ACCEPTED, shape, Rating(9)) for shape in ("old", "old", "new", "new")
        ]
        assert [seen.json for seen in at.server.seen[1:]] == [new, old, old, old, new, new]
        assert (await at.api.link_device("SN-1", "Brand", deadline_s=LIMIT_S)).shape == "new"


async def test_both_shapes_together_keep_one_deadline(rig: Wired) -> None:
    """The second has only what the first has left of it."""

    async def slowly(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)  # the fault itself
        await reply(400, {"message": "no"})(seen, writer)

    async with rig() as at:
        at.server.on("POST", "/ratings", slowly, hang())
        outcome = await at.api.rate(7, 4, "a", deadline_s=1.0)
        assert (outcome.cause, outcome.shape) == ("timeout", "old")
        assert 0 <= float(outcome.text.split("within ")[1].split(" s")[0]) <= 0.6


async def test_what_is_refused_in_both_is_rejected_as_the_first_was(rig: Wired) -> None:
    """Not the keys are wrong, and nothing is learnt of it."""
    async with rig() as at:
        at.server.on("POST", "/devices", reply(400, {"message": "no"}), reply(422, {"message": "no"}), reply(201, {"deviceId": 1}))
        outcome = await at.api.link_device("SN-1", "Brand", deadline_s=LIMIT_S)
        assert (outcome.meaning, outcome.http_status, outcome.shape) == (Meaning.REJECTED, 400, "new")
        again = await at.api.link_device("SN-1", "Brand", deadline_s=LIMIT_S)
        assert (again.shape, isinstance(again.paper, Device)) == ("new", True)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 500])
async def test_only_a_refused_body_is_tried_in_other_keys(rig: Wired, status: int) -> None:
    """Whatever else dispatch says would be said to both; and a rating must not go twice."""
    async with rig() as at:
        at.server.on("POST", "/ratings", reply(status, {"message": "no"}))
        await at.api.rate(7, 4, "a", deadline_s=LIMIT_S)
        assert {tuple(seen.json) for seen in at.server.seen if seen.path.endswith("/ratings")} == {
            ("calloutId", "rating", "additionalDetails")
        }


async def test_a_body_that_is_the_same_in_both_goes_once(rig: Wired) -> None:
    """There is no other shape of it."""
    async with rig() as at:
        at.server.on("POST", "/ratings", reply(400, {"message": "no"}))
        at.server.on("POST", "/callouts/7/exceptionReasons", reply(400, {"message": "no"}))
        assert (await at.api.rate(7, 4, deadline_s=LIMIT_S)).meaning is Meaning.REJECTED
        assert (await at.api.add_reason(7, 2, None, deadline_s=LIMIT_S)).meaning is Meaning.REJECTED
        assert len(at.server.seen) == 3


async def test_a_site_is_raised_for_in_the_older_keys_where_the_newer_are_refused(rig: Wired) -> None:
    """It stays the shape "predefined", so that the turn of shapes goes on if both are refused; and it is learnt."""
    path = "/predefinedLocations/externalRef/STORE%201%2Fa/callouts"
    async with rig() as at:
        at.server.on("POST", path, reply(400, {"message": "responseTypeId"}), reply(201, {"id": 7}), reply(200, {"id": 7}), reply(400))
        for meaning in (Meaning.ACCEPTED, Meaning.ACCEPTED, Meaning.REJECTED):
            outcome = await at.api.raise_callout(None, response_type_id=3, shape="predefined", deadline_s=LIMIT_S)
            assert (outcome.meaning, outcome.shape) == (meaning, "predefined")
        asked = {"responseTypeId": 3, "calloutClassificationId": 1}
        assert [seen.json for seen in at.server.seen[1:]] == [{}, asked, asked, asked, {}]


def long_list(size: int) -> bytes:
    """An event list of about so many bytes."""
    one = {"id": 1, "message": "x" * 200, "createdAt": "2026-03-02T10:11:12Z"}
    return json.dumps([one] * math.ceil(size / len(json.dumps(one)))).encode()


@pytest.mark.parametrize("packed", [False, True])
async def test_what_may_be_long_is_read_and_nothing_else_is(rig: Wired, *, packed: bool) -> None:
    """The events of a callout of hours; a read, a list or a raise of that size is nobody's answer. Packed or not."""
    body = long_list(3 * MAX_BODY_BYTES)
    sent = reply(200, body=gzip.compress(body), Content_Encoding="gzip") if packed else reply(200, body=body)
    async with rig() as at:
        at.server.on("GET", "/callouts/7/events", sent)
        at.server.on("GET", "/callouts/7/exceptionReasons", sent)
        at.server.on("GET", "/callouts/7/resolutionReport", sent)
        events = (await at.api.events(7, deadline_s=5)).events
        assert events is not None
        assert len(events) > 2000
        assert (await at.api.report(7, deadline_s=5)).meaning is Meaning.ACCEPTED
        assert (await at.api.reasons(7, deadline_s=5)).cause == "too_large"


@pytest.mark.parametrize("packed", [False, True])
async def test_even_what_may_be_long_has_an_end(rig: Wired, *, packed: bool) -> None:
    """No answer costs more memory than that, also not one that unpacks to it."""
    body = b"[" + b" " * (LONG_BYTES + 10) + b"]"
    async with rig() as at:
        sent = reply(200, body=gzip.compress(body), Content_Encoding="gzip") if packed else reply(200, body=body)
        at.server.on("GET", "/callouts/7/events", sent)
        assert (await at.api.events(7, deadline_s=5)).cause == "too_large"


def test_a_bomb_is_not_unpacked() -> None:
    """A few kilobytes that would be a hundred megabytes cost no more than the limit."""
    bomb = zlib.compress(b" " * 50_000_000)
    tracemalloc.start()
    try:
        assert len(_plain(bomb, "deflate", MAX_BODY_BYTES)) == MAX_BODY_BYTES + 1
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_BODY_BYTES
    finally:
        tracemalloc.stop()


async def test_a_token_refused_on_one_probe_says_nothing_of_another(rig: Wired) -> None:
    """A probe is of a path."""
    async with rig() as at:
        at.server.on("GET", "/a", reply(401))
        at.server.on("GET", "/b", reply(200, {}), reply(401))
        at.server.on("GET", "/callouts/7", reply(200, {"id": 7}))
        assert (await at.api.probe("GET", "/b", deadline_s=LIMIT_S)).meaning is Meaning.ACCEPTED
        at.clock.ahead_s = 61.0  # a renewal a minute
        assert (await at.api.probe("GET", "/a", deadline_s=LIMIT_S)).cause == "scope"
        assert (await at.api.probe("GET", "/b", deadline_s=LIMIT_S)).cause != "scope"
        assert (await at.api.read(7, deadline_s=LIMIT_S)).meaning is Meaning.ACCEPTED


async def test_what_is_no_json_is_said_before_anything_is_sent(rig: Wired) -> None:
    """A mistake of ours is an error of ours."""
    async with rig() as at:
        with pytest.raises(ValueError, match="JSON"):
            await at.api.device_event(1, 5, 4, extra={"x": float("nan")}, deadline_s=LIMIT_S)
        with pytest.raises(ValueError, match="1 to 5"):
            await at.api.rate(7, 6, deadline_s=LIMIT_S)
        assert at.server.seen == []


def test_the_client_is_what_the_house_asks_for() -> None:
    """Every name of the two Protocols is there, and nothing that neither knows."""
    asked = {name for each in (Dispatch, Office) for name in vars(each) if not name.startswith("_")}
    assert {name for name in vars(PanicApi) if not name.startswith("_")} == asked
