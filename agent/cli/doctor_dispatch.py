"""The doctor's steps for config, token and dispatch: whether each can be used, what the token may, which kinds of response there are.

Asks dispatch only what changes nothing. Must not show a token, nor what the customer's list holds: that would tell of a callout.
"""

from __future__ import annotations

import asyncio
import os
import time

from agent import wording
from agent.cli import talk
from agent.cli.doctor_step import SETUP, SUDO, Scene, State, Step, in_words_of_daemon, skipped
from agent.clock import SystemClock
from agent.connections import Connections
from agent.model import Meaning, Outcome
from agent.paperwork import ResponseType

ASK_S = 15.0
IN_VAIN_S = 5.0  # where nobody accepts a connection: only the last good address is left to be tried
NO_CALLOUT = "/callouts/0/location"
CAUSES = {
    "no_token": ("no request can be made without a token", "mend [credentials], or ask whoever runs the token service"),
    "dns": ("the name of dispatch is not found", "check the network and its name servers; a raise tries the last address that worked"),
    "connect": ("dispatch cannot be reached from here", "check the network, a firewall, [panic_api] proxy"),
    "tls": ("the connection cannot be trusted", "check [panic_api] ca_file, and who answers at base_url"),
    "tls.clock": ("the certificate is not valid at the time that this clock shows", "check this device's clock first"),
    "timeout": ("dispatch, or the way to it, is too slow", "try again; check the signal"),
    "html": ("a web page answers in the place of dispatch", "sign in at the network's portal, or use another network"),
    "redirect": ("somebody else answers in the place of dispatch", "sign in at the network's portal, or use another network"),
    "http_401": ("the token is refused: revoked, or of another customer", "mend [credentials], or ask whoever runs the token service"),
    "scope": (
        "the token is refused, a new one too: revoked, or of another customer",
        "mend [credentials], or ask whoever runs the token service",
    ),
}
UNKNOWN_CUSTOMER = frozenset({"http_400", "http_404", "http_409", "http_422"})
WRONG_CUSTOMER = "compare [panic_api] customer_id with what AURA gave you for this device, or ask whoever runs the token service"
REVOKED = frozenset({"http_401", "http_403"})
KEY_REFUSED = (
    "this device's key is revoked, or is another's",
    "put the device's key of now into the file that [credentials] names; if it was revoked, ask whoever runs the token service why",
)
READ_PATHS = {"reading": ("GET", "/callouts/0"), "positions": ("POST", NO_CALLOUT), "events": ("GET", "/callouts/0/events")}
ELSE = ("dispatch answers, but not as documented", "try again; if it stays so, ask AURA")


async def config(scene: Scene) -> Step:
    """Whether the file can be read and used, and where it leads."""
    if scene.config is None:
        return _unusable(scene)
    scene.connections = Connections(scene.config, SystemClock(), lambda _: None, keeps=False)
    scene.dispatch = scene.connections.open()
    api = scene.config.panic_api
    seen = f"{api.base_url}, customer {api.customer_id}"
    elsewhere = scene.connections.not_production()
    if scene.connections.trouble is not None:
        return Step("config", State.FAIL, seen, scene.connections.trouble, "callout-agent check")
    if elsewhere is not None:
        return Step("config", State.WARN, seen, f"{elsewhere}: no real responder would come", "check [panic_api] environment and base_url")
    if told := scene.conditions("config."):
        return in_words_of_daemon("config", told, "")
    return Step("config", State.OK, seen)


def _unusable(scene: Scene) -> Step:
    seen = str(scene.broken.errors[0]) if scene.broken is not None else "it cannot be read"
    if os.geteuid() != 0 and "Permission denied" in seen:
        return skipped("config", "this user may not read it", SUDO)
    if talk.unconfigured(scene.args):
        return Step("config", State.FAIL, seen, "not configured yet: a press reaches nobody", SETUP)
    return Step("config", State.FAIL, seen, "the daemon lives on its last good copy, if it has one", "callout-agent check")


async def token(scene: Scene) -> Step:
    """Whether one is to be had: the daemon's, if this user may read it, else a new one, which is not kept."""
    if scene.connections is None:
        return skipped("token")
    credentials = scene.connections.credentials
    try:
        async with asyncio.timeout(ASK_S):
            found = await credentials.current(urgent=False)
    except TimeoutError:
        return Step("token", State.FAIL, f"none within {ASK_S:.0f} s", *CAUSES["no_token"])
    if found is not None:
        left_s = None if found.life_s is None else found.at + found.life_s - time.monotonic()
        life = "" if left_s is None else f", good for {wording.span(left_s)} still" if left_s > 0 else ", past its end"
        return Step("token", State.OK, f"there is one{life}")
    trouble = credentials.trouble
    if scene.secrets_closed:
        return skipped("token", f"this user may not read {scene.secrets_closed}: the daemon may have one", SUDO)
    return Step("token", State.FAIL, "there is none" if trouble is None else trouble.text, *_no_token(scene))


def _no_token(scene: Scene) -> tuple[str, str]:
    """What it means that there is none, or none that is taken, and what to do; by what the token service said."""
    trouble = None if scene.connections is None else scene.connections.credentials.trouble
    if trouble is None or scene.config is None:
        return CAUSES["no_token"]
    if trouble.cause in UNKNOWN_CUSTOMER:
        customer = scene.config.panic_api.customer_id
        return f"customer {customer} is wrong, or this device is not enrolled for it", WRONG_CUSTOMER
    return KEY_REFUSED if trouble.cause in REVOKED else CAUSES.get(trouble.cause, CAUSES["no_token"])


async def dispatch(scene: Scene) -> Step:
    """Name, TLS, token and one answer that only dispatch gives."""
    if scene.dispatch is None:
        return skipped("dispatch")
    outcome = await scene.dispatch.look_up(deadline_s=ASK_S if scene.connected else IN_VAIN_S)
    scene.listing_refused = outcome.meaning is Meaning.UNAUTHORISED or outcome.http_status == 403
    scene.reached = outcome.meaning in (Meaning.ACCEPTED, Meaning.REJECTED) or outcome.http_status == 405
    if outcome.meaning is Meaning.UNAUTHORISED:
        # A position for no callout, and without coordinates: the one thing that any token of a device may ask.
        flow = await scene.dispatch.probe("POST", NO_CALLOUT, deadline_s=ASK_S)
        scene.reached = flow.http_status is not None and flow.meaning is not Meaning.UNAUTHORISED and flow.cause not in ("html", "redirect")
    if outcome.meaning is Meaning.ACCEPTED:
        return Step("dispatch", State.OK, "it answers, and takes the token")
    if scene.reached:
        return Step("dispatch", State.OK, f"it answers, and takes the token ({outcome.text})", "see the next step")
    if outcome.cause == "no_token" and scene.secrets_closed:
        return skipped("dispatch", f"this user may not read {scene.secrets_closed}, so there is no token to ask with", SUDO)
    means, do = _no_token(scene) if outcome.cause == "no_token" else CAUSES.get(outcome.cause, ELSE)
    return Step("dispatch", State.FAIL, outcome.text, means, do)


async def token_scope(scene: Scene) -> Step:
    """What the token is good for, tried on a callout that cannot be: whoever is refused for the token is refused before that is seen."""
    if scene.dispatch is None or not scene.reached:
        return skipped("token scope")
    refused = []
    for what, (method, path) in READ_PATHS.items():
        outcome = await scene.dispatch.probe(method, path, deadline_s=ASK_S)
        refused += [what] if outcome.http_status in {401, 403} else []
    if refused:
        lost = "positions reach nobody" if "positions" in refused else "what dispatch says is not heard"
        do = "ask whoever runs the token service for a token with the scope of the callout flow"
        state = State.FAIL if "positions" in refused else State.WARN
        return Step("token scope", state, f"the token is refused for {', '.join(refused)}", lost, do)
    return Step("token scope", State.OK, f"open to it: {', '.join(READ_PATHS)}; that it may raise only a drill proves")


async def response_types(scene: Scene) -> Step:
    """Which kinds of response there are, and whether ours is one of them."""
    if scene.dispatch is None or scene.config is None or not scene.reached:
        return skipped("response types")
    outcome = await scene.dispatch.response_types(deadline_s=ASK_S)
    kinds = [each for each in outcome.paper if isinstance(each, ResponseType)] if isinstance(outcome.paper, tuple) else []
    if outcome.meaning is not Meaning.ACCEPTED or not kinds:
        return _no_types(scene, outcome)
    seen = ", ".join(f"{each.id} {each.value}" + (f" ({each.description})" if each.description else "") for each in kinds)
    asked = {scene.config.panic_api.response_type_id, *(each.response_type_id for each in scene.config.buttons)} - {None}
    strange = sorted(str(each) for each in asked if str(each) not in {str(kind.id) for kind in kinds})
    if strange:
        return Step(
            "response types",
            State.FAIL,
            seen,
            f"the config asks for {', '.join(strange)}, which is none of them: a raise would be refused",
            "choose one: response_type_id = " + " or ".join(str(each.id) for each in kinds),
        )
    return Step("response types", State.OK, seen, f"the config asks for {', '.join(sorted(map(str, asked)))}")


def _no_types(scene: Scene, outcome: Outcome) -> Step:
    means = "whether response_type_id is right is not known"
    if outcome.meaning is Meaning.UNAUTHORISED or outcome.cause == "no_token":  # refused, and no other token is to be had
        return Step("response types", State.SKIPPED, outcome.text, means, "with a server token it can be found out: --token-file FILE")
    assert scene.config is not None  # noqa: S101 - for the type checker: asked above
    path = scene.config.panic_api.response_types_path
    do = f"the documents do not show this path; ask AURA for it, then [panic_api] response_types_path (now {path})"
    return Step("response types", State.WARN, outcome.text or "dispatch names none", means, do)


CONFIG = (config,)
DISPATCH = (token, dispatch, token_scope)
AFTER_PATHS = (response_types,)
