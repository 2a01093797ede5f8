"""The lamp says what is true, and nothing while calm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.conversation import Responder
from agent.model import Press, Sign
from agent.raising import ELSEWHERE
from agent.signals import Phase, State
from agent.signs import sign_of

OWED = (Press(1, 1.0, 1.0, "button:panic"),)
RAISING = State(phase=Phase.RAISING, owed=OWED, press_number=1)
ACTIVE = State(phase=Phase.ACTIVE, callout_id=5, origin="button:panic", status="created")


def sign(
    state: State,
    responder: Responder = Responder.NONE,
    *,
    touched: bool = False,
    window: bool = False,
    failing: bool = False,
    message: bool = False,
) -> Sign:
    return sign_of(state, touched=touched, window=window, failing=failing, responder=responder, message=message)


def test_each_state_has_its_sign():
    assert sign(State()) is Sign.NOTHING
    assert sign(RAISING) is Sign.CONTACTING
    assert sign(RAISING, failing=True) is Sign.FAILING
    assert sign(ACTIVE) is Sign.ACCEPTED
    assert sign(ACTIVE, failing=True) is Sign.ACCEPTED, "only an owed press can fail"
    assert sign(State(), touched=True) is Sign.PRESSED
    assert sign(State(), touched=True, window=True) is Sign.WINDOW


def test_responder_on_the_way_is_told_from_one_who_is_there_and_from_none():
    assert sign(ACTIVE, Responder.COMING) is Sign.RESPONDING
    assert sign(ACTIVE, Responder.THERE) is Sign.ARRIVED
    for gone in (Responder.NONE, Responder.DONE, Responder.STOOD_DOWN):
        assert sign(ACTIVE, gone) is Sign.ACCEPTED, "nobody is on the way any more"


@pytest.mark.parametrize("responder", list(Responder))
def test_message_is_shown_over_what_goes_on_once_dispatch_has_the_callout(responder: Responder):
    assert sign(ACTIVE, responder, message=True) is Sign.MESSAGE
    assert sign(RAISING, responder, message=True) is Sign.CONTACTING, "that no help was summoned yet matters more"
    assert sign(replace(ACTIVE, unknown=True), responder, message=True) is Sign.FAILING
    assert sign(State(), responder, message=True) is Sign.NOTHING


def test_accepted_is_never_claimed_for_a_press_that_is_still_owed():
    """The callout of before may have been closed meanwhile."""
    assert sign(replace(ACTIVE, owed=OWED)) is Sign.CONTACTING
    assert sign(replace(ACTIVE, owed=OWED), Responder.COMING, failing=True) is Sign.FAILING


def test_callout_that_dispatch_does_not_know_any_more_is_not_claimed_to_be_accepted():
    unknown = replace(ACTIVE, unknown=True)
    assert sign(unknown, Responder.COMING) is Sign.FAILING
    assert sign(replace(unknown, origin=ELSEWHERE), Responder.COMING) is Sign.NOTHING
    assert sign(replace(unknown, calm=True, phase=Phase.CANCELLING), Responder.COMING) is Sign.NOTHING


def test_callout_raised_elsewhere_lights_nothing():
    assert sign(replace(ACTIVE, origin=ELSEWHERE)) is Sign.NOTHING
    assert sign(replace(ACTIVE, origin=ELSEWHERE), Responder.COMING, message=True) is Sign.NOTHING


@pytest.mark.parametrize("state", [State(), RAISING, ACTIVE, replace(ACTIVE, phase=Phase.CANCELLING)])
@pytest.mark.parametrize("responder", list(Responder))
@pytest.mark.parametrize("failing", [False, True])
def test_calm_shows_nothing_whatever_goes_on_inside_and_still_feels_the_button(
    state: State,
    responder: Responder,
    failing: bool,  # noqa: FBT001
):
    """Law 5."""
    calm = replace(state, calm=True)
    for message in (False, True):
        assert sign(calm, responder, failing=failing, message=message) is Sign.NOTHING
        assert sign(calm, responder, failing=failing, message=message, touched=True) is Sign.PRESSED
