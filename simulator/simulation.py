"""One simulation: its state, tokens, faults, traffic and listeners, and the clock they share.

Wires, decides nothing. Everything here lives on the server's loop; other threads reach it through HTTP only.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
import time
from pathlib import Path

from simulator.codec import Codec
from simulator.faults import Faults
from simulator.keeping import Keeping
from simulator.live import Hub
from simulator.outbox import Outbox
from simulator.records import Happening, Webhook
from simulator.sabotage import Connections
from simulator.settings import Settings
from simulator.state import State
from simulator.tokens import Tokens
from simulator.traffic import Traffic
from simulator.transcript import Transcript
from simulator.transcript_redaction import worth
from simulator.webhooks import Webhooks

PREFIX = "/panic-api/v2"


class Simulation:
    """Everything that one running simulator knows. root_url: where it is reached, without a slash at the end.

    state_file: where it is kept, None to forget it at the end. Raises UnusableError where that file cannot be used.
    """

    def __init__(self, settings: Settings, root_url: str, state_file: Path | None = None) -> None:
        self.settings = settings
        self.root_url = root_url
        first = settings.first_callout_id
        # Ten ids for each second of the clock: a run started later does not hand out the ids of an earlier one again.
        self.state = State(settings, int(time.time() * 10) % 10_000_000_000 if first is None else first)
        self.tokens = Tokens()
        self.connections = Connections()
        self.faults = Faults(tls=root_url.startswith("https:"), begun=self.connections.cut_devices)
        self.transcript = Transcript(self._worth, self._secrets)
        self.traffic = Traffic(self.transcript)
        self.hub = Hub()
        self.stopping = asyncio.Event()
        self.outbox = Outbox()
        self._told_from_the_start: str | None = None
        self.webhooks = Webhooks(self.outbox, lambda: self.state.webhook, self._delivered, self.now)
        self.keeping = Keeping(state_file, self.state, self.tokens, self.outbox, settings) if state_file else None
        if self.keeping:
            self.apply(self.keeping.settings)

    def now(self) -> float:
        """UTC seconds since 1970."""
        return time.time()

    def codec(self) -> Codec:
        """Answers in the chosen generation."""
        chosen = self.settings
        return Codec(
            chosen.generation, self.root_url, chosen.incident_shape, chosen.response_types, eta_form=chosen.eta_form, now_wall=self.now()
        )

    def apply(self, settings: Settings) -> None:
        """Other settings from now on."""
        self.settings = self.state.settings = settings
        self.hub.tell("settings")

    def reset(self) -> None:
        """Back to the start: no callouts, no faults, no tokens, an empty log. Ids go on, and who was told from the start is told on."""
        self.state.reset()
        self._register()
        self.tokens.expire(self.now())
        self.faults.clear()
        self.traffic.clear()
        self.hub.tell("reset")

    def publish(self) -> None:
        """End a step: keep what changed, have the webhook told of it, tell the listeners. Raises sqlite3.Error where it is not kept."""
        self.outbox.take(self.state.notices, self.state, self.codec(), self.now())
        self.state.notices.clear()
        if self.keeping:
            self.keeping.save(self.settings, self.state.touched)
        self.webhooks.ring()
        for number in sorted(self.state.touched):
            self.hub.tell("callout", number)
        self.state.touched.clear()
        self.transcript.news()  # what a lost answer did is so, long before its request is over

    def tell_all(self, url: str) -> None:
        """Register a webhook for everything that can be told, in place of the one that is registered."""
        self._told_from_the_start = url
        self._register()
        self.publish()

    def _register(self) -> None:
        if url := self._told_from_the_start:
            everything = [str(each) for each in Happening]
            self.state.webhook = Webhook(self.state.next_id("webhook"), url, everything, "webhook", {}, self.now())

    def close(self) -> None:
        """Keep the last of it and let go of the file; once the loop has ended."""
        if self.keeping:
            with contextlib.closing(self.keeping):
                self.keeping.save(self.settings, self.state.callouts)

    def _delivered(self) -> None:
        # What is not kept now is kept by the next step, or delivered twice after a restart.
        with contextlib.suppress(sqlite3.Error):
            self.publish()

    def track_key(self) -> str:
        """A name for a tracking page that cannot be guessed."""
        return secrets.token_urlsafe(12)

    def _worth(self, callout_id: int | None, typed: object) -> str:
        callout = self.state.callouts.get(callout_id or 0)
        customer = self.state.customers.get(callout.customer_id) if callout else None
        return worth(typed, customer.safe_code if customer else None)

    def _secrets(self) -> tuple[str, ...]:
        chosen = self.settings
        return (chosen.client_secret, chosen.device_key, chosen.dispatcher_key)
