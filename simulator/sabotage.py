"""ASGI: carries out a fault on one request, down to cutting its connection.

Decides nothing: `faults` does. It touches sockets only through the connections that the server entered here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulator.bodies import MAX_BYTES
from simulator.fault_keys import Action
from simulator.faults import Plan, Rule
from simulator.wrong_answers import Answer, instead

Address = tuple[str, int]


class Connections:
    """The open connections by the client's address, so that one can be cut."""

    def __init__(self) -> None:
        self._open: dict[Address, asyncio.Transport] = {}
        self._desks: set[Address] = set()  # whose last request was to the desk

    def enter(self, client: Address, transport: asyncio.Transport) -> None:
        """A connection was made."""
        self._open[client] = transport

    def leave(self, client: Address) -> None:
        """A connection is gone."""
        self._open.pop(client, None)
        self._desks.discard(client)

    def note(self, client: Address, *, desk: bool) -> None:
        """Who spoke over a connection last: a dispatcher at the desk, or a device."""
        (self._desks.add if desk else self._desks.discard)(client)

    def cut(self, client: Address) -> None:
        """Reset (RST, not FIN): what a dead middlebox does."""
        if (transport := self._open.get(client)) is None:
            return
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    def cut_devices(self) -> None:
        """Reset every connection but those of the desk, which has to remain able to end what it began."""
        for client in set(self._open) - self._desks:
            self.cut(client)

    def cut_all(self) -> None:
        """Drop every connection at once, without a reset."""
        for transport in list(self._open.values()):
            transport.abort()


class Sabotage:
    """ASGI: `plan_for` says what is to happen to a request; everything else goes through untouched."""

    def __init__(self, app: ASGIApp, plan_for: Callable[[Scope], Plan], connections: Connections, stopping: asyncio.Event) -> None:
        self._app = app
        self._plan_for = plan_for
        self._connections = connections
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as planned."""
        plan = self._plan_for(scope)
        scope["simulator.seen"].fault = plan.words
        if plan.words:
            receive = await _arrived(receive)
        await self._pause(plan.delay_s)
        if plan.rule is None:
            await self._app(scope, receive, send)
            return
        if plan.rule.action is not Action.LOST:
            await self._pause(plan.rule.delay_s)
        await self._act(plan.rule, scope, receive, send)

    async def _act(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        match rule.action:
            case Action.RESET:
                await self._cut(scope, receive)
            case Action.LOST:
                await self._app(scope, receive, _swallow)
                await self._pause(rule.delay_s)
                await self._cut(scope, receive)
            case Action.HALF_OPEN:
                if rule.carried_out:
                    await self._app(scope, receive, _swallow)
                await _gone(receive)
            case Action.DRIP:
                await self._drip(rule, scope, receive, send)
            case _:
                await self._answer_wrongly(rule, scope, receive, send)

    async def _answer_wrongly(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        honest = bytearray()

        async def overhear(message: Message) -> None:
            honest.extend(message.get("body", b""))

        if rule.carried_out:
            await self._app(scope, receive, overhear)
        await _send(instead(rule, bytes(honest)), send)

    async def _drip(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        async def dripping(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            for byte in message.get("body", b""):
                await send({**message, "body": bytes([byte]), "more_body": True})
                await self._pause(rule.interval_s)
            await send({**message, "body": b""})

        await self._app(scope, receive, dripping)

    async def _cut(self, scope: Scope, receive: Receive) -> None:
        self._connections.cut(scope["client"])
        await _gone(receive)

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


async def _arrived(receive: Receive) -> Receive:
    """The whole request first, so that what is delayed is still carried out when its client has gone by then."""
    messages = [await receive()]
    while messages[-1].get("more_body") and sum(len(each.get("body", b"")) for each in messages) <= MAX_BYTES:
        messages.append(await receive())
    messages.reverse()

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


async def _swallow(_: Message) -> None:
    """Where a lost answer goes."""


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.all_headers})
    for piece in answer.pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
