"""What time it is is decided by witnesses: who is believed, against whom, and what no step and no lie can move (law 9)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import BUILT_AT_WALL
from agent.timescale import (
    HORIZON_S,
    Belief,
    Floor,
    System,
    Timescale,
    Witness,
    hear,
    recall,
    standing,
    weigh,
)

DAY_S = 86_400.0
ZERO = BUILT_AT_WALL + 200 * DAY_S  # when this boot began, in truth
ROLLOVER_S = 1024 * 7 * DAY_S

# What clocks are set to by people, batteries, tools and lies.
steps = st.one_of(
    st.sampled_from([30 * DAY_S, 56 * 365.25 * DAY_S, -3_600.0, -10 * 365.25 * DAY_S, -ROLLOVER_S, ROLLOVER_S, 60.0, -60.0]),
    st.floats(-2e9, 2e9).filter(lambda off_s: abs(off_s) > 25.0),
)
late = st.lists(st.floats(0.0, 0.4), min_size=5, max_size=5)  # s that epochs take to arrive


def listen(
    scale: Timescale, seconds: int, *, at: float, off_s: float = 0.0, name: str = "a", system: System | None = None, lag_s: float = 0.0
) -> Timescale:
    """A receiver tells its time once a second, each epoch weighed as the daemon does."""
    for n in range(seconds):
        scale = hear(scale, name, at + n + lag_s, ZERO + off_s + at + n)
        scale = weigh(scale, at + n + lag_s, system or System(0.0))
    return scale


def off_s(scale: Timescale) -> float:
    """How far the believed time is off the truth."""
    assert scale.belief is not None
    return abs(scale.belief.zero - ZERO)


# --- who may vouch -----------------------------------------------------------------------------------------------------------


@given(steps)
def test_system_clock_for_which_nobody_vouches_is_not_believed(step_s: float):
    assert weigh(Timescale(), 10.0, System(ZERO + step_s)).belief is None


def test_network_time_is_believed_at_once():
    scale = weigh(Timescale(), 10.0, System(ZERO, network=True))
    assert (off_s(scale), scale.belief.witness) == (0.0, Witness.NETWORK)


@given(late)
def test_three_epochs_at_the_pace_of_real_time_vouch_and_two_do_not(lags: list[float]):
    scale = Timescale()
    for n, lag_s in enumerate(lags[:3]):
        assert scale.belief is None
        scale = weigh(hear(scale, "a", 10.0 + n + lag_s, ZERO + 10.0 + n), 10.0 + n + lag_s, System(0.0))
    assert off_s(scale) <= 0.4
    assert scale.belief.witness is Witness.RECEIVER


@given(st.lists(st.sampled_from([0.2, 0.5, 1.0, 5.0]), min_size=20, max_size=20), late)
def test_belief_stays_within_a_second_of_a_receiver_whatever_its_rhythm(gaps: list[float], lags: list[float]):
    scale, at = Timescale(), 10.0
    for n, gap_s in enumerate(gaps):
        at += gap_s
        scale = weigh(hear(scale, "a", at + lags[n % 5] / 4, ZERO + at), at + lags[n % 5] / 4, System(0.0))
    assert off_s(scale) <= 1.0


def test_receiver_whose_time_runs_at_another_pace_vouches_for_nothing():
    """A log that is played fast, or one epoch in two."""
    for pace in (2.5, -1.0, 60.0):
        scale = Timescale()
        for n in range(30):
            scale = weigh(hear(scale, "a", 10.0 + n, ZERO + 10.0 + n * pace), 10.0 + n, System(0.0))
        assert scale.belief is None, pace


def test_receiver_whose_time_stands_still_vouches_for_nothing():
    scale = Timescale()
    for n in range(30):
        scale = weigh(hear(scale, "a", 10.0 + n * 0.2, ZERO + 10.0), 10.0 + n * 0.2, System(0.0))
    assert scale.belief is None


def test_epochs_that_arrive_all_at_once_vouch_for_nothing():
    """They were held up on their way, nobody knows how long; at any rate of the receiver."""
    for rate_s in (0.1, 0.2, 0.5, 1.0):
        scale = Timescale()
        for n in range(100):
            scale = weigh(hear(scale, "a", 500.0 + n * 0.001, ZERO + 10.0 + n * rate_s), 500.0 + n * 0.001, System(0.0))
        assert scale.belief is None, rate_s


def test_epoch_that_was_held_up_does_not_move_the_time():
    scale = listen(Timescale(), 10, at=10.0)
    scale = weigh(hear(scale, "a", 24.0, ZERO + 20.0), 24.0, System(0.0))
    assert off_s(scale) <= 0.1
    scale = weigh(hear(scale, "a", 25.8, ZERO + 25.0), 25.8, System(0.0))
    assert off_s(scale) <= 0.1
    assert off_s(listen(scale, 5, at=26.0)) <= 0.1


def test_receiver_that_is_caught_at_playing_has_no_say_any_more():
    """It had been believed beside the network, and would outvote it."""
    scale = listen(Timescale(), 5, at=10.0, system=System(ZERO, network=True))
    stepped = System(ZERO + 3 * DAY_S, network=True)
    assert off_s(weigh(scale, 15.0, stepped)) <= 0.1
    assert off_s(weigh(hear(scale, "a", 15.0, ZERO + 15.0, played=True), 15.0, stepped)) == 3 * DAY_S


def test_receiver_that_plays_vouches_for_nothing():
    scale = listen(Timescale(), 2, at=10.0)
    scale = weigh(hear(scale, "a", 12.0, ZERO + 12.0, played=True), 12.0, System(0.0))
    scale = listen(scale, 2, at=13.0)
    assert scale.belief is None


def test_epoch_without_a_date_breaks_the_row():
    scale = weigh(hear(listen(Timescale(), 2, at=10.0), "a", 12.0, None), 12.0, System(0.0))
    assert listen(scale, 1, at=13.0).belief is None


def test_two_receivers_do_not_make_one_row():
    scale = Timescale()
    for n, name in enumerate("abcab"):
        scale = weigh(hear(scale, name, 10.0 + n, ZERO + 10.0 + n), 10.0 + n, System(0.0))
    assert scale.belief is None


@given(st.floats(max_value=BUILT_AT_WALL - 1.0, min_value=-1e10), st.sampled_from(["network", "battery", "receiver", "note"]))
def test_time_before_the_build_is_believed_of_nobody(wall: float, who: str):
    zero = wall - 20.0
    scale = Timescale()
    if who == "note":
        scale = recall(scale, 10.0, floor=None, belief=Belief(zero, Witness.NETWORK, 10.0, frozenset({Witness.NETWORK})))
    elif who == "receiver":
        scale = listen(scale, 9, at=10.0, off_s=zero - ZERO)
    scale = weigh(scale, 18.0, System(zero, network=who == "network", battery=who == "battery"))
    assert scale.belief is None


def test_time_beyond_the_life_of_any_device_is_believed_of_nobody():
    zero = BUILT_AT_WALL + HORIZON_S
    scale = weigh(listen(Timescale(), 9, at=10.0, off_s=zero - ZERO), 19.0, System(zero, network=True, battery=True))
    assert scale.belief is None


def test_battery_clock_vouches_for_the_system_clock_until_a_receiver_says_otherwise():
    wrong = System(ZERO - 3 * DAY_S, battery=True)
    scale = weigh(Timescale(), 5.0, wrong)
    assert (scale.belief.zero, scale.belief.witness) == (wrong.zero, Witness.BATTERY)
    assert off_s(listen(scale, 3, at=10.0, system=wrong)) <= 0.1


def test_restored_clock_is_overruled_by_the_receiver_at_once():
    """Plausible, days old, and nobody vouches for it."""
    assert off_s(listen(Timescale(), 3, at=10.0, system=System(ZERO - 5 * DAY_S))) <= 0.1


# --- steps of the system clock ----------------------------------------------------------------------------------------------


@given(steps, st.booleans(), st.booleans(), st.booleans())
def test_step_of_the_system_clock_does_not_move_what_a_receiver_tells(step_s: float, kept: bool, network: bool, battery: bool):  # noqa: FBT001 - drawn
    """kept: the network had kept the clock before. network: it vouches for the step as well, and had a say before."""
    right, wrong = System(ZERO, network=kept), System(ZERO + step_s, network=network and kept, battery=battery)
    scale = listen(Timescale(), 5, at=10.0, system=right)
    for n in range(60):
        scale = weigh(scale, 15.0 + n * 0.1, wrong)
        assert off_s(scale) <= 1.0
    for n in range(120):
        scale = listen(scale, 1, at=21.0 + n, system=wrong)
        assert off_s(scale) <= 1.0


@given(steps)
def test_step_after_the_receiver_fell_silent_does_not_move_the_time(step_s: float):
    scale = listen(Timescale(), 5, at=10.0, system=System(ZERO))
    for at in (100.0, 10_000.0, 1_000_000.0):
        scale = weigh(scale, at, System(ZERO + step_s, battery=True))
        assert off_s(scale) <= 1.0


@given(st.floats(-300 * DAY_S, 300 * DAY_S))
def test_where_the_network_is_the_only_witness_its_steps_are_followed(step_s: float):
    scale = weigh(Timescale(), 10.0, System(ZERO, network=True))
    zero = max(ZERO + step_s, BUILT_AT_WALL)
    assert weigh(scale, 11.0, System(zero, network=True)).belief.zero == zero


def test_step_that_the_network_does_not_vouch_for_is_not_followed():
    scale = weigh(Timescale(), 10.0, System(ZERO, network=True))
    assert off_s(weigh(scale, 11.0, System(ZERO + 3_600.0))) == 0.0


# --- lies of a receiver -----------------------------------------------------------------------------------------------------


@given(steps, st.integers(0, 5))
def test_receiver_that_begins_to_lie_does_not_move_network_time(lie_s: float, honest: int):
    right = System(ZERO, network=True)
    scale = listen(weigh(Timescale(), 1.0, right), honest, at=10.0, system=right)
    for n in range(5_000 // 50):
        scale = listen(scale, 4, at=20.0 + n * 50.0, off_s=lie_s, system=right)
        assert off_s(scale) == 0.0


@given(steps)
def test_network_overrules_a_receiver_that_lied_from_the_beginning(lie_s: float):
    scale = listen(Timescale(), 5, at=10.0, off_s=lie_s, system=System(0.0))
    assert off_s(weigh(scale, 15.0, System(ZERO, network=True))) == 0.0


def test_receiver_ahead_by_the_leap_seconds_is_put_right_by_the_network_and_by_itself():
    ahead = listen(Timescale(), 5, at=10.0, off_s=18.0)
    assert off_s(ahead) > 17.0
    assert off_s(weigh(ahead, 15.0, System(ZERO, network=True))) == 0.0
    assert off_s(listen(ahead, 5, at=15.0)) <= 0.1


@pytest.mark.parametrize(("taught", "insist_s"), [(Witness.RECEIVER, 60), (Witness.NETWORK, 3_600)])
def test_what_was_believed_gives_way_to_a_receiver_only_after_a_while(taught: Witness, insist_s: int):
    """A few wrong epochs move nothing; nor is a wrong time believed for good."""
    scale = weigh(Timescale(), 5.0, System(ZERO - 3 * DAY_S, network=taught is Witness.NETWORK))
    scale = listen(scale, 5, at=10.0, off_s=-3 * DAY_S)
    scale = listen(scale, insist_s, at=20.0)
    assert off_s(scale) > DAY_S
    assert off_s(listen(scale, 3, at=20.0 + insist_s)) <= 1.0


def test_system_clock_that_goes_on_as_believed_counts_against_a_receiver_that_jumps():
    agreeing = System(ZERO)
    scale = listen(Timescale(), 5, at=10.0, system=agreeing)
    scale = listen(scale, 3_600, at=20.0, off_s=3 * DAY_S, system=agreeing)
    assert off_s(scale) <= 0.1


def test_long_alone_a_clock_that_drifted_is_put_right():
    """Ten days at 50 ppm are 43 s: no contradiction by then, whoever had taught the time."""
    scale = weigh(Timescale(), 10.0, System(ZERO - 43.0, network=True))
    assert off_s(listen(scale, 3, at=10 * DAY_S)) <= 1.0


# --- two receivers ----------------------------------------------------------------------------------------------------------


def both(scale: Timescale, seconds: int, *, at: float, system: System, lie_s: float) -> Timescale:
    """One tells the truth, the other one lies; the liar is always heard first."""
    for n in range(seconds):
        scale = listen(scale, 1, at=at + n, off_s=lie_s, name="liar", system=system)
        scale = listen(scale, 1, at=at + n, name="honest", system=system, lag_s=0.01)
    return scale


@given(st.sampled_from(["nobody", "system", "battery", "network", "belief"]))
def test_of_two_receivers_the_one_is_believed_that_has_the_rest_on_its_side(rest: str):
    lie_s = 7 * DAY_S
    system = System(ZERO if rest in {"system", "battery", "network"} else 0.0, network=rest == "network", battery=rest == "battery")
    scale = listen(Timescale(), 5, at=10.0, name="honest") if rest == "belief" else Timescale()
    scale = hear(hear(scale, "liar", 15.0, None), "honest", 15.0, None)
    scale = both(scale, 10, at=20.0, system=system, lie_s=lie_s)
    if rest == "nobody":
        assert abs(scale.belief.zero - ZERO - lie_s) <= 0.1, "the first that vouched: nobody can tell them apart"
    else:
        assert off_s(scale) <= 0.1
        assert scale.belief.at > 29.0, "and goes on being heard"


def test_receiver_that_fell_silent_contradicts_nobody_any_more():
    scale = listen(Timescale(), 5, at=10.0, off_s=7 * DAY_S, name="liar")
    assert off_s(listen(scale, 30 + 61, at=16.0, name="honest")) <= 0.1


@pytest.mark.parametrize("battery", [True, False])
def test_two_receivers_that_agree_outweigh_network_time(*, battery: bool):
    """Also where a battery clock is kept by that network: it is no witness of its own."""
    wrong = System(ZERO + 30 * DAY_S, network=True, battery=battery)
    scale = both(weigh(Timescale(), 5.0, wrong), 5, at=10.0, system=wrong, lie_s=0.0)
    assert off_s(scale) <= 0.1


# --- what earlier processes believed ----------------------------------------------------------------------------------------


def test_earlier_process_of_this_boot_vouches_at_once():
    belief = Belief(ZERO, Witness.RECEIVER, 0.0, frozenset({Witness.RECEIVER}))
    scale = recall(Timescale(), 50.0, floor=None, belief=belief)
    assert off_s(scale) == 0.0
    assert off_s(weigh(scale, 60.0, System(ZERO + 3_600.0))) == 0.0


def test_late_memory_does_not_replace_what_is_believed_by_now():
    late = Belief(ZERO + DAY_S, Witness.NETWORK, 0.0, frozenset(Witness))
    scale = recall(listen(Timescale(), 5, at=10.0), 20.0, floor=None, belief=late)
    assert off_s(scale) <= 0.1


@pytest.mark.parametrize(
    ("taught", "seconds", "known"),
    [(Witness.BATTERY, 3, False), (Witness.RECEIVER, 61, False), (Witness.NETWORK, 3_601, False), (Witness.NETWORK, 3, True)],
)
def test_floor_from_a_clock_far_ahead_delays_a_right_receiver_but_not_for_good(taught: Witness, seconds: int, known: bool):  # noqa: FBT001 - a row
    floored = recall(Timescale(), 0.0, floor=Floor(ZERO + 19 * 365 * DAY_S, taught), belief=None)
    system = System(ZERO if known else ZERO - 4 * DAY_S)
    assert listen(floored, seconds - 1, at=10.0, system=system).belief is None
    assert off_s(listen(floored, seconds, at=10.0, system=system)) <= 1.0


def test_floor_from_a_clock_far_ahead_does_not_bind_the_network():
    floored = recall(Timescale(), 0.0, floor=Floor(ZERO + 1_000 * DAY_S, Witness.NETWORK), belief=None)
    assert off_s(weigh(floored, 10.0, System(ZERO, network=True))) == 0.0


def test_battery_clock_below_the_floor_is_not_believed_but_above_it_is():
    floored = recall(Timescale(), 0.0, floor=Floor(ZERO, Witness.RECEIVER), belief=None)
    assert weigh(floored, 10.0, System(ZERO - 3_600.0, battery=True)).belief is None
    assert weigh(floored, 10.0, System(ZERO + 3_600.0, battery=True)).belief is not None


def test_battery_clock_above_the_floor_goes_before_a_receiver_below_it_and_does_not_do_away_with_it():
    """Two against one, though neither of the two would do alone; after a while the receiver is right all the same."""
    floored = recall(Timescale(), 0.0, floor=Floor(ZERO, Witness.NETWORK), belief=None)
    system = System(ZERO, battery=True)
    scale = listen(floored, 3_600, at=10.0, off_s=-3 * DAY_S, system=system)
    assert off_s(scale) == 0.0
    assert off_s(listen(floored, 3_601, at=10.0, off_s=-3 * DAY_S, system=system)) == 3 * DAY_S


def test_floor_that_cannot_be_true_is_no_floor():
    floored = recall(Timescale(), 0.0, floor=Floor(1e12, Witness.NETWORK), belief=None)
    assert floored.floor is None


def test_standing_tells_how_far_the_system_clock_is_off():
    assert standing(Timescale(), System(0.0)).trusted is False
    shown = standing(weigh(Timescale(), 10.0, System(ZERO, network=True)), System(ZERO + 77.0))
    assert (shown.trusted, shown.witness, shown.system_off_s) == (True, Witness.NETWORK, 77.0)
    assert replace(shown, unset="why").unset == "why"
