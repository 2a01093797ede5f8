"""What a webhook would be told, where it happens: without HTTP, and without anybody who delivers."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from simulator import membership
from simulator.records import Callout, Customer, Device, Notice, Site, Webhook
from simulator.settings import Settings
from simulator.state import FOR_EVER_WALL, MOST_NOTICES, Act, Point, Refused, State, Wanted

WANTED = Wanted(4711, 1, Point(-29.8579, 31.0292, 14.0))
CHANGED = "CALLOUT_EVENTS_CHANGED"


def begin(**chosen: Any) -> tuple[State, Callout]:
    """A simulation with one callout, and nobody told of anything yet."""
    state = State(Settings(**chosen), 100)
    callout, _ = state.raise_callout(WANTED, 10.0, "key")
    state.notices.clear()
    return state, callout


def told(state: State) -> list[str]:
    """What happened since the last time this was asked."""
    events = [each.event for each in state.notices]
    state.notices.clear()
    return events


def test_a_new_callout_is_told_once() -> None:
    """A second raise of an open one is nothing new."""
    state = State(Settings(), 100)
    for _ in range(2):
        state.raise_callout(WANTED, 10.0, "key")
    assert state.notices == [Notice("NEW_CALLOUT", "callout", 100)]


def test_the_way_of_a_callout_is_told_in_order() -> None:
    """Owned by whoever acts first; each act also changes the event stream."""
    state, callout = begin()
    steps = [
        (Act.DISPATCH, None),
        (Act.STAND_DOWN, None),
        (Act.DISPATCH, 60.0),
        (Act.ARRIVE, None),
        (Act.COMPLETE, None),
        (Act.CLOSE, None),
    ]
    heard = []
    for act, eta_s in steps:
        state.respond(callout, act, 20.0, eta_s)
        heard.append(told(state))
    assert heard == [
        ["CALLOUT_OWNED", "RESPONDER_MANUALLY_DISPATCHED", CHANGED],
        [CHANGED],
        ["RESPONDER_ACKNOWLEDGED_CALLOUT", CHANGED],
        ["RESPONDER_ARRIVED_ON_SCENE", CHANGED],
        ["RESPONDER_COMPLETED", CHANGED],
        [CHANGED, "CALLOUT_CLOSED"],
    ]


def test_words_of_either_side_change_the_event_stream() -> None:
    """A position does not."""
    state, callout = begin()
    state.say(callout, "customer", "Battery low", 20.0)
    state.locate(callout, Point(1.0, 2.0, None), 21.0)
    assert state.notices == [Notice(CHANGED, "callout", 100)]


@pytest.mark.parametrize(
    ("typed", "events"),
    [
        ("0042", ["CALLOUT_SOFT_CANCELLED_BY_CUSTOMER"]),
        ("9999", []),
        (None, ["CALLOUT_NO_LONGER_REQUIRES_RESPONSE", CHANGED, "CALLOUT_CLOSED"]),
    ],
)
def test_a_cancel_is_told_for_what_it_is(typed: str | None, events: list[str]) -> None:
    """A wrong code is the dispatcher's business alone: nobody is told that help is no longer needed."""
    state, callout = begin()
    state.cancel(callout, typed, 20.0)
    assert told(state) == events


@pytest.mark.parametrize(("codes", "needed"), [(["0042"], False), (["9999", "0042"], True)])
def test_a_responder_who_turns_back_after_a_soft_cancel_ends_the_need(codes: list[str], *, needed: bool) -> None:
    """Not after duress: then the right code may be a forced one."""
    state, callout = begin()
    for code in codes:
        state.cancel(callout, code, 20.0)
    state.respond(callout, Act.DISPATCH, 21.0)
    state.notices.clear()
    state.respond(callout, Act.STAND_DOWN, 22.0)
    assert ("CALLOUT_NO_LONGER_REQUIRES_RESPONSE" in told(state)) is not needed


def test_subscriptions_and_customers_are_told_by_their_own_id() -> None:
    """Also an end that failed because it had ended before."""
    state, _ = begin()
    customer = Customer(8, "Eight", "+27820008888")
    state.add_customer(customer)
    subscription = membership.subscribe(state, customer, 1, 0.0, FOR_EVER_WALL)
    membership.unsubscribe(state, subscription, 20.0)
    with pytest.raises(Refused):
        membership.unsubscribe(state, subscription, 21.0)
    assert state.notices == [
        Notice("CREATED_CUSTOMER", "customer", 8),
        Notice("SUBSCRIPTION_CREATED", "subscription", subscription.id),
        Notice("SUBSCRIPTION_CANCELLED", "subscription", subscription.id),
        Notice("SUBSCRIPTION_CANCELLED_FAILED", "subscription", subscription.id),
    ]


def test_notices_that_nobody_fetches_do_not_grow_without_end() -> None:
    """The newest are kept."""
    state, callout = begin()
    for number in range(MOST_NOTICES + 5):
        state.say(callout, "customer", str(number), 20.0)
    state.respond(callout, Act.CLOSE, 30.0)
    assert len(state.notices) == MOST_NOTICES
    assert state.notices[-1].event == "CALLOUT_CLOSED"


def test_a_reset_forgets_devices_webhook_and_notices_but_no_id_comes_again() -> None:
    """The customer of the settings is subscribed anew."""
    state, _ = begin()
    first = state.customers[4711].subscriptions[0].id
    state.devices["1"] = Device(1, "1", "1", "x", 5, 4711, None, None, 0.0, 0.0)
    state.webhook = Webhook(1, "https://hooks.example", ["NEW_CALLOUT"], "webhook", {}, 0.0)
    site = state.add_site(Site(0, "STORE-002", 4711, 1.0, 2.0))
    state.reset()
    assert (state.devices, state.webhook, state.notices, list(state.sites)) == ({}, None, [], ["STORE-001"])
    assert state.customers[4711].subscriptions[0].id > first
    assert state.add_site(Site(0, "STORE-002", 4711, 1.0, 2.0)).id > site.id


def test_secrets_of_a_webhook_are_not_in_what_a_record_prints() -> None:
    """Neither the address nor the headers."""
    webhook = Webhook(1, "https://hooks.example/secret-path", ["NEW_CALLOUT"], "webhook", {"X-Key": "sesame"}, 0.0)
    assert not [secret for secret in ("secret-path", "sesame") if secret in repr(webhook)]


def plain(value: object) -> bool:
    """Whether something is made of nothing but plain values."""
    if is_dataclass(value):
        return all(plain(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, list):
        return all(map(plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and plain(each) for key, each in value.items())
    return value is None or isinstance(value, (str, int, float, bool))


def test_what_the_simulation_remembers_is_plain_data() -> None:
    """It can be kept in any file: no functions, no sets, no open handles."""
    state, callout = begin()
    state.cancel(callout, "9999", 20.0)
    state.devices["1"] = Device(1, "1", "1", "x", 5, 4711, None, None, 0.0, 0.0)
    state.webhook = Webhook(1, "https://hooks.example", ["NEW_CALLOUT"], "webhook", {"X-Key": "sesame"}, 0.0)
    kept = [state.customers, state.sites, state.callouts, state.devices, state.webhook, state.counters, state.notices]
    assert [plain(each) for each in kept] == [True] * len(kept)
