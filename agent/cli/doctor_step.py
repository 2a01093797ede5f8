"""What every examination of the doctor has in hand, and what it comes to: one step.

Values only. An examination is a coroutine function from a Scene to a Step: it finds out one thing, changes nothing anywhere, and says
what was seen, what that means and what to do. Add one to `doctor.EXAMINATIONS` where its turn is.
"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from agent.config import Config
from agent.connections import Connections
from agent.model import CalloutId
from agent.ports import Dispatch


class State(StrEnum):
    """warn: it works, something is worse than need be. fail: to be mended before anyone relies on it."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """seen: the fact. means: what follows from it. do: the next thing for a person, the line of the config if there is one."""

    name: str
    state: State
    seen: str
    means: str = ""
    do: str = ""


@dataclass(slots=True)
class Scene:
    """What examinations share, and what the later ones learn from the earlier: None where an earlier one failed.

    reached: dispatch answered as itself. listing_refused: but it does not let this token list the customer's callouts.
    closed_callout: a callout that may be asked about, because it is over.
    """

    args: argparse.Namespace
    config: Config | None = None
    connections: Connections | None = None
    dispatch: Dispatch | None = None
    reached: bool = False
    listing_refused: bool = False
    closed_callout: CalloutId | None = None


Examination = Callable[[Scene], Awaitable[Step]]
