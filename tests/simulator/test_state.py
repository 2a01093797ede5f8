"""The rules of the service, without HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.records import Customer, Verdict
from simulator.settings import Settings
from simulator.state import Act, Point, Refusal, Refused, State, Wanted, possible

HERE = Point(-29.8579, 31.0292, 14.0)
WANTED = Wanted(4711, 1, HERE)


def make(**chosen: object) -> State:
    return State(Settings(**chosen), 100)


def opened(state: State, now: float = 10.0):
    return state.raise_callout(WANTED, now, "key")[0]


def test_a_raise_opens_a_callout_where_it_was_raised() -> None:
    callout, new = make().raise_callout(WANTED, 10.0, "key")
    assert new
    assert (callout.id, callout.status, callout.presses, callout.closed) == (100, "created", 1, False)
    assert [(each.received_wall, each.latitude, each.via) for each in callout.positions] == [(10.0, -29.8579, "raise")]


def test_a_second_raise_returns_the_first_callout_unmoved() -> None:
    state = make()
    first = opened(state)
    again, new = state.raise_callout(replace(WANTED, point=Point(1.0, 2.0, None)), 20.0, "other")
    assert again is first
    assert not new
    assert (first.presses, len(first.positions), len(state.callouts)) == (2, 1, 1)


def test_after_the_close_a_raise_opens_another_callout() -> None:
    state = make()
    first = opened(state)
    state.respond(first, Act.CLOSE, 11.0)
    assert opened(state, 12.0).id == 101


def test_without_subscription_a_raise_is_not_allowed() -> None:
    with pytest.raises(Refused) as refused:
        opened(make(subscribed=False))
    assert refused.value.why is Refusal.NOT_ALLOWED


def test_a_subscription_that_lapses_does_not_hide_the_open_callout() -> None:
    state = make()
    first = opened(state)
    state.customers[4711].subscriptions[0].cancelled_wall = 11.0
    assert opened(state) is first


def test_an_unknown_response_type_is_refused() -> None:
    with pytest.raises(Refused, match="responseTypeId"):
        make().raise_callout(replace(WANTED, response_type_id=9), 1.0, "key")


@pytest.mark.parametrize(
    ("typed", "verdict", "duress", "soft", "closed"),
    [
        ("0042", Verdict.RIGHT, False, True, False),
        ("42", Verdict.WRONG, True, False, False),
        ("0043", Verdict.WRONG, True, False, False),
        (" 0042", Verdict.WRONG, True, False, False),
        (None, Verdict.UNCONDITIONAL, False, False, True),
    ],
)
def test_what_a_cancel_does(typed: str | None, verdict: Verdict, *, duress: bool, soft: bool, closed: bool) -> None:
    """The code is the last four digits, zeros included; a wrong one marks duress and leaves the callout open."""
    state = make()
    callout = opened(state)
    state.cancel(callout, typed, 20.0)
    assert callout.cancels[-1].verdict is verdict
    assert (callout.duress, callout.soft_cancelled, callout.closed) == (duress, soft, closed)
    assert callout.status == ("closed" if closed else "created")


def test_a_right_code_closes_at_once_where_that_is_chosen() -> None:
    state = make(right_code_closes=True)
    callout = opened(state)
    state.cancel(callout, "0042", 20.0)
    assert callout.closed


def test_a_right_code_after_duress_closes_nothing() -> None:
    state = make(right_code_closes=True)
    callout = opened(state)
    state.cancel(callout, "1111", 20.0)
    state.cancel(callout, "0042", 21.0)
    assert callout.duress
    assert not callout.closed


def test_an_unconditional_cancel_waits_for_dispatch_where_that_is_chosen() -> None:
    state = make(unconditional_closes=False)
    callout = opened(state)
    state.cancel(callout, None, 20.0)
    assert not callout.closed


def test_codes_are_not_in_what_a_record_prints() -> None:
    state = make()
    callout = opened(state)
    state.cancel(callout, "8765", 20.0)
    assert "8765" not in repr(callout)


def test_the_responder_can_do_only_what_makes_sense_next() -> None:
    """Every act in every state is either possible or refused, and the way leads from dispatch to close."""
    state = make()
    callout = opened(state)
    for expected in (Act.DISPATCH, Act.ARRIVE, Act.COMPLETE, Act.CLOSE):
        assert possible(callout)[0] is expected
        for act in set(Act) - set(possible(callout)):
            with pytest.raises(Refused) as refused:
                state.respond(callout, act, 30.0)
            assert refused.value.why is Refusal.CONFLICT
        state.respond(callout, expected, 30.0)
    assert possible(callout) == ()
    assert [entry.text for entry in callout.entries] == [
        "Responder dispatched",
        "Responder arrived on scene",
        "Responder completed",
        "Callout closed",
    ]


def test_status_texts_are_the_documented_ones() -> None:
    state = make()
    callout = opened(state)
    told = [callout.status]
    for act in (Act.DISPATCH, Act.STAND_DOWN, Act.DISPATCH, Act.ARRIVE, Act.COMPLETE, Act.CLOSE):
        state.respond(callout, act, 30.0)
        told.append(callout.status)
    sent = "Responder Dispatched"
    assert told == ["created", sent, "Responder Cancelled", sent, sent, sent, "closed"]


def test_a_reset_forgets_callouts_but_never_hands_out_an_id_again() -> None:
    state = make()
    opened(state)
    state.add_customer(Customer(1, "Other", "+27820009999"))
    state.reset()
    assert list(state.customers) == [4711]
    assert opened(state).id == 101


def test_two_customers_do_not_share_a_mobile_number() -> None:
    with pytest.raises(Refused) as refused:
        make().add_customer(Customer(1, "Twin", "+27820000042"))
    assert refused.value.why is Refusal.CONFLICT
