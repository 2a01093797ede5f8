"""Conditions, armed, and a status document that after a cancel is the one of standby (law 5)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import __version__
from agent.health import Conditions, Facts, Origin, Stream, armed, document, line
from agent.kept import StoreSummary
from agent.model import Asked, Callout, Condition, Fix, Meaning, Outcome, Press, Severity
from agent.notices import Notices
from agent.proofs import Proof, SelfTested
from agent.signals import Phase, State
from agent.timescale import Standing, Witness

STANDBY = Facts(
    at=100.0,
    wall=1.8e9,
    state=State(calm=True, press_number=3),
    conditions=(),
    fix=Fix(99.0, 1.8e9 - 1, "gpsd", -33.9, 18.4, accuracy_m=6.0),
    store=StoreSummary(fixes=10, untold=0, bytes=4096, mode="disk"),
    rejected={"stale": 0},
    receiver_kind="gpsd",
)


def test_condition_keeps_the_moment_it_began_while_it_lasts():
    conditions = Conditions()
    conditions.put("a", Severity.NOTE, "one", "do", wall=1.0)
    conditions.put("a", Severity.CRITICAL, "two", "do", wall=9.0)
    (shown,) = conditions.shown(calm=False)
    assert (shown.since_wall, shown.text, shown.severity) == (1.0, "two", Severity.CRITICAL)
    assert not armed((shown,))
    conditions.drop("a")
    assert conditions.shown(calm=False) == ()


def test_worst_condition_comes_first_and_only_critical_ones_disarm():
    conditions = Conditions()
    conditions.put("note", Severity.NOTE, "", "", wall=1.0)
    conditions.put("bad", Severity.DEGRADED, "", "", wall=2.0)
    assert [each.code for each in conditions.shown(calm=False)] == ["bad", "note"]
    assert armed(conditions.shown(calm=False))


def test_calm_device_shows_only_its_own_conditions():
    conditions = Conditions()
    conditions.put("dispatch.unreachable", Severity.CRITICAL, "lane", "", wall=1.0, origin=Origin.CALLOUT)
    conditions.put("store.full", Severity.DEGRADED, "disk", "", wall=2.0)
    assert [each.code for each in conditions.shown(calm=True)] == ["store.full"]


@given(
    phase=st.sampled_from([Phase.RAISING, Phase.ACTIVE, Phase.CANCELLING]),
    status=st.sampled_from([None, "created", "Responder Dispatched"]),
    owed=st.booleans(),
    sent=st.integers(0, 99),
    untold=st.integers(0, 99),
)
def test_document_of_a_calm_device_is_that_of_standby_whatever_goes_on_inside(
    *,
    phase: Phase,
    status: str | None,
    owed: bool,
    sent: int,
    untold: int,
):
    press = (Press(4, 0.0, 1.8e9, "button:panic"),) if owed else ()
    inside = State(
        phase, callout_id=992011, origin="button:panic", since_wall=1.8e9, status=status, calm=True, drill=owed, owed=press, press_number=3
    )
    busy = replace(STANDBY, state=inside, store=replace(STANDBY.store, untold=untold), stream=Stream(sent, 1, 1.8e9, 99.0))
    assert json.dumps(document(busy)) == json.dumps(document(STANDBY))
    assert document(busy, inner=True)["callout"]["id"] == 992011
    assert document(busy, inner=True)["inner"] is True


def test_document_has_every_field_of_the_contract():
    active = State(Phase.ACTIVE, callout_id=992011, origin="button:panic", since_wall=1.8e9, status="created")
    told = document(replace(STANDBY, state=active, stream=Stream(10, 2, 1.8e9, 96.8)))
    assert told["callout"] == {
        "state": "active",
        "id": 992011,
        "origin": "button",
        "drill": False,
        "since": "2027-01-15T08:00:00Z",
        "dispatch_status": "created",
        "responder": {"stage": "none", "eta": None, "eta_text": None, "name": None},
        "messages": {"heard": 0, "last": None},
    }
    assert told["fix"] == {
        "time": "2027-01-15T07:59:59Z",
        "latitude": -33.9,
        "longitude": 18.4,
        "accuracy_m": 6.0,
        "age_s": 1.0,
        "receiver": "gpsd",
    }
    assert told["stream"] == {"sent": 10, "failed": 2, "last_sent_fix_time": "2027-01-15T08:00:00Z", "last_accepted_age_s": 3.2}
    assert told["store"] == {"fixes": 10, "untold": 0, "bytes": 4096, "mode": "disk"}
    assert told["receiver"] == {"kind": "gpsd", "rejected": {"stale": 0}}
    assert told["clock"] == {"trusted": False, "witness": None, "system_off_s": None}
    sure = document(replace(STANDBY, clock=Standing(trusted=True, witness=Witness.RECEIVER, system_off_s=-7.3)))
    assert sure["clock"] == {"trusted": True, "witness": "receiver", "system_off_s": -7.0}
    assert "992011" in line(told)
    assert "33.9" not in line(told)
    assert "18.4" not in line(told)


def test_document_tells_when_each_part_was_proven_and_what_the_last_self_test_came_to():
    """Null for what never was. Old proofs are told by the time of now, which may have been put right since."""
    proofs = (Proof("token", 4_500.4, 40.0), Proof("store", 2_100.0))
    told = document(replace(STANDBY, proofs=proofs, self_test=SelfTested(1.8e9 - 3_600, ("disk.low",))))
    assert told["proofs"] == {
        "token": {"proven": "2027-01-15T07:59:00Z", "holds_s": 4500},
        "store": {"proven": None, "holds_s": 2100},
    }
    assert told["self_test"] == {"time": "2027-01-15T07:00:00Z", "ok": False, "failed": ["disk.low"]}
    assert document(STANDBY)["self_test"] is None
    assert document(replace(STANDBY, self_test=SelfTested(1.8e9)))["self_test"]["ok"] is True


def codes(conditions: Conditions, *, calm: bool = False) -> list[str]:
    return [condition.code for condition in conditions.shown(calm=calm)]


def reply(asked: Asked, meaning: Meaning, cause: str, status: int | None = None) -> Outcome:
    return Outcome(asked, meaning, cause, http_status=status)


def test_failure_is_shown_until_dispatch_answers():
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.LOOK_UP, Meaning.RETRY, "timeout"), Origin.DEVICE, wall=1.0, calm=False)
    assert codes(conditions) == ["dispatch.unreachable"]
    notices.take(reply(Asked.LOOK_UP, Meaning.RETRY, "html", 200), Origin.DEVICE, wall=2.0, calm=False)
    assert codes(conditions) == ["dispatch.odd_reply"]
    notices.take(reply(Asked.LOCATION, Meaning.ACCEPTED, "ok", 200), Origin.CALLOUT, wall=3.0, calm=False)
    assert codes(conditions) == []


def test_calm_device_learns_of_dispatch_by_its_polls_alone():
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.LOCATION, Meaning.RETRY, "timeout"), Origin.CALLOUT, wall=1.0, calm=True)
    assert codes(conditions, calm=True) == []
    notices.take(reply(Asked.LOOK_UP, Meaning.RETRY, "timeout"), Origin.DEVICE, wall=2.0, calm=True)
    notices.take(reply(Asked.LOCATION, Meaning.ACCEPTED, "ok", 200), Origin.CALLOUT, wall=3.0, calm=True)
    assert codes(conditions, calm=True) == ["dispatch.unreachable"]


def test_refused_raise_says_that_help_was_not_summoned_until_one_is_accepted():
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.RAISE, Meaning.REJECTED, "http_403", 403), Origin.CALLOUT, wall=1.0, calm=False)
    (shown,) = conditions.shown(calm=False)
    assert shown.code == "dispatch.no_entitlement"
    assert "NOT SUMMONED" in shown.hint
    notices.take(reply(Asked.LOCATION, Meaning.ACCEPTED, "ok", 200), Origin.CALLOUT, wall=2.0, calm=False)
    assert codes(conditions) == ["dispatch.no_entitlement"]
    notices.take(reply(Asked.RAISE, Meaning.ACCEPTED, "ok", 201), Origin.CALLOUT, wall=3.0, calm=False)
    assert codes(conditions) == []


def test_what_keeps_a_raise_away_is_shown_though_all_else_is_answered():
    """Law 7: a device whose raise fails is not armed because its look-ups succeed."""
    conditions = Conditions()
    notices = Notices(conditions, 1)
    owed = State(phase=Phase.RAISING, owed=(Press(1, 1.0, 1.8e9, "cli"),))
    for status in (500, 503):
        notices.take(reply(Asked.RAISE, Meaning.RETRY, f"http_{status}", status), Origin.CALLOUT, wall=1.0, calm=False)
        for origin in Origin:
            notices.take(reply(Asked.LOOK_UP, Meaning.ACCEPTED, "ok", 200), origin, wall=2.0, calm=False)
        notices.take_state(owed, wall=2.0)
        assert codes(conditions) == ["dispatch.failing"]
    notices.take(reply(Asked.RAISE, Meaning.RETRY, "html", 200), Origin.CALLOUT, wall=3.0, calm=False)
    assert codes(conditions) == ["dispatch.odd_reply"], "the newest says it"
    notices.take(reply(Asked.RAISE, Meaning.ACCEPTED, "ok", 201), Origin.CALLOUT, wall=4.0, calm=False)
    assert codes(conditions) == []


def test_what_kept_a_raise_away_is_over_when_none_is_owed():
    """A look-up found the callout: no answer to a raise will ever say so."""
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.RAISE, Meaning.RETRY, "reset"), Origin.CALLOUT, wall=1.0, calm=False)
    notices.take_state(State(), wall=2.0)
    assert codes(conditions) == []


def test_list_that_fails_for_a_raise_is_disproved_by_the_poll():
    """No look-up is asked for any more once the callout is on."""
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.LOOK_UP, Meaning.REJECTED, "http_404", 404), Origin.CALLOUT, wall=1.0, calm=False)
    assert codes(conditions) == ["dispatch.no_list"]
    notices.take(reply(Asked.LOOK_UP, Meaning.ACCEPTED, "ok", 200), Origin.DEVICE, wall=2.0, calm=False)
    assert codes(conditions) == []


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_positions_refused_for_any_reason_are_a_condition(status: int):
    """Nothing else names a 403 to every position."""
    conditions = Conditions()
    notices = Notices(conditions, 1)
    for _ in range(3):
        notices.take(reply(Asked.LOCATION, Meaning.REJECTED, f"http_{status}", status), Origin.CALLOUT, wall=1.0, calm=False)
    assert codes(conditions) == ["dispatch.rejects_position"]


def test_what_a_callouts_lanes_met_is_over_with_it():
    """Nothing of it would ever be disproved in standby: the device would stay unarmed."""
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.EVENT, Meaning.UNAUTHORISED, "scope", 401), Origin.CALLOUT, wall=1.0, calm=False)
    notices.take(reply(Asked.LOCATION, Meaning.RETRY, "timeout"), Origin.CALLOUT, wall=1.0, calm=False)
    notices.take(reply(Asked.LOOK_UP, Meaning.RETRY, "timeout"), Origin.DEVICE, wall=1.0, calm=False)
    notices.end_callout()
    assert codes(conditions) == ["dispatch.unreachable"], "the device's own"
    notices.take(reply(Asked.LOOK_UP, Meaning.ACCEPTED, "ok", 200), Origin.DEVICE, wall=2.0, calm=False)
    assert codes(conditions) == []


def test_three_refused_positions_in_a_row_are_a_condition():
    conditions = Conditions()
    notices = Notices(conditions, 1)
    for _ in range(2):
        notices.take(reply(Asked.LOCATION, Meaning.REJECTED, "http_400", 400), Origin.CALLOUT, wall=1.0, calm=False)
    assert codes(conditions) == []
    notices.take(reply(Asked.LOCATION, Meaning.REJECTED, "http_400", 400), Origin.CALLOUT, wall=1.0, calm=False)
    assert codes(conditions) == ["dispatch.rejects_position"]
    notices.take(reply(Asked.LOCATION, Meaning.ACCEPTED, "ok", 200), Origin.CALLOUT, wall=1.0, calm=False)
    assert codes(conditions) == []


def test_next_callout_does_not_begin_with_what_the_last_one_met():
    """Neither positions that were refused for it, nor what once kept a raise away."""
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.RAISE, Meaning.RETRY, "http_503", 503), Origin.CALLOUT, wall=1.0, calm=False)
    for _ in range(2):
        notices.take(reply(Asked.LOCATION, Meaning.REJECTED, "http_400", 400), Origin.CALLOUT, wall=1.0, calm=False)
    notices.end_callout()
    notices.take(reply(Asked.LOCATION, Meaning.REJECTED, "http_400", 400), Origin.CALLOUT, wall=2.0, calm=False)
    assert codes(conditions) == []
    notices.take(reply(Asked.LOCATION, Meaning.RETRY, "http_503", 503), Origin.CALLOUT, wall=3.0, calm=False)
    assert codes(conditions) == ["dispatch.failing"]
    notices.take(reply(Asked.LOCATION, Meaning.ACCEPTED, "ok", 200), Origin.CALLOUT, wall=4.0, calm=False)
    assert codes(conditions) == []


def test_token_out_of_scope_on_one_route_lasts_until_that_route_accepts():
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.EVENT, Meaning.UNAUTHORISED, "scope", 401), Origin.CALLOUT, wall=1.0, calm=False)
    notices.take(reply(Asked.LOCATION, Meaning.ACCEPTED, "ok", 200), Origin.CALLOUT, wall=2.0, calm=False)
    assert codes(conditions) == ["token.scope"]
    notices.take(reply(Asked.EVENT, Meaning.ACCEPTED, "ok", 200), Origin.CALLOUT, wall=3.0, calm=False)
    assert codes(conditions) == []


def test_route_out_of_scope_shows_that_dispatch_answers():
    """It is dispatch that refuses: whoever looks for a fault of the network looks in the wrong place."""
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take(reply(Asked.LOCATION, Meaning.RETRY, "timeout"), Origin.CALLOUT, wall=1.0, calm=False)
    notices.take(reply(Asked.EVENT, Meaning.UNAUTHORISED, "scope", 401), Origin.CALLOUT, wall=2.0, calm=False)
    assert codes(conditions) == ["token.scope"]


def test_callouts_of_another_customer_are_a_condition_until_the_list_is_ours_again():
    conditions = Conditions()
    notices = Notices(conditions, 1)
    listed = Outcome(Asked.LOOK_UP, Meaning.ACCEPTED, "ok", callouts=(Callout(5, customer_id=2),))
    notices.take(listed, Origin.DEVICE, wall=1.0, calm=False)
    assert codes(conditions) == ["dispatch.foreign_customer"]
    notices.take(replace(listed, callouts=(Callout(5, customer_id=1),)), Origin.DEVICE, wall=2.0, calm=False)
    assert codes(conditions) == []


def test_callout_that_dispatch_forgot_and_one_that_it_disputes_are_conditions_while_they_last():
    conditions = Conditions()
    notices = Notices(conditions, 1)
    notices.take_state(State(Phase.ACTIVE, callout_id=5, unknown=True, disputed=4), wall=1.0)
    assert codes(conditions) == ["callout.unknown", "dispatch.disagrees"]
    assert codes(conditions, calm=True) == []
    notices.take_state(State(Phase.ACTIVE, callout_id=5), wall=2.0)
    assert codes(conditions) == []


def test_size_of_a_calm_devices_store_does_not_tell_what_goes_on():
    grown = replace(STANDBY, store=replace(STANDBY.store, bytes=4096 + 8240))
    assert document(grown) == document(STANDBY)


def test_conditions_of_before_anybody_vouched_for_the_clock_get_their_true_time():
    """One that began a moment ago, by the right clock already, keeps its own."""
    conditions = Conditions()
    conditions.put("early", Severity.NOTE, "x", "y", wall=12.0)
    conditions.put("right", Severity.NOTE, "x", "y", wall=1.8e9 + 30.0)
    conditions.restamp(1.8e9, 1.8e9 + 31.0)
    assert {each.code: each.since_wall for each in conditions.shown(calm=False)} == {"early": 1.8e9 + 12.0, "right": 1.8e9 + 30.0}


def test_line_for_systemctl_says_in_words_why_a_raise_would_fail():
    """Version, armed or not and why, what is on, how old the fix is, and that only the alarm path runs; the codes at the end."""
    note = Condition("drill.failed", Severity.NOTE, 0.0, "a drill failed", "try again")
    mute = Condition("dispatch.unreachable", Severity.CRITICAL, 0.0, "no answer from dispatch", "look at the link")
    safe = Condition("safe_mode", Severity.CRITICAL, 0.0, "5 starts within 9 s", "see the journal")
    fine = line(document(replace(STANDBY, conditions=(note,))))
    assert fine.startswith(f"{__version__}, armed, standby, ")
    assert fine.endswith(", drill.failed")
    bad = line(document(replace(STANDBY, conditions=(mute, note), fix=None)))
    assert bad == f"{__version__}, NOT ARMED (no answer from dispatch), standby, no fix, dispatch.unreachable, drill.failed"
    assert ", NOT ARMED (5 starts within 9 s), SAFE MODE, standby" in line(document(replace(STANDBY, conditions=(safe,))))
