"""The doctor's first steps: whether the config can be used, whether dispatch answers, and which kinds of response it offers.

Asks dispatch only what changes nothing. Must not show a token, nor what the customer's list holds: that would tell of a callout.
"""

from __future__ import annotations

from agent.cli import direct
from agent.cli.doctor_step import Scene, State, Step
from agent.clock import SystemClock
from agent.config import ConfigError
from agent.connections import Connections
from agent.model import Meaning, Outcome
from agent.paperwork import ResponseType

ASK_S = 15.0
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
    "http_401": ("the token is refused", "mend [credentials], or ask whoever runs the token service"),
    "scope": ("the token is refused, a new one too", "mend [credentials], or ask whoever runs the token service"),
}
ELSE = ("dispatch answers, but not as documented", "try again; if it stays so, ask AURA")


async def config(scene: Scene) -> Step:
    """Whether the file can be read and used, and where it leads."""
    try:
        scene.config = direct.configured(scene.args)
    except ConfigError as error:
        return Step(
            "config", State.FAIL, str(error.errors[0]), "the daemon lives on its last good copy, if it has one", "callout-agent check"
        )
    scene.connections = Connections(scene.config, SystemClock(), lambda _: None, keeps=False)
    scene.dispatch = scene.connections.open()
    api = scene.config.panic_api
    seen = f"{api.base_url}, customer {api.customer_id}"
    elsewhere = scene.connections.not_production()
    if scene.connections.trouble is not None:
        return Step("config", State.FAIL, seen, scene.connections.trouble, "callout-agent check")
    if elsewhere is not None:
        return Step("config", State.WARN, seen, f"{elsewhere}: no real responder would come", "check [panic_api] environment and base_url")
    return Step("config", State.OK, seen)


async def dispatch(scene: Scene) -> Step:
    """Name, TLS, token and one answer that only dispatch gives."""
    if scene.dispatch is None:
        return _skipped("dispatch")
    outcome = await scene.dispatch.look_up(deadline_s=ASK_S)
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
    means, do = CAUSES.get(outcome.cause, ELSE)
    return Step("dispatch", State.FAIL, outcome.text, means, do)


async def response_types(scene: Scene) -> Step:
    """Which kinds of response there are, and whether ours is one of them."""
    if scene.dispatch is None or scene.config is None or not scene.reached:
        return _skipped("response types")
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
    if outcome.meaning is Meaning.UNAUTHORISED:
        return Step("response types", State.SKIPPED, outcome.text, means, "with a server token it can be found out: --token-file FILE")
    assert scene.config is not None  # noqa: S101 - for the type checker: asked above
    path = scene.config.panic_api.response_types_path
    do = f"the documents do not show this path; ask AURA for it, then [panic_api] response_types_path (now {path})"
    return Step("response types", State.WARN, outcome.text or "dispatch names none", means, do)


def _skipped(name: str) -> Step:
    return Step(name, State.SKIPPED, "what it needs has failed before")


EXAMINATIONS = (config, dispatch)
AFTER_PATHS = (response_types,)
