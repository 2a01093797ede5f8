"""One HTTPS connection of one's own: a request goes out, a bounded reply or the reason for its absence comes back.

Touches the network through httpx. Knows no callout and no token's worth; sets no deadline (whoever calls bounds everything
with one) and never tries another host, another shape or another time. Never raises for what the network does, and lets no
header, body or address into a text. After any attempt that was cancelled or broke off, the client is dropped for a new one:
a cancelled request can keep its slot in httpx's pool for ever. What was given up must not arrive any more: the kernel would go on
delivering it for a minute, and an old position, or a cancel, would come after what was said later (laws 1 and 3).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import struct
import sys
import time
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import certifi
import httpx

from agent import __version__, lookup
from agent.delivery import KEEPALIVE_S, Reply
from agent.model import Secret

# httpx's transport tries to import it with every request. Where it is not installed, each try asks the disk for every folder of the
# search path, on the event loop; asyncio is what it assumes without.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # documented: the import then fails at once

MAX_BODY_BYTES: Final = 256 * 1024  # far above any honest answer; who asks for something long says so
CLOSE_S: Final = 1.0
# The kernel notices a dead peer on an idle connection after 15 + 3 x 5 s; unacknowledged data ends it only after the longest
# deadline that an attempt can have (60 s), so that it never cuts a slow but living link.
# Closing is a reset, which throws away what has not left yet; an idle connection has nothing that could be lost.
SOCKET_OPTIONS: Final = (
    (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 65_000),
)
NOT_YET_VALID, EXPIRED = 9, 10  # OpenSSL's verify codes: more often a wrong clock here than a forgotten certificate there
STAGES: Final = {
    "connection.connect_tcp.started": "connecting",
    "connection.start_tls.started": "in the TLS handshake",
    "http11.send_request_headers.started": "sending",
    "http11.receive_response_headers.started": "waiting for the reply",
    "http11.receive_response_body.started": "reading the reply",
}


Body = bytes | Callable[[], bytes] | None


@dataclass(frozen=True, slots=True)
class Failure:
    """No reply. cause: one of `model.Outcome`'s words. text: for a person, free of secrets."""

    cause: str
    text: str


def tls_context(*, ca_file: Path | None = None, client_cert: Path | None = None, client_key: Path | None = None) -> ssl.SSLContext:
    """A context that trusts the system's authorities and, beside them, those of ca_file. Takes 20 ms: make one and share it.

    Blocks on the files. Raises OSError or ssl.SSLError when one cannot be used.
    """
    context = ssl.create_default_context()
    system = ssl.get_default_verify_paths()
    if not (system.cafile or system.capath):
        context.load_verify_locations(cafile=certifi.where())
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    if client_cert is not None:
        context.load_cert_chain(client_cert, client_key)
    return context


class Line:
    """One request at a time; a second one waits for the first. `stage` tells where an attempt that was cut off had got to."""

    def __init__(self, tls: ssl.SSLContext, *, proxy: str | None = None) -> None:
        self.stage = ""
        self.peer: bytes | None = None  # the certificate that the other end showed last, DER
        self._tls = tls
        self._proxy = None if proxy is None else httpx.Proxy(proxy, ssl_context=tls if proxy.startswith("https:") else None)
        self._turn = asyncio.Lock()
        self._client: httpx.AsyncClient | None = None
        self._streams: list[Any] = []  # every stream that the client opened: a cancelled handshake leaves one to no one
        self._dialled = False
        self._written: Callable[[], bytes] | None = None  # gives the body of the request that is on its way
        self._closing: set[asyncio.Task[None]] = set()

    async def exchange(
        self, method: str, url: str, *, bearer: Secret | None = None, body: Body = None, limit_bytes: int = MAX_BODY_BYTES
    ) -> Reply | Failure:
        """Send and read. A kept connection that turns out dead or out of step is replaced once, at once. Cancelling it drops the client.

        body: bytes, or who gives them once the connection is open: opening may take as long as a position takes to grow old.
        limit_bytes: of the reply's body, unpacked; it is cut off there.
        """
        self.stage = "waiting for the connection"
        async with self._turn:
            answer = await self._once(method, url, bearer, body, limit_bytes)
            # Out of step: the reply before was longer than it said (a 204 with a body), and its rest was read as this one's.
            if isinstance(answer, Failure) and answer.cause in ("reset", "odd") and not self._dialled:
                answer = await self._once(method, url, bearer, body, limit_bytes)
            return answer

    async def aclose(self) -> None:
        """Close, and wait for what is closing."""
        self._drop()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _once(self, method: str, url: str, bearer: Secret | None, body: Body, limit_bytes: int) -> Reply | Failure:
        self._dialled = False
        self._written = body if callable(body) else None
        content = b"{}" if callable(body) else body
        if any(not has_address(stream) for stream in self._streams):
            self._drop()
        client = self._client = self._client or self._open()
        began_at = time.monotonic()
        try:
            request = client.stream(method, url, headers=_headers(bearer, content), content=content, extensions={"trace": self._trace})
            async with request as response:
                reply = await _read(response, began_at, limit_bytes)
                self._confirm(response)
        except Exception as error:  # noqa: BLE001 - whatever a network can provoke in four libraries must not end a raise
            self._drop()
            return failure_of(error)
        except BaseException:
            self._drop()
            raise
        return reply

    def _open(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(
            verify=self._tls,
            trust_env=False,
            http2=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_S),
            proxy=self._proxy,
            socket_options=SOCKET_OPTIONS,
        )
        return httpx.AsyncClient(transport=transport, timeout=None, follow_redirects=False, trust_env=False)  # noqa: S113 - see module

    def _drop(self) -> None:
        """Let go of the client at once; its connections close in the background."""
        client, self._client = self._client, None
        streams, self._streams = self._streams, []
        if client is None:
            return
        closing = asyncio.get_running_loop().create_task(_close(client, streams))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _trace(self, name: str, info: dict[str, Any]) -> None:
        """What httpcore tells of its progress."""
        self.stage = STAGES.get(name, self.stage)
        if name == "connection.connect_tcp.started":
            self._dialled = True
            self._streams.clear()  # there is one connection: a new one means that the pool has closed the last
        elif name == "connection.connect_tcp.complete":
            self._streams.append(info["return_value"])
        elif name == "http11.send_request_headers.started" and self._written is not None and info["request"].method != b"CONNECT":
            _write(info["request"], self._written())

    def _confirm(self, response: httpx.Response) -> None:
        """The address is remembered as that of the host: its certificate has been checked for that name."""
        tls = response.extensions["network_stream"].get_extra_info("ssl_object")
        self.peer = None if tls is None else tls.getpeercert(binary_form=True)
        if not self._dialled or self._proxy is not None or response.url.scheme != "https":
            return
        address = response.extensions["network_stream"].get_extra_info("server_addr")
        if address is not None:
            lookup.confirm(response.url.host, str(address[0]))


def _write(request: Any, body: bytes) -> None:
    """Put a body in the place of the one that the request was made with. request: httpcore's, before anything of it has left."""
    others = [(name, value) for name, value in request.headers if name.lower() != b"content-length"]
    request.headers = [*others, (b"Content-Length", b"%d" % len(body))]
    request.stream = httpx.ByteStream(body)


def has_address(stream: Any) -> bool:
    """Whether this machine still has the address from which that connection was made. If not, nothing that it sends leaves any more.

    Who changes from one network to another keeps connections that the kernel holds for alive. What cannot be found out is no reason
    to doubt one.
    """
    try:
        host = str(stream.get_extra_info("client_addr")[0])
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    except Exception:  # noqa: BLE001 - the libraries below tell of a closed connection in ways of their own
        return True
    return True


def failure_of(error: BaseException) -> Failure:
    """The stable cause of whatever httpx, ssl or the system raised."""
    chain = tuple(_chain(error))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            cause = "tls.clock" if each.verify_code in (NOT_YET_VALID, EXPIRED) else "tls"
            return Failure(cause, f"the certificate is not accepted: {each.verify_message}")
        if isinstance(each, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return Failure("reset", "the connection broke off in TLS")
        if isinstance(each, ssl.SSLError):
            return Failure("tls", f"TLS failed: {(each.reason or 'unknown').lower().replace('_', ' ')}")
        if isinstance(each, socket.gaierror):
            return Failure("dns", f"the name look-up failed: {each.strerror or 'no answer'}")
    why = next((os.strerror(each.errno) for each in chain if isinstance(each, OSError) and each.errno), type(error).__name__)
    return Failure(_cause(error, chain), why)


def _cause(error: BaseException, chain: tuple[BaseException, ...]) -> str:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return "connect"
    if any(isinstance(each, TimeoutError) for each in chain) or isinstance(error, httpx.TimeoutException):
        return "timeout"  # the kernel gave up on unacknowledged data
    if isinstance(error, httpx.NetworkError | OSError):
        return "reset"
    ended = isinstance(error, httpx.RemoteProtocolError) and str(error).startswith(("Server disconnected", "peer closed"))
    return "reset" if ended else "odd"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what led to it, groups opened."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _chain(each)
        error = error.__cause__ or error.__context__


def _headers(bearer: Secret | None, body: bytes | None) -> dict[str, str]:
    headers = {"User-Agent": f"callout-agent/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer.revealed()}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    return headers


async def _read(response: httpx.Response, began_at: float, limit_bytes: int) -> Reply:
    """The reply, its body cut off at the limit."""
    body = bytearray()
    async with contextlib.aclosing(cast(AsyncGenerator[bytes, None], response.aiter_raw())) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limit_bytes:
                break
    headers = response.headers
    plain = _plain(bytes(body), headers.get("content-encoding", ""), limit_bytes)
    return Reply(
        status=response.status_code,
        body=plain[:limit_bytes],
        content_type=headers.get("content-type", ""),
        retry_after=headers.get("retry-after"),
        date=headers.get("date"),
        elapsed_s=time.monotonic() - began_at,
        too_large=len(plain) > limit_bytes,
    )


def _plain(body: bytes, encoding: str, limit_bytes: int) -> bytes:
    """Some gateways compress although we ask them not to. Never unpacks more than the limit."""
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        return body
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, limit_bytes + 1)
    except zlib.error:
        return body


async def _close(client: httpx.AsyncClient, streams: list[Any]) -> None:
    """Whatever goes wrong here concerns a connection that is given up anyway."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_S):
            await client.aclose()
    for stream in streams:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                await stream.aclose()
