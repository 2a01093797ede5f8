"""Operations of a backend on its customers and their subscriptions.

The rules are those of `membership`. A callout token reaches none of this unless its scope says so, and then only its own customer.
"""

from __future__ import annotations

from simulator import bodies, forms, membership
from simulator.operations.calls import Call, Reply, made, number, own
from simulator.papers import Papers
from simulator.records import DIGITS, Customer


def create(call: Call) -> Reply:
    """A customer, and a subscription where one is asked for; both or neither. The mobile number makes them unique."""
    wanted = forms.record(call.body, "customer")
    mobile = bodies.text(wanted, "mobile").strip()
    if sum(letter in DIGITS for letter in mobile) < 4:
        bodies.bad("mobile must have at least four digits")
    state = call.sim.state
    customer = Customer(
        id=0,
        name=bodies.text(wanted, "name"),
        mobile=mobile,
        surname=bodies.text(wanted, "surname"),
        email=forms.optional_text(wanted, "email"),
        created_wall=call.now,
    )
    span = _span(call, forms.record(call.body, "subscription")) if call.body.get("subscription") is not None else None
    customer.id = _free_id(call)
    state.add_customer(customer)
    if span:
        membership.subscribe(state, customer, *span)
    call.sim.hub.tell("customers")
    return made(call, Papers(call.new).customer(customer, call.now))


def _free_id(call: Call) -> int:
    """A desk may have given a customer any id."""
    while (customer_id := call.sim.state.next_id("customer")) in call.sim.state.customers:
        pass
    return customer_id


def _span(call: Call, body: bodies.Body) -> tuple[int, float, float]:
    """Kind, begin and end in UTC s of a subscription that can be made."""
    type_id = bodies.integer(body, "subscriptionTypeId")
    forms.chosen("subscriptionTypeId", type_id, call.sim.settings.subscription_types)
    valid_from, valid_to = forms.instant(body, "validFrom"), forms.instant(body, "validTo")
    if valid_to <= valid_from:
        bodies.bad("validTo must be after validFrom")
    return type_id, valid_from, valid_to


def delete(call: Call) -> Reply:
    """Delete softly."""
    customer = _customer(call)
    membership.delete(call.sim.state, customer, call.now)
    call.sim.hub.tell("customers")
    return Reply({"message": "Customer deleted"})


def subscriptions(call: Call) -> Reply:
    """Every subscription of one customer."""
    return Reply(Papers(call.new).subscriptions(_customer(call), call.now))


def subscribe(call: Call) -> Reply:
    """One more subscription. 409 while another covers its time."""
    customer_id = bodies.integer(call.body, "customerId")
    own(call, customer_id)
    customer = call.sim.state.customer(customer_id)
    subscription = membership.subscribe(call.sim.state, customer, *_span(call, call.body))
    call.sim.hub.tell("customers")
    return made(call, Papers(call.new).subscribed(customer, subscription, call.now))


def subscription_types(call: Call) -> Reply:
    """The kinds of subscription."""
    return Reply(Papers(call.new).subscription_types(call.sim.settings.subscription_types))


def unsubscribe(call: Call) -> Reply:
    """End a subscription. OLD answers without a body, NEW with what became of it: no page says which."""
    customer, subscription = membership.subscription_of(call.sim.state, number(call.params["subscriptionId"], "Subscription"))
    own(call, customer.id)
    membership.unsubscribe(call.sim.state, subscription, call.now)
    call.sim.hub.tell("customers")
    return Reply(Papers(call.new).subscribed(customer, subscription, call.now)) if call.new else Reply(None, 204)


def _customer(call: Call) -> Customer:
    customer_id = number(call.params["customerId"], "Customer")
    own(call, customer_id)
    return call.sim.state.customer(customer_id)
