"""The Panic API client against a real TLS server that behaves and misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import logging
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme
from scripted import CALLOUT, CUSTOMER, FIX, NAME, Answer, Seen, Server, Wired, drip, hang, raw, reply, reset, server_context

from agent import delivery, findings, line, lookup
from agent.credentials import Credentials
from agent.model import Asked, Meaning, Outcome, Place, Quality, SafeCode, Severity
from agent.panic_api import PanicApi

PLACE = Place(latitude=-33.92491234567, longitude=18.42412345678, accuracy_m=6.04, quality=Quality.LIVE, wall=1.0)
RAISE = f"/customers/{CUSTOMER}/callouts"
MARGIN_S = 0.75  # two busy cores


async def raise_(api: PanicApi, shape: str = "nested", place: Place | None = PLACE, deadline_s: float = 2.0, **more: bool) -> Outcome:
    return await api.raise_callout(place, response_type_id=3, shape=shape, deadline_s=deadline_s, **more)


# --- what goes out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "path", "body"),
    [
        ("nested", RAISE, {"location": {"latitude": -33.9249123, "longitude": 18.4241235, "accuracy": 6.0}, "responseTypeId": 3}),
        ("flat", RAISE, {"latitude": -33.9249123, "longitude": 18.4241235, "responseTypeId": 3}),
        ("legacy", "/callouts", {"location": {"latitude": -33.9249123, "longitude": 18.4241235, "accuracy": 6.0}, "responseTypeId": 3}),
        ("predefined", "/predefinedLocations/externalRef/STORE%201%2Fa/callouts", {}),
    ],
)
async def test_a_raise_has_the_documented_path_and_body(rig: Wired, shape: str, path: str, body: dict[str, object]) -> None:
    """Each shape goes to its documented path with its documented fields, and brings the callout back."""
    async with rig() as at:
        at.server.on("POST", path, reply(201, CALLOUT))
        outcome = await raise_(at.api, shape)
        classified = {} if shape == "predefined" else {"calloutClassificationId": 1}
        legacy = {"customerId": CUSTOMER} if shape == "legacy" else {}
        assert at.server.seen[-1].json == body | classified | legacy
        assert outcome.meaning is Meaning.ACCEPTED
        assert (outcome.asked, outcome.shape, outcome.callout.id) == (Asked.RAISE, shape, 500123)


@pytest.mark.parametrize("shape", ["nested", "flat", "legacy"])
async def test_a_raise_without_a_position_goes_without_one(rig: Wired, shape: str) -> None:
    """No fix is no reason to wait: the body simply has no coordinates."""
    async with rig() as at:
        at.server.on("POST", "/callouts" if shape == "legacy" else RAISE, reply(200, CALLOUT))
        assert (await raise_(at.api, shape, None)).meaning is Meaning.ACCEPTED
        assert not {"location", "latitude", "longitude"} & at.server.seen[-1].json.keys()


@pytest.mark.parametrize("shape", ["nested", "predefined"])
async def test_a_drill_is_classified_as_one(rig: Wired, shape: str) -> None:
    """Every drill carries the drill classification, also in the shape that is otherwise an empty body."""
    async with rig() as at:
        at.server.on("POST", at.api._raise_path(shape), reply(200, CALLOUT))
        await raise_(at.api, shape, drill=True)
        assert at.server.seen[-1].json["calloutClassificationId"] == 2


async def test_every_other_operation_has_its_path(rig: Wired) -> None:
    """Location, read, list, cancel and events go where the documentation says, with JSON, bearer and a name."""
    async with rig() as at:
        one = "/callouts/500123"
        at.server.on("POST", f"{one}/location", reply(200, {"message": "ok"}))
        at.server.on("GET", one, reply(200, {"callout": {"id": "500123", "status": "Responder Dispatched", "incidentInformation": []}}))
        at.server.on("GET", RAISE, reply(200, [{"id": 500123}]))
        at.server.on("POST", f"{one}/cancel", reply(200, {"id": 500123, "status": "created"}))
        at.server.on("POST", f"{one}/events", reply(200, {"calloutEvent": {}}))
        at.server.on("GET", f"{one}/events", reply(200, [{"id": 1, "message": "on our way", "createdAt": "2026-03-02T10:11:12Z"}]))
        located = await at.api.locate(500123, lambda: FIX, deadline_s=2)
        read = await at.api.read(500123, deadline_s=2)
        listed = await at.api.look_up(deadline_s=2)
        cancelled = await at.api.cancel(500123, None, deadline_s=2)
        told = await at.api.tell(500123, "hello", deadline_s=2)
        events = await at.api.events(500123, deadline_s=2)
        assert [each.meaning for each in (located, read, listed, cancelled, told, events)] == [Meaning.ACCEPTED] * 6
        assert [each.callout_id for each in (located, read, cancelled, told, events)] == [500123] * 5
        bodies = [seen.json for seen in at.server.seen if seen.body][1:]
        where = {"latitude": -33.9249123, "longitude": 18.4241235, "accuracy": 6.0}
        assert bodies == [where, {}, {"source": "customer", "event": "hello"}]
        assert read.callout.status == "Responder Dispatched"
        assert listed.callouts[0].id == 500123
        assert events.events[0].text == "on our way"
        assert {seen.bearer for seen in at.server.seen[1:]} == {"first-token-value"}
        assert at.server.seen[-1].headers["user-agent"].startswith("callout-agent/")
        assert at.server.connections == 2  # one for the token, one for everything else


@pytest.mark.parametrize("typed", ["0042zq", " zq ", "00 zq", "a\u00e9\u20ac\U0001f600", '"\\zq', "\udc80zq"])
async def test_a_code_goes_as_typed_and_appears_nowhere_else(rig: Wired, typed: str, caplog: pytest.LogCaptureFixture) -> None:
    """Leading zeros, blanks and any character arrive as typed; no log, repr or outcome shows them."""
    caplog.set_level(logging.DEBUG)
    async with rig() as at:
        at.server.on("POST", "/callouts/7/cancel", reply(400, {"message": f"wrong code {typed}"}))
        outcome = await at.api.cancel(7, SafeCode(typed), deadline_s=2)
        assert at.server.seen[-1].json == {"safeCode": typed}
        for shown in (repr(outcome), repr(at.api.__dict__), repr(at.api._caller.__dict__), caplog.text):
            assert typed.strip() not in shown


async def test_an_odd_id_stays_one_segment(rig: Wired) -> None:
    """A string id from dispatch cannot lead to another path."""
    async with rig() as at:
        at.server.on("GET", "/callouts/a%2F..%2Fb%3Fc", reply(200, {"id": "a/../b?c", "status": "created"}))
        assert (await at.api.read("a/../b?c", deadline_s=2)).meaning is Meaning.ACCEPTED


async def test_the_shape_of_an_event_is_learnt(rig: Wired) -> None:
    """On 400 the other documented shape goes once; what worked is used first from then on."""
    async with rig() as at:
        at.server.on("POST", "/callouts/7/events", reply(400, {"message": "event?"}), reply(200, {"id": 1}))
        assert (await at.api.tell(7, "one", deadline_s=2)).meaning is Meaning.ACCEPTED
        assert (await at.api.tell(7, "two", deadline_s=2)).meaning is Meaning.ACCEPTED
        assert [seen.json for seen in at.server.seen[1:]] == [
            {"source": "customer", "event": "one"},
            {"message": "one"},
            {"message": "two"},
        ]


async def test_an_event_refused_in_both_shapes_is_rejected(rig: Wired) -> None:
    """Then the message can be parked."""
    async with rig() as at:
        at.server.on("POST", "/callouts/7/events", reply(422, {"message": "no"}))
        assert (await at.api.tell(7, "one", deadline_s=2)).meaning is Meaning.REJECTED
        assert len(at.server.seen) == 3


async def test_the_keys_that_one_request_was_taken_in_say_nothing_of_another(rig: Wired) -> None:
    """A service may be half way from one generation of the documentation to the next."""
    async with rig() as at:
        at.server.on("POST", "/callouts/7/events", reply(400), reply(200, {"id": 1}))
        at.server.on("POST", "/devices", reply(201, {"deviceId": "1234567"}))
        assert (await at.api.tell(7, "one", deadline_s=2)).meaning is Meaning.ACCEPTED
        assert (await at.api.link_device("SN-1", "Somebody", deadline_s=2)).meaning is Meaning.ACCEPTED
        assert at.server.seen[-1].json["deviceSerial"] == "SN-1"


async def test_location_and_return_falls_back_to_the_sure_path(rig: Wired) -> None:
    """The configured path may not exist: the position still arrives, and the plain path is used from then on."""
    async with rig(return_callout_path="updateLocationAndReturnCallout") as at:
        at.server.on("POST", "/callouts/7/location", reply(200, {"message": "ok"}))
        for _ in range(2):
            assert (await at.api.locate(7, lambda: FIX, deadline_s=2)).meaning is Meaning.ACCEPTED
        at_paths = at.server.paths()[1:]
        assert at_paths == ["POST /callouts/7/updateLocationAndReturnCallout", "POST /callouts/7/location", "POST /callouts/7/location"]


async def test_a_callout_that_no_path_knows_says_nothing_of_the_configured_path(rig: Wired) -> None:
    """404 may be about the callout: only a plain path that takes the position shows that the other one is not there."""
    async with rig(return_callout_path="updateLocationAndReturnCallout") as at:
        at.server.on("POST", "/callouts/7/location", reply(404, {"message": "no such callout"}))
        assert (await at.api.locate(7, lambda: FIX, deadline_s=2)).http_status == 404
        at.server.on("POST", "/callouts/8/updateLocationAndReturnCallout", reply(200, {"callout": {"id": 8, "status": "created"}}))
        assert (await at.api.locate(8, lambda: FIX, deadline_s=2)).callout.id == 8


async def test_the_position_that_leaves_is_the_newest_one_once_the_connection_is_open(rig: Wired) -> None:
    """Opening it may take as long as a position takes to grow old."""
    async with rig() as at:
        at.server.on("POST", "/callouts/7/location", reply(200, {"message": "ok"}))
        fixes = iter([FIX, replace(FIX, latitude=1.0), replace(FIX, latitude=2.0)])
        assert (await at.api.locate(7, lambda: next(fixes), deadline_s=2)).meaning is Meaning.ACCEPTED
        assert at.server.seen[-1].json["latitude"] == 1.0


async def test_location_and_return_brings_the_callout(rig: Wired) -> None:
    """Where the path exists the answer is read."""
    async with rig(return_callout_path="updateLocationAndReturnCallout") as at:
        at.server.on(
            "POST", "/callouts/7/updateLocationAndReturnCallout", reply(200, {"message": "", "callout": {"id": 7, "status": "Closed "}})
        )
        assert (await at.api.locate(7, lambda: FIX, deadline_s=2)).callout.closed


async def test_what_is_no_position_is_not_sent(rig: Wired) -> None:
    """A NaN never becomes a body."""
    async with rig() as at:
        outcome = await at.api.locate(7, lambda: replace(FIX, latitude=float("nan")), deadline_s=2)
        assert (outcome.meaning, outcome.cause, at.server.seen) == (Meaning.RETRY, "odd", [])


# --- what comes back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        reply(285, {"message": "closed", "callout": {"id": 7, "status": "closed"}}),
        reply(285, {"message": "closed"}),
        reply(285),
        reply(285, body=b"{not json", kind="text/html"),
    ],
)
async def test_285_closes_whatever_its_body(rig: Wired, answer: Answer) -> None:
    """For a location, cancel or event; for a raise or read it closes nothing."""
    async with rig() as at:
        for path in ("/callouts/7/location", "/callouts/7/cancel", "/callouts/7/events"):
            at.server.on("POST", path, answer)
        at.server.on("GET", "/callouts/7", answer)
        at.server.on("POST", RAISE, answer)
        closing = (
            await at.api.locate(7, lambda: FIX, deadline_s=2),
            await at.api.cancel(7, SafeCode("0042"), deadline_s=2),
            await at.api.tell(7, "x", deadline_s=2),
        )
        assert [(each.meaning, each.callout_id) for each in closing] == [(Meaning.CLOSED, 7)] * 3
        assert {(await at.api.read(7, deadline_s=2)).meaning, (await raise_(at.api)).meaning} == {Meaning.RETRY}


async def test_a_redirect_is_not_followed(rig: Wired, authority: trustme.CA) -> None:
    """A captive portal or a mistake must not get the token or the position."""
    async with rig() as at, Server(server_context(authority)) as elsewhere:
        at.server.on("POST", RAISE, reply(307, Location=f"{elsewhere.url}/catch"))
        outcome = await raise_(at.api)
        assert (outcome.meaning, outcome.cause, elsewhere.connections) == (Meaning.RETRY, "redirect", 0)


async def test_no_body_is_read_beyond_the_limit(rig: Wired) -> None:
    """An endless body costs neither memory nor time, and the next request works."""
    async with rig() as at:
        at.server.on("POST", RAISE, reply(200, body=b" " * 3_000_000), reply(200, CALLOUT))
        outcome = await raise_(at.api)
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "too_large")
        assert (await raise_(at.api)).meaning is Meaning.ACCEPTED


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (reply(200, body=b"<!doctype html><p>Log in", kind="text/html"), "html"),
        (reply(200, {"message": "no id"}), "odd"),
        (reply(204), "odd"),
        (reply(418, {"message": "x"}), "odd"),
        (reply(511, body=b"<html>", kind="text/html"), "html"),
        (reply(502, body=b"<html>Bad gateway", kind="text/html"), "http_502"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "odd"),
        (raw(b""), "reset"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), "reset"),
        (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "odd"),
        (reset(), "reset"),
    ],
)
async def test_what_is_no_answer_is_tried_again(rig: Wired, answer: Answer, cause: str) -> None:
    """None of these is a delivery, and the very next request over a sound server works."""
    async with rig() as at:
        at.server.on("POST", RAISE, answer, reply(201, CALLOUT))
        outcome = await raise_(at.api)
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, cause)
        assert (await raise_(at.api)).meaning is Meaning.ACCEPTED


async def test_a_kept_connection_that_died_is_replaced_at_once(rig: Wired) -> None:
    """A server that closed an idle connection costs no retry time: a request over a dead one goes again over a new one."""
    async with rig() as at:
        at.server.on("POST", RAISE, reply(201, CALLOUT), reset(), reply(201, CALLOUT))
        assert (await raise_(at.api)).meaning is Meaning.ACCEPTED
        assert (await raise_(at.api)).meaning is Meaning.ACCEPTED
        assert len(at.server.paths()) == 4


async def test_a_connection_that_idled_for_too_long_is_not_used(rig: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mobile network may have forgotten it by then: what is sent over it would go nowhere, and only a deadline would tell."""
    assert 30 < line.KEEPALIVE_S < 60
    monkeypatch.setattr(line, "KEEPALIVE_S", 0.3)
    async with rig() as at:
        at.server.on("GET", RAISE, reply(200, []))
        for idle_s, connections in ((0.0, 2), (0.0, 2), (0.4, 3)):  # one more fetched the token
            await asyncio.sleep(idle_s)  # how long nothing is said is what is tested
            assert (await at.api.look_up(deadline_s=2)).meaning is Meaning.ACCEPTED
            assert at.server.connections == connections


async def test_the_kernel_is_told_to_notice_a_dead_peer(rig: Wired) -> None:
    """Unacknowledged data ends a connection only after the longest attempt, a dead idle one is noticed before a network forgets it."""
    async with rig() as at:
        at.server.on("GET", RAISE, reply(200, []))
        await at.api.look_up(deadline_s=2)
        (stream,) = at.api._caller._line._streams
        options = stream.get_extra_info("socket").getsockopt
        assert options(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > delivery.DEADLINE_CAP_S * 1000
        assert options(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle_s, every_s, times = (options(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{name}")) for name in ("IDLE", "INTVL", "CNT"))
        assert idle_s + every_s * times < line.KEEPALIVE_S


async def test_an_endless_body_is_cut_off(rig: Wired) -> None:
    """Well before the deadline, and with no more read than the limit."""

    async def flood(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
            await writer.drain()

    async with rig() as at:
        at.server.on("POST", RAISE, flood)
        outcome = await raise_(at.api, deadline_s=10)
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "too_large")


async def test_compressed_against_our_wish_is_still_read(rig: Wired) -> None:
    """A gateway that compresses whatever is asked of it must not cost a callout."""
    import gzip
    import json

    async with rig() as at:
        plain = json.dumps(CALLOUT).encode()
        for body in (gzip.compress(plain), plain):  # some only say that they did
            at.server.on("POST", RAISE, reply(201, body=body, Content_Encoding="gzip"))
            assert (await raise_(at.api)).callout.id == 500123
            assert at.server.seen[-1].headers["accept-encoding"] == "identity"


# --- time ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [hang(), drip()], ids=["hang", "drip"])
async def test_the_deadline_is_total(rig: Wired, answer: Answer) -> None:
    """Neither silence nor a byte now and then stretches an attempt, and what is cut off leaves no connection behind."""
    async with rig() as at:
        await at.credentials.current(urgent=True)
        at.server.on("POST", RAISE, answer, reply(200, CALLOUT))
        began = time.monotonic()
        outcome = await raise_(at.api, deadline_s=0.5)
        took = time.monotonic() - began
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "timeout")
        assert 0.5 <= took < 0.5 + MARGIN_S
        assert (await raise_(at.api)).meaning is Meaning.ACCEPTED
        await at.server.until_open(1)


async def test_a_half_open_server_leaks_no_connection(rig: Wired) -> None:
    """A handshake that never ends is cut at the deadline, and the socket is closed with it."""
    async with rig() as at:
        await at.credentials.current(urgent=True)
        async with Server(None) as silent:
            api = at.another(base_url=f"https://{NAME}:{silent.port}")
            before = _descriptors()
            outcomes = [await api.look_up(deadline_s=0.03) for _ in range(20)]
            assert {each.cause for each in outcomes} == {"timeout"}
            assert any("TLS" in each.text for each in outcomes)
            await api.aclose()
            await silent.until_open(0)
            assert _descriptors() <= before + 1
    gc.collect()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_two_hundred_cancelled_attempts_leak_nothing(rig: Wired) -> None:
    """Cancellation passes through at every point of an attempt; afterwards one request uses one connection as ever."""
    async with rig() as at:
        at.server.on("GET", RAISE, reply(200, []))
        await at.api.look_up(deadline_s=2)
        at.server.on("POST", RAISE, hang())
        for number in range(200):
            attempt = asyncio.ensure_future(raise_(at.api))
            await asyncio.sleep(number % 10 * 0.001)  # any point: look-up, connect, handshake, sending, waiting
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
        assert (await at.api.look_up(deadline_s=2)).meaning is Meaning.ACCEPTED
        await at.server.until_open(1)
        assert len([task for task in asyncio.all_tasks() if "close" in repr(task.get_coro())]) == 0


async def test_a_second_request_waits_within_its_own_deadline(rig: Wired) -> None:
    """One connection: concurrent use is slow at worst, never wrong."""
    async with rig() as at:
        await at.credentials.current(urgent=True)
        at.server.on("POST", RAISE, hang())
        at.server.on("GET", RAISE, reply(200, []))
        raising = asyncio.ensure_future(raise_(at.api, deadline_s=1.0))
        await at.server.until(2)
        assert (await at.api.look_up(deadline_s=0.1)).cause == "timeout"
        assert (await at.api.look_up(deadline_s=2)).meaning is Meaning.ACCEPTED
        assert (await raising).cause == "timeout"


async def test_lanes_do_not_wait_for_each_other(rig: Wired) -> None:
    """A hung request on one instance delays none on another."""
    async with rig() as at:
        await at.credentials.current(urgent=True)
        at.server.on("POST", RAISE, hang())
        at.server.on("GET", RAISE, reply(200, []))
        raising = asyncio.ensure_future(raise_(at.api, deadline_s=5))
        await at.server.until(2)
        other = at.another()
        began = time.monotonic()
        assert (await other.look_up(deadline_s=2)).meaning is Meaning.ACCEPTED
        assert time.monotonic() - began < MARGIN_S
        raising.cancel()
        await asyncio.gather(raising, return_exceptions=True)
        await other.aclose()


# --- the network and TLS ------------------------------------------------------------------------------------------------


async def test_a_closed_port_is_connect_and_an_unknown_name_is_dns(rig: Wired) -> None:
    """Causes are stable words, so that conditions can have hints."""
    async with rig() as at:
        await at.credentials.current(urgent=True)
        refused = at.another(base_url=f"https://{NAME}:1")
        unknown = at.another(base_url="https://nowhere.invalid")
        assert (await refused.look_up(deadline_s=2)).cause == "connect"
        assert (await unknown.look_up(deadline_s=5)).cause == "dns"
        await refused.aclose()
        await unknown.aclose()


def _days(number: int) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=number)


@pytest.mark.parametrize(
    ("names", "terms", "cause"),
    [
        ((NAME,), {"not_before": _days(-30), "not_after": _days(-1)}, "tls.clock"),
        ((NAME,), {"not_before": _days(1), "not_after": _days(30)}, "tls.clock"),
        (("other.test",), {}, "tls"),
    ],
    ids=["expired", "not-yet", "name"],
)
async def test_a_certificate_that_does_not_hold_is_told(
    rig: Wired, authority: trustme.CA, names: tuple[str, ...], terms: dict[str, Any], cause: str
) -> None:
    """A wrong time, ours or theirs, is told apart from a wrong host; nothing is sent in either case."""
    async with rig() as at, Server(server_context(authority, *names, **terms)) as wrong:
        await at.credentials.current(urgent=True)
        api = at.another(base_url=wrong.url)
        outcome = await raise_(api)
        assert (outcome.meaning, outcome.cause, wrong.seen) == (Meaning.RETRY, cause, [])
        await api.aclose()


async def test_an_unknown_authority_is_tls(rig: Wired) -> None:
    """An interceptor gets nothing."""
    async with rig() as at, Server(server_context(trustme.CA())) as wrong:
        await at.credentials.current(urgent=True)
        api = at.another(base_url=wrong.url)
        assert ((await raise_(api)).cause, wrong.seen) == ("tls", [])
        await api.aclose()


async def test_plain_http_on_a_tls_port_is_tls(rig: Wired) -> None:
    """Something that speaks no TLS is not dispatch."""
    async with rig() as at, Server(None) as plain:
        await at.credentials.current(urgent=True)
        api = at.another(base_url=plain.url.replace("http:", "https:"))
        outcome = await api.look_up(deadline_s=0.5)
        assert outcome.meaning is Meaning.RETRY
        assert outcome.cause in ("tls", "reset", "timeout")
        await api.aclose()


# --- tokens -------------------------------------------------------------------------------------------------------------


async def test_a_401_costs_one_renewal_and_one_retry(rig: Wired) -> None:
    """The new token is used for the retry and from then on."""
    async with rig() as at:
        at.server.on("POST", RAISE, reply(401), reply(201, CALLOUT))
        assert (await raise_(at.api)).meaning is Meaning.ACCEPTED
        assert [seen.bearer for seen in at.server.seen if seen.path.endswith("callouts")] == ["first-token-value", "second-token-value"]


async def test_a_route_outside_the_scope_leaves_the_others_alone(rig: Wired) -> None:
    """A fresh token refused is `scope` for that route; another route goes on with the token, and no renewal storm begins."""
    async with rig() as at:
        at.server.on("POST", "/callouts/7/events", reply(401))
        at.server.on("POST", "/callouts/7/location", reply(200, {"message": "ok"}))
        await at.credentials.current(urgent=False)
        at.clock.ahead_s = 61
        told = [await at.api.tell(7, "x", deadline_s=2) for _ in range(3)]
        assert [(each.meaning, each.cause) for each in told] == [(Meaning.UNAUTHORISED, "scope")] * 3
        assert (await at.api.locate(7, lambda: FIX, deadline_s=2)).meaning is Meaning.ACCEPTED
        assert at.server.paths().count("POST /token") == 2


async def test_a_route_outside_the_scope_costs_a_renewal_every_five_minutes(rig: Wired) -> None:
    """Until then it is not asked for a token that it would refuse, too."""
    async with rig() as at:
        at.server.on("POST", "/callouts/7/events", reply(401))
        at.server.on("POST", "/token", *(reply(200, {"access_token": f"token-number-{n}", "expires_in": 3600}) for n in range(9)))
        await at.credentials.current(urgent=False)
        refused_at = at.api._caller._scoped_at
        for minute, (ago_s, renewals) in enumerate(((0.0, 2), (295.0, 2), (301.0, 3)), 1):
            at.clock.ahead_s = 61 * minute
            refused_at.update({route: time.monotonic() - ago_s for route in refused_at})
            assert (await at.api.tell(7, "x", deadline_s=2)).cause == "scope"
            assert at.server.paths().count("POST /token") == renewals


async def test_a_route_that_was_out_of_scope_and_is_served_again_renews_at_once(rig: Wired) -> None:
    """What it once refused is no reason to wait for five minutes when the token has expired."""
    async with rig() as at:
        at.server.on("POST", "/callouts/7/location", reply(401), reply(401), reply(200, {}), reply(401), reply(200, {}))
        at.server.on("POST", "/token", *(reply(200, {"access_token": f"token-number-{n}", "expires_in": 3600}) for n in range(9)))
        await at.credentials.current(urgent=False)
        at.clock.ahead_s = 61
        assert (await at.api.locate(7, lambda: FIX, deadline_s=2)).cause == "scope"
        assert (await at.api.locate(7, lambda: FIX, deadline_s=2)).meaning is Meaning.ACCEPTED
        at.clock.ahead_s = 122
        assert (await at.api.locate(7, lambda: FIX, deadline_s=2)).meaning is Meaning.ACCEPTED


async def test_a_route_that_failed_before_it_refused_is_out_of_scope_all_the_same(rig: Wired) -> None:
    """Only an answer that took the token shows that it may be used there."""
    async with rig() as at:
        at.server.on("POST", "/callouts/7/events", reply(503), reply(401))
        assert (await at.api.tell(7, "x", deadline_s=2)).meaning is Meaning.RETRY
        at.clock.ahead_s = 61
        assert (await at.api.tell(7, "x", deadline_s=2)).cause == "scope"


async def test_a_401_on_a_route_that_was_served_before_is_no_matter_of_scope(rig: Wired) -> None:
    """Every route may refuse every token for a while: a raise would be refused too, and a renewal a minute goes on."""
    async with rig() as at:
        at.server.on("GET", RAISE, reply(200, []), reply(401))
        at.server.on("POST", "/token", *(reply(200, {"access_token": f"token-number-{n}", "expires_in": 3600}) for n in range(9)))
        assert (await at.api.look_up(deadline_s=2)).meaning is Meaning.ACCEPTED
        for minute in (1, 2, 3):
            at.clock.ahead_s = 61 * minute
            outcome = await at.api.look_up(deadline_s=2)
            assert (outcome.meaning, outcome.cause) == (Meaning.UNAUTHORISED, "http_401")
            found = findings.of(outcome)
            assert found is not None
            assert (found.code, found.severity) == ("token.refused", Severity.CRITICAL)
            assert not findings.proves_path(outcome)
        assert at.server.paths().count("POST /token") == 4


async def test_a_token_just_renewed_is_not_renewed_again(rig: Wired) -> None:
    """Within a minute of a renewal a 401 is told as it is; only a raise may ask again."""
    async with rig() as at:
        at.server.on("GET", RAISE, reply(401))
        assert [(await at.api.look_up(deadline_s=2)).cause for _ in range(3)] == ["http_401"] * 3
        assert at.server.paths().count("POST /token") == 1


async def test_a_raise_may_renew_every_time(rig: Wired) -> None:
    """At most one renewal a minute does not hold for a raise."""
    async with rig() as at:
        at.server.on("POST", "/token", *(reply(200, {"access_token": f"token-number-{n}", "expires_in": 3600}) for n in range(9)))
        at.server.on("POST", RAISE, reply(401))
        for _ in range(3):
            assert (await raise_(at.api)).meaning is Meaning.UNAUTHORISED
        assert at.server.paths().count("POST /token") == 4


async def test_a_raise_does_not_wait_for_a_hung_token_service(rig: Wired) -> None:
    """A token believed expired is tried at once: dispatch decides what is expired."""
    async with rig() as at:
        await at.credentials.current(urgent=True)
        at.server.on("POST", "/token", hang())
        at.server.on("POST", RAISE, reply(201, CALLOUT))
        at.clock.ahead_s = 100_000
        began = time.monotonic()
        outcome = await raise_(at.api)
        assert outcome.meaning is Meaning.ACCEPTED
        assert time.monotonic() - began < MARGIN_S
        assert [seen.bearer for seen in at.server.seen if seen.path.endswith("callouts")] == ["first-token-value"]


async def test_without_a_token_the_reason_is_told(rig: Wired) -> None:
    """No token and none to be had: retry, and why."""
    async with rig() as at:
        at.server.on("POST", "/token", reply(500))
        outcome = await raise_(at.api)
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "no_token")
        assert "500" in outcome.text


async def test_a_token_that_a_wrong_clock_keeps_away_is_the_clocks_trouble(rig: Wired, authority: trustme.CA) -> None:
    """At a start in 1970 the certificate of the token service is the first that does not hold."""
    async with rig(context=server_context(authority, NAME, not_before=_days(1), not_after=_days(30))) as at:
        outcome = await raise_(at.api)
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "tls.clock")
        assert findings.of(outcome).code == "clock.tls"


async def test_a_token_service_that_hangs_is_not_blamed_on_dispatch(rig: Wired) -> None:
    """The deadline passed in a renewal: the cause is the token, not the dispatch host."""
    async with rig() as at:
        at.server.on("POST", "/token", hang())
        outcome = await raise_(at.api, deadline_s=0.3)
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "no_token")


async def test_a_renewal_that_hangs_after_a_401_is_not_blamed_on_dispatch(rig: Wired) -> None:
    """Dispatch did answer: it is the token that is missing."""
    async with rig() as at:
        await at.credentials.current(urgent=False)
        at.server.on("POST", "/token", hang())
        at.server.on("POST", RAISE, reply(401))
        outcome = await raise_(at.api, deadline_s=0.5)
        assert (outcome.meaning, outcome.cause) == (Meaning.RETRY, "no_token")


async def test_one_renewal_serves_all_lanes(rig: Wired) -> None:
    """Five lanes refused at once share one renewal."""
    async with rig() as at:
        await at.credentials.current(urgent=True)
        at.clock.ahead_s = 61
        lanes = [at.another() for _ in range(5)]
        at.server.on("GET", RAISE, *([reply(401)] * 5), reply(200, []))
        outcomes = await asyncio.gather(*(lane.look_up(deadline_s=3) for lane in lanes))
        assert [each.meaning for each in outcomes] == [Meaning.ACCEPTED] * 5
        assert at.server.paths().count("POST /token") == 2
        for lane in lanes:
            await lane.aclose()


async def test_nothing_secret_is_in_any_text(rig: Wired, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever dispatch echoes: no token, coordinate or code gets into an outcome or the log."""
    caplog.set_level(logging.DEBUG, logger="callout-agent")
    echo = {"message": "bad: Bearer first-token-value at -33.9249123,18.4241235 code 0042"}
    async with rig() as at:
        for status in (400, 401, 403, 404, 409, 422, 429, 500):
            at.server.on("POST", RAISE, reply(status, echo))
            at.server.on("POST", "/callouts/7/cancel", reply(status, echo))
            at.server.on("POST", "/callouts/7/location", reply(status, echo))
            for outcome in (
                await raise_(at.api),
                await at.api.cancel(7, SafeCode("0042"), deadline_s=2),
                await at.api.locate(7, lambda: FIX, deadline_s=2),
            ):
                for secret in ("token-value", "33.92", "18.42", "0042"):
                    assert secret not in repr(outcome) + caplog.text


async def test_a_lost_answer_leaves_the_request_delivered(rig: Wired) -> None:
    """The request arrived although no answer came: only that an answer is missing is told, never that nothing happened."""
    async with rig() as at:
        await at.credentials.current(urgent=True)
        at.server.on("POST", RAISE, reset(), reply(200, CALLOUT))
        first = await raise_(at.api)
        again = await raise_(at.api)
        assert (first.meaning, first.cause, again.callout.id) == (Meaning.RETRY, "reset", 500123)
        assert at.server.paths().count(f"POST {RAISE}") == 2


async def test_a_date_to_wait_for_is_read_by_the_believed_clock(rig: Wired) -> None:
    """A reply without a Date of its own, on a device whose system clock is 30 days slow."""
    async with rig() as at:
        at.clock.wall_ahead_s = 30 * 86_400.0
        at.server.on("GET", RAISE, reply(503, Retry_After=formatdate(at.clock.wall() + 120, usegmt=True)))
        outcome = await at.api.look_up(deadline_s=2)
        assert outcome.retry_after_s == pytest.approx(120, abs=10)


# --- an address from memory ---------------------------------------------------------------------------------------------


async def test_a_hung_look_up_does_not_stop_a_raise(rig: Wired) -> None:
    """Through httpx, httpcore and anyio: without an answer the last good address is used after 1.5 s, and TLS still checks the name."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, lookup.LookupLoop)
    async with rig() as at:
        at.server.on("GET", RAISE, reply(200, []))
        assert (await at.api.look_up(deadline_s=2)).meaning is Meaning.ACCEPTED
        await at.api.aclose()
        release = _hang_look_ups(loop)
        try:
            began = time.monotonic()
            outcome = await at.api.look_up(deadline_s=3)
            took = time.monotonic() - began
        finally:
            release()
        assert outcome.meaning is Meaning.ACCEPTED
        assert 1.4 < took < 1.5 + MARGIN_S


async def test_an_address_that_proved_to_be_dispatch_is_remembered_over_a_later_one(rig: Wired) -> None:
    """A resolver that names a wrong address for a while does not spoil what is offered when it falls silent."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, lookup.LookupLoop)
    async with rig() as at:
        at.server.on("GET", RAISE, reply(200, []))
        await at.api.look_up(deadline_s=2)
        await at.api.aclose()
        sound = loop.resolver.ask
        loop.resolver.ask = lambda _host, *rest: sound("127.0.0.77", *rest)
        assert (await at.api.look_up(deadline_s=2)).cause == "connect"
        release = _hang_look_ups(loop)
        try:
            assert (await at.api.look_up(deadline_s=3)).meaning is Meaning.ACCEPTED
        finally:
            release()


async def test_through_a_proxy_tls_is_with_dispatch(rig: Wired, trusting: ssl.SSLContext) -> None:
    """The proxy sees a CONNECT and ciphertext; one that refuses is `connect`."""
    asked: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        if len(asked) > 1:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        else:
            onward, back = await asyncio.open_connection("127.0.0.1", at.server.port)
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await asyncio.gather(_copy(reader, back), _copy(onward, writer))
        writer.close()

    async with rig() as at:
        await at.credentials.current(urgent=True)
        at.server.on("GET", RAISE, reply(200, []))
        async with await asyncio.start_server(tunnel, "127.0.0.1", 0) as proxy:
            api = PanicApi(at.service, at.credentials, trusting, proxy=f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
            proven = asyncio.get_running_loop().resolver.proven  # type: ignore[attr-defined] # a LookupLoop
            proven.clear()
            assert (await api.look_up(deadline_s=2)).meaning is Meaning.ACCEPTED
            assert proven == {}, "the proxy's address is not that of dispatch"
            await api.locate(7, lambda: FIX, deadline_s=2)
            assert at.server.seen[-1].json["latitude"] == round(FIX.latitude, 7), "the tunnel's own request has no body of ours"
            await api.aclose()
            assert (await api.look_up(deadline_s=2)).cause == "connect"
            await api.aclose()
        assert asked == [f"CONNECT {NAME}:{at.server.port} HTTP/1.1".encode()] * 2


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_an_address_from_memory_is_checked_by_name(rig: Wired, authority: trustme.CA) -> None:
    """Whoever answers at the remembered address without the host's certificate gets nothing."""
    loop = asyncio.get_running_loop()
    context = server_context(authority)
    async with rig(context=context) as at:
        at.server.on("GET", RAISE, reply(200, []))
        await at.api.look_up(deadline_s=2)
        await at.api.aclose()
        port = at.server.port
        await at.server.__aexit__()
        impostor = await asyncio.start_server(
            lambda _r, w: w.transport.abort(), "127.0.0.1", port, ssl=server_context(authority, "evil.test")
        )
        release = _hang_look_ups(loop)
        try:
            outcome = await at.api.look_up(deadline_s=3)
        finally:
            release()
            impostor.close()
        assert outcome.cause == "tls"


def _hang_look_ups(loop: lookup.LookupLoop) -> Callable[[], None]:
    """From now on the system's resolver answers nobody; calling the result lets the threads end."""
    import threading

    gate = threading.Event()

    def never(*_question: object) -> list[tuple[object, ...]]:
        gate.wait()
        raise OSError

    loop.resolver.ask = never
    return gate.set


def test_a_client_is_shown_without_its_secrets(trusting: ssl.SSLContext) -> None:
    """No repr of anything on the way to dispatch holds a body."""
    from agent.caller import Call

    assert "0042" not in repr(Call(Asked.CANCEL, "POST", "/callouts/7/cancel", b'{"safeCode":"0042"}'))
    assert Credentials.__repr__ is not object.__repr__
