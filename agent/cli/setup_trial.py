"""Tries the way to dispatch with the answers so far: token, name, TLS, customer; and says what is wrong so that an installer can mend it.

Asks only what changes nothing. Must not show a secret, nor what the customer's list of callouts holds: that would tell of a callout.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from agent import BUILT_AT_WALL
from agent.cli.setup_draft import Draft
from agent.cli.setup_loop import on_loop
from agent.cli.setup_saving import handed_over
from agent.clock import SystemClock
from agent.config import Config
from agent.connections import Connections
from agent.lookup import LookupLoop
from agent.model import Meaning, Outcome
from agent.paperwork import ResponseType
from agent.ports import Office

ASK_S = 15.0
_ANY_TOKEN_MAY = "/callouts/0/location"  # noqa: S105 - a path. A position for no callout, and without coordinates
_WORDS = {
    "dns": ("the name {host} is not found", "is the network plugged in, or the SIM working? Is the name spelt right?"),
    "connect": ("{host} cannot be reached", "is there a network here? A firewall or a proxy may be in the way"),
    "reset": ("the connection to {host} breaks off", "try again; a firewall or a proxy may be in the way"),
    "timeout": ("{host} does not answer in time", "look at the signal, and try again"),
    "tls": ("{host} cannot prove who it is", "is the address right? A private authority needs its file named"),
    "tls.clock": (
        "the certificate of {host} is not valid at the time that this device's clock shows: {now}",
        "set the clock first: timedatectl set-ntp true, or timedatectl set-time 'YYYY-MM-DD hh:mm:ss'",
    ),
    "html": ("a web page answers in the place of {host}", "this network wants a sign-in (a portal): sign in, or use another network"),
    "redirect": ("something else answers in the place of {host}", "this network wants a sign-in (a portal), or the address is wrong"),
    "odd": ("{host} answers, but not as it should", "is the address right? It must be the whole address, with its path"),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """ok: a raise would find its way. said: what was found; do: what to do about it. types: kinds of response, if they are told.

    mend: which answer is most likely wrong: "place", "customer", "credentials", "authority"; "again": none, it is the way.
    """

    ok: bool
    said: str
    do: str = ""
    types: tuple[ResponseType, ...] = ()
    mend: str = "again"


def tried(draft: Draft) -> Trial:
    """What came of it. Raises ConfigError while answers are missing."""
    config = draft.config()
    with handed_over(draft.secrets):
        return on_loop(_ask(config), LookupLoop)


async def _ask(config: Config) -> Trial:
    connections = Connections(config, SystemClock(), lambda _: None, keeps=False)
    if connections.trouble is not None:
        await connections.aclose()
        return Trial(ok=False, said=connections.trouble, do="name the right file, in PEM", mend="authority")
    dispatch = connections.open()
    try:
        outcome = await dispatch.look_up(deadline_s=ASK_S)
        trouble = connections.credentials.trouble
        if outcome.meaning is Meaning.ACCEPTED:
            return Trial(ok=True, said="dispatch answers and takes the token", types=await _types(dispatch))
        if trouble is not None:
            return _of_tokens(config, trouble)
        if outcome.meaning is Meaning.UNAUTHORISED or outcome.http_status == 403:
            flow = await dispatch.probe("POST", _ANY_TOKEN_MAY, deadline_s=ASK_S)
            if flow.http_status in (400, 404, 422) and flow.cause not in ("html", "redirect"):
                told = "dispatch answers and takes the token, but does not let it list this customer's callouts"
                do = "if customer_id is right: ask AURA what the token may do. Until then one raised elsewhere is not noticed"
                return Trial(ok=False, said=told, do=do, types=await _types(dispatch), mend="customer")
        return _of_dispatch(config, outcome)
    finally:
        await dispatch.aclose()
        await connections.aclose()


async def _types(dispatch: Office) -> tuple[ResponseType, ...]:
    outcome = await dispatch.response_types(deadline_s=ASK_S)
    papers = outcome.paper if isinstance(outcome.paper, tuple) else ()
    return tuple(each for each in papers if isinstance(each, ResponseType))


def _of_tokens(config: Config, trouble: Outcome) -> Trial:
    """No token: the credentials' fault, or the way to who gives them out."""
    given = config.credentials
    if given.token_file is not None or trouble.cause == "no_token":
        return Trial(ok=False, said=f"there is no token: {trouble.text}", do="put the secret there, on one line", mend="credentials")
    host = urlsplit(given.token_url).hostname or "" if given.token_url is not None else config.panic_api.host
    status = trouble.http_status
    whose = f"the token service {host}"
    if status == 401:
        do = "type the key again; if it stays so, ask who runs the service"
        return Trial(ok=False, said=f"{whose} refuses this device's key", do=do, mend="credentials")
    if status in (400, 403, 404, 422):
        said = f"{whose} gives no token for customer {config.panic_api.customer_id} (HTTP {status})"
        return Trial(ok=False, said=said, do="is the customer id right? Is the service's address whole, with its path?", mend="customer")
    return _of_the_way(whose, trouble)


def _of_dispatch(config: Config, outcome: Outcome) -> Trial:
    host, customer, status = config.panic_api.host, config.panic_api.customer_id, outcome.http_status
    if outcome.meaning is Meaning.UNAUTHORISED:
        do = "is the customer id right? Do token service and dispatch belong together (production, staging)?"
        return Trial(ok=False, said=f"dispatch refuses the token for customer {customer}", do=do, mend="customer")
    if status in (400, 403, 404, 405, 422):
        do = "is the customer id right? Is the address of dispatch whole, with its path, like https://HOST/panic-api/v2?"
        return Trial(ok=False, said=f"dispatch knows no customer {customer} at this address (HTTP {status})", do=do, mend="customer")
    return _of_the_way(f"dispatch ({host})", outcome)


def _of_the_way(whose: str, outcome: Outcome) -> Trial:
    if outcome.cause in ("dns", "connect", "timeout", "tls", "reset") and time.time() < BUILT_AT_WALL:
        said, do = _WORDS["tls.clock"]  # nothing can be trusted at such a time
    else:
        failing = ("{host} is in trouble itself: " + outcome.text, "try again in a while")
        said, do = _WORDS.get(outcome.cause, failing)
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    mend = {"tls": "authority", "dns": "place", "odd": "place"}.get(outcome.cause, "again")
    return Trial(ok=False, said=said.replace("{host}", whose).replace("{now}", now), do=do, mend=mend)
