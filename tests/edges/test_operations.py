"""What an operator may ask of dispatch, against the simulator in both generations: the documents that programs rely on, and failures."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from agent import operations
from agent.credentials import Credentials
from agent.documents import NOTHING, REFUSED, UNREACHABLE
from agent.line import tls_context
from agent.lookup import LookupLoop
from agent.model import Asked, Meaning, Outcome, Place, Quality, Secret
from agent.panic_api import PanicApi, Service
from agent.wire import Token
from simulator.server import Running
from simulator.settings import Generation, Settings

PLACE = Place(-33.9249, 18.4241, 6.0, Quality.LIVE, None)
LIMIT_S = 5.0


class Held:
    """A token that somebody fetched before."""

    local = True

    def __init__(self, value: str) -> None:
        self.value = value

    async def fetch(self) -> Token:
        return Token(Secret(self.value), at=0.0)


class Steady:
    """A clock that does not move."""

    def at(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1.8e9

    def trusted(self) -> bool:
        return True


class Desk:
    """A running simulator, its dispatcher, and an operator with a server token or with that of a device."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.new = running.settings.generation is Generation.NEW

    def call(self, method: str, url: str, body: Any = None, bearer: str = "") -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
        request = urllib.request.Request(url, content, headers, method=method)  # noqa: S310 - our own simulator
        with urllib.request.urlopen(request, timeout=LIMIT_S) as told:  # noqa: S310
            return json.loads(told.read() or b"null")

    def token(self, *, device: bool) -> str:
        chosen = self.running.settings
        if device:
            told = self.call("POST", f"{self.running.root_url}/backend/token", {"customerId": 4711}, chosen.device_key)
        else:
            secret = {"clientId": chosen.client_id, "clientSecret": chosen.client_secret}
            told = self.call("POST", f"{self.running.base_url}/oauth/token", secret)
        return str(told["accessToken" if self.new else "access_token"])

    def ask(self, *requests: dict[str, Any], device: bool = False, **changes: Any) -> list[dict[str, Any]]:
        """The answers, over one connection; "raise" raises and "close" closes what was raised last."""

        async def all_of_them() -> list[dict[str, Any]]:
            credentials = Credentials(Held(self.token(device=device)), Steady())
            service = Service(**{"base_url": self.running.base_url, "customer_id": 4711, **changes})
            api = PanicApi(service, credentials, tls_context())
            try:
                return [await self.one(api, request) for request in requests]
            finally:
                await api.aclose()
                await credentials.aclose()

        with asyncio.Runner(loop_factory=LookupLoop) as runner:
            return runner.run(all_of_them())

    async def one(self, api: PanicApi, request: dict[str, Any]) -> dict[str, Any]:
        answer = await operations.perform(api, request, LIMIT_S)
        json.dumps(answer, allow_nan=False)
        return answer

    def opened(self) -> int:
        """A callout that is on."""
        wanted = {"location": {"latitude": -33.9249, "longitude": 18.4241}} if self.new else {"latitude": -33.9249, "longitude": 18.4241}
        raised = self.call(
            "POST", f"{self.running.base_url}/customers/4711/callouts", {**wanted, "responseTypeId": 1}, self.token(device=False)
        )
        return int(raised["callout"]["id"] if self.new else raised["id"])

    def act(self, callout_id: int, act: str, body: Any = None) -> None:
        self.call("POST", f"{self.running.root_url}/sim/callouts/{callout_id}/{act}", {} if body is None else body)

    def closed(self) -> int:
        callout_id = self.opened()
        for act in ("dispatch", "arrive", "complete", "close"):
            self.act(callout_id, act)
        return callout_id


@pytest.fixture(params=list(Generation), scope="module")
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """One generation of dispatch."""
    with Running(Settings(generation=request.param, subscribed=True)) as running:
        yield Desk(running)


CALLOUT_KEYS = {"id", "status", "closed", "customer_id", "created", "latitude", "longitude", "accuracy_m", "responder"}


def test_callouts_are_listed_and_shown_in_one_shape(desk: Desk):
    """Whatever the generation; the live page only where it is asked for."""
    callout_id = desk.opened()
    listed, source, shown, with_url = desk.ask(
        {"do": "list"}, {"do": "list", "all": True}, {"do": "show", "id": callout_id}, {"do": "show", "id": callout_id, "url": True}
    )
    assert [each["id"] for each in listed["callouts"]] == [each["id"] for each in source["callouts"]] == [callout_id]
    for each in (listed["callouts"][0], shown["callout"]):
        assert set(each) == CALLOUT_KEYS
        assert set(each["responder"]) == {"name", "dispatched", "expected", "expected_text", "arrived", "completed"}
    assert (shown["callout"]["status"], shown["callout"]["closed"]) == ("created", False)
    assert set(with_url["callout"]) == CALLOUT_KEYS | {"url"}
    if desk.new:
        assert "/track/" in with_url["callout"]["url"]
    desk.act(callout_id, "dispatch", {"eta_s": 420})
    (shown,) = desk.ask({"do": "show", "id": callout_id})
    assert shown["callout"]["status"] == "Responder Dispatched"
    if desk.new:  # the older generation tells no more than the status
        assert shown["callout"]["responder"]["dispatched"] < shown["callout"]["responder"]["expected"]
    desk.act(callout_id, "close")
    (shown,) = desk.ask({"do": "show", "id": callout_id})
    assert shown["callout"]["closed"]


def test_what_is_said_is_read_back(desk: Desk):
    callout_id = desk.opened()
    desk.act(callout_id, "say", {"message": "a car is on its way"})
    said, events = desk.ask({"do": "say", "id": callout_id, "text": " thanks "}, {"do": "events", "id": callout_id})
    assert said == {"ok": True, "id": callout_id, "text": "Dispatch has the message."}
    assert [(each["text"]) for each in events["events"]] == ["a car is on its way", "thanks"]
    assert {frozenset(each) for each in events["events"]} == {frozenset({"id", "time", "source", "text", "kind"})}
    desk.act(callout_id, "close")


def test_message_for_a_callout_that_dispatch_has_closed_is_refused(desk: Desk):
    """By 285, which is a 2xx."""
    callout_id = desk.closed()
    desk.call("PATCH", f"{desk.running.root_url}/sim/settings", {"refuse_closed": ["send_event"]})
    try:
        (said,) = desk.ask({"do": "say", "id": callout_id, "text": "hello"})
    finally:
        desk.call("PATCH", f"{desk.running.root_url}/sim/settings", {"refuse_closed": ["locate", "locate_return"]})
    assert (said["ok"], said["code"]) == (False, REFUSED)
    assert f"closed callout {callout_id}" in said["error"]


def test_report_and_map_are_there_after_the_close(desk: Desk):
    """And before it there is nothing, which is not a failure of dispatch."""
    callout_id = desk.opened()
    (early,) = desk.ask({"do": "report", "id": callout_id})
    assert (early["ok"], early["code"]) == (False, NOTHING)
    desk.act(callout_id, "close")
    report, map_ = desk.ask({"do": "report", "id": callout_id}, {"do": "map", "id": callout_id})
    assert report["ok"]
    assert str(callout_id) in json.dumps(report["report"])
    assert (map_["image"], "url" in map_) == (None, True)


def test_reasons_are_listed_and_one_is_chosen(desk: Desk):
    callout_id = desk.closed()
    listed, added, nothing, unknown = desk.ask(
        {"do": "reasons", "id": callout_id},
        {"do": "add_reason", "id": callout_id, "reason_id": 2, "notes": "a cat"},
        {"do": "add_reason", "id": callout_id},
        {"do": "add_reason", "id": callout_id, "reason_id": 9_999},
    )
    assert {"id": 2, "reason": "False alarm"} in listed["reasons"]
    assert added["reason"] == {"id": 2, "reason": "False alarm"}
    assert (nothing["code"], unknown["code"]) == (REFUSED, REFUSED)
    assert unknown["hint"] == "callout-agent callout reasons lists the numbers that it takes"


def test_rating_with_items_of_dispatch_and_with_own_words(desk: Desk):
    """The older generation knows no item but its own; the rating stands all the same, and that is said."""
    callout_id = desk.closed()
    items, rated = desk.ask(
        {"do": "rating_items"},
        {"do": "rate", "id": callout_id, "stars": 4, "comment": "quick", "may_contact": False, "items": ["1", "conduct of the RESPONDER"]},
    )
    known = {each["id"]: each["description"] for each in items["items"]}
    assert (rated["ok"], rated["rating"]["stars"]) == (True, 4)
    assert [(each["id"], each["description"], each["taken"]) for each in rated["items"]] == [(1, known[1], True), (2, known[2], True)]
    (own,) = desk.ask({"do": "rate", "id": callout_id, "stars": 5, "items": ["the coffee"]})
    assert own["items"][0]["taken"] is desk.new
    assert own["ok"] is desk.new
    if not desk.new:
        assert (own["rating"]["stars"], own["code"]) == (5, REFUSED)
        assert "the coffee" in own["error"]


def test_device_is_linked_speaks_and_goes(desk: Desk):
    serial = f"SN-{desk.running.settings.generation}"
    (linked,) = desk.ask({"do": "device_link", "serial": serial, "supplier": "Simulated", "type_id": 5})
    device_id = linked["device"]["id"]
    updated, sent, cancelled, gone, again = desk.ask(
        {"do": "device_update", "id": device_id, "type_id": 5},
        {"do": "device_send", "id": device_id, "type_id": 5, "message_type": 5, "extra": {"battery_level": 80}},
        {"do": "device_send", "id": device_id, "type_id": 5, "message_type": 99},
        {"do": "device_unlink", "id": device_id},
        {"do": "device_unlink", "id": device_id},
    )
    assert updated["device"]["id"] == device_id
    assert (sent["event"], sent["callout_id"]) == ("BATTERY", None)
    assert cancelled["code"] == REFUSED
    assert gone == {"ok": True, "id": device_id}
    assert (again["ok"], again["code"]) == (False, NOTHING)


def test_token_of_a_device_is_told_what_it_may_not(desk: Desk):
    """And that a server token may be what it takes."""
    whole, linked = desk.ask({"do": "list", "all": True}, {"do": "device_link", "serial": "S", "supplier": "Simulated"}, device=True)
    for refused in (whole, linked):
        assert (refused["code"], "--token-file" in refused["hint"]) == (REFUSED, True)


def test_unknown_callout_is_nothing_there(desk: Desk):
    more: dict[str, dict[str, Any]] = {"say": {"text": "x"}, "add_reason": {"reason_id": 1}}
    verbs = ("show", "events", "map", "report", "reasons", *more)
    for answer in desk.ask(*({"do": do, "id": 1, **more.get(do, {})} for do in verbs)):
        assert (answer["ok"], answer["code"]) == (False, NOTHING)
        assert "callout 1" in answer["error"]
    (rated,) = desk.ask({"do": "rate", "id": 1, "stars": 1})
    assert (rated["ok"], rated["code"]) == (False, REFUSED), "no page names a 404 for a rating"


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "show"},
        {"do": "show", "id": True},
        {"do": "show", "id": ""},
        {"do": "show", "id": [1]},
        {"do": "say", "id": 1, "text": " "},
        {"do": "say", "id": 1, "text": "x" * 1_001},
        {"do": "say", "id": 1, "text": 5},
        {"do": "rate", "id": 1},
        {"do": "rate", "id": 1, "stars": 6},
        {"do": "rate", "id": 1, "stars": 4.5},
        {"do": "rate", "id": 1, "stars": True},
        {"do": "rate", "id": 1, "stars": 5, "items": "x"},
        {"do": "rate", "id": 1, "stars": 5, "items": ["x"] * 21},
        {"do": "rate", "id": 1, "stars": 5, "may_contact": "yes"},
        {"do": "add_reason", "id": 1, "reason_id": "2"},
        {"do": "device_link", "serial": "x"},
        {"do": "device_send", "id": 1, "type_id": 1},
        {"do": "device_send", "id": 1, "type_id": 1, "message_type": 1, "extra": [1]},
        {"do": "cancel", "id": 1},
        {},
    ],
)
def test_senseless_request_is_refused_before_anything_is_sent(desk: Desk, request_: dict[str, Any]):
    """Least of all is a cancel one of these operations."""
    before = len(desk.call("GET", f"{desk.running.root_url}/sim/requests"))
    (answer,) = desk.ask(request_)
    assert (answer["ok"], answer["code"]) == (False, REFUSED)
    requests = desk.call("GET", f"{desk.running.root_url}/sim/requests")[before:]
    assert {each["operation"] for each in requests} <= {"oauth_token"}


@pytest.mark.parametrize(
    ("outcome", "code", "word"),
    [
        (Outcome(Asked.READ, Meaning.RETRY, "timeout", "no reply within 3 s", 7), UNREACHABLE, "no reply within 3 s"),
        (Outcome(Asked.READ, Meaning.RETRY, "html", "HTTP 200 with a web page", 7, 200), UNREACHABLE, "web page"),
        (Outcome(Asked.READ, Meaning.RETRY, "http_503", "HTTP 503", 7, 503), UNREACHABLE, "503"),
        (Outcome(Asked.READ, Meaning.RETRY, "no_token", "there is none", 7), UNREACHABLE, "no token"),
        (Outcome(Asked.READ, Meaning.ACCEPTED, "ok", "", 7, 200), UNREACHABLE, "something else"),
        (Outcome(Asked.READ, Meaning.REJECTED, "http_404", "HTTP 404", 7, 404), NOTHING, "knows no callout 7"),
        (Outcome(Asked.REPORT, Meaning.REJECTED, "http_404", "HTTP 404", 7, 404), NOTHING, "no report of callout 7"),
        (Outcome(Asked.RATING_ITEMS, Meaning.REJECTED, "http_404", "HTTP 404", None, 404), NOTHING, "no such thing"),
        (Outcome(Asked.RATE, Meaning.REJECTED, "http_400", "HTTP 400", 7, 400), REFUSED, "refused it"),
        (Outcome(Asked.EVENT, Meaning.CLOSED, "closed", "closed", 7, 285), REFUSED, "closed callout 7"),
        (Outcome(Asked.LIST_ACTIVE, Meaning.UNAUTHORISED, "scope", "HTTP 401", None, 401), REFUSED, "this token"),
    ],
)
def test_failure_says_what_happened_and_what_to_do(outcome: Outcome, code: str, word: str):
    failed = operations.failed(outcome)
    assert (failed["ok"], failed["code"]) == (False, code)
    assert word in failed["error"]
    assert failed["hint"]


def test_all_questions_of_one_request_share_its_deadline(desk: Desk):
    """A rating with items asks many times; a dispatch that became slow must not hold an operator for each."""
    callout_id = desk.closed()
    url = f"{desk.running.root_url}/sim/faults"
    desk.call("POST", url, {"on": ["rate_item"], "action": "latency", "delay_s": 20})
    try:

        async def rate() -> float:
            credentials = Credentials(Held(desk.token(device=False)), Steady())
            api = PanicApi(Service(base_url=desk.running.base_url, customer_id=4711), credentials, tls_context())
            began = asyncio.get_running_loop().time()
            answer = await operations.perform(api, {"do": "rate", "id": callout_id, "stars": 3, "items": ["1", "2", "3"]}, 1.0)
            await api.aclose()
            assert (answer["ok"], answer["rating"]["stars"], [each["taken"] for each in answer["items"]]) == (False, 3, [False] * 3)
            return asyncio.get_running_loop().time() - began

        with asyncio.Runner(loop_factory=LookupLoop) as runner:
            assert runner.run(rate()) < 2.0
    finally:
        desk.call("DELETE", url)


class Halting:
    """A dispatch that takes a rating without telling its number, and whose list of items never comes."""

    def __init__(self) -> None:
        self.rated: list[Any] = []

    async def rating_items(self, *, deadline_s: float) -> Outcome:
        await asyncio.sleep(deadline_s)
        return Outcome(Asked.RATING_ITEMS, Meaning.RETRY, "timeout")

    async def rate(self, callout_id: Any, *_words: Any, deadline_s: float) -> Outcome:
        assert deadline_s > 0.2, "the list leaves most of the time to what it is for"
        return Outcome(Asked.RATE, Meaning.ACCEPTED, "ok", callout_id=callout_id, http_status=200)

    async def rate_item(self, rating_id: Any, *words: Any, **_more: Any) -> Outcome:
        self.rated.append((rating_id, *words))
        return Outcome(Asked.RATE_ITEM, Meaning.ACCEPTED, "ok", http_status=200)


def test_items_of_a_rating_without_a_number_are_not_sent_and_a_list_that_never_comes_keeps_no_rating_away():
    dispatch: Any = Halting()
    answer = asyncio.run(operations.perform(dispatch, {"do": "rate", "id": 7, "stars": 2, "items": ["the coffee"]}, 0.6))
    assert (answer["rating"], [each["taken"] for each in answer["items"]], dispatch.rated) == ({"id": None, "stars": 2}, [False], [])
    assert "the rating was taken" in answer["error"]
