"""Name look-ups on the daemon's loop: bounded threads, memory, and nobody starved."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agent import lookup
from agent.lookup import LookupLoop, Resolver

HOST = "dispatch.test"
PATIENCE_S = 0.15


class System:
    """A resolver that answers, fails or hangs as told; hung calls end when it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.hanging: set[str] = set()
        self.answers: dict[str, str | OSError] = {HOST: "192.0.2.1", "other.test": "192.0.2.9"}
        self.asked: list[str] = []

    def __call__(self, host: str, port: Any, *_rest: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host in self.hanging:
            self.gate.wait(10)
        answer = self.answers[host]
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answer.split()]


@pytest.fixture
def system() -> Iterator[System]:
    """The stand-in; its threads end with the test."""
    stand_in = System()
    yield stand_in
    stand_in.gate.set()


def resolver(system: System) -> Resolver:
    return Resolver(asyncio.get_running_loop(), system, patience_s=PATIENCE_S)


async def resolve(of: Resolver, host: str = HOST) -> list[str]:
    return [each[4][0] for each in await of.resolve((host, 443, 0, socket.SOCK_STREAM, 0, 0))]


async def drained(of: Resolver) -> None:
    """Every thread has answered."""
    async with asyncio.timeout(5):
        while of.alive:  # noqa: ASYNC110 - threads ring no bell when they end
            await asyncio.sleep(0.005)


async def test_an_answer_is_an_answer(system: System) -> None:
    """The ordinary case: asked each time, so that a moved host is noticed."""
    of = resolver(system)
    assert await resolve(of) == ["192.0.2.1"]
    system.answers[HOST] = "192.0.2.2"
    assert await resolve(of) == ["192.0.2.2"]


async def test_without_an_answer_the_last_good_one_is_offered(system: System) -> None:
    """After the patience, not before and not much later."""
    of = resolver(system)
    await resolve(of)
    system.hanging.add(HOST)
    began = time.monotonic()
    assert await resolve(of) == ["192.0.2.1"]
    assert PATIENCE_S <= time.monotonic() - began < PATIENCE_S + 0.75


async def test_a_failed_look_up_is_mended_from_memory_at_once(system: System) -> None:
    """A resolver that answers "no" to a name that was good a moment ago is broken more often than the name is gone."""
    of = resolver(system)
    await resolve(of)
    system.answers[HOST] = socket.gaierror(socket.EAI_AGAIN, "temporary")
    began = time.monotonic()
    assert await resolve(of) == ["192.0.2.1"]
    assert time.monotonic() - began < PATIENCE_S


async def test_without_memory_the_failure_is_told(system: System) -> None:
    """There is nothing to offer for a name never heard of."""
    system.answers[HOST] = socket.gaierror(socket.EAI_NONAME, "unknown")
    with pytest.raises(socket.gaierror):
        await resolve(resolver(system))


async def test_what_was_proven_outlives_a_false_answer(system: System) -> None:
    """A portal's resolver that names its own address for every host does not take the proven address from memory."""
    of = resolver(system)
    system.answers[HOST] = "192.0.2.1 192.0.2.2"
    await resolve(of)
    of.confirm(HOST, "192.0.2.2")
    system.answers[HOST] = "10.0.0.1"
    assert await resolve(of) == ["10.0.0.1"]
    system.hanging.add(HOST)
    assert await resolve(of) == ["192.0.2.2", "192.0.2.1"]


async def test_an_address_proven_before_a_restart_serves_a_dead_resolver(system: System) -> None:
    """A device that boots with a link but without a working resolver still reaches dispatch; nonsense is not recalled."""
    of = resolver(system)
    system.answers[HOST] = socket.gaierror(socket.EAI_AGAIN, "temporary")
    of.recall(HOST, "nonsense")
    with pytest.raises(socket.gaierror):
        await resolve(of)
    of.recall(HOST, "192.0.2.7")
    assert await resolve(of) == ["192.0.2.7"]
    of.confirm(HOST, "192.0.2.8")
    of.recall(HOST, "192.0.2.9")
    assert of.proven == {HOST: "192.0.2.8"}
    row = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.8", 443))
    assert await of.resolve((HOST, 443, socket.AF_INET, 0, 0, 0)) == [row]
    with pytest.raises(socket.gaierror):
        await of.resolve((HOST, 443, socket.AF_INET6, 0, 0, 0))


async def test_a_hundred_abandoned_look_ups_leave_few_threads(system: System) -> None:
    """Callers give up at their deadline; what hangs is bounded, in all and per name."""
    of = resolver(system)
    system.hanging |= {HOST, "other.test", "third.test"}
    for number in range(100):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await resolve(of, (HOST, "other.test", "third.test")[number % 3])
    assert of.alive <= lookup.MAX_ALIVE
    assert system.asked.count(HOST) <= lookup.MAX_ALIVE_PER_NAME


async def test_one_hung_name_does_not_starve_another(system: System) -> None:
    """A dead token host must not take the threads from dispatch."""
    of = resolver(system)
    system.hanging.add("other.test")
    hung = [asyncio.ensure_future(resolve(of, "other.test")) for _ in range(10)]
    await asyncio.sleep(0)
    async with asyncio.timeout(2):
        assert await resolve(of) == ["192.0.2.1"]
    for each in hung:
        each.cancel()
    await asyncio.gather(*hung, return_exceptions=True)


async def test_one_answer_serves_all_who_wait(system: System) -> None:
    """Those who found no free thread get the answer of those who did, and those queued get theirs when one is free."""
    of = resolver(system)
    system.hanging.add(HOST)
    waiting = [asyncio.ensure_future(resolve(of)) for _ in range(9)]
    await asyncio.sleep(0)
    assert of.alive == lookup.MAX_ALIVE_PER_NAME
    system.gate.set()
    async with asyncio.timeout(5):
        assert await asyncio.gather(*waiting) == [["192.0.2.1"]] * 9
    await drained(of)


async def test_a_queued_name_is_asked_when_a_thread_is_free(system: System) -> None:
    """With all threads hung a new name waits for the first that ends."""
    of = resolver(system)
    system.answers |= {"third.test": "192.0.2.3"}
    system.hanging |= {HOST, "other.test"}
    hung = [asyncio.ensure_future(resolve(of, host)) for host in (HOST, "other.test") * lookup.MAX_ALIVE_PER_NAME]
    await asyncio.sleep(0)
    third = asyncio.ensure_future(resolve(of, "third.test"))
    await asyncio.sleep(0)
    assert of.alive == lookup.MAX_ALIVE
    assert "third.test" not in system.asked
    system.gate.set()
    async with asyncio.timeout(5):
        assert await third == ["192.0.2.3"]
        await asyncio.gather(*hung)


async def test_a_late_answer_is_remembered(system: System) -> None:
    """An abandoned thread that answers after all mends the memory."""
    of = resolver(system)
    system.hanging.add(HOST)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await resolve(of)
    system.gate.set()
    await drained(of)
    system.answers[HOST] = socket.gaierror(socket.EAI_AGAIN, "temporary")
    assert await resolve(of) == ["192.0.2.1"]


def test_asyncio_itself_asks_here_and_its_executor_stays_empty(system: System) -> None:
    """`create_connection` goes through the same mechanism; no thread of the default executor is ever made."""
    listener = socket.create_server(("127.0.0.1", 0))
    system.answers[HOST] = "127.0.0.1"

    async def connect() -> None:
        _, writer = await asyncio.open_connection(HOST, listener.getsockname()[1])
        writer.close()
        await writer.wait_closed()
        assert asyncio.get_running_loop()._default_executor is None  # type: ignore[attr-defined]  # asyncio shows it nowhere else

    with asyncio.Runner(loop_factory=lambda: LookupLoop(ask=system)) as runner:
        runner.run(connect())
    listener.close()
    assert system.asked == [HOST]


def test_an_address_is_looked_up_nowhere(system: System) -> None:
    """Numbers need no resolver, and so no thread."""

    async def look() -> Any:
        return await asyncio.get_running_loop().getaddrinfo("192.0.2.7", 443, type=socket.SOCK_STREAM)

    with asyncio.Runner(loop_factory=lambda: LookupLoop(ask=system)) as runner:
        assert runner.run(look())[0][4] == ("192.0.2.7", 443)
    assert system.asked == []


def test_a_hung_look_up_does_not_hold_the_end_of_the_loop(system: System) -> None:
    """A clean end does not wait for a resolver, and a thread that answers afterwards harms nothing."""
    system.hanging.add(HOST)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await asyncio.get_running_loop().getaddrinfo(HOST, 443)

    began = time.monotonic()
    with asyncio.Runner(loop_factory=lambda: LookupLoop(ask=system)) as runner:
        runner.run(give_up())
    assert time.monotonic() - began < 1
    threads = [each for each in threading.enumerate() if each.name == f"look-up {HOST}"]
    system.gate.set()
    for each in threads:
        each.join(5)
        assert not each.is_alive()
