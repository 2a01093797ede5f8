"""Work that gives way to a raise: begun and ended only while none is owed, given up and begun anew where one comes between.

For comforts that use the network. Decides nothing of what the work is; must not be used by a lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

LOOK_S: Final = 0.5  # how soon a raise that has become owed is noticed

Result = TypeVar("Result")


async def giving_way(owed: Callable[[], bool], work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """What `work` comes to, or its exception. owed: whether a raise is. work: made anew for each attempt."""
    while True:
        while owed():  # noqa: ASYNC110 - the lifecycle rings for its lanes, not for comforts
            await asyncio.sleep(LOOK_S)
        doing = asyncio.ensure_future(work())
        try:
            while not doing.done() and not owed():
                await asyncio.wait({doing}, timeout=LOOK_S)
            if doing.done():
                return doing.result()
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
