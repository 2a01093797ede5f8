"""What is proven, for how long, and what it is called when it is not (law 7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import proofs
from agent.model import Asked, Meaning, Outcome, Severity
from agent.proofs import DISPATCH, LOOKUP, LOOP, POLL_MOST_S, STORE, TOKEN, Proofs, SelfTested, read_self_test, write_self_test

POLL_S = 300.0
ALL = (TOKEN, LOOKUP, DISPATCH, STORE, LOOP)


def made(*, poll_s: float = POLL_S) -> Proofs:
    return Proofs(poll_s=poll_s, buttons=("panic",), started_at=0.0)


def proven(at: float, *, but: str = "") -> Proofs:
    """Everything, at that moment."""
    made_ = made()
    for name in ALL:
        if name != but:
            made_.prove(name, at)
    return made_


def lapsed(of: Proofs, at: float, *, address_known: bool = False) -> dict[str, Severity]:
    return {lapse.code: lapse.severity for lapse in of.lapses(at, address_known=address_known)}


def holds_s(of: Proofs, name: str) -> float:
    return next(proof.holds_s for proof in of.all() if proof.name == name)


def test_device_that_has_proven_nothing_is_not_armed_and_calls_only_what_a_raise_needs_at_once_unproven():
    assert lapsed(made(), 1.0) == {"dispatch.unproven": Severity.CRITICAL, "token.unproven": Severity.CRITICAL}
    assert set(lapsed(made(), 60.0)) == {"dispatch.unproven", "token.unproven", "lookup.unproven", "store.unproven"}


@pytest.mark.parametrize(
    ("name", "severity"),
    [(TOKEN, Severity.CRITICAL), (DISPATCH, Severity.CRITICAL), (LOOKUP, Severity.CRITICAL), (STORE, Severity.DEGRADED)],
)
def test_each_proof_holds_for_its_time_and_is_a_condition_afterwards(name: str, severity: Severity):
    """Critical where a raise would not work, degraded where it would."""
    of = made()
    end_at = 100.0 + holds_s(of, name)
    for each in ALL:
        of.prove(each, end_at)
    others = made()
    for each in ALL:
        others.prove(each, 100.0 if each == name else end_at)
    assert lapsed(others, end_at) == {}
    assert lapsed(others, end_at + 0.1) == {f"{name}.unproven": severity}
    others.prove(name, end_at + 1.0)
    assert lapsed(others, end_at + 1.0) == {}


def test_name_that_is_not_looked_up_does_not_disarm_where_its_address_is_known():
    """The last proven address is what a raise would go to."""
    assert lapsed(proven(100.0, but=LOOKUP), 100.0, address_known=True) == {"lookup.unproven": Severity.DEGRADED}


@pytest.mark.parametrize("poll_s", [1.0, 2.0, 60.0, 300.0, 900.0, 3_600.0, 86_400.0])
def test_poll_is_never_so_late_that_its_proof_lapses(poll_s: float):
    """One poll may fail to come, each is a fifth later than usual, and as long as its deadline; none waits longer than POLL_MOST_S."""
    every_s = min(poll_s, POLL_MOST_S)
    assert holds_s(made(poll_s=poll_s), DISPATCH) >= 2 * 1.2 * every_s + 60.0
    assert holds_s(made(poll_s=poll_s), DISPATCH) <= 3_600.0
    assert holds_s(made(poll_s=poll_s), TOKEN) >= holds_s(made(poll_s=poll_s), DISPATCH)


def test_exercises_come_twice_before_their_proof_lapses():
    assert holds_s(made(), LOOKUP) >= 2 * proofs.LOOKUP_EVERY_S
    assert holds_s(made(), STORE) >= 2 * proofs.STORE_EVERY_S


@given(moments=st.lists(st.floats(0.0, 1e6), min_size=1))
def test_older_proof_never_takes_the_place_of_a_newer_one(moments: list[float]):
    of = made()
    for at in moments:
        of.prove(TOKEN, at)
    assert next(proof.proven_at for proof in of.all() if proof.name == TOKEN) == max(moments)


def test_process_that_stood_still_once_is_well_and_twice_within_a_minute_is_not():
    of = proven(100.0)
    of.lag(0.9, 100.0)
    of.lag(5.0, 110.0)
    assert lapsed(of, 110.0) == {}
    of.lag(1.1, 150.0)
    assert lapsed(of, 150.0) == {"loop.lagging": Severity.DEGRADED}
    assert lapsed(of, 171.0) == {}, "only one of them is less than a minute ago"


def test_texts_do_not_tell_the_moment_of_the_last_proof():
    """They change once an hour: what changed each second would be a line in the journal each second."""
    of = proven(0.0)
    texts = {lapse.text for at in range(10_000, 10_700) for lapse in of.lapses(float(at), address_known=True)}
    assert len(texts) == 4, texts


@pytest.mark.parametrize(
    ("meaning", "cause", "is_one"),
    [
        (Meaning.ACCEPTED, "ok", True),
        (Meaning.REJECTED, "http_404", True),
        (Meaning.UNAUTHORISED, "scope", False),
        (Meaning.UNAUTHORISED, "http_401", False),
        (Meaning.RETRY, "html", False),
        (Meaning.RETRY, "timeout", False),
    ],
)
def test_token_is_proven_by_whatever_dispatch_answers_but_a_refusal_of_it(meaning: Meaning, cause: str, *, is_one: bool):
    assert proofs.proves_token(Outcome(Asked.LOOK_UP, meaning, cause)) is is_one


def test_self_test_survives_as_a_note_and_a_note_of_anything_else_is_none():
    for tested in (SelfTested(1.8e9), SelfTested(1.8e9, ("disk.low", "token.unproven"))):
        assert read_self_test(write_self_test(tested)) == tested
    for note in (None, "", "no", "-5", "1e9", "{}"):
        assert read_self_test(note) is None
