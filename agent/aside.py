"""Blocking work beside the event loop, in a daemon thread of its own.

Touches threads. Never asyncio's default executor: a few hung look-ups or a hung disk would starve it, and its threads are
waited for at exit. A thread whose answer is no longer wanted is abandoned, not waited for: whoever starts one bounds how many.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_hanging: set[str] = set()  # names at work; changed from several threads, one atomic step at a time


def start(work: Callable[[], T], *, name: str, loop: asyncio.AbstractEventLoop | None = None) -> asyncio.Future[T]:
    """Begin blocking work; the future gets its result or exception. Cancelling the future abandons the thread.

    Must be called on the loop. Where the system has no thread left the future gets an OSError.
    """
    loop = loop or asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def body() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits, whatever it is
            _deliver(loop, _fail, future, error)
        else:
            _deliver(loop, _succeed, future, result)

    try:
        threading.Thread(target=body, name=name, daemon=True).start()
    except RuntimeError:
        future.set_exception(OSError(errno.EAGAIN, "no thread is left"))
    return future


async def run(work: Callable[[], T], *, name: str, limit_s: float) -> T:
    """Blocking work with a limit, one thread per name: while an abandoned one still hangs, no other is started.

    Raises TimeoutError when it takes longer or the last one still hangs, else whatever the work raises.
    """
    if name in _hanging:
        raise TimeoutError(f"{name}: still waiting for the last one")

    def once() -> T:
        _hanging.add(name)
        try:
            return work()
        finally:
            _hanging.discard(name)

    async with asyncio.timeout(limit_s):
        return await start(once, name=name)


def _deliver(
    loop: asyncio.AbstractEventLoop, how: Callable[[asyncio.Future[Any], Any], None], future: asyncio.Future[Any], what: Any
) -> None:
    try:
        loop.call_soon_threadsafe(how, future, what)
    except RuntimeError:  # the loop has ended: no one waits any more
        return


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
