"""Where a token comes from: the three sources of `[credentials]`.

Touches secret files (in a thread: a disk may hang) and the token service (over a connection of its own, per fetch). Decides
nothing about when: `credentials` does, and bounds every fetch. Never raises for a file or the network, and lets no secret into
a text, a repr or an exception.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from agent import aside, bodies, delivery, wire
from agent.delivery import Reply
from agent.line import Failure, Line, tls_context
from agent.model import Asked, Meaning, Outcome, Secret
from agent.ports import Clock
from agent.wire import Token

FILE_LIMIT_S: Final = 5.0  # a secret that takes longer to read lies on a disk that hangs
MAX_FILE_CHARS: Final = 65_536
KEY_REFUSED: Final = frozenset({401, 403})
NOT_KNOWN: Final = frozenset({400, 404, 422})


class Source(Protocol):
    """Fetches a token; `local` when that costs no request, so that it may be asked often."""

    @property
    def local(self) -> bool:
        """Whether a fetch costs no request."""

    async def fetch(self) -> Token | Outcome:
        """A token, or why there is none. Bounded by whoever calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenService:
    """Your backend: POST {"customerId": N}, authorised by a bearer key, a client certificate, or (on loopback) by nothing.

    ca_file: a private authority beside the system's. The files are read at every fetch, so that a key may be replaced.
    """

    url: str
    customer_id: int
    clock: Clock
    tls: ssl.SSLContext
    bearer_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None
    ca_file: Path | None = None
    proxy: str | None = None
    local: bool = field(default=False, init=False)

    async def fetch(self) -> Token | Outcome:
        """One request to the backend."""
        try:
            bearer = None if self.bearer_file is None else await _secret(self.bearer_file)
            tls = await self._context()
        except (OSError, ValueError) as error:
            return _unreadable(error)
        line = Line(tls, proxy=self.proxy)
        try:
            return await _mint(line, self.url, bearer, {"customerId": self.customer_id}, self.clock)
        finally:
            await line.aclose()

    async def _context(self) -> ssl.SSLContext:
        cert = self.client_cert_file
        if cert is None:
            return self.tls
        return await aside.run(
            lambda: tls_context(ca_file=self.ca_file, client_cert=cert, client_key=self.client_key_file),
            name=f"load {cert}",
            limit_s=FILE_LIMIT_S,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFile:
    """A file that someone else keeps fresh: the bare token, or the JSON of the service that issued it."""

    path: Path
    clock: Clock
    local: bool = field(default=True, init=False)

    async def fetch(self) -> Token | Outcome:
        """What the file holds now."""
        try:
            text = await _text(self.path)
        except (OSError, ValueError) as error:
            return _unreadable(error)
        token = wire.token_of_text(text, at=self.clock.at(), wall=self.clock.wall() if self.clock.trusted() else None)
        return token or delivery.lost(Asked.TOKEN, None, "no_token", f"{self.path.name} holds no token")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """The credentials of a whole customer source, for labs only: a server token first, with it the callout token."""

    base_url: str
    customer_id: int
    client_id: str
    secret_file: Path
    clock: Clock
    tls: ssl.SSLContext
    proxy: str | None = None
    local: bool = field(default=False, init=False)

    async def fetch(self) -> Token | Outcome:
        """Two requests to dispatch."""
        try:
            secret = await _secret(self.secret_file)
        except (OSError, ValueError) as error:
            return _unreadable(error)
        line = Line(self.tls, proxy=self.proxy)
        try:
            asked = {"clientId": self.client_id, "clientSecret": secret.revealed()}
            server = await _mint(line, f"{self.base_url}/oauth/token", None, asked, self.clock)
            if isinstance(server, Outcome):
                return server
            return await _mint(line, f"{self.base_url}/oauth/calloutToken", server.value, {"customerId": self.customer_id}, self.clock)
        finally:
            await line.aclose()


async def _mint(line: Line, url: str, bearer: Secret | None, document: dict[str, Any], clock: Clock) -> Token | Outcome:
    """One request for a token. Its life is counted from before the request, and by the issuer's own clock where it tells one."""
    asked_at = clock.at()
    answer = await line.exchange("POST", url, bearer=bearer, body=bodies.encoded(document))
    if isinstance(answer, Failure):
        return delivery.lost(Asked.TOKEN, None, answer.cause, f"token service: {answer.text} ({line.stage})")
    outcome = delivery.outcome_of(Asked.TOKEN, None, answer, now_wall=clock.wall())
    token = wire.token_of(wire.document_of(answer.body), at=asked_at, wall=_issuer_wall(answer, clock))
    if outcome.meaning is Meaning.ACCEPTED and token is not None:
        return token
    return _explained(outcome, for_customer="customerId" in document)


def _explained(outcome: Outcome, *, for_customer: bool) -> Outcome:
    """A refusal in words that lead to what is wrong here: the key or secret, or the customer that a token is asked for."""
    status = outcome.http_status
    if status in KEY_REFUSED:
        return replace(outcome, text=f"the token service refuses this device's key: revoked, or another's (HTTP {status})")
    if status in NOT_KNOWN and for_customer:
        return replace(outcome, text=f"the token service knows no such customer (HTTP {status})")
    return outcome


def _issuer_wall(answer: Reply, clock: Clock) -> float | None:
    return answer.date_wall or (clock.wall() if clock.trusted() else None)


async def _secret(path: Path) -> Secret:
    """A key that can stand in a header. Raises OSError, or ValueError without the key in it."""
    secret = (await _text(path)).strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError(f"{path.name} is empty or holds more than one line")
    return Secret(secret)


async def _text(path: Path) -> str:
    def read() -> str:
        with path.open(encoding="utf-8") as file:
            return file.read(MAX_FILE_CHARS)

    try:
        return await aside.run(read, name=f"read {path}", limit_s=FILE_LIMIT_S)
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not text") from None


def _unreadable(error: Exception) -> Outcome:
    """`no_token` with the file and the reason; an OSError's words hold a path, never a content."""
    if isinstance(error, TimeoutError):
        text = "a secret cannot be read: the disk does not answer"
    elif isinstance(error, OSError):
        text = (
            f"{Path(error.filename).name if isinstance(error.filename, str | Path) else 'a secret'}: {error.strerror or 'cannot be used'}"
        )
    else:
        text = str(error)
    return delivery.lost(Asked.TOKEN, None, "no_token", text)
