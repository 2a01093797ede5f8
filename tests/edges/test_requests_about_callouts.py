"""What may be asked about callouts over the socket: outwardly of the one that is on, by root of any, and never beside a lane's back."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from dispatchers import Line, Service
from model_time import ModelLoop
from test_requests import ACCEPTED, ACTIVE, CALM, CANCEL, CLOSED, PRESSED, RAISING, ROOT, SOMEONE, STANDBY, Device, on

from agent import enquiries
from agent.documents import NOTHING, REFUSED, UNREACHABLE
from agent.lifecycle import step
from agent.model import Asked, Meaning, Outcome
from agent.requests import MOST_SAID, SAID_WITHIN_S, Requests
from agent.signals import Happening

OURS, ANOTHER = 7, 8
OUTWARD: dict[str, dict[str, Any]] = {
    "list": {"do": "list"},
    "whole source": {"do": "list", "all": True},
    "show": {"do": "show"},
    "show ours": {"do": "show", "id": OURS},
    "show another": {"do": "show", "id": ANOTHER},
    "events": {"do": "events"},
    "events ours": {"do": "events", "id": OURS},
    "follow": {"do": "events", "follow": OURS, "wait_s": 60},
    "map": {"do": "map", "id": OURS},
    "report": {"do": "report"},
    "reasons": {"do": "reasons"},
    "add_reason": {"do": "add_reason", "reason_id": 1},
    "rate": {"do": "rate", "stars": 5},
    "say": {"do": "say", "text": "are you there?"},
}


async def answered(before: tuple[Happening, ...], request: dict[str, Any], **of: Any) -> tuple[dict[str, Any], list[Asked], float]:
    """The answer to somebody, what dispatch was asked for it, and how long it took."""
    device = Device(heard=(), **of)
    for event in before:
        device.state, _ = step(device.state, event)
    if device.state.callout_id is not None:
        device.service.callouts[OURS] = "Responder Dispatched"
        device.hear("we are at the door")
    began = time.monotonic()
    reply = await Requests(device).handle(dict(request), SOMEONE)
    assert device.service.open_lines == 0
    return reply, device.service.asked, time.monotonic() - began


@pytest.mark.parametrize("request_", OUTWARD.values(), ids=OUTWARD)
def test_calm_device_answers_as_in_standby_and_asks_dispatch_as_in_standby(request_: dict[str, Any]):
    """Law 5: whatever goes on inside, the same words after the same questions in the same time."""

    async def run() -> None:
        plain = await answered(STANDBY, request_)
        for before in CALM.values():
            calm = await answered(before, request_)
            assert calm[:2] == plain[:2]
            assert calm[2] < 0.5
        assert (await answered(STANDBY, request_, unsure=True))[:2] == plain[:2]

    asyncio.run(run())


def test_list_of_a_calm_device_is_empty_although_dispatch_was_asked():
    async def run() -> None:
        for before, ids in ((ACTIVE, [OURS]), *((before, []) for before in CALM.values()), (STANDBY, [])):
            reply, asked, _ = await answered(before, {"do": "list"})
            assert ([each["id"] for each in reply["callouts"]], asked) == (ids, [Asked.LOOK_UP])

    asyncio.run(run())


def test_list_never_holds_the_address_of_a_live_page():
    """Whoever has it sees where the wearer is, for as long as it is on; of the callout that is on it may be asked for by its id."""

    async def run() -> None:
        reply, _, _ = await answered(ACTIVE, {"do": "list", "url": True})
        assert [sorted(each) for each in reply["callouts"] if "url" in each] == []
        assert len(reply["callouts"]) == 1

    asyncio.run(run())


def test_failing_dispatch_looks_the_same_in_standby_and_while_calm():
    """Or a failure would be the one thing that a cancel hides."""
    failure = Outcome(Asked.LOOK_UP, Meaning.RETRY, "http_503", "HTTP 503 to look_up", http_status=503)

    async def run() -> None:
        replies = []
        for before in (STANDBY, *CALM.values()):
            service = Service()
            service.fault = lambda _: failure
            replies.append(await answered(before, {"do": "list"}, service=service))
        assert {json.dumps(reply[0]) for reply in replies} == {json.dumps(replies[0][0])}
        assert replies[0][0]["code"] == UNREACHABLE

    asyncio.run(run())


def test_device_that_does_not_know_yet_whether_a_cancel_was_handed_over_shows_none():
    """The store may hang at the start; what it would tell may be that there is nothing to show."""

    async def run() -> None:
        for request in ({"do": "show"}, {"do": "events"}):
            reply, asked, _ = await answered(ACTIVE, request, unsure=True)
            assert (reply["code"], asked) == (NOTHING, [])
        assert (await answered(ACTIVE, {"do": "list"}, unsure=True))[0] == {"ok": True, "callouts": []}

    asyncio.run(run())


def test_callout_that_is_on_is_shown_by_any_form_of_its_id():
    async def run() -> None:
        for request in ({"do": "show"}, {"do": "show", "id": OURS}, {"do": "show", "id": str(OURS)}):
            reply, asked, _ = await answered(ACTIVE, request)
            assert (reply["callout"]["id"], reply["callout"]["status"], asked) == (OURS, "Responder Dispatched", [Asked.READ])
            assert "url" not in reply["callout"]

    asyncio.run(run())


@pytest.mark.parametrize("before", [STANDBY, ACTIVE, *CALM.values()], ids=["standby", "active", *CALM])
def test_another_callout_is_refused_in_words_that_tell_nothing(before: tuple[Happening, ...]):
    async def run() -> None:
        reply, asked, _ = await answered(before, {"do": "show", "id": ANOTHER})
        assert (reply, asked) == (enquiries.elsewhere(ANOTHER), [])
        assert reply["code"] == REFUSED

    asyncio.run(run())


def test_callout_without_an_id_yet_is_said_to_have_none():
    async def run() -> None:
        for request in ({"do": "show"}, {"do": "events"}, {"do": "say", "text": "x"}):
            reply, asked, _ = await answered(RAISING, request)
            assert (reply["error"], reply["code"], asked) == (enquiries.NOT_ACCEPTED[0], NOTHING, [])

    asyncio.run(run())


def test_answer_that_comes_after_a_cancel_is_not_told():
    """It may say what the cancel came to."""

    async def story(device: Device, requests: Requests) -> None:
        device.service.callouts[OURS] = "created"
        for request in ({"do": "show"}, {"do": "list"}):
            device.service.hold = {kind: asyncio.Event() for kind in (Asked.READ, Asked.LOOK_UP)}
            asking = asyncio.create_task(requests.handle(request, SOMEONE))
            await asked_for(device, Asked.READ if request["do"] == "show" else Asked.LOOK_UP)
            await device.decide(CANCEL)
            for hold in device.service.hold.values():
                hold.set()
            reply = await asking
            assert reply == ({"ok": True, "callouts": []} if request["do"] == "list" else await requests.handle({"do": "show"}, SOMEONE))

    on(story, *ACTIVE)


async def asked_for(device: Device, kind: Asked) -> None:
    """Until dispatch is asked for it."""
    while kind not in device.service.asked:
        device.service.heard.clear()
        await device.service.heard.wait()


def test_events_are_answered_as_soon_as_there_are_more():
    async def story(device: Device, requests: Requests) -> None:
        device.hear("a car is on its way")
        first = await requests.handle({"do": "events"}, SOMEONE)
        assert [each["text"] for each in first["events"]] == ["a car is on its way"]
        again = {"do": "events", "follow": first["id"], "mark": first["mark"], "wait_s": 30}
        asking = asyncio.create_task(requests.handle(again, SOMEONE))
        await asyncio.sleep(0)
        assert not asking.done()
        device.hear("at the gate")
        more = await asking
        assert [each["text"] for each in more["events"]] == ["a car is on its way", "at the gate"]
        assert (more["over"], more["events"][1]["source"], more["events"][1]["time"]) == (False, "dispatch", "2027-01-15T08:00:00Z")
        waited = await requests.handle({**again, "mark": more["mark"], "wait_s": 0.01}, SOMEONE)
        assert (waited["over"], waited["mark"]) == (False, more["mark"])

    on(story, *ACTIVE)


@pytest.mark.parametrize("end", [CANCEL, CLOSED], ids=["cancelled", "closed"])
def test_who_follows_is_told_the_same_end_by_a_cancel_and_by_the_close(end: Happening):
    async def story(device: Device, requests: Requests) -> None:
        device.hear("a car is on its way")
        first = await requests.handle({"do": "events"}, SOMEONE)
        again = {"do": "events", "follow": first["id"], "mark": first["mark"], "wait_s": 30}
        asking = asyncio.create_task(requests.handle(again, SOMEONE))
        await asyncio.sleep(0)
        await device.decide(end)
        over = await asking
        assert (over["events"], over["over"]) == ([], True)
        late = await requests.handle(again, SOMEONE)
        assert (late["ok"], late["events"], late["over"]) == (True, [], True)

    on(story, *ACTIVE)


def test_who_follows_one_callout_is_told_nothing_of_the_next():
    async def story(device: Device, requests: Requests) -> None:
        device.hear("a car is on its way")
        first = await requests.handle({"do": "events"}, SOMEONE)
        asking = asyncio.create_task(requests.handle({"do": "events", "follow": OURS, "mark": first["mark"], "wait_s": 30}, SOMEONE))
        await asyncio.sleep(0)
        device.state = replace(device.state, callout_id=ANOTHER)
        device.hear("who is there?")
        over = await asking
        assert (over["id"], over["events"], over["over"]) == (OURS, [], True)

    on(story, *ACTIVE)


@pytest.mark.parametrize("wait_s", [-1, 61, "x", True, float("nan")])
def test_senseless_wait_is_refused(wait_s: Any):
    async def story(_device: Device, requests: Requests) -> None:
        reply = await requests.handle({"do": "events", "follow": OURS, "wait_s": wait_s}, SOMEONE)
        assert not reply["ok"]
        assert "wait_s" in reply["error"]

    on(story, *ACTIVE)


@pytest.mark.parametrize("do", sorted(enquiries.VERBS | {"say"}))
def test_inner_view_is_for_root(do: str):
    async def story(device: Device, requests: Requests) -> None:
        reply = await requests.handle({"do": do, "inner": True, "id": OURS, "text": "x"}, SOMEONE)
        assert (reply["ok"], reply["code"], device.service.asked) == (False, REFUSED, [])

    on(story, *ACTIVE)


def test_root_sees_inside_and_is_told_so():
    """Of the callout the device knew last where no id is given."""

    async def story(device: Device, requests: Requests) -> None:
        device.service.callouts |= {OURS: "created", ANOTHER: "closed"}
        for request, id_ in (({}, OURS), ({"id": ANOTHER}, ANOTHER)):
            reply = await requests.handle({"do": "show", "inner": True, **request}, ROOT)
            assert (reply["callout"]["id"], reply["inner"], reply["calm"]) == (id_, True, True)
        listed = await requests.handle({"do": "list", "inner": True}, ROOT)
        assert [each["id"] for each in listed["callouts"]] == [OURS]
        said = await requests.handle({"do": "say", "inner": True, "text": "psst"}, ROOT)
        assert (said["ok"], device.service.events, device.told) == (True, [(OURS, "psst")], [])

    for before in (CALM["cancelling"], CALM["closed"]):
        on(story, *before)


def test_root_without_any_callout_is_asked_which():
    async def story(_device: Device, requests: Requests) -> None:
        reply = await requests.handle({"do": "show", "inner": True}, ROOT)
        assert (reply["ok"], reply["code"], reply["calm"]) == (False, REFUSED, False)
        assert "which" in reply["error"]

    on(story)


def test_slow_dispatch_holds_up_few_operators_and_each_no_longer_than_its_deadline(monkeypatch: pytest.MonkeyPatch):
    """Connections are few on a small device; they belong to lanes first."""
    monkeypatch.setattr(enquiries, "DEADLINE_S", 0.2)

    async def story(device: Device, requests: Requests) -> None:
        device.service.hold[Asked.LOOK_UP] = asyncio.Event()
        asking = [asyncio.create_task(requests.handle({"do": "list"}, SOMEONE)) for _ in range(6)]
        await asked_for(device, Asked.LOOK_UP)
        assert device.service.open_lines <= enquiries.AT_ONCE
        began = time.monotonic()
        replies = await asyncio.gather(*asking)
        assert time.monotonic() - began < 1.0
        assert {reply["code"] for reply in replies} == {UNREACHABLE}
        assert device.service.asked.count(Asked.LOOK_UP) == enquiries.AT_ONCE
        assert device.service.open_lines == 0

    on(story)


def test_question_under_way_is_given_up_for_a_raise_and_the_next_one_waits_for_it():
    """On a slow line two handshakes of an operator would delay the raise by as much."""

    async def story(device: Device, requests: Requests) -> None:
        hold = device.service.hold[Asked.LOOK_UP] = asyncio.Event()
        asking = asyncio.create_task(requests.handle({"do": "list"}, SOMEONE))
        await asked_for(device, Asked.LOOK_UP)
        await device.decide(PRESSED)
        given_up = await asking
        assert (given_up["code"], given_up["error"]) == (UNREACHABLE, enquiries.RAISE_FIRST[0])
        assert device.service.open_lines == 0
        waiting = asyncio.create_task(requests.handle({"do": "list"}, SOMEONE))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (device.service.open_lines, len(device.service.asked)) == (0, 1)
        hold.set()
        await device.decide(ACCEPTED)
        assert (await waiting)["ok"]
        assert device.service.asked == [Asked.LOOK_UP] * 2

    on(story)


def test_question_that_a_raise_outlasts_says_what_it_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(enquiries, "DEADLINE_S", 0.05)

    async def story(device: Device, requests: Requests) -> None:
        reply = await requests.handle({"do": "list"}, SOMEONE)
        assert (reply["code"], reply["error"], device.service.asked) == (UNREACHABLE, enquiries.RAISE_FIRST[0], [])

    on(story, *RAISING)


def test_raise_that_goes_on_behind_a_cancel_keeps_no_question_waiting():
    """Law 5: the wait would tell of it; also of a question that was waiting when the cancel came."""

    async def story(device: Device, requests: Requests) -> None:
        waiting = asyncio.create_task(requests.handle({"do": "list"}, SOMEONE))
        for _ in range(20):
            await asyncio.sleep(0)
        assert device.service.asked == []
        await device.decide(CANCEL)
        assert await waiting == {"ok": True, "callouts": []}
        assert await requests.handle({"do": "list"}, SOMEONE) == {"ok": True, "callouts": []}

    on(story, *RAISING)


def test_who_asks_and_asks_has_no_more_than_half_of_the_line():
    """Each turn is free again only after as long as it was used."""

    class Slow(Line):
        async def look_up(self, *, deadline_s: float) -> Outcome:
            await asyncio.sleep(0.5)
            return await super().look_up(deadline_s=deadline_s)

    class Slowed(Device):
        def open(self) -> Line:
            return Slow(self.service)

    async def run() -> list[float]:
        requests, clock = Requests(Slowed()), asyncio.get_running_loop()

        async def ask() -> float:
            await requests.handle({"do": "list"}, SOMEONE)
            return round(clock.time(), 2)

        return await asyncio.gather(*(ask() for _ in range(2 * enquiries.AT_ONCE)))

    with asyncio.Runner(loop_factory=ModelLoop) as runner:
        assert runner.run(run()) == [0.5] * enquiries.AT_ONCE + [1.5] * enquiries.AT_ONCE


def test_flood_of_messages_is_refused_in_words_and_ends_with_time():
    """Each would wait on disk and in memory, before the trail, until dispatch has it."""

    async def run() -> None:
        device, say = Device(), {"do": "say", "text": "hello"}
        for event in ACTIVE:
            device.state, _ = step(device.state, event)
        requests = Requests(device)
        replies = [await requests.handle(say, SOMEONE) for _ in range(MOST_SAID + 20)]
        assert [reply["ok"] for reply in replies] == [True] * MOST_SAID + [False] * 20
        assert replies[-1]["code"] == REFUSED
        await asyncio.sleep(SAID_WITHIN_S)
        assert (await requests.handle(say, SOMEONE))["ok"]
        assert len(device.told) == MOST_SAID + 1

    with asyncio.Runner(loop_factory=ModelLoop) as runner:
        runner.run(run())
