"""The simulator's tools on the page: raising from a phone, faults, scenarios."""

from __future__ import annotations

import re

import pytest

from tests.browser.chromium import Browser, find
from tests.browser.dispatcher import click, show, text
from tests.simulator.rooms import Room, wait_until

pytestmark = pytest.mark.skipif(find() is None, reason="chromium is not installed")


def tools(browser: Browser, room: Room) -> None:
    """The page with its tools in sight, all of them unfolded."""
    show(browser, room)
    browser.until("document.querySelectorAll('#fault [name=action] option').length > 1")
    click(browser, "#tabs [data-tab=tools]")
    browser.until("document.querySelectorAll('#shipped option').length >= 1")
    browser.value("document.querySelectorAll('.tools details').forEach((each) => { each.open = true; })")


def fill(browser: Browser, name: str, value: str) -> None:
    """One field of the fault's form."""
    browser.value(f"""(() => {{ const field = document.querySelector('#fault [name={name}]');
        field.value = {value!r}; field.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()""")


def test_a_callout_is_raised_from_a_phone(browser: Browser, room: Room) -> None:
    tools(browser, room)
    click(browser, "#raise button")
    wait_until(lambda: room.sim("GET", "/callouts").json())
    assert room.sim("GET", "/callouts").json()[0]["origin"] == "elsewhere"
    browser.until(f"{text('.who-name')} === 'Demo Customer'")


def test_every_kind_of_fault_can_be_chosen(browser: Browser, room: Room) -> None:
    """What the simulator says that there is, each with its own fields; what it refuses is said in its words."""
    tools(browser, room)
    kinds = room.sim("GET", "/faults/kinds").json()
    for action in kinds["actions"]:
        fill(browser, "action", action["action"])
        browser.until(f"{text('#fault .hint')} === {action['words'].replace('`', '')!r}")
        shown = browser.value("[...document.querySelectorAll('#fault div.form [name]')].map((each) => each.name)")
        assert set(shown) == set(action["keys"]) - {"action", "on", "method"}
    fill(browser, "action", "status")
    fill(browser, "status", "99")
    click(browser, "#fault > button")
    assert browser.value("document.querySelector('#fault [name=status]').validity.rangeUnderflow")
    assert room.sim("GET", "/faults").json() == []


def test_a_fault_is_switched_on_for_some_requests_and_off_again(browser: Browser, room: Room) -> None:
    """For a time, a count, a share and an operation; what is left is told, and that one is on stands at the top of the page."""
    tools(browser, room)
    fill(browser, "action", "portal")
    fill(browser, "count", "2")
    fill(browser, "for_s", "600")
    click(browser, "#fault [name=on][value=mint]")
    assert not browser.value("document.querySelector(\"#fault [name=on][value='*']\").checked")
    click(browser, "#fault > button")
    browser.until(f"{text('#running')}.includes('on mint') && {text('#running')}.includes('2 hits left')")
    rule = room.sim("GET", "/faults").json()[0]
    assert (rule["action"], rule["on"], rule["count"], rule["for_s"]) == ("portal", ["mint"], 2, 600)
    assert re.search(r"(10 min 0|9 min 5\d) s left", browser.value(text("#running")))
    assert browser.value(text("#faultsign:not([hidden])")) == "1 fault on"
    assert "<html>" in room.mint().text
    browser.until(f"{text('#running')}.includes('1 hit · ') && {text('#running')}.includes('1 hits left')")
    assert "<html>" in room.mint().text
    browser.until(f"{text('#running')}.includes('over') && document.getElementById('faultsign').hidden")
    click(browser, "#running [data-off]")
    browser.until("document.querySelectorAll('#running li').length === 0")
    assert room.sim("GET", "/faults").json() == []


def test_what_is_left_of_a_fault_is_told_only_where_it_is_known(browser: Browser, room: Room) -> None:
    """A page that was opened later did not hear the rule begin, and learns in time that it is over."""
    room.sim("POST", "/faults", {"action": "latency", "delay_s": 1, "on": ["read"], "for_s": 1.5})
    tools(browser, room)
    browser.until(f"{text('#running')}.includes('for 1 s in all')")
    browser.until(f"{text('#running')}.includes('over') && document.getElementById('faultsign').hidden")


def test_all_faults_are_switched_off_at_once(browser: Browser, room: Room) -> None:
    room.sim("POST", "/faults", [{"action": "reset", "on": ["read"]}, {"action": "drip", "on": ["locate"], "share": 0.5}])
    tools(browser, room)
    browser.until(f"{text('#faultsign')} === '2 faults on' && {text('#running')}.includes('50 %')")
    click(browser, "#running [data-off=all]")
    browser.until("document.getElementById('faultsign').hidden")
    assert room.sim("GET", "/faults").json() == []


def test_without_an_answer_there_are_the_oldest_seven(browser: Browser, room: Room) -> None:
    """A page that meets an older simulator can still switch faults."""
    show(browser, room)
    told = browser.value("""import('/page/faults.js').then(async ({ Faults }) => {
        window.fetch = () => Promise.resolve(new Response('no', { status: 404 }));
        const sent = [];
        const faults = new Faults((...asked) => sent.push(asked));
        await faults.learn();
        const form = document.getElementById('fault');
        form.elements.action.value = 'lost';
        form.elements.action.dispatchEvent(new Event('change', { bubbles: true }));
        return [form.elements.action.options.length, faults.rule()]; })""")
    assert told == [7, {"action": "lost"}]


def test_a_scenario_is_started_watched_and_stopped(browser: Browser, room: Room) -> None:
    """Which there are, what it waits for now, and that it was stopped."""
    tools(browser, room)
    click(browser, "[data-scenario=start]")
    browser.until("document.querySelector('#steps .now') && document.querySelectorAll('#steps li').length > 1")
    assert browser.value(text("#scenariotitle")) == "playing"
    assert browser.value(text("#steps .now .state")) == "▶ now"
    click(browser, "[data-scenario=stop]")
    browser.until(f"{text('#scenariotitle')} === 'stopped'")
    assert room.sim("GET", "/scenario").json()["state"] == "stopped"
