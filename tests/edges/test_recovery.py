"""What the start may show, and what a calm device holds back (laws 1 and 5)."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

from agent.clock import SystemClock
from agent.model import Asked, Callout, Meaning, NoteKept, Outcome, Press, Write
from agent.recovery import Recovery
from agent.signals import Happening, Phase, Pressed, RaiseReplied, State

ACCEPTED = RaiseReplied(Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", callout=Callout(7)), 1, drill=False, at=1.0, wall=500.0)
CALM = State(Phase.CANCELLING, callout_id=7, calm=True)
ACTIVE = State(Phase.ACTIVE, callout_id=7)


class Kept:
    """A store that remembers what it was asked."""

    def __init__(self) -> None:
        self.writes: list[Write] = []

    def step(self, *writes: Write) -> None:
        """Keep."""
        self.writes += writes


def recovery(tmp_path: Path) -> tuple[Recovery, Kept]:
    store = Kept()

    async def decide(_event: Happening) -> None:
        """Nothing follows here."""

    def carry(event: Happening) -> Awaitable[None]:
        return decide(event)

    made = Recovery(tmp_path, store, SystemClock(), base_url="x", customer_id=1, state=lambda: ACTIVE, decide=carry)  # type: ignore[arg-type]
    return made, store


def test_proof_of_a_raise_that_was_accepted_while_calm_is_held_back_until_the_calm_ends(tmp_path: Path):
    recovered, store = recovery(tmp_path)
    recovered.follow(CALM, ACCEPTED, accepted_wall=500.0)
    assert recovered.proof_wall is None
    assert store.writes == []
    recovered.follow(ACTIVE, Pressed(Press(2, 1.0, 600.0, "cli")), accepted_wall=None)
    assert recovered.proof_wall == 500.0
    assert store.writes == [NoteKept("armed_proof", "500")]


def test_press_ends_the_doubt_whether_something_was_cancelled(tmp_path: Path):
    recovered, _ = recovery(tmp_path)
    recovered.unsure = True
    recovered.follow(ACTIVE, ACCEPTED, accepted_wall=500.0)
    assert recovered.unsure
    recovered.follow(ACTIVE, Pressed(Press(2, 1.0, 600.0, "cli")), accepted_wall=None)
    assert not recovered.unsure
