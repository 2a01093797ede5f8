"""What lamp and buzzer do for each sign, and how it is read at any moment."""

from __future__ import annotations

from math import inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model import Sign
from hardware.indicator import GpioIndicator
from hardware.patterns import BUZZER, LAMP, Pattern

SIGNS = st.sampled_from(list(Sign))


def played(pattern: Pattern, for_s: float) -> list[tuple[bool, float]]:
    """What someone sees who is there from the start: (on, for how many s), to the millisecond."""
    at, seen = 0.0, []
    while at < for_s - 1e-6:
        on, lasts_s = pattern.at(at)
        step_s = min(lasts_s, for_s - at)
        at += step_s + 1e-9  # a timer is never early
        if seen and seen[-1][0] == on:
            step_s += seen.pop()[1]
        seen.append((on, step_s))
    return [(on, round(step_s, 3)) for on, step_s in seen]


@pytest.mark.parametrize(
    ("pattern", "seen"),
    [
        (LAMP[Sign.NOTHING], [(False, 3.0)]),
        (LAMP[Sign.PRESSED], [(True, 3.0)]),
        (LAMP[Sign.WINDOW], [(on, 0.06) for _ in range(25) for on in (True, False)]),
        (LAMP[Sign.FAILING], [(True, 0.12), (False, 0.18), (True, 0.12), (False, 1.08)] * 2),
        (LAMP[Sign.ACCEPTED], [(False, 0.2), (True, 0.2), (False, 0.2), (True, 2.4)]),
        (LAMP[Sign.RESPONDING], [(True, 1.9), (False, 0.1), (True, 1.0)]),
        (LAMP[Sign.ARRIVED], [(False, 0.2), (True, 1.0), (False, 1.0), (True, 1.0), (False, 1.0)]),
        (LAMP[Sign.MESSAGE], [(False, 0.2), *[(True, 0.2), (False, 0.2)] * 3, (True, 0.8), (False, 0.4), (True, 0.2)]),
        (BUZZER[Sign.NOTHING], [(False, 3.0)]),
        (BUZZER[Sign.PRESSED], [(False, 3.0)]),
        (BUZZER[Sign.CONTACTING], [(False, 3.0)]),
        (BUZZER[Sign.FAILING], [(True, 0.12), (False, 0.18), (True, 0.12), (False, 1.08)] * 2),
        (BUZZER[Sign.ACCEPTED], [(True, 0.8), (False, 2.2)]),
        (BUZZER[Sign.RESPONDING], [(True, 0.8), (False, 0.4), (True, 0.8), (False, 1.0)]),
        (BUZZER[Sign.ARRIVED], [(True, 0.8), (False, 0.4), (True, 0.8), (False, 0.4), (True, 0.8), (False, 1.0)]),
        (BUZZER[Sign.MESSAGE], [(True, 0.12), (False, 0.12), (True, 0.12), (False, 0.12), (True, 0.12), (False, 1.0)]),
        (Pattern(first=((0.5, 0.25),), then=((0.25, 0.25),)), [(True, 0.5), (False, 0.25), *[(True, 0.25), (False, 0.25)] * 2]),
    ],
)
def test_what_is_seen(pattern: Pattern, seen: list[tuple[bool, float]]):
    """As docs/PRESS.md says it in words."""
    assert played(pattern, sum(step_s for _, step_s in seen)) == seen


def test_every_sign_is_told_from_every_other_within_three_seconds():
    """By the lamp alone: not every device has a buzzer."""
    assert LAMP.keys() == BUZZER.keys() == set(Sign)
    assert len({str(played(LAMP[sign], 3.0)) for sign in Sign}) == len(Sign)


def test_a_lamp_that_is_lit_by_the_touch_changes_at_once_whatever_follows():
    """However fast dispatch answers: a hand that holds the button must see when the gesture is complete."""
    followers = set(Sign) - {Sign.PRESSED, Sign.RESPONDING}  # the latter never comes before accepted
    assert {sign for sign in followers if (False in {on for on, _ in played(LAMP[sign], 0.2)})} == followers


@given(SIGNS, st.floats(0, 100_000), st.floats(0, 1))
def test_a_level_lasts_for_as_long_as_it_says(sign: Sign, since_s: float, share: float):
    """Whenever someone looks; and after it comes the other one."""
    for pattern in (LAMP[sign], BUZZER[sign]):
        on, lasts_s = pattern.at(since_s)
        assert lasts_s > 0
        if lasts_s == inf:
            assert pattern.at(since_s + 1e6) == (on, inf)
            continue
        assert lasts_s < 3
        if not isclose(share, 1, abs_tol=1e-6):
            assert pattern.at(since_s + lasts_s * share)[0] == on or lasts_s < 1e-6
        assert pattern.at(since_s + lasts_s + 1e-6)[0] != on or lasts_s < 1e-6


def test_a_sign_begins_with_its_own_beginning_however_long_another_was_shown():
    """Else the long beep that says "accepted" would be over before it is heard."""
    now = 0.0
    indicator = GpioIndicator(clock_at=lambda: now, chip="/dev/gpiochip0", lamp_line=1, buzzer_line=2)
    indicator.show(Sign.CONTACTING)
    now = 60.0
    indicator.show(Sign.ACCEPTED)
    levels, _ = indicator._wanted(now)
    assert levels[2]


def test_what_a_message_lay_over_goes_on_and_does_not_begin_anew():
    """Else two long beeps would say after each message that another responder is on the way."""
    now = 0.0
    indicator = GpioIndicator(clock_at=lambda: now, chip="/dev/gpiochip0", lamp_line=1, buzzer_line=2)
    indicator.show(Sign.RESPONDING)
    now = 60.0
    indicator.show(Sign.MESSAGE)
    assert indicator._wanted(now)[0] == {1: False, 2: True}, "the message itself is heard"
    now = 64.0
    indicator.show(Sign.RESPONDING)
    assert indicator._wanted(now)[0] == {1: True, 2: False}
    now = 70.0
    indicator.show(Sign.MESSAGE)
    now = 74.0
    indicator.show(Sign.ARRIVED)
    assert indicator._wanted(now)[0][2], "something else begins with its own beginning"
