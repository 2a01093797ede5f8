"""What an operation is: a row of the API, the authorised call that it gets and the reply that it gives.

No HTTP library here, no waiting: one call is one atomic step on the server's loop. Decides whose callout a token may touch, and nothing
about what an operation does with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from simulator import bodies
from simulator.records import Callout
from simulator.settings import ClosedBody, Generation
from simulator.simulation import Simulation
from simulator.state import Refusal, Refused
from simulator.tokens import Token

UPDATES_NOT_REQUIRED = 285


class Unauthorised(Exception):  # noqa: N818 - reads as what it is
    """401: no token, a bad one, or one outside its scope."""


class Door(Enum):
    """Who may call. OPEN: no bearer. SERVER: a server token. SCOPED: also a callout token, for its own customer. KEY: a device."""

    OPEN = "open"
    SERVER = "server"
    SCOPED = "scoped"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised call. token None where the door asks for none."""

    sim: Simulation
    params: Mapping[str, str]
    body: bodies.Body
    token: Token | None
    now: float

    @property
    def new(self) -> bool:
        """Whether the newer generation is spoken."""
        return self.sim.settings.generation is Generation.NEW


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered; body None: no body at all. kind: the media type; a body that is not JSON is text."""

    body: Any
    status: int = 200
    kind: str = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the API. name: as in `Settings.scope` and in faults. optional_body: no body is an empty object.

    path: the documented or likeliest one; `path_of` says where it is served. even_s: its answer leaves no sooner than so long after the
    request was whole, so that what it came to cannot be told by how long it took.
    """

    name: str
    method: str
    path: str
    door: Door
    act: Callable[[Call], Reply]
    optional_body: bool = False
    even_s: float = 0.0


def made(call: Call, body: Any) -> Reply:
    """Something new came into the world."""
    return Reply(body, call.sim.settings.created_status)


def number(text: str, what: str) -> int:
    """An id out of a path. Raises Refused UNKNOWN: what is no number is not there."""
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Refused(Refusal.UNKNOWN, f"{what} not found")
    return int(text)


def own(call: Call, customer_id: int) -> None:
    """A callout token is good for its own customer only: 401, not 403, as documented. Raises Unauthorised."""
    if call.token and call.token.customer_id not in (None, customer_id):
        raise Unauthorised("Token is not valid for this customer")


def callout_of(call: Call) -> Callout:
    """The callout in the path. Raises Refused UNKNOWN, Unauthorised."""
    callout = call.sim.state.callout(number(call.params["calloutId"], "Callout"))
    own(call, callout.customer_id)
    return callout


def refuse_closed(call: Call, callout: Callout, operation: str) -> Reply | None:
    """285 where the callout is closed and the operation refuses that."""
    chosen = call.sim.settings
    if not callout.closed or operation not in chosen.refuse_closed:
        return None
    message = "Callout is closed; updates not required"
    if chosen.closed_body is ClosedBody.EMPTY:
        return Reply(None, UPDATES_NOT_REQUIRED)
    if chosen.closed_body is ClosedBody.MESSAGE:
        return Reply({"message": message}, UPDATES_NOT_REQUIRED)
    return Reply(call.sim.codec().returned(callout, message), UPDATES_NOT_REQUIRED)
