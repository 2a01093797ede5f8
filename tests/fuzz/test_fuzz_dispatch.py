"""Dispatch may answer anything, and so may whatever stands between: no reply ends, holds up or fills the client.

What does not have the documented shape is never accepted, and nothing but 285 ever closes a callout (laws 2 and 8).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from scripted import FIX, Wall

from agent import delivery, wire
from agent.credentials import Credentials
from agent.delivery import CLOSES, Reply
from agent.line import MAX_BODY_BYTES
from agent.model import Asked, Meaning, Outcome, Place, Quality, SafeCode
from agent.panic_api import PanicApi, Service
from agent.token_sources import TokenService
from tests.fuzz.limits import GROWTH_BYTES, grown, prompt, tries
from tests.fuzz.minting import SECRET, TLS, Minted
from tests.fuzz.mutations import damaged_by_chance, seeded, twisted, values
from tests.fuzz.wire_noise import PAGES, SERIALISED, Answering, bodies, callouts_in, dates, documents, kinds, replies, statuses

ID = 500123
LIMIT_S = 0.4  # of an attempt that is left without an answer
SLACK_S = 3.0  # a machine with other work
WHOLE = b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{"callout": {"id": 1, "status":1}}'
CODE = "0042-secret"
PLACE = Place(-33.92491, 18.42412, 6.0, Quality.LIVE, 1.8e9)
NEEDS_CALLOUT = frozenset({Asked.RAISE, Asked.READ})
PLAIN = re.compile(r"[\x20-\x7e]*")

Operation = Callable[[PanicApi], Awaitable[Outcome]]
OPERATIONS: dict[Asked, Operation] = {
    Asked.RAISE: lambda api: api.raise_callout(PLACE, response_type_id=1, shape="nested", deadline_s=LIMIT_S),
    Asked.LOCATION: lambda api: api.locate(ID, lambda: FIX, deadline_s=LIMIT_S),
    Asked.READ: lambda api: api.read(ID, deadline_s=LIMIT_S),
    Asked.LOOK_UP: lambda api: api.look_up(deadline_s=LIMIT_S),
    Asked.LIST_ACTIVE: lambda api: api.list_active(deadline_s=LIMIT_S),
    Asked.CANCEL: lambda api: api.cancel(ID, SafeCode(CODE), deadline_s=LIMIT_S),
    Asked.EVENT: lambda api: api.tell(ID, "hello", deadline_s=LIMIT_S),
    Asked.EVENTS: lambda api: api.events(ID, deadline_s=LIMIT_S),
    Asked.REASONS: lambda api: api.reasons(ID, deadline_s=LIMIT_S),
    Asked.ADD_REASON: lambda api: api.add_reason(ID, 1, "x", deadline_s=LIMIT_S),
    Asked.REPORT: lambda api: api.report(ID, deadline_s=LIMIT_S),
    Asked.MAP: lambda api: api.picture(ID, deadline_s=LIMIT_S),
    Asked.RATING_ITEMS: lambda api: api.rating_items(deadline_s=LIMIT_S),
    Asked.RATE: lambda api: api.rate(ID, 5, deadline_s=LIMIT_S),
    Asked.RATE_ITEM: lambda api: api.rate_item(5, "speed", item_id=1, score=3, deadline_s=LIMIT_S),
    Asked.RESPONSE_TYPES: lambda api: api.response_types(deadline_s=LIMIT_S),
    Asked.LINK_DEVICE: lambda api: api.link_device("0042", "us", deadline_s=LIMIT_S),
    Asked.UPDATE_DEVICE: lambda api: api.update_device("d-1", deadline_s=LIMIT_S),
    Asked.UNLINK_DEVICE: lambda api: api.unlink_device("d-1", deadline_s=LIMIT_S),
    Asked.DEVICE_EVENT: lambda api: api.device_event("d-1", 1, 2, place=PLACE, deadline_s=LIMIT_S),
    Asked.PROBE: lambda api: api.probe("GET", "/x", deadline_s=LIMIT_S),
}
ABOUT_ONE = {Asked.LOCATION, Asked.READ, Asked.CANCEL, Asked.EVENT, Asked.EVENTS, Asked.REASONS, Asked.ADD_REASON, Asked.REPORT, Asked.MAP}


def require_honest(outcome: Outcome) -> None:
    """What holds for every outcome of every reply."""
    assert isinstance(outcome, Outcome)
    asked, status = outcome.asked, outcome.http_status
    if outcome.meaning is Meaning.ACCEPTED:
        assert status is not None
        assert 200 <= status < 300
        assert status != delivery.CLOSED_STATUS
        assert asked not in NEEDS_CALLOUT or outcome.callout is not None
        assert asked is not Asked.READ or str(outcome.callout.id if outcome.callout else None) == str(ID)
        assert asked not in {Asked.LOOK_UP, Asked.LIST_ACTIVE} or outcome.callouts is not None
        assert asked is not Asked.EVENTS or outcome.events is not None
        assert asked not in {Asked.MAP, Asked.REPORT, Asked.LINK_DEVICE, Asked.REASONS} or outcome.paper is not None
    assert (outcome.meaning is Meaning.CLOSED) == (status == delivery.CLOSED_STATUS and asked in CLOSES)
    assert outcome.meaning is not Meaning.UNAUTHORISED or status == 401
    assert outcome.retry_after_s is None or outcome.retry_after_s >= 0
    assert PLAIN.fullmatch(outcome.text), "one line that a terminal shows"
    assert len(outcome.text) < 400
    for secret in (SECRET, CODE, "33.92", "18.42", "minted-token"):
        assert secret not in outcome.text
    callouts_in(asked, outcome.callout, *(outcome.callouts or ()))


@tries(1200)
@given(st.sampled_from(sorted(OPERATIONS)), statuses, bodies, kinds, dates, dates)
def test_no_reply_is_taken_for_what_it_is_not(asked: Asked, status: int, body: bytes, kind: str, date: str, after: str):
    """Every operation, any status, any body: one outcome, the same each time."""
    callout_id = ID if asked in ABOUT_ONE else None
    reply = Reply(status, body, kind, retry_after=after, date=date)
    with prompt():
        outcome = delivery.outcome_of(asked, callout_id, reply, now_wall=1.8e9)
        again = delivery.outcome_of(asked, callout_id, reply, now_wall=1.8e9)
    require_honest(outcome)
    assert repr(outcome) == repr(again)
    if outcome.meaning is Meaning.ACCEPTED and asked in {Asked.RAISE, Asked.READ, Asked.LOOK_UP, Asked.EVENTS, Asked.LINK_DEVICE}:
        assert status == 204 or isinstance(json.loads(body), dict | list)


@tries(300)
@given(documents, st.none() | st.floats(0, 2e9))
def test_any_document_is_read_or_not_and_never_thrown_at_us(document: Any, wall: float | None):
    """Callouts, lists, events, tokens and refusals out of any JSON."""
    with prompt():
        callouts_in(
            Asked.READ, wire.callout_of(document, wall), wire.read_callout_of(document, ID, wall), *(wire.callouts_of(document) or ())
        )
        for event in wire.events_of(document, wall) or ():
            assert event.text.strip()
        token = wire.token_of(document, at=1.0, wall=wall)
        message = wire.message_of(document)
    assert token is None or re.fullmatch(r"[!-~]+", token.value.revealed())
    assert token is None or token.value.revealed() not in repr(token)
    assert message is None or message.strip()


def answered(story: Callable[[Answering, PanicApi], Awaitable[None]]) -> None:
    """Tell a story with the real client on a server that answers anything."""

    async def run() -> None:
        async with Answering() as server:
            credentials = Credentials(Minted(), Wall())
            service = Service(base_url=server.url, customer_id=4711, predefined_location="STORE 1/a")
            api = PanicApi(service, credentials, TLS)
            try:
                await story(server, api)
            finally:
                await api.aclose()
                await credentials.aclose()

    asyncio.run(run())


def of_every_operation(answer: bytes, *, holds: bool, asked: Asked) -> None:
    async def story(server: Answering, api: PanicApi) -> None:
        server.answer, server.holds = answer, holds
        began = time.monotonic()
        require_honest(await OPERATIONS[asked](api))
        assert time.monotonic() - began < LIMIT_S + SLACK_S
        server.answer, server.holds = WHOLE, False
        outcome = await api.raise_callout(PLACE, response_type_id=1, shape="nested", deadline_s=10)
        assert outcome.meaning is Meaning.ACCEPTED, f"the next raise must go through: {outcome.text}"

    answered(story)


@tries(120)
@given(st.sampled_from(sorted(OPERATIONS)), replies())
@example(Asked.RAISE, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00")
@example(Asked.RAISE, b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}")
def test_no_answer_over_a_line_ends_the_client(asked: Asked, answer: bytes):
    """Nearly HTTP, then the end of the connection; and the next raise goes through."""
    of_every_operation(answer, holds=False, asked=asked)


@tries(30)
@given(st.sampled_from(sorted(OPERATIONS)), st.binary(max_size=200) | replies().map(lambda each: each[: len(each) // 2]))
def test_no_bytes_over_a_line_end_the_client(asked: Asked, answer: bytes):
    """Whatever speaks there, it need not be HTTP."""
    of_every_operation(answer, holds=False, asked=asked)


@tries(5)
@given(st.sampled_from(sorted(OPERATIONS)), replies())
@example(Asked.LOCATION, b"HTTP/1.1 204 No Content\r\n\r\n{}")  # its rest stays on the line, before the answer to the next raise
def test_no_answer_that_does_not_end_outlives_the_deadline(asked: Asked, answer: bytes):
    """Who answers and then stays silent on an open line has the attempt's time and no more."""
    of_every_operation(answer, holds=True, asked=asked)


def test_a_flood_costs_its_limit_of_memory():
    """Megabytes, also packed into kilobytes, are cut off while they come."""
    import gzip

    packed = gzip.compress(b" " * 50_000_000, 1)
    flood = [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 3_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 3_000_000,
    ]

    async def story(server: Answering, api: PanicApi) -> None:
        import tracemalloc

        for answer in flood:
            server.answer = answer
            tracemalloc.start()
            outcome = await OPERATIONS[Asked.RAISE](api)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert outcome.meaning is Meaning.RETRY
            require_honest(outcome)
            assert peak < 12 * MAX_BODY_BYTES, f"{peak} bytes at once"

    answered(story)


MINTED = {"accessToken": "minted-token-value", "tokenType": "Bearer", "expiresIn": 3600}
MINTS = twisted([MINTED, {"data": MINTED}], values, most=2).map(lambda each: b"HTTP/1.1 201 C\r\n\r\n" + json.dumps(each).encode())


@tries(60)
@given(MINTS | replies(), st.binary(max_size=60))
@example(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(MINTED).encode(), b"")
@example(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps({**MINTED, "accessToken": "minted\r\nX: injected"}).encode(), b"")
def test_no_answer_of_the_token_service_is_a_token_that_cannot_stand_in_a_header(answer: bytes, noise: bytes):
    """Its operator may have a bad day, too."""

    async def run() -> None:
        async with Answering() as server:
            source = TokenService(url=server.url + "/token", customer_id=4711, clock=Wall(), tls=TLS)
            for each in (answer, noise):
                server.answer = each
                async with asyncio.timeout(LIMIT_S + SLACK_S):
                    told = await source.fetch()
                if isinstance(told, Outcome):
                    assert told.meaning is not Meaning.ACCEPTED
                    require_honest(told)
                else:
                    assert wire.TOKEN_TEXT.fullmatch(told.value.revealed())
                    assert told.value.revealed() not in repr(told)

    asyncio.run(run())


TOKENS = [b'{"accessToken": "minted-token-value", "expiresIn": 60}', b"minted-token-value\n", b'"minted-token-value"']
TOLD = st.sampled_from(["", "short", "has a blank in it", "x" * 9_000, "\u00e9" * 9, "minted\r\nX: y", 5, None, {}, [], True, 1e308, -1])


@tries(150)
@given(st.text(max_size=80) | twisted([json.loads(TOKENS[0])], TOLD).map(json.dumps) | st.sampled_from(TOKENS).map(bytes.decode))
def test_no_file_is_a_token_that_cannot_stand_in_a_header(text: str):
    """Someone else keeps it fresh, and may write half of it."""
    with prompt():
        token = wire.token_of_text(text, at=1.0, wall=1.8e9)
    assert token is None or wire.TOKEN_TEXT.fullmatch(token.value.revealed())


def test_replies_by_the_thousand_fill_no_memory():
    """Nothing of them is kept, neither words nor causes."""
    chance = seeded(5)
    asked = sorted(OPERATIONS)

    def feed(_number: int) -> None:
        body = damaged_by_chance(chance, SERIALISED + PAGES)
        status = chance.choice((200, 201, 204, 285, 400, 401, 404, 429, 500, chance.randrange(100, 1_000)))
        require_honest(delivery.outcome_of(chance.choice(asked), ID, Reply(status, body, date=body[:20].decode("latin-1")), now_wall=1.8e9))

    assert grown(feed, 4_000) < GROWTH_BYTES


def test_broken_lines_by_the_hundred_fill_no_memory():
    """Nor do connections that broke off stay open, or tasks stay behind."""
    chance = seeded(6)

    async def story(server: Answering, api: PanicApi) -> None:
        grew = []
        import gc
        import tracemalloc

        tracemalloc.start()
        for round_ in range(3):
            for _ in range(60):
                body = damaged_by_chance(chance, SERIALISED + PAGES)
                server.answer = (
                    chance.choice((b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) + chance.randrange(2)), b"")) + body
                )
                require_honest(await OPERATIONS[chance.choice(sorted(OPERATIONS))](api))
            gc.collect()
            grew.append(tracemalloc.get_traced_memory()[0])
            descriptors = len(list(Path("/proc/self/fd").iterdir()))
            assert round_ == 0 or descriptors < 60
        tracemalloc.stop()
        assert grew[2] - grew[1] < 60_000  # clients that are kept take twice as much

    answered(story)


def test_every_operation_of_the_client_is_tried():
    """One that is added is to be added here."""
    assert set(OPERATIONS) == set(Asked) - {Asked.TOKEN}
