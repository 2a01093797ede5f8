"""The page behind a tracking link: it shows the map and the status, and nothing that only dispatch may know, however it is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from simulator.live import Listener
from simulator.pages import Follower
from simulator.settings import Settings
from simulator.simulation import Simulation
from simulator.state import Act, Wanted
from tests.browser.chromium import Browser, find
from tests.browser.dispatcher import KEPT, show, tell, text, troubles, walk
from tests.simulator.rooms import Room

SECRET = re.compile(r"duress|soft.?cancel|safe.?code|wrong.?code|7391|two men|we have your call|82000|stood ?down|note", re.IGNORECASE)
LINKS = re.compile(r"""(?:href|src)="(/[^"]+)"|(?:from|import)\s*\(?\s*["']\./([^"']+)["']""")


def path_of(room: Room, number: int) -> str:
    """Of the callout's tracking link, as a device is told it."""
    url: str = room.api("GET", f"/callouts/{number}").json()["callout"]["url"]
    return url.removeprefix(room.running.root_url)


def busy_callout(room: Room) -> int:
    """A callout with everything that must stay with dispatch."""
    number = room.raise_callout()
    room.raise_callout()
    walk(room, number, 4)
    tell(room, number, "Two men, a white van.")
    room.sim("POST", f"/callouts/{number}/say", {"message": "We have your call."})
    room.act(number, "dispatch")
    room.act(number, "stand_down")
    room.sim("POST", f"/callouts/{number}/dispatch", {"eta_s": 300})
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "0042"})
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
    return number


def reached(room: Room, path: str) -> Iterator[tuple[str, str]]:
    """Everything that the page links to, names or imports, from there on; (path, text)."""
    todo, done = [path], set()
    while todo:
        here = todo.pop()
        if here in done:
            continue
        done.add(here)
        told = room.http.get(room.running.root_url + here)
        told.raise_for_status()
        yield here, told.text
        todo += [absolute or f"/page/{relative}" for absolute, relative in LINKS.findall(told.text)]


def heard(room: Room, path: str, count: int) -> Iterator[dict[str, Any]]:
    """The first so many events of the page's stream."""
    with room.http.stream("GET", room.running.root_url + path + "/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = (line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: "))
        for _ in range(count):
            yield json.loads(next(lines))


def test_nothing_that_it_can_reach_tells(room: Room) -> None:
    """Page, styles, scripts and stream are fetched, and none holds a word of what only dispatch knows."""
    path = path_of(room, busy_callout(room))
    files = dict(reached(room, path))
    assert {"/page/track.js", "/page/map.js", "/page/words.js", "/page/colours.css"} <= set(files)
    assert "/page/app.js" not in files
    told = json.dumps(next(heard(room, path, 1)))
    assert len(json.loads(told)["callout"]["positions"]) == 5
    for where, words in {**files, "the stream": told}.items():
        assert SECRET.findall(words) == [], where


def test_nothing_is_told_of_what_only_dispatch_knows() -> None:
    """Not even that something happened: codes, words and notes change nothing that a tracking page is told."""
    sim = Simulation(Settings(), "http://127.0.0.1:1")
    callout, _ = sim.state.raise_callout(Wanted(4711, 1, None), 1.0, "key")
    follower = Follower(sim, callout)
    topic, listener = ("callout", callout.id), Listener()
    assert follower.view(("hello", None), listener)
    for typed in ("7391", "0042", "7391"):
        sim.state.cancel(callout, typed, 2.0)
        assert follower.view(topic, listener) is None
    sim.state.say(callout, "customer", "Two men, a white van.", 3.0)
    sim.state.raise_callout(Wanted(4711, 1, None), 4.0, "other")
    assert follower.view(topic, listener) is None
    sim.state.respond(callout, Act.DISPATCH, 5.0, 60.0)
    told = follower.view(topic, listener)
    assert told is not None
    assert told["callout"]["eta"] == "1970-01-01T00:01:05.000Z"
    assert follower.view(topic, listener) is None


def test_a_wrong_code_is_silent_on_it(room: Room) -> None:
    """On the line, too: the next thing told is the next position."""
    number = room.raise_callout()
    events = heard(room, path_of(room, number), 2)
    assert next(events)["callout"]["positionsFrom"] == 0
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
    tell(room, number, "Two men, a white van.")
    walk(room, number, 1)
    news = next(events)["callout"]
    assert (news["positionsFrom"], len(news["positions"])) == (1, 1)


def test_an_unknown_link_is_not_found(room: Room) -> None:
    """And one of a simulation that was reset tells that it has ended."""
    path = path_of(room, room.raise_callout())
    assert room.http.get(f"{room.running.root_url}{path}x").status_code == 404
    assert room.http.get(f"{room.running.root_url}{path}x/live").status_code == 404
    events = heard(room, path, 2)
    assert next(events)["callout"]
    room.sim("POST", "/reset")
    assert next(events)["gone"]
    assert room.http.get(room.running.root_url + path).status_code == 404


def test_it_has_the_policy_of_the_control_room(room: Room) -> None:
    """No other host, no inline script; the key leaves with no referrer."""
    path = path_of(room, room.raise_callout())
    one, other = (room.http.get(room.running.root_url + each).headers for each in (path, "/"))
    for name in ("content-security-policy", "referrer-policy", "x-content-type-options", "cache-control"):
        assert one[name] == other[name]
    assert "default-src 'none'" in one["content-security-policy"]


@pytest.mark.skipif(find() is None, reason="chromium is not installed")
def test_a_customer_sees_the_map_and_how_far_help_is(browser: Browser, room: Room) -> None:
    """From the raise to the close, without a reload; nothing else on the screen."""
    number = room.raise_callout()
    show(browser, room, (360, 740), path=path_of(room, number))
    browser.until(f"{text('#status')} === 'Help was called' && document.querySelector('#map .here')")
    walk(room, number, 5)
    browser.until(f"{text('#place')}.includes('-29.85690, 31.02970')")
    room.sim("POST", f"/callouts/{number}/dispatch", {"eta_s": 300})
    browser.until(f"{text('#status')} === 'A responder is on the way' && {text('#detail')}.includes('Expected in 4 min 5')")
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
    room.act(number, "arrive")
    browser.until(f"{text('#status')} === 'A responder is there'")
    assert SECRET.findall(browser.value("document.documentElement.outerHTML")) == []
    assert browser.value("document.scrollingElement.scrollWidth") <= 360
    browser.screenshot(KEPT / "control-room-track.png")
    room.act(number, "close")
    browser.until(f"{text('#status')} === 'Closed'")
    asked = {each["params"]["request"]["url"] for each in browser.events if each.get("method") == "Network.requestWillBeSent"}
    assert {url for url in asked if "/sim/" in url} == set()
    assert troubles(browser) == []
