"""What the lamp says to the wearer, read off the lifecycle's state.

Pure. Each sign is a claim and must be true: `accepted` only once dispatch answered this very press with an open callout. While
calm, and for a callout raised elsewhere, it says nothing, whatever goes on inside (law 5).
"""

from __future__ import annotations

from enum import StrEnum

from agent.model import Sign
from agent.raising import ELSEWHERE
from agent.signals import Phase, State

# What dispatch's status says of a responder: trimmed, in small letters. `Responder Cancelled` takes it back.
COMING = frozenset({"responder dispatched"})
THERE = frozenset({"responder arrived", "responder on scene", "responder arrived on scene"})


class Responder(StrEnum):
    """How far help has come, as dispatch says it."""

    NONE = "none"  # or dispatch has not said so
    COMING = "coming"
    THERE = "there"


def sign_of(state: State, *, touched: bool, window: bool, failing: bool) -> Sign:
    """touched: a finger is on a button whose gesture is not complete. window: a press waits to be confirmed. failing: attempts fail."""
    if window:
        return Sign.WINDOW
    if touched:
        return Sign.PRESSED
    if state.calm:
        return Sign.NOTHING
    if state.owed:  # also beside a callout that is on: whether that one still lives is not known to be true of this press
        return Sign.FAILING if failing else Sign.CONTACTING
    return _of_callout(state)


def _of_callout(state: State) -> Sign:
    """Every press has been answered."""
    if state.phase is Phase.STANDBY or state.origin == ELSEWHERE:
        return Sign.NOTHING
    if state.unknown:  # dispatch has lost it, without closing it: that help comes is not true any more
        return Sign.FAILING
    return Sign.ACCEPTED if responder_of(state.status) is Responder.NONE else Sign.RESPONDING


def responder_of(status: str | None) -> Responder:
    """What dispatch's free-form status says of a responder."""
    words = (status or "").strip().casefold()
    if words in THERE:
        return Responder.THERE
    return Responder.COMING if words in COMING else Responder.NONE
