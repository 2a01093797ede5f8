"""The doctor's steps for open paths: which reading of the documentation holds at this dispatch, and the line of the config for it.

A GET is asked; a POST is sent `{}`, which no reading can take for a position. Every candidate is compared with a path that surely does
not exist, since a 404 may be about the callout. Only a callout that is closed is ever named: one that is on belongs to its lanes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from agent import aside
from agent.cli import direct
from agent.cli.doctor_dispatch import ASK_S
from agent.cli.doctor_step import Scene, State, Step, skipped
from agent.delivery import NO_SUCH_PATH
from agent.model import CalloutId, Meaning, Outcome

LISTS = ("/customers/{customer_id}/callouts", "/customers/{customer_id}/activeCallouts", "/callouts/activeCallouts")
RETURNS = ("updateLocationAndReturnCallout", "update-callout-location-and-return", ".")
REPORTS = tuple(f"/callouts/{{callout_id}}/{last}" for last in ("resolutionReport", "report", "resolution-report", "reports"))
ITEMS = ("/rating-items", "/ratingItems", "/ratings/items")
TYPES = ("/responseTypes", "/response-types", "/callouts/responseTypes")
READ_S = 8.0  # a disk may hang
THERE = frozenset({285, 400, 409, 422})
REFUSED_TOKEN = frozenset({401, 403})


def stands(outcome: Outcome, absent: Outcome) -> bool | None:
    """Whether a path is there, by its answer and that of a path that cannot be; None where it cannot be told."""
    status = outcome.http_status
    if status in NO_SUCH_PATH:
        return False
    if status is None or status == absent.http_status or outcome.cause in ("html", "redirect"):
        return None  # no answer, or one that anything gets
    if status in REFUSED_TOKEN:  # before or after the path was looked for?
        return True if absent.http_status in NO_SUCH_PATH else None
    return True if outcome.meaning is Meaning.ACCEPTED or status in THERE else None


async def _asked(scene: Scene, method: str, paths: Mapping[str, str]) -> dict[str, bool | None]:
    """Each reading and whether it stands. Raises nothing: what gives no answer cannot be told."""
    assert scene.dispatch is not None  # noqa: S101 - for the type checker: see _ready
    nowhere = next(iter(paths.values())).rpartition("/")[0] + "/" + secrets.token_hex(8)
    absent = await scene.dispatch.probe(method, nowhere, deadline_s=ASK_S)
    return {name: stands(await scene.dispatch.probe(method, path, deadline_s=ASK_S), absent) for name, path in paths.items()}


def _with_configured(configured: str, known: Sequence[str]) -> tuple[str, ...]:
    return (configured, *(each for each in known if each.strip("/") != configured.strip("/")))


def _verdict(name: str, key: str, configured: str, found: dict[str, bool | None], worst: State, lost: str) -> Step:
    """What the configured reading is worth, and the line that would be right. lost: what is lost while it is wrong."""
    right = next((reading for reading, there in found.items() if there), None)
    if found.get(configured):
        return Step(name, State.OK, f"{configured} is there")
    if right is not None:
        return Step(name, worst, f"{configured} is not there, {right} is", lost, f'[panic_api] {key} = "{right}"')
    if any(there is None for there in found.values()):
        return Step(
            name, State.WARN, "no answer tells whether it is there", f"if it is not: {lost}", "try again, or with --token-file FILE"
        )
    return Step(name, worst, f"none of {', '.join(found)} is there", lost, f"ask AURA for the path, then [panic_api] {key}")


def _ready(scene: Scene) -> bool:
    return scene.dispatch is not None and scene.config is not None and scene.reached


async def customer_list(scene: Scene) -> Step:
    """The customer's active callouts: adoption, drills and the search for a lost callout depend on it."""
    if not _ready(scene) or scene.config is None:
        return skipped("active callouts path")
    api = scene.config.panic_api
    paths = {each: each.replace("{customer_id}", str(api.customer_id)) for each in _with_configured(api.active_callouts_path, LISTS)}
    found = await _asked(scene, "GET", paths)
    lost = "a callout raised elsewhere is not found, and a drill is refused"
    if scene.listing_refused and found[api.active_callouts_path]:
        do = 'ask AURA whether a callout token may list them; if not: [cadence] adopt = "never"'
        return Step("active callouts path", State.WARN, f"{api.active_callouts_path} is there, and not for this token", lost, do)
    return _verdict("active callouts path", "active_callouts_path", api.active_callouts_path, found, State.FAIL, lost)


async def closed_callout(scene: Scene) -> Step:
    """A callout on which paths can be tried."""
    name = "closed callout"
    if not _ready(scene) or scene.config is None or scene.dispatch is None:
        return skipped(name)
    none = skipped(
        name,
        "none is known: open paths below a callout cannot be tried",
        "after the first drill that dispatch closed without a cancel, or with --callout ID",
    )
    config = scene.config
    calm, on, closed = await aside.run(lambda: direct.known(scene.args, config), name="known callouts", limit_s=READ_S)
    if not calm and on is not None:
        return skipped(name, "a callout is on: nothing is tried now", "again once it is closed")
    wanted: CalloutId | None = next(iter(closed), None) if scene.args.callout is None else scene.args.callout
    if calm or wanted is None:  # whether one that is named is closed would tell what a cancel came to (law 5)
        return none
    outcome = await scene.dispatch.read(wanted, deadline_s=ASK_S)
    if outcome.callout is None:
        return Step(name, State.SKIPPED, f"dispatch does not tell of callout {wanted}: {outcome.text}", "", "another one: --callout ID")
    if not outcome.callout.closed:
        return skipped(name, f"callout {wanted} is not closed: a callout that is on is never touched", "one that is: --callout ID")
    scene.closed_callout = wanted
    return Step(name, State.OK, f"callout {wanted}")


async def update_and_return(scene: Scene) -> Step:
    """The call that takes a position and returns the callout: one request instead of two."""
    name = "update-and-return path"
    if scene.closed_callout is None or scene.config is None:
        return skipped(name, "no closed callout to try it on")
    configured = scene.config.panic_api.return_callout_path.strip("/")
    below = f"/callouts/{quote(str(scene.closed_callout), safe='')}"
    readings = _with_configured(configured, RETURNS) if configured else RETURNS
    found = await _asked(scene, "POST", {each: below if each == "." else f"{below}/{each}" for each in readings})
    right = next((each for each, there in found.items() if there), None)
    told: tuple[State, str, str, str]
    if configured and found[configured]:
        told = (State.OK, f"{configured} is there", "", "")
    elif configured:
        means = "every position takes the plain path after a vain try"
        told = (State.WARN, f"{configured} is not there", means, f'[panic_api] return_callout_path = "{right or ""}"')
    elif right:
        means = "not used: each position takes one request, each read another; that works, too"
        told = (State.OK, f"{right} is there", means, f'one for both: [panic_api] return_callout_path = "{right}"')
    elif any(there is None for there in found.values()):
        told = (State.WARN, "no answer tells whether it is there", "the plain path does the same work", "try again")
    else:
        told = (State.OK, "none of the known readings is there", "the plain path does the same work", "")
    return Step(name, *told)


async def report(scene: Scene) -> Step:
    """The resolution report."""
    name = "report path"
    if scene.closed_callout is None or scene.config is None:
        return skipped(name, "no closed callout to try it on")
    configured = scene.config.panic_api.report_path
    callout = quote(str(scene.closed_callout), safe="")
    paths = {each: each.replace("{callout_id}", callout) for each in _with_configured(configured, REPORTS)}
    return _verdict(name, "report_path", configured, await _asked(scene, "GET", paths), State.WARN, "`callout report` finds none")


async def rating_items(scene: Scene) -> Step:
    """What can be rated."""
    if not _ready(scene) or scene.config is None:
        return skipped("rating items path")
    configured = scene.config.panic_api.rating_items_path
    found = await _asked(scene, "GET", {each: each for each in _with_configured(configured, ITEMS)})
    return _verdict("rating items path", "rating_items_path", configured, found, State.WARN, "`callout rate --items` lists none")


async def types_path(scene: Scene) -> Step:
    """Where the kinds of response are listed."""
    if not _ready(scene) or scene.config is None:
        return skipped("response types path")
    configured = scene.config.panic_api.response_types_path
    found = await _asked(scene, "GET", {each: each for each in _with_configured(configured, TYPES)})
    return _verdict("response types path", "response_types_path", configured, found, State.WARN, "the kinds of response cannot be listed")


EXAMINATIONS = (customer_list, closed_callout, update_and_return, report, rating_items, types_path)
