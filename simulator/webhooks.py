"""Deliveries to the registered webhook: one after the other, on the server's loop, beside the answers and never before one.

Sends and waits; what is to be sent, and how it ended, is `outbox`'s. Follows no redirect, heeds no proxy of the environment, reads no
more of an answer than it needs, and speaks https, or http to this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from simulator.origin import is_loopback
from simulator.outbox import Delivery, Outbox
from simulator.records import Webhook

# Of a receiver's answer. Only its status counts; a short text is taken so that the receiver can send it in peace.
MOST_BYTES = 4096
# Headers that frame the request are ours: a registered one would make it another request.
_OURS = {"host", "content-length", "transfer-encoding", "connection"}
_METHODS = {"POST", "PUT", "PATCH"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a receiver is given: deadline of one try, the first wait, the longest wait, in s; and how many tries."""

    deadline_s: float = 5.0
    first_s: float = 0.5
    longest_s: float = 30.0
    tries: int = 8

    def wait_s(self, tries: int) -> float:
        """Before the next try, after so many that failed."""
        return min(self.longest_s, self.first_s * 2.0 ** (tries - 1))


class Webhooks:
    """The errand: whatever waits in the outbox is delivered while `run` runs.

    registered: the webhook in force at the moment. ended: called after each delivery that is over. now: UTC s.
    """

    def __init__(
        self,
        outbox: Outbox,
        registered: Callable[[], Webhook | None],
        ended: Callable[[], None],
        now: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self._outbox = outbox
        self._registered = registered
        self._ended = ended
        self._now = now
        self._rung: asyncio.Event | None = None
        # The system's authorities; SSL_CERT_FILE names others.
        self._context: ssl.SSLContext | None = None

    def ring(self) -> None:
        """There may be something to deliver, or somebody else to deliver it to. On the loop that runs the errand."""
        if self._rung:
            self._rung.set()

    async def run(self) -> None:
        """Deliver until cancelled. What waited then waits on for the next run."""
        self._rung = asyncio.Event()  # of this loop: a start after a stop has another
        try:
            while True:
                self._rung.clear()
                while delivery := self._outbox.first():
                    await self._carry(delivery)
                await self._rung.wait()
        finally:
            self._rung = None

    async def _carry(self, delivery: Delivery) -> None:
        """One delivery, over or tried once more."""
        webhook = self._registered()
        if webhook is None or delivery.event not in webhook.events:
            self._end(delivery, "not wanted")
            return
        outcome, taken = await self._try(webhook, delivery.body)
        delivery = self._outbox.tried(delivery, outcome)
        if taken:
            self._end(delivery, "delivered")
        elif delivery.tries >= self.patience.tries:
            self._end(delivery, "given up")
        else:
            await self._wait(webhook, self.patience.wait_s(delivery.tries))

    def _end(self, delivery: Delivery, result: str) -> None:
        self._outbox.end(delivery, result, self._now())
        self._ended()

    async def _wait(self, refused_by: Webhook, wait_s: float) -> None:
        """Until the next try; somebody else registered is tried at once."""
        assert self._rung is not None  # noqa: S101 - set by run
        try:
            async with asyncio.timeout(wait_s):
                while self._registered() is refused_by:
                    self._rung.clear()
                    await self._rung.wait()
        except TimeoutError:
            return

    async def _try(self, webhook: Webhook, body: str) -> tuple[str, bool]:
        """How one try went, in words without secrets, and whether it was taken."""
        try:
            async with asyncio.timeout(self.patience.deadline_s):
                status = await self._send(webhook, body)
        except TimeoutError:
            return f"no answer within {self.patience.deadline_s:g} s", False
        except Exception as trouble:  # noqa: BLE001 - an errand that ends takes the server along; no thread for a look-up is one of many
            return _words(trouble), False
        return str(status), 200 <= status <= 299

    async def _send(self, webhook: Webhook, body: str) -> int:
        if not is_acceptable(webhook.url):
            raise httpx.UnsupportedProtocol("https only")
        method = webhook.method.upper() if webhook.method.upper() in _METHODS else "POST"
        headers = httpx.Headers({"Content-Type": "application/json"})
        headers.update({name: value for name, value in webhook.headers.items() if name.lower() not in _OURS})
        self._context = self._context or ssl.create_default_context()
        url = httpx.URL(webhook.url)
        headers["Host"] = url.netloc.decode("ascii")
        trouble: Exception = OSError("no address")
        host = url.raw_host.decode("ascii")
        for address in await look_up(host):
            # A client for each try: one whose request was cancelled may never give its connection back. What ends a try is the deadline
            # around it all; the client's own limits begin anew with every byte.
            client = httpx.AsyncClient(verify=self._context, trust_env=False, timeout=2 * self.patience.deadline_s)
            request = client.build_request(method, url.copy_with(host=address), headers=headers, content=body.encode("ascii"))
            request.extensions["sni_hostname"] = host  # the certificate is for the name
            try:
                async with client:
                    return await _read(await client.send(request, stream=True))
            except httpx.ConnectError as refused:
                trouble = refused
        raise trouble


async def _read(answer: httpx.Response) -> int:
    """The status, after as much of the body as is taken."""
    left = MOST_BYTES
    async for part in answer.aiter_raw():
        left -= len(part)
        if left <= 0:
            break
    await answer.aclose()
    return answer.status_code


async def look_up(host: str) -> list[str]:
    """Addresses of a host, as the system orders them. Raises OSError.

    In a thread of its own: the loop's pool is waited for at the end, and a look-up can hang for longer than anybody waits.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str] | OSError | UnicodeError) -> None:
        if found.done():  # nobody waits any more
            return
        if isinstance(addresses, list):
            found.set_result(addresses)
        else:
            found.set_exception(addresses)

    def ask() -> None:
        try:
            told: list[str] | OSError | UnicodeError = [str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as trouble:
            told = trouble
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, told)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    return await found


def is_acceptable(url: str) -> bool:
    """Whether this may be delivered to: https anywhere, plain http to this machine only."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return is_loopback(host)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(host)


def _words(trouble: BaseException) -> str:
    """The kind of trouble, and what TLS says of a certificate. Its own text may repeat what was registered."""
    cause: BaseException | None = trouble
    while cause:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return type(trouble).__name__
