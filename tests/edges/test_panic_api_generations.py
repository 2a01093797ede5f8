"""Every operation against the simulator over TLS, in both generations of the documentation: what went out arrived, what came is understood.

One story for each operation; each is told to the newer generation as `test_new[operation]` and to the older one as `test_old[operation]`.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scripted import FIX, Wall

from agent.credentials import Credentials
from agent.line import tls_context
from agent.model import Asked, Callout, CalloutId, Meaning, Outcome, Place, Quality, SafeCode, Secret
from agent.panic_api import PanicApi, Service
from agent.paperwork import CancellationReason, Device, DeviceAnswer, MapPicture, Rating, RatingItem, Report, ResponseType
from agent.token_sources import ClientSecret, TokenService
from agent.wire import Token
from simulator.operations import OPERATIONS
from simulator.server import Running
from simulator.settings import Generation, Settings

CUSTOMER = 4711
PLACE = Place(-33.9249, 18.4241, 6.0, Quality.LIVE, None)
LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Held:
    """A token that somebody fetched before."""

    value: str
    local: bool = True

    async def fetch(self) -> Token:
        return Token(Secret(self.value), at=0.0)


class Stage:
    """A running simulator of one generation, and clients on the way to it."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.new = running.settings.generation is Generation.NEW
        self.tls = tls_context(ca_file=running.ca_file)

    def sim(self, method: str, path: str, body: Any = None) -> Any:
        """The simulator's own side: what its dispatcher does and sees."""
        return self._ask(method, f"{self.running.root_url}/sim{path}", body)

    def _ask(self, method: str, url: str, body: Any, bearer: str | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - our own simulator
        with urllib.request.urlopen(request, context=self.tls, timeout=LIMIT_S) as told:  # noqa: S310
            return json.loads(told.read() or b"null")

    def server_token(self) -> str:
        """As a backend has it."""
        chosen = self.running.settings
        asked = {"clientId": chosen.client_id, "clientSecret": chosen.client_secret}
        told = self._ask("POST", f"{self.running.base_url}/oauth/token", asked)
        return str(told["accessToken" if self.new else "access_token"])

    @contextlib.asynccontextmanager
    async def client(self, source: Any = None, **changes: Any) -> AsyncIterator[PanicApi]:
        """A client with a server token, or with what that source gives."""
        credentials = Credentials(source or Held(self.server_token()), Wall())
        service = Service(
            **{
                "base_url": self.running.base_url,
                "customer_id": CUSTOMER,
                "classification_id": 1,
                "predefined_location": "STORE-001",
                **changes,
            }
        )
        api = PanicApi(service, credentials, self.tls)
        try:
            yield api
        finally:
            await api.aclose()
            await credentials.aclose()

    async def opened(self, api: PanicApi) -> CalloutId:
        """A callout of ours that is open."""
        outcome = await api.raise_callout(PLACE, response_type_id=1, shape="nested" if self.new else "flat", deadline_s=LIMIT_S)
        assert outcome.callout is not None
        return outcome.callout.id

    async def closed(self, api: PanicApi) -> CalloutId:
        """A callout of ours that a responder came to, and that is closed."""
        callout_id = await self.opened(api)
        for act in ("dispatch", "arrive", "complete", "close"):
            self.sim("POST", f"/callouts/{callout_id}/{act}")
        return callout_id

    @contextlib.contextmanager
    def chosen(self, **settings: Any) -> Iterator[None]:
        """With other settings for a while."""
        before = self.sim("PATCH", "/settings", {})
        self.sim("PATCH", "/settings", settings)
        try:
            yield
        finally:
            self.sim("PATCH", "/settings", {name: before[name] for name in settings})

    def ratings(self, callout_id: CalloutId) -> list[tuple[int, str | None]]:
        """What the control room page does not show."""
        return [(each.stars, each.comment) for each in self.running._sim.state.callouts[callout_id].ratings]

    def seen(self, callout_id: CalloutId) -> Any:
        """As the dispatcher sees it."""
        return self.sim("GET", f"/callouts/{callout_id}")


def accepted(outcome: Outcome, asked: Asked) -> Outcome:
    """It was understood on both sides."""
    assert (outcome.meaning, outcome.cause, outcome.asked) == (Meaning.ACCEPTED, "ok", asked), outcome
    return outcome


def callout(outcome: Outcome) -> Callout:
    assert outcome.callout is not None
    return outcome.callout


Story = Callable[[Stage, PanicApi], Awaitable[None]]
STORIES: dict[str, Story] = {}


def story(tell: Story) -> Story:
    """A row of the table below, named as its operation."""
    STORIES[tell.__name__.removesuffix("_")] = tell
    return tell


# --- raise, stream, cancel ------------------------------------------------------------------------------------------------


@story
async def raise_(stage: Stage, api: PanicApi) -> None:
    """The other generation's shape is refused, this one's opens a callout where we are; raised again it is the same one."""
    for shape, taken in (("nested", stage.new), ("flat", not stage.new)):
        outcome = await api.raise_callout(PLACE, response_type_id=1, shape=shape, deadline_s=LIMIT_S)
        assert (outcome.meaning is Meaning.ACCEPTED, outcome.http_status == 400) == (taken, not taken)
    raised = callout(await api.raise_callout(PLACE, response_type_id=1, shape="nested" if stage.new else "flat", deadline_s=LIMIT_S))
    assert (raised.customer_id, raised.status, raised.latitude, raised.longitude) == (CUSTOMER, "created", -33.9249, 18.4241)
    assert (raised.url is not None) == stage.new
    assert raised.id == callout(await api.look_up(deadline_s=LIMIT_S) and await api.read(raised.id, deadline_s=LIMIT_S)).id


@story
async def raise_legacy(stage: Stage, api: PanicApi) -> None:
    """The older API takes it without a position, the newer one wants one; the customer is in the body."""
    nowhere = await api.raise_callout(None, response_type_id=1, shape="legacy", deadline_s=LIMIT_S)
    assert (nowhere.http_status == 400) == stage.new
    raised = accepted(await api.raise_callout(PLACE, response_type_id=1, shape="legacy", deadline_s=LIMIT_S), Asked.RAISE)
    assert callout(raised).customer_id == CUSTOMER


@story
async def raise_predefined(stage: Stage, api: PanicApi) -> None:
    """For the site that dispatch knows: with an empty body, or with the response type that the older page wants."""
    outcome = await api.raise_callout(None, response_type_id=2, shape="predefined", deadline_s=LIMIT_S)
    raised = callout(accepted(outcome, Asked.RAISE))
    assert (raised.latitude, outcome.shape) == (-33.9249, "predefined")
    assert stage.seen(raised.id)["responseTypeId"] == (1 if stage.new else 2)


@story
async def locate(stage: Stage, api: PanicApi) -> None:
    """A position arrives, flat in both; after the close it is 285."""
    callout_id = await stage.opened(api)
    accepted(await api.locate(callout_id, lambda: FIX, deadline_s=LIMIT_S), Asked.LOCATION)
    assert stage.seen(callout_id)["positions"][-1]["latitude"] == pytest.approx(FIX.latitude)
    stage.sim("POST", f"/callouts/{callout_id}/close")
    assert (await api.locate(callout_id, lambda: FIX, deadline_s=LIMIT_S)).meaning is Meaning.CLOSED


@story
async def locate_return(stage: Stage, api: PanicApi) -> None:
    """The position arrives and the callout comes back; 285 with it after the close."""
    callout_id = await stage.opened(api)
    async with stage.client(return_callout_path="updateLocationAndReturnCallout") as returning:
        outcome = accepted(await returning.locate(callout_id, lambda: FIX, deadline_s=LIMIT_S), Asked.LOCATION)
        assert (callout(outcome).id, callout(outcome).closed) == (callout_id, False)
        stage.sim("POST", f"/callouts/{callout_id}/close")
        closed = await returning.locate(callout_id, lambda: FIX, deadline_s=LIMIT_S)
        assert (closed.meaning, callout(closed).closed) == (Meaning.CLOSED, True)
    with stage.chosen(return_path=""):  # the other reading: POST on the callout itself
        async with stage.client(return_callout_path=".") as returning:
            again = await returning.locate(await stage.opened(api), lambda: FIX, deadline_s=LIMIT_S)
            assert callout(accepted(again, Asked.LOCATION)).status == "created"


@story
async def read(stage: Stage, api: PanicApi) -> None:
    """Status and position; of help only the newer generation tells, and no more than is so."""
    callout_id = await stage.opened(api)
    told = callout(accepted(await api.read(callout_id, deadline_s=LIMIT_S), Asked.READ))
    assert (told.id, told.latitude, told.help.dispatched_wall, told.help.responder) == (callout_id, -33.9249, None, None)
    stage.sim("POST", f"/callouts/{callout_id}/dispatch", {"eta_s": 600})
    on_the_way = callout(await api.read(callout_id, deadline_s=LIMIT_S))
    assert on_the_way.status == "Responder Dispatched"
    assert (on_the_way.help.dispatched_wall is not None, on_the_way.help.arrived_wall) == (stage.new, None)
    assert on_the_way.help.responder == ("Unit 7" if stage.new else None)
    with stage.chosen(eta_form="minutes", incident_shape="object"):
        in_minutes = callout(await api.read(callout_id, deadline_s=LIMIT_S)).help
    instant_wall, span_wall = on_the_way.help.eta_wall, in_minutes.eta_wall
    assert (instant_wall is not None, span_wall is not None) == (stage.new, stage.new)
    assert instant_wall is None or span_wall is None or abs(instant_wall - span_wall) <= 65, "whole minutes from now are the same instant"
    for act in ("arrive", "complete"):
        stage.sim("POST", f"/callouts/{callout_id}/{act}")
    over = callout(await api.read(callout_id, deadline_s=LIMIT_S)).help
    if stage.new:
        assert None not in (over.dispatched_wall, over.arrived_wall, over.completed_wall)
        assert on_the_way.help.dispatched_wall <= over.arrived_wall <= over.completed_wall  # type: ignore[operator]
    else:
        assert (over.arrived_wall, over.completed_wall) == (None, None)


@story
async def list_customer(stage: Stage, api: PanicApi) -> None:
    """None, then ours, then none."""
    assert accepted(await api.look_up(deadline_s=LIMIT_S), Asked.LOOK_UP).callouts == ()
    callout_id = await stage.opened(api)
    assert [each.id for each in (await api.look_up(deadline_s=LIMIT_S)).callouts or ()] == [callout_id]
    stage.sim("POST", f"/callouts/{callout_id}/close")
    assert (await api.look_up(deadline_s=LIMIT_S)).callouts == ()


@story
async def list_active(stage: Stage, api: PanicApi) -> None:
    """Those of the whole source; a callout token does not reach it."""
    callout_id = await stage.opened(api)
    assert [each.id for each in accepted(await api.list_active(deadline_s=LIMIT_S), Asked.LIST_ACTIVE).callouts or ()] == [callout_id]
    async with stage.client(scoped(stage)) as device:
        assert (await device.list_active(deadline_s=LIMIT_S)).meaning is Meaning.UNAUTHORISED


@story
async def cancel(stage: Stage, api: PanicApi) -> None:
    """A code arrives as typed and its answer tells nothing; without one it is unconditional."""
    callout_id = await stage.opened(api)
    for code in ("9999", "0042"):
        accepted(await api.cancel(callout_id, SafeCode(code), deadline_s=LIMIT_S), Asked.CANCEL)
        assert stage.seen(callout_id)["duress"] is True  # of the first, whatever was typed later
    accepted(await api.cancel(callout_id, None, deadline_s=LIMIT_S), Asked.CANCEL)
    assert callout(await api.read(callout_id, deadline_s=LIMIT_S)).closed


# --- talk -----------------------------------------------------------------------------------------------------------------


@story
async def tell(stage: Stage, api: PanicApi) -> None:
    """What is said arrives; in the older generation after one refusal, and then at once."""
    callout_id = await stage.opened(api)
    for text in ("one", "two \u00e9"):
        outcome = accepted(await api.tell(callout_id, text, deadline_s=LIMIT_S), Asked.EVENT)
        assert outcome.shape == ("new" if stage.new else "old")
    assert [each["text"] for each in stage.seen(callout_id)["events"] if each["source"] == "customer"][-2:] == ["one", "two \u00e9"]


@story
async def events(stage: Stage, api: PanicApi) -> None:
    """What the control room says comes back with its text; only the newer generation tells what kind it is."""
    callout_id = await stage.opened(api)
    await api.tell(callout_id, "hello", deadline_s=LIMIT_S)
    stage.sim("POST", f"/callouts/{callout_id}/say", {"message": "we are coming"})
    told = accepted(await api.events(callout_id, deadline_s=LIMIT_S), Asked.EVENTS).events or ()
    assert [each.text for each in told][-2:] == ["hello", "we are coming"]
    assert {each.kind for each in told[-2:]} == ({"chat"} if stage.new else {None})
    assert told[-1].wall is not None
    assert (told[-2].source == "customer") == stage.new


# --- after the close ------------------------------------------------------------------------------------------------------


@story
async def reasons(stage: Stage, api: PanicApi) -> None:
    """Those that the service has."""
    callout_id = await stage.closed(api)
    listed = accepted(await api.reasons(callout_id, deadline_s=LIMIT_S), Asked.REASONS).paper
    assert isinstance(listed, tuple)
    assert listed[:2] == (CancellationReason(1, "Nobody was there"), CancellationReason(2, "False alarm"))


@story
async def add_reason(stage: Stage, api: PanicApi) -> None:
    """One of the list, with words; words alone only the older generation takes."""
    callout_id = await stage.closed(api)
    added = accepted(await api.add_reason(callout_id, 2, "the cat", deadline_s=LIMIT_S), Asked.ADD_REASON).paper
    assert isinstance(added, CancellationReason)
    assert added.id == 2
    alone = await api.add_reason(callout_id, None, "the dog", deadline_s=LIMIT_S)
    assert (alone.http_status == 400) == stage.new


@story
async def report(stage: Stage, api: PanicApi) -> None:
    """Not before the close: 404. Then times and outcome."""
    callout_id = await stage.opened(api)
    early = await api.report(callout_id, deadline_s=LIMIT_S)
    assert (early.meaning, early.http_status) == (Meaning.REJECTED, 404)
    for act in ("dispatch", "arrive", "close"):
        stage.sim("POST", f"/callouts/{callout_id}/{act}")
    paper = accepted(await api.report(callout_id, deadline_s=LIMIT_S), Asked.REPORT).paper
    assert isinstance(paper, Report)
    assert (paper.document["calloutId"], paper.document["outcome"], paper.text) == (callout_id, "Attended by a responder", None)


@story
async def map_(stage: Stage, api: PanicApi) -> None:
    """Where it is; the older guide has none before the close."""
    callout_id = await stage.opened(api)
    assert (await api.picture(callout_id, deadline_s=LIMIT_S)).http_status == (200 if stage.new else 404)
    stage.sim("POST", f"/callouts/{callout_id}/close")
    paper = accepted(await api.picture(callout_id, deadline_s=LIMIT_S), Asked.MAP).paper
    assert isinstance(paper, MapPicture)
    assert (paper.url or "").startswith("https://")
    assert (paper.url or "") not in repr(paper)


@story
async def rating_items(_: Stage, api: PanicApi) -> None:
    """Those that the service has."""
    listed = accepted(await api.rating_items(deadline_s=LIMIT_S), Asked.RATING_ITEMS).paper
    assert isinstance(listed, tuple)
    assert listed[0] == RatingItem(1, "Time until someone came")


@story
async def rate(stage: Stage, api: PanicApi) -> None:
    """Stars arrive, and words: but an older service that ignores keys which it does not know drops those of the newer form."""
    callout_id = await stage.closed(api)
    paper = accepted(await api.rate(callout_id, 4, "quick", deadline_s=LIMIT_S), Asked.RATE).paper
    assert isinstance(paper, Rating)
    assert paper.id is not None
    assert stage.ratings(callout_id) == [(4, "quick" if stage.new else None)]


@story
async def rate_item(stage: Stage, api: PanicApi) -> None:
    """In words, or in the older generation, once those are refused, by number and score."""
    callout_id = await stage.closed(api)
    rating = (await api.rate(callout_id, 5, deadline_s=LIMIT_S)).paper
    assert isinstance(rating, Rating)
    assert rating.id is not None
    words = await api.rate_item(rating.id, "Conduct", sentiment="positive", deadline_s=LIMIT_S)
    assert (words.http_status == 400) == (not stage.new)
    scored = accepted(await api.rate_item(rating.id, "Conduct", item_id=2, score=5, deadline_s=LIMIT_S), Asked.RATE_ITEM)
    assert scored.shape == ("new" if stage.new else "old")


# --- devices, and what there is -------------------------------------------------------------------------------------------


@story
async def response_types(_: Stage, api: PanicApi) -> None:
    """Those that the service has."""
    listed = accepted(await api.response_types(deadline_s=LIMIT_S), Asked.RESPONSE_TYPES).paper
    assert isinstance(listed, tuple)
    assert [(each.id, each.value) for each in listed if isinstance(each, ResponseType)] == [(1, "SECURITY"), (2, "MEDICAL")]


async def linked(api: PanicApi) -> Device:
    """A device that dispatch knows."""
    outcome = accepted(await api.link_device("SN-0000-8812345", "Simulated", device_type_id=5, deadline_s=LIMIT_S), Asked.LINK_DEVICE)
    assert isinstance(outcome.paper, Device)
    return outcome.paper


@story
async def link_device(stage: Stage, api: PanicApi) -> None:
    """The newer generation derives the id from the serial, in the older one the serial is the id."""
    device = await linked(api)
    assert (device.id, device.serial) == ((8812345, "SN-0000-8812345") if stage.new else ("SN-0000-8812345", None))


@story
async def update_device(_: Stage, api: PanicApi) -> None:
    """Of another type from now on; an unknown one is 404."""
    device = await linked(api)
    assert device.id is not None
    changed = accepted(await api.update_device(device.id, device_type_id=6, deadline_s=LIMIT_S), Asked.UPDATE_DEVICE).paper
    assert isinstance(changed, Device)
    assert changed.document["deviceTypeId"] == 6
    assert (await api.update_device("nobody", deadline_s=LIMIT_S)).http_status == 404


@story
async def unlink_device(_: Stage, api: PanicApi) -> None:
    """Gone, also where the answer has no body; then 404."""
    device = await linked(api)
    assert device.id is not None
    accepted(await api.unlink_device(device.id, deadline_s=LIMIT_S), Asked.UNLINK_DEVICE)
    assert (await api.unlink_device(device.id, deadline_s=LIMIT_S)).http_status == 404


@story
async def device_event(stage: Stage, api: PanicApi) -> None:
    """The template's numbers mean what they mean: a battery level is none of our callouts, another one opens one."""
    device = await linked(api)
    assert device.id is not None
    level = await api.device_event(device.id, 5, 5, extra={"battery_level": 81}, deadline_s=LIMIT_S)
    assert accepted(level, Asked.DEVICE_EVENT).paper == DeviceAnswer("BATTERY", None)
    raised = (await api.device_event(device.id, 5, 1, place=PLACE, deadline_s=LIMIT_S)).paper
    assert isinstance(raised, DeviceAnswer)
    assert raised.event == "NEW_CALLOUT"
    assert raised.callout_id is not None
    assert not callout(await api.read(raised.callout_id, deadline_s=LIMIT_S)).closed
    assert (await api.device_event(device.id, 5, 99, deadline_s=LIMIT_S)).http_status == 400


@story
async def probe(_: Stage, api: PanicApi) -> None:
    """What exists answers anything but 404."""
    assert accepted(await api.probe("GET", "/rating-items", deadline_s=LIMIT_S), Asked.PROBE).http_status == 200
    assert (await api.probe("POST", "/ratings", deadline_s=LIMIT_S)).http_status == 400
    assert (await api.probe("GET", "/nowhere", deadline_s=LIMIT_S)).http_status == 404


# --- tokens ---------------------------------------------------------------------------------------------------------------


def scoped(stage: Stage, folder: Path | None = None) -> TokenService:
    """An operator's backend, which mints callout tokens."""
    key = (folder or Path(str(stage.running.ca_file)).parent) / "device-key"
    key.write_text(stage.running.settings.device_key)
    return TokenService(url=stage.running.token_url, customer_id=CUSTOMER, clock=Wall(), tls=stage.tls, bearer_file=key)


@story
async def callout_token(stage: Stage, _: PanicApi) -> None:
    """What a backend mints opens a callout."""
    async with stage.client(scoped(stage)) as device:
        await stage.opened(device)


@story
async def oauth_token(stage: Stage, _: PanicApi) -> None:
    """With the credentials of the source a server token, with that a callout token; both spellings."""
    secret = Path(str(stage.running.ca_file)).parent / "client-secret"
    secret.write_text(stage.running.settings.client_secret)
    source = ClientSecret(
        base_url=stage.running.base_url,
        customer_id=CUSTOMER,
        client_id=stage.running.settings.client_id,
        secret_file=secret,
        clock=Wall(),
        tls=stage.tls,
    )
    async with stage.client(source) as lab:
        await stage.opened(lab)
        assert (await lab.list_active(deadline_s=LIMIT_S)).meaning is Meaning.UNAUTHORISED, "it opens with the narrow one"


# --- the table ------------------------------------------------------------------------------------------------------------


def play(generation: str) -> Iterator[Stage]:
    with Running(Settings(generation=Generation(generation)), tls=True) as running:
        yield Stage(running)


@pytest.fixture(scope="module")
def new() -> Iterator[Stage]:
    yield from play("new")


@pytest.fixture(scope="module")
def old() -> Iterator[Stage]:
    yield from play("old")


async def told_to(stage: Stage, operation: str) -> None:
    """One story on a stage that is swept before."""
    stage.sim("POST", "/reset")
    async with stage.client() as api:
        await STORIES[operation](stage, api)


@pytest.mark.parametrize("operation", STORIES)
async def test_new(new: Stage, operation: str) -> None:
    """As the newer pages have it."""
    await told_to(new, operation)


@pytest.mark.parametrize("operation", STORIES)
async def test_old(old: Stage, operation: str) -> None:
    """As the older pages have it."""
    await told_to(old, operation)


def test_every_operation_of_ours_has_its_story() -> None:
    """What the client can ask and nobody tries is not here."""
    asked = {name for name in vars(PanicApi) if not name.startswith("_")} - {"aclose"}
    names = {"raise_callout": "raise", "look_up": "list_customer", "picture": "map"}
    assert {names.get(each, each) for each in asked} <= STORIES.keys()
    assert {each.name for each in OPERATIONS} >= {"raise", "list_active", "device_event"}, "the simulator serves them"
