"""A careful start after a crash loop: only the alarm path runs, and each part of it is started again when it fails.

Decides when it is over, and what is said of it. What belongs to the alarm path says whoever wires it. What is shown may not depend on
a callout that a cancel hides: for a quiet hour such a one counts as none, and the start that follows resumes it (law 5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from agent import autopsy, wording
from agent.health import Conditions
from agent.model import Severity
from agent.starts import Crashes

log = logging.getLogger("callout-agent")

CODE: Final = "safe_mode"
QUIET_S: Final = 3600.0
LOOK_S: Final = 10.0
AGAIN_S: Final = 2.0


def say(crashes: Crashes, conditions: Conditions, wall: float) -> None:
    """In the log what is known of the last end; as a condition that it is so."""
    text = f"{crashes.starts} starts within {wording.span(crashes.within_s)}: only the alarm path runs, and nothing is recorded"
    log.error("%s; the last life ended on: %s", text, crashes.last or "no word of its own (killed, or out of memory)")
    hint = "`journalctl -u callout-agent` names what ended it: report it; another start is tried after a quiet hour, or by a restart"
    conditions.put(CODE, Severity.CRITICAL, text, hint, wall=wall)


async def revive(name: str, work: Callable[[], Awaitable[None]], failed: Callable[[str], None] = lambda _: None) -> None:
    """Never returns: work that fails is begun anew. For what may fail without the others: help that comes without a position is help.

    failed: told of what kind the failure was.
    """
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it met, the others go on
            log.error("%s failed: %s", name, autopsy.brief(error))  # noqa: TRY400 - its text may hold a position (law 11)
            failed(type(error).__name__)
        await asyncio.sleep(AGAIN_S)


async def until_quiet(quiet: Callable[[], bool], at: Callable[[], float]) -> None:
    """Until it was quiet for QUIET_S. quiet: whether nothing is on, outwardly. at: monotonic s."""
    since_at = at()
    while at() - since_at < QUIET_S:
        await asyncio.sleep(min(LOOK_S, QUIET_S))
        if not quiet():
            since_at = at()
    log.info("an hour without a press: the daemon starts normally again")
