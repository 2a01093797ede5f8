"""Acts at a button become presses, windows or drills; in doubt a press, at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.acts import Acts, Confirm, Deed, MakePress, OpenWindow, TakeBack
from agent.model import Act, Acted

QUIET = {"on": False, "quiet": True}
ON = {"on": True, "quiet": False}
CALM = {"on": False, "quiet": False}


def gesture(acts: Acts, at: float, name: str = "panic", **outside: bool) -> tuple[Deed, ...]:
    return acts.take(name, Acted(Act.GESTURE, at), at, **(outside or QUIET))


def test_gesture_without_a_window_is_a_press_of_its_own_moment():
    acts = Acts({"panic": 0.0})
    assert acts.take("panic", Acted(Act.GESTURE, 5.0), 9.0, **QUIET) == (MakePress("panic", 5.0, drill=False),)


def test_window_confirms_itself_when_its_time_is_over():
    acts = Acts({"panic": 10.0})
    assert gesture(acts, 100.0) == (OpenWindow("panic", 100.0, drill=False),)
    assert acts.window_open
    assert acts.due_at == 110.0
    assert acts.look(109.9) == ()
    assert acts.look(110.0) == (Confirm("panic"),)
    assert not acts.window_open
    assert acts.look(200.0) == ()


def test_window_lasts_from_when_it_is_shown_not_from_when_the_finger_moved():
    acts = Acts({"panic": 10.0})
    acts.take("panic", Acted(Act.GESTURE, 50.0), 100.0, **QUIET)  # the process was stopped meanwhile
    assert acts.due_at == 110.0


def test_repeating_the_gesture_confirms_at_once_and_only_a_different_act_takes_it_back():
    acts = Acts({"panic": 10.0})
    gesture(acts, 100.0)
    assert acts.take("panic", Acted(Act.TOUCHED, 101.0), 101.0, **QUIET) == ()
    assert acts.take("panic", Acted(Act.RELEASED, 101.1), 101.1, **QUIET) == ()
    assert gesture(acts, 102.0) == (Confirm("panic"),)
    assert acts.take("panic", Acted(Act.ABORT, 103.0), 103.0, **QUIET) == (), "too late: it was confirmed"
    gesture(acts, 110.0)
    assert acts.take("panic", Acted(Act.ABORT, 111.0), 111.0, **QUIET) == (TakeBack("panic"),)
    assert acts.look(1_000.0) == ()


def test_abort_without_a_window_and_of_another_button_does_nothing():
    acts = Acts({"panic": 10.0, "shop": 10.0})
    gesture(acts, 100.0)
    assert acts.take("shop", Acted(Act.ABORT, 101.0), 101.0, **QUIET) == ()
    assert acts.look(110.0) == (Confirm("panic"),)


def test_no_window_while_something_is_outwardly_on_but_while_calm_as_in_standby():
    acts = Acts({"panic": 10.0})
    assert gesture(acts, 100.0, **ON) == (MakePress("panic", 100.0, drill=False),)
    assert gesture(acts, 200.0, **CALM) == (OpenWindow("panic", 200.0, drill=False),)


def test_open_drill_window_makes_one_gesture_a_drill_and_only_from_a_quiet_standby():
    acts = Acts({"panic": 0.0})
    acts.open_drill(160.0)
    assert gesture(acts, 100.0) == (MakePress("panic", 100.0, drill=True),)
    assert gesture(acts, 101.0) == (MakePress("panic", 101.0, drill=False),), "the second gesture is real"
    acts.open_drill(160.0)
    assert gesture(acts, 160.0) == (MakePress("panic", 160.0, drill=False),), "too late"
    acts.open_drill(260.0)
    assert gesture(acts, 200.0, **ON) == (MakePress("panic", 200.0, drill=False),), "a callout is on"


def test_second_gesture_in_the_window_of_a_drill_is_no_confirmation_but_an_emergency():
    acts = Acts({"panic": 10.0})
    acts.open_drill(160.0)
    assert gesture(acts, 100.0) == (OpenWindow("panic", 100.0, drill=True),)
    assert gesture(acts, 102.0) == (MakePress("panic", 102.0, drill=False),)
    assert acts.look(1_000.0) == (), "the drill is over"
    assert gesture(acts, 1_100.0) == (OpenWindow("panic", 1_100.0, drill=False),)
    assert gesture(acts, 1_101.0) == (Confirm("panic"),)


def test_finger_is_felt_until_its_gesture_is_complete_or_the_line_is_lost():
    acts = Acts({"panic": 0.0})
    acts.take("panic", Acted(Act.TOUCHED, 1.0), 1.0, **QUIET)
    assert acts.touched
    gesture(acts, 2.5)
    assert not acts.touched
    acts.take("panic", Acted(Act.TOUCHED, 3.0), 3.0, **QUIET)
    acts.forget_touch("panic")
    assert not acts.touched


STEPS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(list(Act)), st.floats(0, 20), st.booleans(), st.booleans()))


@given(STEPS, st.sampled_from([0.0, 5.0]))
def test_every_gesture_ends_in_a_press_unless_a_different_act_takes_it_back(
    steps: list[tuple[str, Act, float, bool, bool]], window_s: float
):
    """Law 1: each gesture makes, opens or confirms; each window that opened ends in exactly one of confirmed and taken back."""
    acts, now, open_now = Acts({"a": window_s, "b": 0.0}), 0.0, set()
    for name, act, wait_s, on, quiet in steps:
        now += wait_s
        for deed in (*acts.look(now), *acts.take(name, Acted(act, now), now, on=on, quiet=quiet)):
            if isinstance(deed, OpenWindow):
                assert deed.button not in open_now
                open_now.add(deed.button)
            elif isinstance(deed, Confirm | TakeBack):
                open_now.remove(deed.button)
        deeds = acts.take(name, Acted(Act.GESTURE, now), now, on=on, quiet=quiet)
        assert len(deeds) == 1
        assert not isinstance(deeds[0], TakeBack)
        open_now ^= {name} if isinstance(deeds[0], OpenWindow | Confirm) else set()
    assert {deed.button for deed in acts.look(now + 100.0)} == open_now
