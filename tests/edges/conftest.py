"""The scripted server and the client side wired to it; `async def` tests run on the daemon's own loop, with a bound on the whole."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from scripted import CUSTOMER, SERVICE, TOKEN, TOKEN_2, Rig, Server, Wall, ask, reply, server_context

from agent.credentials import Credentials
from agent.lookup import LookupLoop
from agent.panic_api import PanicApi, Service
from agent.token_sources import TokenService

TEST_LIMIT_S = 30.0


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test on a LookupLoop that knows one name, ours."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def bounded() -> None:
        async with asyncio.timeout(TEST_LIMIT_S):
            await pyfuncitem.obj(**arguments)

    with asyncio.Runner(loop_factory=lambda: LookupLoop(ask=ask)) as runner:
        runner.run(bounded())
    return True


@pytest.fixture(autouse=True)
def one_table_of_files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's own tests look into its open database from the same process: for SQLite that needs one table of open files.

    What it knows of a file, descriptors included, it shares within the process. Parting is tested by itself and with the real daemon.
    """
    if request.path.name.startswith("test_store"):
        monkeypatch.setattr("agent.aside.part", lambda _loop: None)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A private authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client context that trusts only the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def rig(authority: trustme.CA, trusting: ssl.SSLContext):
    """Everything wired, for `async with`; the token service is on the same server."""

    @contextlib.asynccontextmanager
    async def wired(
        *, context: ssl.SSLContext | None = None, keep: Any = None, source: Any = None, deadline_s: float = 2.0, **changes: Any
    ) -> AsyncIterator[Rig]:
        async with Server(context or server_context(authority)) as server:
            server.on("POST", "/token", reply(200, TOKEN), reply(200, TOKEN_2))
            clock, told = Wall(), []
            source = (
                source(server, clock)
                if source
                else TokenService(url=server.url + "/token", customer_id=CUSTOMER, clock=clock, tls=trusting)
            )
            credentials = Credentials(source, clock, keep=keep, audience=f"{CUSTOMER}", deadline_s=deadline_s, told=told.append)
            service = Service(**{**SERVICE, "base_url": server.url, **changes})
            api = PanicApi(service, credentials, trusting, wall=clock.wall)
            try:
                yield Rig(server, clock, trusting, credentials, api, service, told)
            finally:
                await api.aclose()
                await credentials.aclose()

    return wired
