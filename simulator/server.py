"""The simulator as a running server: assembled, started in a thread, stopped within a second.

The one place that opens a socket. Loopback only unless told otherwise. Other threads see it through HTTP alone.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import tempfile
import threading
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulator import control, openapi_routes, pages, routes
from simulator.door import Door
from simulator.fault_keys import Certificate
from simulator.faults import Plan
from simulator.origin import is_loopback, is_misnamed
from simulator.sabotage import Connections, Sabotage
from simulator.settings import Settings
from simulator.simulation import PREFIX, Simulation
from simulator.tls import Certificates
from simulator.traffic import Watch
from simulator.webhooks import is_acceptable

START_S = 10.0
# Answers under way at the stop have this long before their connections are dropped.
GRACE_S = 0.3


def assemble(sim: Simulation) -> ASGIApp:
    """The application: faults and the log around the API, the desk and the page beside it."""
    api = routes.routes(sim)
    handlers = {404: routes.misrouted, 405: routes.misrouted}
    rest = Starlette(routes=[*api, *openapi_routes.routes(sim), *control.routes(sim), *pages.routes(sim)], exception_handlers=handlers)
    # A path with a slash too many is another path, and whoever follows a redirect would send a code again.
    rest.router.redirect_slashes = False

    def name_of(scope: Scope) -> str | None:
        return routes.name_of(api, scope)

    def plan_for(scope: Scope) -> Plan:
        plan = sim.faults.plan(scope["simulator.seen"].operation, scope["method"], scope["path"], sim.now())
        if plan.words:
            sim.hub.tell("faults")
        return plan

    sabotaged = Sabotage(rest, plan_for, sim.connections, sim.stopping)
    watched = Watch(sabotaged, sim.traffic, name_of, lambda seen: sim.hub.tell("request", seen.number))
    return _split(watched, rest, sim.connections, sim.root_url)


def _split(api: ASGIApp, rest: ASGIApp, connections: Connections, root_url: str) -> ASGIApp:
    """Faults and the log concern what a device calls, never the desk or the page. Nobody is served under another machine's name."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if is_misnamed(root_url, scope):
            await routes.answer({"message": f"This is {root_url}, and is not to be had under another name"}, 403)(scope, receive, send)
            return
        device = scope["type"] == "http" and scope["path"].startswith((PREFIX + "/", "/backend/"))
        connections.note(scope["client"], desk=not device)
        await (api if device else rest)(scope, receive, send)

    return app


def _protocol(connections: Connections) -> type[H11Protocol]:
    """HTTP/1.1 that enters its connections, so that a fault can cut one."""

    class Entered(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in its base
            super().connection_made(transport)
            if self.client:
                connections.enter(self.client, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client:
                connections.leave(self.client)
            super().connection_lost(exc)

    return Entered


class _Server(uvicorn.Server):
    """Tells when it listens, and ends when told to instead of at the next tick. Its connections come through a door."""

    def __init__(self, config: uvicorn.Config, door: Door, errand: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._door = door
        self._errand = errand
        self.listening = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.leave = asyncio.Event()

    async def main_loop(self) -> None:
        ticking = asyncio.ensure_future(super().main_loop())
        leaving = asyncio.ensure_future(self.leave.wait())
        serving = asyncio.ensure_future(self._door.run(self._protocol, self.config.ssl))
        errand = asyncio.ensure_future(self._errand())
        tasks = {ticking, leaving, serving, errand}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()  # a defect of any of them ended the server: it must not do so without a word

    def _protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - as in its base
        await super().startup([])  # the door listens instead
        self._door.open()
        self.loop = asyncio.get_running_loop()
        self.listening.set()


class Running:
    """A running simulator, as a context manager.

    port 0 takes a free one. tls: HTTPS with a throw-away CA in `ca_file`, by default in a folder of its own that goes with it.
    transcript: a file that is not there yet, for every request (`transcript`); OSError at the start where it cannot be written.
    `stop` and `start` in between are an outage: port, certificate and everything the simulation knows stay. state_file: what outlives
    the process too. webhook: registered at the start for every event; https, or http to this machine.
    Attributes once entered: `root_url`, `base_url` (of the Panic API), `token_url` (the backend's mint), `ca_file` (None without
    TLS), `port`. Raises OSError where the port is taken, ValueError for a host that is not loopback unless `expose` and for a webhook
    that is not to be told, UnusableError for a state file that cannot be used.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        ca_file: Path | None = None,
        expose: bool = False,
        transcript: Path | None = None,
        state_file: Path | None = None,
        webhook: str | None = None,
    ) -> None:
        if not expose and not is_loopback(host):
            raise ValueError(f"{host} is not a loopback address")
        if webhook is not None and not is_acceptable(webhook):
            raise ValueError("the webhook must be an https url, or http to this machine")
        self.settings = settings or Settings()
        self.host = host
        self._transcript = transcript
        self.port = port
        self._state_file = state_file
        self._webhook = webhook
        self._tls = tls
        self._tidy: weakref.finalize[..., Any] | None = None
        self._certificates: Certificates | None = None
        self._sim: Simulation | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.ca_file = ca_file if tls else None
        self.root_url = ""

    @property
    def base_url(self) -> str:
        """Of the Panic API."""
        return self.root_url + PREFIX

    @property
    def token_url(self) -> str:
        """Of the backend's mint."""
        return self.root_url + "/backend/token"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        if self._sim:
            self._sim.close()
        if self._tidy:
            self._tidy()

    def start(self) -> None:
        """Listen; returns once connections are taken."""
        listener = _listen(self.host, self.port)
        try:
            sim = self._furnish(listener.getsockname()[1])
        except BaseException:
            listener.close()
            raise
        sim.stopping = asyncio.Event()
        context = self._certificates.context if self._certificates else None
        self._server = _Server(_configure(sim, context), Door(listener, lambda: sim.faults.stalled(sim.now())), sim.webhooks.run)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="simulator", daemon=True)
        self._thread.start()
        if not self._server.listening.wait(START_S):
            raise RuntimeError("the simulator did not start")

    def stop(self) -> None:
        """End every stream and pause, give answers a moment, drop what is left. Within a second; twice is harmless."""
        server, thread = self._server, self._thread
        if server and thread and thread.is_alive() and server.loop:
            server.loop.call_soon_threadsafe(self._wind_down, server, server.loop)
            thread.join()

    def _wind_down(self, server: _Server, loop: asyncio.AbstractEventLoop) -> None:
        server.leave.set()
        if self._sim:
            self._sim.stopping.set()
            loop.call_later(GRACE_S, self._sim.connections.cut_all)

    def _furnish(self, port: int) -> Simulation:
        """What stays over an outage: made at the first start."""
        if self._sim is None:
            self.port = port
            name = f"[{self.host}]" if ":" in self.host else self.host
            self.root_url = f"{'https' if self._tls else 'http'}://{name}:{port}"
            sim = Simulation(self.settings, self.root_url, self._state_file)
            self._make_tls()  # behind the state file: where that is refused nothing is written beside it
            self._sim = sim
            if self._transcript:
                self._sim.transcript.write_to(self._transcript)
            self.settings = self._sim.settings
            if self._webhook:
                self._sim.tell_all(self._webhook)
            if self._certificates:
                self._certificates.wrong = _wrong_certificate(self._sim)
        return self._sim

    def _make_tls(self) -> None:
        if not self._tls:
            return
        if self.ca_file is None:
            folder = Path(tempfile.mkdtemp(prefix="simulator-ca-"))
            self._tidy = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self.ca_file = folder / "ca.pem"
        anywhere = self.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        kept = self._state_file and self._state_file.with_name(self._state_file.name + ".authority")
        self._certificates = Certificates(self.ca_file, () if anywhere else (self.host,), kept)


def _wrong_certificate(sim: Simulation) -> Callable[[], Certificate | None]:
    def wrong() -> Certificate | None:
        chosen = sim.faults.certificate(sim.now())
        if chosen:
            sim.hub.tell("faults")
        return chosen

    return wrong


def _configure(sim: Simulation, context: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        assemble(sim),
        http=_protocol(sim.connections),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_context_factory=(lambda _, __: context) if context else None,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio switches Nagle off: 40 ms an answer otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
