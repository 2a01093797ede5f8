"""The control room page in headless Chromium: what a dispatcher sees and does. Screenshots are kept under artefacts/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, find
from tests.simulator.rooms import HERE, Room, furnish

pytestmark = pytest.mark.skipif(find() is None, reason="chromium is not installed")

KEPT = Path(__file__).parents[2] / "artefacts"
WIDE, NARROW = (1400, 900), (390, 844)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as one:
        yield one


@pytest.fixture
def room() -> Iterator[Room]:
    one = furnish()
    yield one
    one.close()


def show(browser: Browser, room: Room, size: tuple[int, int] = WIDE) -> None:
    """Open the page and wait until it is connected."""
    browser.events.clear()
    browser.open(room.running.root_url + "/", *size)
    browser.until("document.getElementById('link').textContent === 'Live'")


def walk(room: Room, number: int, steps: int) -> None:
    """Move the callout north-east in even steps."""
    for step in range(1, steps + 1):
        place = {"latitude": HERE["latitude"] + step * 2e-4, "longitude": HERE["longitude"] + step * 1e-4, "accuracy": 9.5}
        assert room.api("POST", f"/callouts/{number}/location", place).status_code == 200


def fact(name: str) -> str:
    """JavaScript for the value beside a name in the facts."""
    return f"[...document.querySelectorAll('#facts dt')].find((each) => each.textContent === '{name}')?.nextSibling.textContent"


def test_a_callout_appears_and_moves(browser: Browser, room: Room) -> None:
    """Without a reload: the card, the facts, the track, its end and the age of the position; wide and narrow."""
    show(browser, room)
    assert "All quiet" in browser.value("document.getElementById('list').textContent")
    number = room.raise_callout()
    browser.until(f"document.querySelector('.card[data-id=\"{number}\"][aria-current=true]')")
    browser.until("document.querySelector('#map .here')")
    before = browser.value("document.querySelector('#map .circle').getAttribute('r')")
    walk(room, number, 12)
    browser.until(f"{fact('Positions')} === '13'")
    browser.until("document.querySelector('#map .track').getAttribute('points').split(' ').length === 13")
    assert browser.value("document.querySelector('#map .circle').getAttribute('r')") != before
    assert "-29.85550, 31.03040" in browser.value("document.getElementById('position').textContent")
    assert browser.value("document.querySelector('#position .fresh dd').textContent").endswith(" s")
    assert browser.value("document.title") == "(1) Control room"
    room.act(number, "dispatch")
    room.api("POST", f"/callouts/{number}/events", {"source": "customer", "event": "Device battery at 63 %"})
    room.sim("POST", f"/callouts/{number}/say", {"message": "Unit 7 is on its way."})
    browser.until("document.querySelectorAll('.event').length === 3")
    browser.screenshot(KEPT / "control-room-wide.png")
    browser.size(*NARROW)
    browser.until("innerWidth === 390 && document.querySelector('#map').clientWidth < 390 && document.querySelector('#map .here')")
    assert browser.value("document.scrollingElement.scrollWidth") <= 390
    browser.screenshot(KEPT / "control-room-narrow.png")


def test_duress_is_red_at_once(browser: Browser, room: Room) -> None:
    number = room.raise_callout()
    show(browser, room)
    browser.until("document.querySelector('.card')")
    assert browser.value("document.getElementById('duress').hidden")
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
    browser.until("!document.getElementById('duress').hidden && document.querySelector('.card.alarm')")
    assert browser.value("document.title").startswith("DURESS")
    assert "Duress" in browser.value("document.querySelector('[role=alert]').textContent")
    assert "WRONG CODE" in browser.value(fact("Cancels"))
    assert "7391" not in browser.value("document.documentElement.outerHTML")
    browser.screenshot(KEPT / "control-room-duress.png")


def test_the_buttons_offer_what_makes_sense_and_work(browser: Browser, room: Room) -> None:
    number = room.raise_callout()
    show(browser, room)
    enabled = "[...document.querySelectorAll('#acts button:enabled')].map((each) => each.dataset.act).join(' ')"
    for offered, act in [("dispatch close", "dispatch"), ("arrive close", "arrive"), ("complete close", "complete"), ("close", "close")]:
        browser.until(f"{enabled} === '{offered}'")
        browser.value(f"document.querySelector('[data-act={act}]').click()")
    browser.until(f"{enabled} === '' && document.querySelector('.card.closed') && document.querySelector('#say input').disabled")
    assert room.seen(number)["closed"]


def test_it_can_be_used_from_the_keyboard(browser: Browser, room: Room) -> None:
    """Answering, walking the list and pressing a button need no mouse, and news do not steal the focus."""
    room.sim("POST", "/customers", {"id": 5, "mobile": "+27820001234", "name": "Five"})
    older = room.raise_callout()
    newer = room.sim("POST", "/callouts", {"customerId": 5, **HERE}).json()["id"]
    show(browser, room)
    browser.until("document.querySelectorAll('.card').length === 2")
    browser.value(f"document.querySelector('[data-id=\"{newer}\"]').focus()")
    browser.press("ArrowDown", 40)
    browser.press("Enter", 13)
    browser.until(f"document.querySelector('[data-id=\"{older}\"]').getAttribute('aria-current') === 'true'")
    walk(room, older, 1)
    browser.until(f"{fact('Positions')} === '2'")
    assert browser.value("document.activeElement.dataset.id") == str(older)
    browser.value("document.querySelector('#say input').focus()")
    browser.ask("Input.insertText", text="Help is near")
    browser.press("Enter", 13)
    browser.until("document.querySelector('.event.dispatch')?.textContent.includes('Help is near')")
    assert room.seen(older)["events"][0]["source"] == "dispatch"
    assert room.seen(newer)["events"] == []


def test_the_age_of_the_position_turns_amber_then_red(browser: Browser, room: Room) -> None:
    """It counts by itself: the page's clock is moved on, the simulator says nothing."""
    room.raise_callout()
    show(browser, room)
    browser.until("document.querySelector('#position .fresh')")
    browser.value("window.real = Date.now, Date.now = () => window.real() + 30000")
    assert browser.until("document.querySelector('#position .old dd')?.textContent").startswith("3")
    assert browser.value("document.getElementById('map').getAttribute('class')") == "map old"
    browser.value("Date.now = () => window.real() + 90000")
    assert browser.until("document.querySelector('#position .stale dd')?.textContent").startswith("1 min")
    assert browser.value("document.getElementById('map').getAttribute('class')") == "map stale"


def test_a_silence_is_drawn_dashed(browser: Browser, room: Room) -> None:
    """Nobody knows the way between two positions that are far apart in time."""
    show(browser, room)
    drawn = browser.value("""import('/page/map.js').then(({ TrackMap }) => {
        const at = (second) => new Date(second * 1000).toISOString();
        const svg = document.getElementById('map');
        const map = new TrackMap(svg);
        map.positions = [0, 5, 10, 300, 305].map((second, index) => (
            { received: at(second), latitude: index / 1000, longitude: 179.999 + index / 1000, accuracy: 5 }));
        map.draw();
        return [svg.querySelectorAll('.track:not(.gap)').length, svg.querySelectorAll('.track.gap').length]; })""")
    assert drawn == [2, 1]


@pytest.mark.parametrize(
    ("seconds", "north_deg", "expected"),
    [([0, 10], 0.001, 11.1), ([0, 9, 10], 0.001, 22.2), ([0, 1], 0.001, None)],
)
def test_speed_comes_from_positions_at_least_three_seconds_apart(
    browser: Browser, room: Room, seconds: list[int], north_deg: float, expected: float | None
) -> None:
    """Arrivals jitter: two positions a second apart say nothing about speed."""
    show(browser, room)
    speed = browser.value(f"""import('/page/map.js').then(({{ motion }}) => motion({seconds}.map((second, index) => (
        {{ received: new Date(second * 1000).toISOString(), latitude: index * {north_deg}, longitude: 31 }})))?.speed ?? null)""")
    assert speed == (None if expected is None else pytest.approx(expected, rel=0.01))


def test_what_comes_from_outside_is_text_and_never_markup(browser: Browser, room: Room) -> None:
    evil = "<img src=x onerror=window.owned=1><script>window.owned=1</script>"
    room.sim("POST", "/customers", {"id": 5, "mobile": "+2782000<b>1234", "name": evil})
    number = room.sim("POST", "/callouts", {"customerId": 5, **HERE}).json()["id"]
    room.as_device(5)
    room.api("POST", f"/callouts/{number}/events", {"source": evil, "event": evil})
    room.api("GET", f"/callouts/{evil.replace('/', '')}")
    show(browser, room)
    browser.until("document.querySelector('.event')")
    for place in ("#list", "#heading", "#facts", "#events"):
        assert evil in browser.value(f"document.querySelector('{place}').textContent"), place
    assert browser.value("document.querySelectorAll('main img, main script, main b').length") == 0
    assert browser.value("window.owned ?? null") is None


def test_raising_from_elsewhere_and_fault_switches(browser: Browser, room: Room) -> None:
    show(browser, room)
    browser.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    browser.value("document.querySelector('#raise button').click()")
    browser.until("document.querySelector('.card')")
    assert room.sim("GET", "/callouts").json()[0]["origin"] == "elsewhere"
    switch = "document.querySelector('[data-fault=\"Captive portal\"]')"
    browser.value(f"{switch}.click()")
    browser.until(f"{switch}.getAttribute('aria-checked') === 'true'")
    assert "<html>" in room.mint().text
    browser.until(f"{switch}.textContent.includes('1 hit')")
    browser.value(f"{switch}.click()")
    browser.until(f"{switch}.getAttribute('aria-checked') === 'false'")
    assert room.mint().status_code == 200


def test_the_page_says_when_the_server_is_gone(browser: Browser, room: Room) -> None:
    show(browser, room)
    room.running.stop()
    browser.until("document.getElementById('link').textContent === 'Reconnecting'")


def test_it_asks_no_other_host_and_reports_no_error(browser: Browser, room: Room) -> None:
    number = room.raise_callout()
    show(browser, room)
    walk(room, number, 3)
    browser.until(f"{fact('Positions')} === '4'")
    asked = [each["params"]["request"]["url"] for each in browser.events if each.get("method") == "Network.requestWillBeSent"]
    assert len(asked) >= 5
    assert [url for url in asked if not url.startswith(room.running.root_url + "/")] == []
    troubles = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    assert [each for each in browser.events if each.get("method") in troubles] == []
