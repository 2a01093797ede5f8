"""One request to dispatch from this very process, without the daemon: for root's inner view, devices and the doctor.

Uses the config's credentials and a token that the daemon kept, and writes neither. Must not be used where the outward view is meant.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from agent import enquiries, operations
from agent.cli import outward, talk
from agent.clock import SystemClock
from agent.config import Config, ConfigError, load
from agent.connections import Connections
from agent.documents import REFUSED, failure
from agent.lookup import LookupLoop
from agent.model import CalloutId
from agent.ports import Dispatch
from agent.store import peek

T = TypeVar("T")


def inner(args: argparse.Namespace, request: dict[str, Any]) -> dict[str, Any]:
    """What `Enquiries.inner` would answer."""
    try:
        config = configured(args)
    except ConfigError as error:
        return broken(error)
    calm, callout_id, closed = known(args, config)
    return {**perform(config, enquiries.about(request, callout_id, closed)), "inner": True, "calm": calm}


def perform(config: Config, request: dict[str, Any]) -> dict[str, Any]:
    """One operation of `operations`."""

    async def answer(connections: Connections) -> dict[str, Any]:
        async with opened(connections) as dispatch:
            return await operations.perform(dispatch, request)

    return run(config, answer)


def broken(error: ConfigError) -> dict[str, Any]:
    """A config that cannot be used, as an answer."""
    return failure(REFUSED, f"the config cannot be used: {error.errors[0]}", "callout-agent check names every problem")


def configured(args: argparse.Namespace) -> Config:
    """The config; with another token than the device's if one is given. Raises ConfigError."""
    config, token_file = load(Path(args.config)), args.token_file
    if token_file is None:
        return config
    given = replace(config.credentials, token_url=None, client_id=None, token_file=str(token_file.absolute()))
    return replace(config, credentials=given)


def known(args: argparse.Namespace, config: Config) -> tuple[bool, CalloutId | None, tuple[CalloutId, ...]]:
    """Whether the device is calm, the callout it is on, and those it knows closed, newest first; by what lies on its disk."""
    _, kept = peek(talk.store_path(args))
    calm = outward.is_calm(kept, talk.socket_path(args).parent / "presses")
    api, callout = config.panic_api, kept.callout
    ours = callout is not None and (callout.base_url, callout.customer_id) == (api.base_url, api.customer_id)
    return calm, callout.id if ours and callout is not None else None, kept.closed


def run(config: Config, work: Callable[[Connections], Awaitable[T]]) -> T:
    """Do it on a loop of its own, with connections that keep nothing."""

    async def whole() -> T:
        connections = Connections(config, SystemClock(), lambda _: None, keeps=False)
        try:
            return await work(connections)
        finally:
            await connections.aclose()

    with asyncio.Runner(loop_factory=LookupLoop) as runner:
        return runner.run(whole())


@contextlib.asynccontextmanager
async def opened(connections: Connections) -> AsyncIterator[Dispatch]:
    """A connection, closed afterwards."""
    dispatch = connections.open()
    try:
        yield dispatch
    finally:
        await dispatch.aclose()
