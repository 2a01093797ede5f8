"""The gesture machine: what is a press and what is none, whatever the edges and whenever they are looked at.

Times are multiples of 1/64 s, which floats hold exactly: a hold of exactly hold_s is a gesture, and one step less is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model import Act, Acted
from hardware.press import ABORT_HOLD_S, STUCK_S, Debounce, Gestures

STEP_S = 1 / 64
HOLD_S = 1.5
WITHIN_S = 2.0
PERIOD_S = 0.02

T, R, G, A = Act.TOUCHED, Act.RELEASED, Act.GESTURE, Act.ABORT


def steps(least: float, most: float) -> st.SearchStrategy[float]:
    """Seconds on the grid."""
    return st.integers(int(least / STEP_S), int(most / STEP_S)).map(lambda count: count * STEP_S)


@dataclass(frozen=True)
class Touch:
    """A finger on the button for so long."""

    at: float
    for_s: float


@st.composite
def fingers(draw: st.DrawFn, longest_s: float = 4.0) -> list[Touch]:
    """Touches one after another, with pauses from a blink to longer than any gesture."""
    at, touches = 0.0, []
    for pause_s, for_s in draw(st.lists(st.tuples(steps(STEP_S, 3.0), steps(STEP_S, longest_s)), max_size=8)):
        touches.append(Touch(at + pause_s, for_s))
        at += pause_s + for_s
    return touches


def edges_of(touches: list[Touch]) -> list[tuple[bool, float]]:
    return [edge for touch in touches for edge in ((True, touch.at), (False, touch.at + touch.for_s))]


def machine(*, hold_s: float = HOLD_S, presses: int = 1, within_s: float = WITHIN_S, was_active: bool | None = None) -> Gestures:
    """One that has seen its line released."""
    gestures = unseen(hold_s=hold_s, presses=presses, within_s=within_s, was_active=was_active)
    assert gestures.sight(active=False, at=0.0) == []
    return gestures


def unseen(*, hold_s: float = HOLD_S, presses: int = 1, within_s: float = WITHIN_S, was_active: bool | None = None) -> Gestures:
    return Gestures(hold_s=hold_s, presses=presses, within_s=within_s, was_active=lambda: was_active)


def play(gestures: Gestures, edges: list[tuple[bool, float]], looks: list[float] = (), until: float = 1000.0) -> list[Acted]:  # type: ignore[assignment]
    """Feed the edges, and look at these times in between; an edge comes before a look of the same time."""
    moments = sorted([(at, 0, active) for active, at in edges] + [(at, 1, False) for at in looks], key=lambda moment: moment[:2])
    acts: list[Acted] = []
    for at, is_look, active in moments:
        acts += gestures.look(at) if is_look else gestures.edge(active, at)
    return acts + gestures.look(until)


def times(acts: list[Acted], act: Act) -> list[float]:
    return [each.at for each in acts if each.act is act]


def gestures_of_taps(touches: list[Touch], presses: int) -> list[float]:
    """The rule of several presses, said once more in other words: the last N touches, all since the last gesture, within WITHIN_S."""
    found, since = [], 0
    for number in range(len(touches)):
        first = number - presses + 1
        if first >= since and touches[number].at - touches[first].at <= WITHIN_S:
            found.append(touches[number].at)
            since = number + 1
    return found


@given(fingers(), steps(0, 3.0))
def test_a_hold_of_hold_s_is_exactly_one_gesture_and_a_shorter_one_is_none(touches: list[Touch], hold_s: float):
    """Law of the hold; 0 s: any touch."""
    acts = play(machine(hold_s=hold_s), edges_of(touches))
    assert times(acts, G) == [touch.at + hold_s for touch in touches if touch.for_s >= hold_s]
    assert times(acts, T) == [touch.at for touch in touches]
    assert times(acts, R) == [touch.at + touch.for_s for touch in touches]
    assert times(acts, A) == []


@given(fingers(), st.integers(2, 4))
def test_several_presses_are_a_gesture_when_the_last_of_them_begin_within_the_time(touches: list[Touch], presses: int):
    """However short or long each is; after a gesture the count begins anew."""
    acts = play(machine(presses=presses), edges_of(touches))
    assert times(acts, G) == gestures_of_taps(touches, presses)


@given(fingers(longest_s=6.0), st.integers(2, 4))
def test_a_long_hold_aborts_only_where_the_gesture_is_several_presses(touches: list[Touch], presses: int):
    """Not one that is part of a completed gesture."""
    acts = play(machine(presses=presses), edges_of(touches))
    in_gesture = set(gestures_of_taps(touches, presses))
    assert times(acts, A) == [touch.at + ABORT_HOLD_S for touch in touches if touch.for_s >= ABORT_HOLD_S and touch.at not in in_gesture]


@given(fingers(longest_s=70.0), st.lists(steps(0, 60.0), max_size=20), st.integers(1, 3))
def test_looking_more_often_changes_nothing(touches: list[Touch], looks: list[float], presses: int):
    """A process that was stopped finds the same acts, with the same times, as one that was awake."""
    edges = edges_of(touches)
    assert play(machine(presses=presses), edges, looks) == play(machine(presses=presses), edges)


@given(fingers(longest_s=70.0), st.integers(1, 3))
def test_due_says_when_to_look(touches: list[Touch], presses: int):
    """Who looks whenever something is due tells every act at its own time, and needs no other look."""
    gestures, acts = machine(presses=presses), []
    for active, at in edges_of(touches):
        while (due := gestures.due) is not None and due < at:
            told = gestures.look(due)
            assert all(act.at == due for act in told)
            acts += told
        acts += gestures.edge(active, at)
    assert acts == play(machine(presses=presses), edges_of(touches))[: len(acts)]


@given(fingers(), st.data())
def test_doubled_edges_change_nothing(touches: list[Touch], data: st.DataObject):
    """Bounce that the chip reads as the same level twice."""
    edges = edges_of(touches)
    doubled = [copy for edge in edges for copy in [edge] * data.draw(st.integers(1, 3))]
    assert play(machine(), doubled) == play(machine(), edges)


@given(st.lists(st.tuples(st.booleans(), steps(0, 20.0)), max_size=20), st.integers(1, 3))
def test_edges_in_any_order_neither_crash_nor_cost_the_next_press(edges: list[tuple[bool, float]], presses: int):
    """Acts are told in order of their times all the same."""
    gestures = machine(presses=presses)
    acts = [act for active, at in edges for act in gestures.edge(active, at)]
    acts += gestures.edge(active=False, at=30.0)
    clean = [Touch(40.0 + number / 4, 2.0 if presses == 1 else 0.125) for number in range(presses)]
    later = play(gestures, edges_of(clean))
    assert len(times(later, G)) == 1
    assert all(earlier.at <= after.at for earlier, after in pairwise(acts + later))


@given(st.lists(st.tuples(steps(1.0, 3.0), st.booleans()), min_size=1, max_size=5), st.data())
def test_bounce_shorter_than_the_debounce_changes_no_gesture(holds: list[tuple[float, bool]], data: st.DataObject):
    """Also where the chip refuses to debounce: one touch, one release, and a gesture for each hold that is long enough."""
    bounces = st.lists(st.floats(0.0001, PERIOD_S * 0.9), max_size=6, unique=True).map(
        lambda offsets: sorted(offsets)[: len(offsets) // 2 * 2]
    )
    at, raw = 0.0, []
    for pause_s, long in holds:
        for level, moment in ((True, at + pause_s), (False, at + pause_s + (HOLD_S + 0.1 if long else HOLD_S - 0.1))):
            raw.append((level, moment))
            raw += [(level == bool(number % 2), moment + offset) for number, offset in enumerate(data.draw(bounces))]
            at = moment
    gestures, debounce, acts = machine(), Debounce(PERIOD_S, active=False), []
    for level, moment in raw:
        acts += [act for settled in debounce.edge(level, moment) for act in gestures.edge(*settled)]
    acts += [act for settled in debounce.look(at + 1) for act in gestures.edge(*settled)]
    assert [act.act for act in acts] == [act for _, long in holds for act in ((T, G, R) if long else (T, R))]


@given(st.lists(st.sampled_from(("touch", "release", "lose", "find released", "find active", "wait")), max_size=30), st.integers(1, 3))
def test_nothing_that_a_chip_does_makes_two_presses_of_one_touch(moves: list[str], presses: int):
    """However often the chip comes and goes; and every touch that was told is released."""
    gestures, at, acts, seen = machine(presses=presses), 0.0, [], True
    for move in moves:
        at += 1.0
        if seen and move in {"touch", "release"}:
            acts += gestures.edge(move == "touch", at)
        elif seen and move == "lose":
            acts, seen = acts + gestures.lost(at), False
        elif not seen and move.startswith("find"):
            acts, seen = acts + gestures.sight(move == "find active", at), True
        else:
            acts += gestures.look(at)
    acts += gestures.lost(at + 1)
    told = [act.act for act in acts]
    assert told.count(G) * presses <= told.count(T)
    assert told.count(T) == told.count(R)
    assert [act for act in told if act in {T, R}] == [T, R] * told.count(T)


def test_a_gesture_is_told_while_the_button_is_still_held():
    """Nobody has to let go to be heard."""
    gestures = machine()
    assert gestures.edge(active=True, at=10.0) == [Acted(T, 10.0)]
    assert gestures.due == 11.5
    assert gestures.look(11.484375) == []
    assert gestures.look(11.6) == [Acted(G, 11.5)]
    assert gestures.look(13.0) == []


@pytest.mark.parametrize("stored", [None, False])
def test_held_at_first_sight_counts_from_then(*, stored: bool | None):
    """The device may have been switched on by someone who was pressing already."""
    gestures = unseen(was_active=stored)
    assert gestures.sight(active=True, at=5.0) == [Acted(T, 5.0)]
    assert gestures.look(6.5) == [Acted(G, 6.5)]
    assert not gestures.stuck


def test_held_at_first_sight_and_before_is_stuck_until_released():
    """A jammed button is no emergency at every start; once it lets go it is a button again."""
    gestures = unseen(was_active=True)
    assert gestures.sight(active=True, at=5.0) == [Acted(T, 5.0)]
    assert not gestures.stuck
    assert gestures.look(6.5) == []
    assert gestures.stuck
    assert gestures.edge(active=False, at=20.0) == [Acted(R, 20.0)]
    assert not gestures.stuck
    assert gestures.edge(active=True, at=21.0) == [Acted(T, 21.0)]
    assert gestures.look(22.5) == [Acted(G, 22.5)]


def test_what_was_stored_is_asked_for_only_when_it_decides():
    """The store may not have been read yet when the line is first seen."""
    asked = []

    def was_active() -> bool:
        asked.append(True)
        return True

    gestures = Gestures(hold_s=HOLD_S, presses=1, within_s=WITHIN_S, was_active=was_active)
    gestures.sight(active=True, at=0.0)
    gestures.look(1.0)
    assert asked == []
    gestures.look(1.5)
    assert asked == [True]
    gestures.edge(active=False, at=2.0)
    assert times(play(gestures, [(True, 3.0), (False, 5.0)]), G) == [4.5]
    assert asked == [True]


@pytest.mark.parametrize(("stored", "gesture"), [(None, [0.75]), (False, [0.75]), (True, [])])
def test_a_touch_that_was_there_before_us_counts_towards_several(*, stored: bool | None, gesture: list[float]):
    """Unless an earlier process had seen it, too."""
    gestures = unseen(presses=2, was_active=stored)
    gestures.sight(active=True, at=0.5)
    acts = play(gestures, [(False, 0.625), (True, 0.75), (False, 0.875)])
    assert times(acts, G) == gesture
    if stored:
        assert times(play(gestures, edges_of([Touch(2000.0, 0.1), Touch(2000.5, 0.1)]), until=3000.0), G) == [2000.5]


def test_a_touch_that_does_not_count_takes_none_of_those_behind_it_along():
    gestures = unseen(presses=3, was_active=True)
    gestures.sight(active=True, at=0.25)
    acts = play(gestures, [(False, 0.375), *edges_of([Touch(0.5, 0.1), Touch(0.75, 0.1), Touch(1.0, 0.1)])])
    assert times(acts, G) == [1.0]


def test_a_button_of_several_presses_that_is_stuck_from_the_start_is_told_soon():
    """Not only after a minute: nobody could press it."""
    gestures = unseen(presses=3, was_active=True)
    gestures.sight(active=True, at=0.0)
    assert gestures.look(ABORT_HOLD_S) == []
    assert gestures.stuck


def test_a_hold_from_the_start_aborts_nothing():
    """It was not seen to begin: it may be a jammed button, or the end of the gesture that opened the window."""
    gestures = unseen(presses=3)
    gestures.sight(active=True, at=0.0)
    assert gestures.look(10.0) == []


@pytest.mark.parametrize("presses", [1, 2])
def test_a_line_that_stays_active_for_a_minute_is_stuck_until_released(presses: int):
    """Its press was made; no further one can be felt."""
    gestures = machine(presses=presses)
    gestures.edge(active=True, at=10.0)
    gestures.look(10.0 + STUCK_S - STEP_S)
    assert not gestures.stuck
    assert gestures.due == 10.0 + STUCK_S
    gestures.look(10.0 + STUCK_S)
    assert gestures.stuck
    assert gestures.due is None
    gestures.edge(active=False, at=100.0)
    assert not gestures.stuck


def test_a_touch_of_the_abort_line_is_an_abort_in_order_of_time():
    """What was due before it comes first."""
    gestures = machine()
    gestures.edge(active=True, at=1.0)
    assert gestures.abort_touched(2.0) == [Acted(A, 2.0)]
    assert gestures.abort_touched(3.0) == [Acted(G, 2.5), Acted(A, 3.0)]


def test_a_chip_that_vanishes_during_a_hold_begins_it_anew():
    """Nobody knows whether it broke meanwhile; whoever goes on holding is heard."""
    gestures = machine()
    gestures.edge(active=True, at=1.0)
    assert gestures.lost(2.0) == [Acted(R, 2.0)]
    assert gestures.lost(2.25) == []
    assert gestures.look(10.0) == []
    assert gestures.sight(active=True, at=20.0) == [Acted(T, 20.0)]
    assert gestures.look(22.0) == [Acted(G, 21.5)]


def test_a_chip_that_vanishes_after_the_gesture_makes_no_second_one():
    """It is the same hold as far as anyone knows."""
    gestures = machine()
    gestures.edge(active=True, at=1.0)
    assert times(gestures.lost(4.0), G) == [2.5]
    gestures.sight(active=True, at=5.0)
    assert gestures.look(20.0) == []
    gestures.edge(active=False, at=21.0)
    assert times(play(gestures, [(True, 22.0)]), G) == [23.5]


def test_a_hold_that_a_stored_level_could_doubt_stays_doubtful_when_the_chip_flickers():
    """Losing the chip proves nothing about the button."""
    gestures = unseen(was_active=True)
    gestures.sight(active=True, at=0.0)
    gestures.lost(1.0)
    gestures.sight(active=True, at=2.0)
    assert times(gestures.look(10.0), G) == []
    assert gestures.stuck


def test_a_press_that_began_while_the_chip_was_away_is_a_press():
    """It was released when last seen, and is held now."""
    gestures = unseen(was_active=True)
    gestures.sight(active=False, at=0.0)
    gestures.lost(1.0)
    assert gestures.sight(active=True, at=5.0) == [Acted(T, 5.0)]
    assert gestures.look(7.0) == [Acted(G, 6.5)]


def test_the_debounce_stamps_a_level_with_the_moment_it_had_lasted():
    """As the kernel's own does, so that both edges of a hold are late by the same."""
    debounce = Debounce(0.5, active=False)
    assert debounce.edge(active=True, at=1.0) == []
    assert debounce.due == 1.5
    assert debounce.edge(active=False, at=1.25) == []
    assert debounce.due is None
    assert debounce.edge(active=True, at=1.375) == []
    assert debounce.look(1.75) == []
    assert debounce.edge(active=False, at=3.0) == [(True, 1.875)]
    assert debounce.look(9.0) == [(False, 3.5)]


def test_a_debounce_of_nothing_lets_everything_through():
    """Where the chip does it."""
    debounce = Debounce(0.0, active=False)
    assert debounce.edge(active=True, at=1.0) == [(True, 1.0)]
    assert debounce.edge(active=True, at=1.5) == []
    assert debounce.edge(active=False, at=2.0) == [(False, 2.0)]
