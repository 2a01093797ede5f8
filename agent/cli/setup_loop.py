"""An event loop for one thing that setup tries. An interruption ends what is tried, and never cuts the loop itself in two.

Holds SIGINT, SIGTERM and SIGHUP back while a loop is made and while it is closed. Must not swallow one: it comes a moment later.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_loop(work: Coroutine[Any, Any, T], make: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """As asyncio.run. make: what makes the loop. Raises what the work raises, and KeyboardInterrupt."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)

    async def interruptible() -> T:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            return await work
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)

    try:
        with asyncio.Runner(loop_factory=make) as runner:
            return runner.run(interruptible())
    finally:
        work.close()  # if it never began
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
