"""A running simulator with a client in front of it: what the suites here speak through. No assertions live here."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx

from simulator.server import Running
from simulator.settings import Settings

HERE = {"latitude": -29.8579, "longitude": 31.0292, "accuracy": 14}
THERE = {"latitude": -29.8581, "longitude": 31.0290, "accuracy": 9.5}
FIRST = 500123


class Room:
    """One simulator, one HTTP client, and the callout token of its customer where one is asked for."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.chosen = running.settings
        context: ssl.SSLContext | bool = ssl.create_default_context(cafile=running.ca_file) if running.ca_file else True
        self.http = httpx.Client(verify=context, trust_env=False, timeout=10)
        self.headers: dict[str, str] = {}

    def close(self) -> None:
        self.http.close()
        self.running.stop()

    def api(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One request to the Panic API with the token in use."""
        if body is not None:
            options["json"] = body
        options["headers"] = {**self.headers, **options.get("headers", {})}
        return self.http.request(method, self.running.base_url + path, **options)

    def sim(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One request to the simulator's own API."""
        if body is not None:
            options["json"] = body
        return self.http.request(method, self.running.root_url + "/sim" + path, **options)

    def mint(self, customer_id: int = 4711, key: str | None = None) -> httpx.Response:
        """A callout token from the operator's backend."""
        headers = {"Authorization": f"Bearer {self.chosen.device_key if key is None else key}"}
        return self.http.post(self.running.token_url, headers=headers, json={"customerId": customer_id})

    def use(self, token: str) -> None:
        """Speak with this token from now on."""
        self.headers = {"Authorization": f"Bearer {token}"}

    def as_device(self, customer_id: int = 4711) -> None:
        """Speak with a callout token."""
        told = self.mint(customer_id).json()
        self.use(told.get("accessToken") or told["access_token"])

    def as_backend(self) -> None:
        """Speak with a server token."""
        told = self.api("POST", "/oauth/token", {"clientId": self.chosen.client_id, "clientSecret": self.chosen.client_secret}).json()
        self.use(told.get("accessToken") or told["access_token"])

    def raise_callout(self) -> int:
        """Raise in the shape of the generation in use; the id."""
        old = self.chosen.generation == "old"
        body = {**HERE, "responseTypeId": 1} if old else {"location": HERE, "responseTypeId": 1}
        told = self.api("POST", f"/customers/{self.chosen.customer_id}/callouts", body).json()
        return told["id"] if old else told["callout"]["id"]

    def seen(self, callout_id: int) -> dict[str, Any]:
        """The callout as the dispatcher sees it."""
        return self.sim("GET", f"/callouts/{callout_id}").json()

    def act(self, callout_id: int, act: str) -> httpx.Response:
        """The responder does something."""
        return self.sim("POST", f"/callouts/{callout_id}/{act}")


def furnish(**chosen: Any) -> Room:
    """A room with these settings, speaking as a device."""
    running = Running(Settings(**{"first_callout_id": FIRST, **chosen}))
    running.start()
    room = Room(running)
    room.as_device()
    return room


def wait_until(true: Callable[[], object]) -> None:
    """Ask until it is so, 5 s at most."""
    end = time.monotonic() + 5
    while not true():
        assert time.monotonic() < end, "it never came true"
