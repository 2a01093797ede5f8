"""What of a step is written about a cancel: that the device is calm, and since when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.kept import NoteKept, Write
from agent.model import Press
from agent.records import writes
from agent.signals import Phase, State

WALL = 1_780_000_000.0


def written(before: State, after: State) -> tuple[Write, ...]:
    return writes(before, after, base_url="https://x", customer_id=5, wall=WALL)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (State(), State(calm=True), (("calm_since", "2026-05-28T20:26:40.000Z"), ("calm", "true"))),
        (State(calm=True), State(), (("calm_since", ""), ("calm", "false"))),
        (State(calm=True), State(calm=True, press_number=1), (("calm", "true"),)),  # a press from before the cancel came to light
        (State(calm=True), State(calm=True), ()),
    ],
)
def test_the_moment_of_a_cancel_is_written_with_it(before: State, after: State, expected: tuple[tuple[str, str], ...]) -> None:
    """In the one transaction, and before the word that it is calm: the store does not take it from a device that was calm already."""
    assert written(before, after) == tuple(NoteKept(*note) for note in expected)


def test_the_moment_of_a_cancel_comes_before_a_callout_that_is_calm() -> None:
    """The store takes that row, too, for a device that was calm already."""
    before = State(phase=Phase.ACTIVE, callout_id=7)
    first, *_, last = written(before, replace(before, phase=Phase.CANCELLING, calm=True))
    assert first == NoteKept("calm_since", "2026-05-28T20:26:40.000Z")
    assert last == NoteKept("calm", "true")


@pytest.mark.parametrize(("trusted", "told"), [(True, "1780000000.000"), (False, "nan")])
def test_time_of_a_press_is_handed_on_only_where_somebody_vouched_for_it(trusted: bool, told: str) -> None:  # noqa: FBT001 - a table
    """A clock that goes on from the last shutdown is hours off and looks right."""
    before = State(phase=Phase.RAISING, owed=(Press(3, 50.0, WALL, "button:panic", wall_trusted=trusted),))
    notes = [each for each in written(before, replace(before, phase=Phase.ACTIVE, callout_id=7, owed=())) if isinstance(each, NoteKept)]
    assert notes == [NoteKept("press_trail", f"3 {told} 7")]
