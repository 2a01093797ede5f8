"""The lamp says what is true, and nothing while calm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.model import Press, Sign
from agent.raising import ELSEWHERE
from agent.signals import Phase, State
from agent.signs import Responder, responder_of, sign_of

OWED = (Press(1, 1.0, 1.0, "button:panic"),)
RAISING = State(phase=Phase.RAISING, owed=OWED, press_number=1)
ACTIVE = State(phase=Phase.ACTIVE, callout_id=5, origin="button:panic", status="created")


def sign(state: State, *, touched: bool = False, window: bool = False, failing: bool = False) -> Sign:
    return sign_of(state, touched=touched, window=window, failing=failing)


def test_each_state_has_its_sign():
    assert sign(State()) is Sign.NOTHING
    assert sign(RAISING) is Sign.CONTACTING
    assert sign(RAISING, failing=True) is Sign.FAILING
    assert sign(ACTIVE) is Sign.ACCEPTED
    assert sign(ACTIVE, failing=True) is Sign.ACCEPTED, "only an owed press can fail"
    assert sign(State(), touched=True) is Sign.PRESSED
    assert sign(State(), touched=True, window=True) is Sign.WINDOW


@pytest.mark.parametrize("status", ["Responder Dispatched", " responder dispatched ", "RESPONDER ARRIVED"])
def test_responder_on_the_way_is_shown(status: str):
    assert sign(replace(ACTIVE, status=status)) is Sign.RESPONDING


@pytest.mark.parametrize("status", [None, "created", "Responder Cancelled", "closed soon"])
def test_other_words_of_dispatch_are_no_responder(status: str | None):
    assert sign(replace(ACTIVE, status=status)) is Sign.ACCEPTED


def test_responder_who_is_there_is_told_from_one_who_is_coming():
    """Positions go at another pace."""
    assert responder_of("Responder Dispatched") is Responder.COMING
    assert responder_of(" RESPONDER arrived ") is responder_of("responder on scene") is Responder.THERE
    assert responder_of("Responder Cancelled") is responder_of("created") is responder_of(None) is Responder.NONE


def test_accepted_is_never_claimed_for_a_press_that_is_still_owed():
    """The callout of before may have been closed meanwhile."""
    assert sign(replace(ACTIVE, owed=OWED)) is Sign.CONTACTING
    assert sign(replace(ACTIVE, owed=OWED, status="Responder Dispatched"), failing=True) is Sign.FAILING


def test_callout_that_dispatch_does_not_know_any_more_is_not_claimed_to_be_accepted():
    unknown = replace(ACTIVE, unknown=True, status="Responder Dispatched")
    assert sign(unknown) is Sign.FAILING
    assert sign(replace(unknown, origin=ELSEWHERE)) is Sign.NOTHING
    assert sign(replace(unknown, calm=True, phase=Phase.CANCELLING)) is Sign.NOTHING


def test_callout_raised_elsewhere_lights_nothing():
    assert sign(replace(ACTIVE, origin=ELSEWHERE)) is Sign.NOTHING
    assert sign(replace(ACTIVE, origin=ELSEWHERE, status="Responder Dispatched")) is Sign.NOTHING


@pytest.mark.parametrize("state", [State(), RAISING, ACTIVE, replace(ACTIVE, phase=Phase.CANCELLING, status="Responder Dispatched")])
@pytest.mark.parametrize("failing", [False, True])
def test_calm_shows_nothing_whatever_goes_on_inside_and_still_feels_the_button(state: State, failing: bool):  # noqa: FBT001
    """Law 5."""
    calm = replace(state, calm=True)
    assert sign(calm, failing=failing) is Sign.NOTHING
    assert sign(calm, failing=failing, touched=True) is Sign.PRESSED
