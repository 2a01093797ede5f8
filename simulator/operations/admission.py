"""Operations that give tokens: credentials for a server token, a server token or a device key for a callout token.

Mints; what a token may do is decided where it is used.
"""

from __future__ import annotations

from simulator import bodies
from simulator.operations.calls import Call, Reply, Unauthorised


def exchange(call: Call) -> Reply:
    """Credentials for a server token."""
    chosen = call.sim.settings
    given = bodies.text(call.body, "clientId"), bodies.text(call.body, "clientSecret")
    if given != (chosen.client_id, chosen.client_secret):
        raise Unauthorised("Unknown client credentials")
    return _token(call, None, chosen.server_token_s)


def mint(call: Call) -> Reply:
    """A callout token for one customer."""
    customer = call.sim.state.customer(bodies.integer(call.body, "customerId"))
    return _token(call, customer.id, call.sim.settings.callout_token_s)


def _token(call: Call, customer_id: int | None, life_s: float) -> Reply:
    token = call.sim.tokens.mint(customer_id, call.now, life_s)
    return Reply(call.sim.codec().token(token, epoch=call.sim.settings.epoch_expiry))
