"""What a broken dispatch, a portal or a liar may answer: documents, heads and bodies; and a server that answers just that."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import zlib
from typing import Any, Self

from hypothesis import strategies as st

from agent.model import Asked, Callout
from tests.fuzz.mutations import damaged, twisted

CALLOUT = json.loads(
    """{"id": 500123, "status": "created", "customerId": 4711, "createdAt": "2026-11-26T04:00:00Z", "url": "https://track.test/x",
    "location": {"latitude": -33.9249, "longitude": 18.4241, "accuracy": 6.0},
    "incidentInformation": [{"dispatchedAt": "2026-11-26T04:01:00Z", "responder": {"name": "Unit 7", "etaMinutes": 4}}]}"""
)
EVENT = {"id": 1, "event": {"message": "on our way", "source": "dispatch"}, "createdAt": "2026-11-26T04:02:00Z", "eventType": "NOTE"}
DOCUMENTS: list[Any] = [
    {"message": "ok", "callout": CALLOUT},
    CALLOUT,
    {"data": {"callout": CALLOUT}},
    [CALLOUT, {**CALLOUT, "id": "b-2"}],
    {"activeCallouts": [{"callout": CALLOUT}]},
    {"calloutEvents": [EVENT, {**EVENT, "event": "RESPONDER_DISPATCHED"}]},
    {"message": "ok"},
    {"exceptionReasons": [{"id": 1, "reason": "false alarm"}]},
    {"report": {"closedAt": "2026-11-26T05:00:00Z", "outcome": "safe"}},
    {"map": {"url": "https://map.test/1.png", "image": None}},
    {"ratingItems": [{"id": 1, "description": "speed"}]},
    {"calloutRating": {"id": 5}},
    {"responseTypes": [{"id": 1, "value": "SECURITY", "description": "armed"}]},
    {"device": {"id": "d-1", "serial": "0042"}},
    {"event": "NEW_CALLOUT", "calloutId": 500123},
    {"accessToken": "minted-token-value", "tokenType": "Bearer", "expiresIn": 3600},
    {"access_token": "minted-token-value", "expires_at": "2026-11-26T05:00:00Z"},
]
SERIALISED = [json.dumps(each).encode() for each in DOCUMENTS]
PAGES = [b"<html><body>Sign in to Hotel WiFi</body></html>", b"\n\n<!DOCTYPE html>", b"", b"null", b"OK", b"\xff\xfe\x00", b"[" * 5_000]

documents = twisted(DOCUMENTS)
bodies = (
    documents.map(lambda each: json.dumps(each).encode())
    | damaged(SERIALISED)
    | st.sampled_from(PAGES + SERIALISED)
    | st.binary(max_size=60)
)
statuses = st.sampled_from([200, 201, 202, 204, 205, 285, 206, 299]) | st.sampled_from(
    [300, 302, 304, 400, 401, 403, 404, 405, 408, 409, 422, 425, 429, 500, 502, 503, 504, 511, 599, 600, 777, 999]
)
dates = st.sampled_from(
    ["Thu, 26 Nov 2026 04:02:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "x", "", "-1", "Fri, 31 Dec 9999 23:59:59 -2359", "0", "99999999999"]
) | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
kinds = st.sampled_from(["application/json", "text/html", "", "image/png", "application/json; charset=utf-16", "TEXT/HTML;x"])


@st.composite
def replies(draw: Any) -> bytes:
    """A reply of HTTP/1.1, nearly."""
    body: bytes = draw(bodies)
    line = draw(st.sampled_from([b"HTTP/1.1 %d OK", b"HTTP/1.0 %d", b"HTTP/1.1 %d \xff", b"HTTP/2 %d OK", b"ICY %d OK", b"%d"]))
    lines = [line % draw(statuses) if draw(st.integers(0, 9)) else draw(st.sampled_from([b"HTTP/1.1 100 Continue", b"HTTP/1.1 0 Z", b""]))]
    packed = draw(st.sampled_from([None, None, None, b"gzip", b"deflate", b"br", b"gzip, gzip"]))
    if packed is not None:
        lines.append(b"Content-Encoding: " + packed)
        body = {b"gzip": gzip.compress, b"deflate": zlib.compress}.get(packed, bytes)(body)[: draw(st.sampled_from([None, None, -1, 7]))]
    length = draw(st.sampled_from(["right", "right", "right", "none", "chunked", "more", "less", "odd", "twice"]))
    announced = {"more": len(body) + 9, "less": max(0, len(body) - 3)}.get(length, len(body))
    if length == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) + draw(st.sampled_from([0, 0, 3, -1])), body)
    elif length == "odd":
        lines.append(b"Content-Length: " + draw(st.sampled_from([b"-1", b"1e3", b"9" * 40, b"", b"0x10", b"+5"])))
    elif length != "none":
        lines += [b"Content-Length: %d" % announced] * (2 if length == "twice" else 1)
    lines.append(b"Content-Type: " + draw(kinds).encode())
    for name in draw(st.lists(st.sampled_from([b"Date", b"Retry-After", b"Location", b"X-\xff", b"Set-Cookie", b": "]), max_size=3)):
        lines.append(name + b": " + draw(dates).encode("latin-1"))
    if not draw(st.integers(0, 30)):
        lines.append(b"X-Long: " + b"x" * draw(st.sampled_from([20_000, 200_000])))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Answering:
    """Listens on loopback and answers every request with `answer`, then hangs up; with `holds` it stays for the next."""

    def __init__(self) -> None:
        self.answer = b""
        self.holds = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            stays = True
            while stays:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
                await reader.readexactly(int(length))
                stays = self.holds
                writer.write(self.answer)
                await writer.drain()
        writer.close()
        self._tasks.discard(task)


def callouts_in(asked: Asked, *found: Callout | None) -> None:
    """What is taken over from a reply is in range, whatever stood in it."""
    for callout in found:
        if callout is None:
            continue
        assert isinstance(callout.id, int | str), asked
        assert not isinstance(callout.id, bool)
        assert str(callout.id).strip()
        assert (callout.latitude is None) == (callout.longitude is None)
        assert callout.latitude is None or abs(callout.latitude) <= 90
        assert callout.longitude is None or abs(callout.longitude) <= 180
        assert callout.accuracy_m is None or callout.accuracy_m > 0
        assert callout.status is None or len(callout.status) <= 200
