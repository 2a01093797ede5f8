"""Server-sent events: a page hears what changed, and only once."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from simulator import live
from simulator.control import Desk
from simulator.live import Hub, Listener, Topic, View, Wants
from simulator.settings import Settings
from simulator.simulation import Simulation
from tests.simulator.rooms import FIRST, THERE, Room

Told = tuple[str, dict[str, Any]]


@contextmanager
def listening(room: Room) -> Iterator[Iterator[Told]]:
    """The events of one listener; a read that waits longer than the client's timeout fails."""

    def events(lines: Iterator[str]) -> Iterator[Told]:
        name = ""
        for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    with room.http.stream("GET", room.running.root_url + "/sim/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        yield events(stream.iter_lines())


def next_of(events: Iterator[Told], name: str) -> dict[str, Any]:
    return next(told for heard, told in events if heard == name)


def test_a_listener_gets_everything_first(room: Room) -> None:
    number = room.raise_callout()
    with listening(room) as events:
        name, told = next(events)
    assert name == "hello"
    assert [each["id"] for each in told["callouts"]] == [number]
    assert {"now", "customers", "faults", "settings", "responseTypes", "requests"} <= set(told)


def test_a_callout_and_its_positions_arrive_as_they_happen(room: Room) -> None:
    """Positions are told once: each view says how many older ones it leaves out."""
    with listening(room) as events:
        next_of(events, "hello")
        number = room.raise_callout()
        first = next_of(events, "callout")["callout"]
        assert (first["id"], first["positionsFrom"], len(first["positions"])) == (number, 0, 1)
        for count in (1, 2):
            room.api("POST", f"/callouts/{number}/location", {**THERE, "latitude": count})
            told = next_of(events, "callout")["callout"]
            assert (told["positionsFrom"], [each["latitude"] for each in told["positions"]]) == (count, [count])
        room.act(number, "close")
        assert next_of(events, "callout")["callout"]["status"] == "closed"


def test_a_request_is_told_when_it_arrives_and_again_when_it_is_over(room: Room) -> None:
    """A page shows what hangs, and how what does not was answered."""
    room.sim("POST", "/faults", {"action": "latency", "on": "read", "delay_s": 0.3})
    number = room.raise_callout()
    with listening(room) as events:
        next_of(events, "hello")
        thread = threading.Thread(target=room.api, args=("GET", f"/callouts/{number}"))
        thread.start()
        told = []
        for name, news in events:
            assert name != "beat", "nothing more was told"
            told += news["requests"][-1:] if name == "request" else []
            if len(told) == 2:
                break
        thread.join()
    first, then = told
    assert (first["operation"], first["status"]) == ("read", None)
    assert (then["number"], then["status"], then["took_s"] >= 0.3) == (first["number"], 200, True)


def test_requests_faults_customers_and_a_reset_are_told(room: Room) -> None:
    with listening(room) as events:
        next_of(events, "hello")
        room.api("GET", "/callouts/1")
        assert next_of(events, "request")["requests"][0]["operation"] == "read"
        room.sim("POST", "/faults", {"action": "reset"})
        assert next_of(events, "faults")["faults"][0]["action"] == "reset"
        room.sim("PATCH", "/customers/4711", {"subscribed": False})
        assert not next_of(events, "customers")["customers"][0]["subscribed"]
        room.sim("POST", "/reset")
        assert next_of(events, "reset")["customers"][0]["subscribed"]


def test_the_stream_holds_no_secret(room: Room) -> None:
    with listening(room) as events:
        next_of(events, "hello")
        number = room.raise_callout()
        room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
        heard = [next(events)]
        while not (heard[-1][0] == "callout" and heard[-1][1]["callout"]["cancels"]):
            heard.append(next(events))
    assert heard[-1][1]["callout"]["duress"]
    assert "7391" not in json.dumps(heard)
    assert room.headers["Authorization"].split()[1] not in json.dumps(heard)


def test_a_callout_that_a_reset_took_is_not_told() -> None:
    """A listener that was too slow to hear of it hears of the reset only."""
    desk = Desk(Simulation(Settings(), "http://127.0.0.1:1"))
    assert desk.view(("callout", 5), Listener()) is None


def test_two_listeners_hear_the_same(room: Room) -> None:
    with listening(room) as one, listening(room) as other:
        next_of(one, "hello")
        next_of(other, "hello")
        room.raise_callout()
        assert next_of(one, "callout")["callout"]["id"] == next_of(other, "callout")["callout"]["id"] == FIRST


def test_events_and_notes_are_told_once(room: Room) -> None:
    """As positions: each view says how many older ones it leaves out."""
    number = room.raise_callout()
    with listening(room) as events:
        next_of(events, "hello")
        for count in (1, 2):
            room.api("POST", f"/callouts/{number}/events", {"source": "customer", "event": f"Word {count}"})
            told = next_of(events, "callout")["callout"]
            assert (told["eventsFrom"], [each["text"] for each in told["events"]]) == (count - 1, [f"Word {count}"])
        room.raise_callout()
        told = next_of(events, "callout")["callout"]
        assert (told["eventsFrom"], told["events"]) == (2, [])
        assert (told["notesFrom"], len(told["notes"])) == (0, 1)


def test_a_new_listener_is_told_of_what_faults_hit_before(room: Room) -> None:
    """However long ago in the log: the timeline of a page that was opened later shows it."""
    number = room.raise_callout()
    room.sim("POST", "/faults", {"action": "status", "status": 503, "on": ["locate"], "count": 1})
    room.api("POST", f"/callouts/{number}/location", THERE)
    for _ in range(50):
        room.api("GET", f"/callouts/{number}")
    with listening(room) as events:
        told = next_of(events, "hello")
    assert [(each["operation"], each["fault"]) for each in told["struck"]] == [("locate", "status")]


async def hear(hub: Hub, count: int, view: View, wants: Wants, act: Callable[[], None]) -> list[tuple[float, str]]:
    """The first so many texts that one listener hears, each with the moment; `act` is done every hundredth of a second meanwhile."""
    loop = asyncio.get_running_loop()
    texts: list[tuple[float, str]] = []

    async def listen() -> None:
        async for text in hub.stream(asyncio.Event(), view, wants):
            texts.append((loop.time(), text))
            if len(texts) == count:
                return

    async def keep_acting() -> None:
        while True:
            await asyncio.sleep(0.01)
            act()

    acting = asyncio.ensure_future(keep_acting())
    await asyncio.wait_for(listen(), 10)
    acting.cancel()
    return texts


@pytest.mark.parametrize("number", [5, 6])
def test_news_that_show_nowhere_keep_no_beat_back(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Or a page would take a live line for dead, and a watcher could tell from the pause that something had happened."""
    monkeypatch.setattr(live, "BEAT_S", 0.2)
    hub = Hub()

    def view(topic: Topic, _: Listener) -> dict[str, str] | None:
        return None if topic == ("callout", 5) else {"said": topic[0]}

    def wants(topic: Topic) -> bool:
        return topic[1] == 5

    texts = asyncio.run(hear(hub, 4, view, wants, lambda: hub.tell("callout", number)))
    assert ["event: hello" in texts[0][1], *("event: beat" in text for _, text in texts[1:])] == [True] * 4
    assert all(later - earlier >= 0.19 for (earlier, _), (later, _) in pairwise(texts))


def test_a_head_holds_up_nothing_that_follows_it(room: Room) -> None:
    """On the same connection: what the stream would have said is not waited for."""
    room.raise_callout()
    (key,) = {callout.track_key for callout in room.running._sim.state.callouts.values()}  # type: ignore[union-attr]
    for path in ("/sim/live", f"/track/{key}/live"):
        told = room.http.head(room.running.root_url + path)
        assert (told.status_code, told.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        assert room.sim("GET", "/requests", timeout=2).status_code == 200


def test_a_page_that_sleeps_for_long_is_told_everything_anew() -> None:
    """What it missed is not kept for it, and telling it does not hold up the loop that devices wait for."""

    async def sleep_and_wake() -> list[str]:
        hub, stopping = Hub(), asyncio.Event()
        stream = hub.stream(stopping, lambda topic, _: {"topic": topic})
        await anext(stream)
        for number in range(50_000):
            hub.tell("request", number)
        woken = await anext(stream)
        await stream.aclose()
        return re.findall(r"^event: (\w+)", woken, re.MULTILINE)

    heard = asyncio.run(sleep_and_wake())
    assert heard[0] == "reset"
    assert len(heard) <= live.MOST_NEWS


def test_who_goes_is_told_nothing_any_more() -> None:
    """A page that is loaded again and again leaves no listener behind."""

    async def come_and_go() -> int:
        hub = Hub()
        for _ in range(3):
            stream = hub.stream(asyncio.Event(), lambda topic, _: {"topic": topic})
            await anext(stream)
            await stream.aclose()
        return len(hub._listeners)

    assert asyncio.run(come_and_go()) == 0


def test_what_changes_together_goes_out_together() -> None:
    """Two hundred callouts that move all the time are at most twenty writes a second, with each callout once."""
    hub = Hub()

    def view(topic: Topic, _: Listener) -> dict[str, int | None]:
        return {"callout": topic[1]}

    def all_of_them() -> None:
        for number in range(200):
            hub.tell("callout", number)

    texts = asyncio.run(hear(hub, 5, view, lambda _: True, all_of_them))
    assert [text.count("event: callout") for _, text in texts[2:]] == [200] * 3
    assert all(later - earlier >= 0.9 * live.GATHER_S for (earlier, _), (later, _) in pairwise(texts))
