"""What the lamp says to the wearer, read off the lifecycle's state.

Pure. Each sign is a claim and must be true: `accepted` only once dispatch answered this very press with an open callout. While
calm, and for a callout raised elsewhere, it says nothing, whatever goes on inside (law 5).
"""

from __future__ import annotations

from agent.conversation import Responder
from agent.model import Sign
from agent.signals import ELSEWHERE, Phase, State

# Who has finished or was stood down is not on the way: what is left is that dispatch has the callout.
HELP = {Responder.COMING: Sign.RESPONDING, Responder.THERE: Sign.ARRIVED}


def sign_of(state: State, *, touched: bool, window: bool, failing: bool, responder: Responder, message: bool) -> Sign:
    """touched: a finger is on a button whose gesture is not complete. window: a press waits to be confirmed. failing: attempts fail.

    responder: how far help has come, by the newest word of dispatch. message: dispatch wrote something a moment ago.
    """
    if window:
        return Sign.WINDOW
    if touched:
        return Sign.PRESSED
    if state.calm:
        return Sign.NOTHING
    if state.owed:  # also beside a callout that is on: whether that one still lives is not known to be true of this press
        return Sign.FAILING if failing else Sign.CONTACTING
    return _of_callout(state, responder, message=message)


def _of_callout(state: State, responder: Responder, *, message: bool) -> Sign:
    """Every press has been answered."""
    if state.phase is Phase.STANDBY or state.origin == ELSEWHERE:
        return Sign.NOTHING
    if state.unknown:  # dispatch has lost it, without closing it: that help comes is not true any more
        return Sign.FAILING
    return Sign.MESSAGE if message else HELP.get(responder, Sign.ACCEPTED)
