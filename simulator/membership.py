"""Who is a customer and who is subscribed: added, softly deleted, subscribed, lapsed, cancelled.

Pure rules over records: no HTTP, no JSON, no clock. A lapsed subscription is replaced, never revived. Ends no callout: one that is on goes
on without a subscription.
"""

from __future__ import annotations

from simulator.records import Customer, Happening, Subscription
from simulator.state import FOR_EVER_WALL, Refusal, Refused, State


def subscribe(state: State, customer: Customer, type_id: int, valid_from: float, valid_to: float) -> Subscription:
    """One more subscription, from and to in UTC s. Raises Refused: BAD for a span or type that is none, CONFLICT where one covers it."""
    if type_id not in dict(state.settings.subscription_types):
        raise Refused(Refusal.BAD, f"Unknown subscriptionTypeId {type_id}")
    if valid_to <= valid_from:
        raise Refused(Refusal.BAD, "validTo must be after validFrom")
    for other in customer.subscriptions:
        if other.cancelled_wall is None and other.valid_from_wall < valid_to and valid_from < other.valid_to_wall:
            raise Refused(Refusal.CONFLICT, "The customer has a subscription for this time already")
    subscription = Subscription(state.next_id("subscription"), type_id, valid_from, valid_to)
    customer.subscriptions.append(subscription)
    state.notice(Happening.SUBSCRIPTION_CREATED, "subscription", subscription.id)
    return subscription


def subscription_of(state: State, subscription_id: int) -> tuple[Customer, Subscription]:
    """A subscription and whose it is. Raises Refused UNKNOWN."""
    for customer in state.customers.values():
        for subscription in customer.subscriptions:
            if subscription.id == subscription_id and customer.deleted_wall is None:
                return customer, subscription
    raise Refused(Refusal.UNKNOWN, "Subscription not found")


def unsubscribe(state: State, subscription: Subscription, now: float) -> None:
    """Cancel from now on. Raises Refused CONFLICT where it is cancelled already."""
    if subscription.cancelled_wall is not None:
        state.notice(Happening.SUBSCRIPTION_CANCELLED_FAILED, "subscription", subscription.id)
        raise Refused(Refusal.CONFLICT, "The subscription is cancelled already")
    subscription.cancelled_wall = now
    state.notice(Happening.SUBSCRIPTION_CANCELLED, "subscription", subscription.id)


def set_subscribed(state: State, customer: Customer, now: float, *, wanted: bool) -> None:
    """Have the customer subscribed from now on, or not: what a dispatcher's switch does."""
    if wanted == customer.subscribed_at(now):
        return
    for each in customer.subscriptions:
        # One for a later time would stand in the way of one that begins now.
        if each.cancelled_wall is None and each.valid_to_wall > now:
            unsubscribe(state, each, now)
    if wanted:
        subscribe(state, customer, state.settings.subscription_types[0][0], now, FOR_EVER_WALL)


def delete(state: State, customer: Customer, now: float) -> None:
    """Delete softly: callouts keep whom they were for, subscriptions end. Raises Refused CONFLICT while a callout is on."""
    if state.open_callouts(customer.id):
        raise Refused(Refusal.CONFLICT, "The customer has an active callout")
    for each in customer.subscriptions:
        if each.active_at(now):
            unsubscribe(state, each, now)
    customer.deleted_wall = now
