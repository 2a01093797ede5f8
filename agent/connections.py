"""From the config to connections: one TLS context, one Credentials, and a `PanicApi` for whoever asks.

Builds; keeps the address that dispatch had last; decides only whether the configured host fits the environment and whether a drill may
be raised there at all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from agent import lookup
from agent.config import Config
from agent.credentials import Credentials
from agent.kept import NoteKept
from agent.line import Line, tls_context
from agent.model import Meaning, Outcome
from agent.panic_api import PanicApi, Service
from agent.ports import Clock, Store
from agent.rules import is_loopback
from agent.token_sources import ClientSecret, Source, TokenFile, TokenService

TOKEN_NAME = "token.json"  # noqa: S105 - the name of a file
ADDRESS_NOTE = "dispatch_address"


class Connections:
    """One per process. told: hears what a renewal of the token came to. `trouble`: an unusable ca_file.

    keeps: whether a new token is kept for the next start: the daemon's is its own to write, whoever else uses it only reads.
    """

    def __init__(self, config: Config, clock: Clock, told: Callable[[Outcome], None], *, keeps: bool = True) -> None:
        self._config, self._clock = config, clock
        self._address: str | None = None  # as it is kept
        api = config.panic_api
        self.trouble: str | None = None
        try:
            self._tls = tls_context(ca_file=None if api.ca_file is None else Path(api.ca_file))
        except OSError as error:  # ssl.SSLError is one: the system's authorities may do, and silence never does
            self._tls = tls_context()
            self.trouble = f"ca_file {api.ca_file} cannot be used: {error.strerror or error}"
        self.credentials = Credentials(
            self._source(clock),
            clock,
            keep=Path(config.store.path).parent / TOKEN_NAME,
            keeps=keeps,
            audience=f"{api.base_url} {api.customer_id}",
            deadline_s=api.deadline_s,
            told=told,
        )
        self._service = Service(
            base_url=api.base_url,
            customer_id=api.customer_id,
            classification_id=api.callout_classification_id,
            drill_classification_id=config.drill.classification_id,
            active_callouts_path=api.active_callouts_path,
            return_callout_path=api.return_callout_path,
            report_path=api.report_path,
            rating_items_path=api.rating_items_path,
            response_types_path=api.response_types_path,
            predefined_location=None if config.site is None else config.site.predefined_location,
        )

    def open(self) -> PanicApi:
        """A connection of one's own."""
        return PanicApi(self._service, self.credentials, self._tls, proxy=self._config.panic_api.proxy, wall=self._clock.wall)

    def line(self, url: str) -> Line:
        """A connection of one's own to somewhere else, without a token; through the proxy unless it is on this machine."""
        here = is_loopback(urlsplit(url).hostname or "")
        return Line(self._tls, proxy=None if here else self._config.panic_api.proxy)

    def recall(self, kept: str | None) -> None:
        """What `follow` has kept: where dispatch was before this start, for a device that finds no working resolver."""
        host, _, address = (kept or "").partition(" ")
        if host == self._config.panic_api.host:
            self._address = address
            lookup.recall(host, address)

    def follow(self, store: Store) -> None:
        """Keep the address that proved to be dispatch, when it is another one than before."""
        host = self._config.panic_api.host
        address = lookup.proven(host)
        if address not in (None, host, self._address):
            self._address = address
            store.step(NoteKept(ADDRESS_NOTE, f"{host} {address}"))

    def not_production(self) -> str | None:
        """Why a raise would reach no real responder; None if it would, or if that is what `environment` says."""
        api = self._config.panic_api
        if api.host_matches:
            return None
        return f'environment is "{api.environment}" and base_url leads to {api.host}'

    async def refuse_drill(self) -> str | None:
        """Why no drill may start at dispatch; asks for active callouts first, over a connection of its own."""
        refused = self._refuse_unmarked_drill()
        if refused is not None:
            return refused
        dispatch = self.open()
        try:
            outcome = await dispatch.look_up(deadline_s=self._config.panic_api.deadline_s)
        finally:
            await dispatch.aclose()
        if outcome.meaning is not Meaning.ACCEPTED or outcome.callouts is None:
            return f"whether a callout is active cannot be found out ({outcome.cause})"
        return "a callout is active" if any(not each.closed for each in outcome.callouts) else None

    def _refuse_unmarked_drill(self) -> str | None:
        """Why a drill could not be told from an emergency; None where it could, or where nobody would come."""
        if self._config.drill.classification_id is not None:
            return None
        api = self._config.panic_api
        if api.is_loopback or (api.environment == "staging" and api.host_matches):
            return None
        return "no [drill] classification_id is configured"

    async def aclose(self) -> None:
        """End a renewal; connections close with the process."""
        await self.credentials.aclose()

    def _source(self, clock: Clock) -> Source:
        api, given = self._config.panic_api, self._config.credentials
        path = self._config.secret_path
        if given.token_file is not None:
            return TokenFile(path=path(given.token_file), clock=clock)
        if given.client_id is not None and given.client_secret_file is not None:
            return ClientSecret(
                base_url=api.base_url,
                customer_id=api.customer_id,
                client_id=given.client_id,
                secret_file=path(given.client_secret_file),
                clock=clock,
                tls=self._tls,
                proxy=api.proxy,
            )
        return TokenService(
            url=given.token_url or "",
            customer_id=api.customer_id,
            clock=clock,
            tls=self._tls,
            bearer_file=None if given.bearer_file is None else path(given.bearer_file),
            client_cert_file=None if given.client_cert_file is None else path(given.client_cert_file),
            client_key_file=None if given.client_key_file is None else path(given.client_key_file),
            ca_file=None if api.ca_file is None else Path(api.ca_file),
            proxy=api.proxy,
        )
