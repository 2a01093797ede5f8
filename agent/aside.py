"""Blocking work beside the event loop, in a daemon thread of its own.

Touches threads. Never asyncio's default executor: a few hung look-ups or a hung disk would starve it, and its threads are
waited for at exit. A thread whose answer is no longer wanted is abandoned, not waited for: whoever starts one bounds how many.
Must not hold the process's open files: see `part`.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import resource
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_CLOSE_RANGE_UNSHARE = 2  # linux/close_range.h
_LAST_DESCRIPTOR = 2**32 - 1
# A parted thread opens its files above this number, the rest of the process has far fewer: no number means two things.
_FIRST_OWN = 512
_hanging: set[str] = set()  # names at work; changed from several threads, one atomic step at a time


def start(work: Callable[[], T], *, name: str, loop: asyncio.AbstractEventLoop | None = None, parted: bool = True) -> asyncio.Future[T]:
    """Begin blocking work; the future gets its result or exception. Cancelling the future abandons the thread.

    Must be called on the loop. Where the system has no thread left the future gets an OSError. parted: see `part`; not for work that
    waits for no disk and uses libraries that keep a descriptor for the whole process.
    """
    loop = loop or asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def body() -> None:
        if parted:
            part(loop)
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


async def run(work: Callable[[], T], *, name: str, limit_s: float, parted: bool = True) -> T:
    """Blocking work with a limit, one thread per name: while an abandoned one still hangs, no other is started. parted: see `start`.

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
        return await start(once, name=name, parted=parted)


def part(loop: asyncio.AbstractEventLoop) -> None:
    """Leave this thread no open file of the process but the standard streams and what wakes the loop. Call it in the thread, first.

    A thread that waits for a hung disk cannot be killed. With the process's table of open files it would hold the lock of the
    runtime directory, the control socket, the serial line and the button, and the next process could have none of them.
    Where the kernel (before 5.9) or the C library does not know how, all stays as it was.

    The garbage collector may close a forgotten file of this thread in another one, by its number. So the numbers that the rest of the
    process uses are taken here, by nothing: a file of this thread has a number that elsewhere is none.
    """
    waker = getattr(loop, "_csock", None)  # what `call_soon_threadsafe` writes to
    close_range = getattr(ctypes.CDLL(None), "close_range", None)
    first_own = min(_FIRST_OWN, _most_files() // 2)
    if waker is None or close_range is None or waker.fileno() >= first_own:
        return
    if close_range(ctypes.c_uint(first_own), ctypes.c_uint(_LAST_DESCRIPTOR), _CLOSE_RANGE_UNSHARE) != 0:
        return
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in range(3, first_own):
        if number not in (nothing, waker.fileno()):
            os.dup2(nothing, number, inheritable=False)


def _most_files() -> int:
    """How many files this process may open. Where it may not ask, as under the unit's filter of calls: what systemd gives everyone."""
    try:
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    except OSError:
        return 1024


class Answer(Generic[T]):
    """A future of the loop that another thread fulfils; whoever waited may have gone. Make it on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.future: asyncio.Future[T] = loop.create_future()

    def give(self, value: T) -> None:
        """What the work came to."""
        _deliver(self._loop, _succeed, self.future, value)

    def fail(self, error: BaseException) -> None:
        """What it met. Nothing happens where nobody waits: asyncio would log its text, which may hold a position."""
        _deliver(self._loop, _fail_quietly, self.future, error)

    def settle(self, work: Callable[[], T]) -> None:
        """Do it here and now; an exception belongs to whoever waits."""
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - the thread has other work to do
            self.fail(error)
        else:
            self.give(value)


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


def _fail_quietly(future: asyncio.Future[Any], error: BaseException) -> None:
    _fail(future, error)
    if not future.cancelled():
        future.exception()
