"""The control room page in headless Chromium: what a dispatcher sees and does. Screenshots are kept under artefacts/."""

from __future__ import annotations

import json

import pytest

from tests.browser.chromium import Browser, find
from tests.browser.dispatcher import FRAME, KEPT, NARROW, WIDE, click, fact, show, tell, text, troubles, walk
from tests.simulator.rooms import HERE, Room, wait_until

pytestmark = pytest.mark.skipif(find() is None, reason="chromium is not installed")


def test_a_callout_from_press_to_close(browser: Browser, room: Room) -> None:
    """Without a reload it appears, moves, is talked to, gets a responder with an ETA, is flagged, and is closed."""
    show(browser, room)
    browser.until(f"{text('#found')}.includes('All quiet')")
    number = room.raise_callout()
    browser.until(f"document.querySelector('.card[data-id=\"{number}\"][aria-current=true]')")
    browser.until("document.querySelector('#map .here')")
    assert browser.value(text("#announce")) == "New callout: Demo Customer"
    assert browser.value("document.title") == "(1) Control room"
    walk(room, number, 12)
    browser.until(f"{fact('Positions')} === '13 live'")
    browser.until("document.querySelector('#map .track').getAttribute('points').split(' ').length === 13")
    assert "-29.85550, 31.03040" in browser.value(text("#position"))
    assert "live" in browser.value(text("#position .fresh dd"))
    click(browser, "#say input")
    browser.ask("Input.insertText", text="Who is with you?")
    browser.press("Enter", 13)
    browser.until(f"{text('.event.dispatch')}.includes('Who is with you?')")
    tell(room, number, "Two men, a white van.")
    browser.until(f"{text('.event.customer')}.includes('a white van')")
    click(browser, "[data-eta='10']")
    click(browser, "[data-act=dispatch]")
    browser.until(f"{text('.expected')}.includes('in 9 min 5')")
    assert room.seen(number)["eta"]
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
    browser.until("!document.getElementById('duress').hidden && document.querySelector('.card.alarm')")
    assert browser.value("document.title").startswith("DURESS")
    assert "Duress" in browser.value("document.querySelector('[role=alert]').textContent")
    browser.screenshot(KEPT / "control-room-wide.png")
    click(browser, "[data-act=arrive]")
    browser.until(f"{text('#who')}.includes('Responder on scene')")
    click(browser, "[data-act=close]")
    assert "DURESS is flagged" in browser.until(text("#suretext"))
    click(browser, "#sure [value=yes]")
    browser.until("document.querySelector('.card.closed') && document.querySelector('#say input').disabled")
    assert room.seen(number)["closed"]
    assert browser.value("document.activeElement.closest('#about') !== null"), "whoever uses the keyboard keeps a place"


@pytest.mark.parametrize(
    ("eta", "words"),
    [("10:07:00", "ETA 10:07 UTC, in 7 min 0 s"), ("09:58:30", "ETA 09:58 UTC, 1 min 30 s overdue"), (None, None)],
)
def test_a_responder_that_is_late_is_called_overdue(browser: Browser, room: Room, eta: str | None, words: str | None) -> None:
    """And one that gave no time is said to come, no more."""
    show(browser, room)
    told = json.dumps({"eta": eta and f"2026-03-02T{eta}.000Z", "arrived": None, "closed": False})
    assert browser.value(f"import('/page/acts.js').then(({{ etaWords }}) => etaWords({told}, Date.parse('2026-03-02T10:00:00Z')))") == words


@pytest.mark.parametrize(("classification", "shown"), [(2, True), (1, False)])
def test_a_drill_is_marked_in_the_list(browser: Browser, room: Room, classification: int, *, shown: bool) -> None:
    """Whoever looks at the list alone must not send anybody out for one, nor take an emergency for one."""
    body = {"location": HERE, "responseTypeId": 1, "calloutClassificationId": classification}
    number = room.api("POST", "/customers/4711/callouts", body).json()["callout"]["id"]
    show(browser, room)
    browser.until(f"document.querySelector('.card[data-id=\"{number}\"]')")
    chips = "[...document.querySelectorAll('.card .chip')].filter((chip) => chip.offsetParent).map((chip) => chip.textContent)"
    assert ("test" in browser.value(chips)) is shown


def test_nothing_is_closed_by_a_slip(browser: Browser, room: Room) -> None:
    """Closing asks first, and Escape or Enter at the question keeps the callout open."""
    number = room.raise_callout()
    show(browser, room)
    for key, code in (("Escape", 27), ("Enter", 13)):
        click(browser, "[data-act=close]")
        browser.until("document.getElementById('sure').open")
        browser.press(key, code)
        browser.until("!document.getElementById('sure').open")
    assert not room.seen(number)["closed"]


def test_what_is_begun_for_one_callout_never_goes_to_another(browser: Browser, room: Room) -> None:
    """Neither the close that was asked for nor the words that were begun, though another callout is shown by then."""
    room.sim("POST", "/customers", {"id": 5, "mobile": "+27820001234", "name": "Five"})
    one = room.raise_callout()
    other = room.sim("POST", "/callouts", {"customerId": 5, **HERE}).json()["id"]
    show(browser, room)
    browser.until(f"document.querySelector('[data-id=\"{one}\"]')")
    click(browser, f"[data-id='{one}']")
    browser.until(f"{text('.id')} === '#{one}'")
    click(browser, "#say input")
    browser.ask("Input.insertText", text="Only for the first")
    click(browser, f"[data-id='{other}']")
    browser.until(f"{text('.id')} === '#{other}'")
    assert browser.value("document.querySelector('#say input').value") == ""
    click(browser, "[data-act=close]")
    browser.until("document.getElementById('sure').open")
    browser.value(f"location.hash = '#{one}'")
    browser.until(f"{text('.id')} === '#{one}'")
    assert browser.value("document.querySelector('#say input').value") == "Only for the first"
    click(browser, "#sure [value=yes]")
    wait_until(lambda: room.seen(other)["closed"])
    assert not room.seen(one)["closed"]


def test_duress_is_told_by_word_and_sign_and_gives_no_code_away(browser: Browser, room: Room) -> None:
    number = room.raise_callout()
    show(browser, room)
    browser.until("document.querySelector('.card')")
    assert browser.value("document.getElementById('duress').hidden")
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
    browser.until("!document.getElementById('duress').hidden")
    for place in (".card .chip.alarm", "#duress", "#summary .jump"):
        assert "duress" in browser.value(text(place)).lower(), place
        assert browser.value(f"document.querySelector('{place} svg') !== null"), place
    assert "WRONG CODE" in browser.value(fact("Cancels"))
    assert "may read what you send" in browser.value(text("#overheard:not([hidden])"))
    assert "7391" not in browser.value("document.documentElement.outerHTML")
    browser.screenshot(KEPT / "control-room-duress.png")


def test_the_buttons_offer_what_makes_sense(browser: Browser, room: Room) -> None:
    """A responder that was stood down may be followed by another; whoever uses the keyboard keeps a place."""
    number = room.raise_callout()
    show(browser, room)
    enabled = "[...document.querySelectorAll('#acts [data-act]:enabled')].map((each) => each.dataset.act).join(' ')"
    acts = [("dispatch close", "dispatch"), ("arrive stand_down close", "stand_down"), ("dispatch close", "dispatch")]
    acts += [("arrive stand_down close", "arrive"), ("complete stand_down close", "complete")]
    for offered, act in acts:
        browser.until(f"{enabled} === '{offered}'")
        browser.value(f"document.querySelector('[data-act={act}]').focus()")
        browser.press("Enter", 13)
    browser.until(f"{enabled} === 'close' && document.activeElement.dataset.act === 'close'")
    assert [each["text"] for each in room.seen(number)["events"]][1] == "Responder cancelled"


def test_enter_behind_a_time_of_arrival_sends_the_responder(browser: Browser, room: Room) -> None:
    """Whoever typed the minutes need not look for the button, and one press of Enter does no more than that."""
    number = room.raise_callout()
    show(browser, room)
    browser.until("document.querySelector('[name=eta]')")
    browser.value("document.querySelector('[name=eta]').focus()")
    browser.ask("Input.insertText", text="7")
    browser.press("Enter", 13)
    browser.until(f"{text('.expected')}.includes('in 6 min 5')")
    assert room.seen(number)["arrived"] is None


def test_one_press_is_one_act(browser: Browser, room: Room) -> None:
    """A double click, or a key that is held, sends a responder and does not say that they turned back, arrived or are done."""
    number = room.raise_callout()
    show(browser, room)
    spot = browser.until(
        "(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))"
        "(document.querySelector('[data-act=dispatch]').getBoundingClientRect())"
    )
    for count in (1, 2):
        for kind in ("mousePressed", "mouseReleased"):
            browser.ask("Input.dispatchMouseEvent", type=kind, **spot, button="left", clickCount=count)
        browser.until("!document.querySelector('[data-act=stand_down]').disabled")
    key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
    browser.value("document.querySelector('[data-act=arrive]').focus()")
    browser.ask("Input.dispatchKeyEvent", type="keyDown", **key)
    browser.until("document.activeElement.dataset.act === 'complete'")
    browser.ask("Input.dispatchKeyEvent", type="keyDown", autoRepeat=True, **key)
    browser.ask("Input.dispatchKeyEvent", type="keyUp", **key)
    tell(room, number, "here")
    browser.until(f"{text('.event.customer')}.includes('here')")
    seen = room.seen(number)
    assert (seen["stoodDown"], seen["completed"]) == (None, None)
    assert seen["dispatched"]
    assert seen["arrived"]


def test_what_it_may_not_do_is_said(browser: Browser, room: Room) -> None:
    """A refusal of the service stands beside the buttons, in its words."""
    number = room.raise_callout()
    show(browser, room)
    browser.until("document.querySelector('[data-act=dispatch]:enabled')")
    browser.value("window.fetch = ((own) => (path, options) => own(path.replace('/dispatch', '/complete'), options))(window.fetch)")
    click(browser, "[data-act=dispatch]")
    assert "Cannot complete" in browser.until(text("#error"))
    assert room.seen(number)["dispatched"] is None


def test_it_can_be_used_from_the_keyboard(browser: Browser, room: Room) -> None:
    """Searching, walking the list, answering and the help need no mouse, and news do not steal the focus."""
    room.sim("POST", "/customers", {"id": 5, "mobile": "+27820001234", "name": "Five"})
    older = room.raise_callout()
    newer = room.sim("POST", "/callouts", {"customerId": 5, **HERE}).json()["id"]
    show(browser, room)
    browser.until("document.querySelectorAll('.card').length === 2")
    browser.press("?", 191)
    browser.until("document.getElementById('keys').open")
    browser.press("Escape", 27)
    browser.until("!document.getElementById('keys').open")
    browser.press("/", 191)
    browser.until("document.activeElement.id === 'search'")
    browser.ask("Input.insertText", text="demo")
    browser.until(f"document.querySelectorAll('.card').length === 1 && document.querySelector('[data-id=\"{older}\"]')")
    browser.press("Escape", 27)
    browser.until("document.querySelectorAll('.card').length === 2")
    browser.press("ArrowDown", 40)
    browser.until(f"document.activeElement.dataset.id === '{newer}'")
    browser.press("ArrowDown", 40)
    browser.press("Enter", 13)
    browser.until(f"document.querySelector('[data-id=\"{older}\"]').getAttribute('aria-current') === 'true'")
    walk(room, older, 1)
    browser.until(f"{fact('Positions')} === '2 live'")
    assert browser.value("document.activeElement.dataset.id") == str(older)
    browser.value("document.querySelector('#say input').focus()")
    browser.ask("Input.insertText", text="Help is near")
    browser.press("Enter", 13)
    wait_until(lambda: room.seen(older)["events"])
    assert room.seen(older)["events"][0]["source"] == "dispatch"
    assert room.seen(newer)["events"] == []


def test_everything_that_acts_can_be_reached_by_the_tab_key(browser: Browser, room: Room) -> None:
    """One stop for the whole list; no trap; every stop is seen."""
    room.raise_callout()
    show(browser, room)
    browser.until("document.querySelector('[data-act=dispatch]')")
    stops = []
    for _ in range(60):
        browser.press("Tab", 9)
        stops.append(browser.value("document.activeElement.id || JSON.stringify({ ...document.activeElement.dataset })"))
        assert browser.value("document.activeElement === document.body || document.activeElement.matches(':focus-visible')"), stops
        if len(stops) > 2 and stops[-1] == stops[0]:
            break
    for wanted in ("help", "search", "sort", '{"act":"dispatch"}', '{"act":"close"}', '{"view":"fit"}', "map", "events"):
        assert wanted in stops, wanted
    assert sum(stop.startswith('{"id"') for stop in stops) == 1


def test_the_list_is_searched_filtered_and_sorted(browser: Browser, room: Room) -> None:
    """By name, number and id; open, closed, duress; duress stands on top whatever the order."""
    for index, name in enumerate(("Anna", "Bert", "Carl")):
        room.sim("POST", "/customers", {"id": 5 + index, "mobile": f"+2782000123{index}", "name": name})
    ids = {
        name: room.sim("POST", "/callouts", {"customerId": 5 + index, **HERE}).json()["id"]
        for index, name in enumerate(("Anna", "Bert", "Carl"))
    }
    room.act(ids["Carl"], "close")
    room.as_device(6)
    room.api("POST", f"/callouts/{ids['Bert']}/cancel", {"safeCode": "0000"})
    show(browser, room)
    names = "[...document.querySelectorAll('.card .name')].map((each) => each.textContent).join()"
    browser.until(f"{names} === 'Bert,Anna,Carl'")
    for order, expected in (("oldest", "Bert,Anna,Carl"), ("name", "Bert,Anna,Carl"), ("newest", "Bert,Anna,Carl")):
        browser.value(
            f"document.querySelector('#sort').value = '{order}', document.querySelector('#sort').dispatchEvent(new Event('change'))"
        )
        assert browser.value(names) == expected
    for filter_, expected in (("open", "Bert,Anna"), ("alarm", "Bert"), ("closed", "Carl"), ("all", "Bert,Anna,Carl")):
        click(browser, f"[data-filter={filter_}]")
        browser.until(f"{names} === '{expected}'")
    for search, expected in (("ann", "Anna"), (str(ids["Carl"]), "Carl"), ("82 000 1231", "Bert"), ("nobody", "")):
        browser.value(
            f"document.querySelector('#search').value = '{search}', document.querySelector('#search').dispatchEvent(new Event('input'))"
        )
        assert browser.value(names) == expected, search
    assert "None for “nobody”." in browser.value(text("#found"))


def test_messages_are_unread_until_they_are_seen(browser: Browser, room: Room) -> None:
    """The card of another callout counts them; on a phone only the conversation itself is seeing them."""
    room.sim("POST", "/customers", {"id": 5, "mobile": "+27820001234", "name": "Five"})
    number = room.raise_callout()
    other = room.sim("POST", "/callouts", {"customerId": 5, **HERE}).json()["id"]
    show(browser, room, NARROW)
    browser.until(f"document.querySelector('[data-id=\"{other}\"]').getAttribute('aria-current') === 'true'")
    tell(room, number, "One")
    tell(room, number, "Two")
    unread = text(f"[data-id='{number}'] .talk")
    browser.until(f"{unread} === '2 new' && {text('#unread')} === '2'")
    click(browser, f"[data-id='{number}']")
    browser.until("document.body.dataset.tab === 'map'")
    browser.value(FRAME)
    assert browser.value(text("#unread")) == "2"
    click(browser, "#tabs [data-tab=talk]")
    browser.until("document.getElementById('unread').hidden && document.querySelectorAll('.event .fresh').length === 2")
    room.sim("POST", f"/callouts/{number}/say", {"message": "We are here."})
    browser.until("document.querySelectorAll('.event').length === 3")
    sides = "['customer', 'dispatch'].map((side) => document.querySelector(`.event.${side}`).getBoundingClientRect().left)"
    customer, dispatch = browser.value(sides)
    assert customer < dispatch
    assert "Dispatch (you)" in browser.value(text(".event.dispatch .meta"))
    show(browser, room, NARROW)
    browser.until(f"document.querySelector('[data-id=\"{number}\"]')")
    assert browser.value("document.getElementById('unread').hidden")


def test_quick_replies_say_only_what_is_so(browser: Browser, room: Room) -> None:
    """That somebody is on the way is offered only while somebody is."""
    number = room.raise_callout()
    show(browser, room)
    offered = "[...document.querySelectorAll('[data-quick]')].map((each) => each.textContent).join()"
    browser.until(f"{offered}.startsWith('Got your call')")
    assert "On the way" not in browser.value(offered)
    room.act(number, "dispatch")
    browser.until(f"{offered}.includes('On the way')")
    click(browser, "[data-quick^='A responder is on']")
    browser.until(f"{text('.event.dispatch')}.includes('A responder is on the way.')")


def test_what_comes_from_outside_is_text_and_never_markup(browser: Browser, room: Room) -> None:
    evil = "<img src=x onerror=window.owned=1><script>window.owned=1</script>"
    room.sim("POST", "/customers", {"id": 5, "mobile": "+2782000<b>1234", "name": evil})
    number = room.sim("POST", "/callouts", {"customerId": 5, **HERE}).json()["id"]
    room.as_device(5)
    tell(room, number, evil, source=evil)
    room.api("GET", f"/callouts/{evil.replace('/', '')}")
    room.sim("POST", "/faults", {"action": "status", "on": [evil], "name": evil[:60]})
    show(browser, room)
    browser.until("document.querySelector('.event') && document.querySelector('#running li')")
    browser.value("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    browser.until(f"{text('#striplist')}.includes('<img')")
    for place in ("#list", "#heading", "#facts", "#events", "#striplist", "#who", "#running"):
        assert evil[:60] in browser.value(text(place)), place
    assert browser.value("document.querySelectorAll('main img, main script').length") == 0
    assert browser.value("window.owned ?? null") is None


def test_the_age_of_the_position_is_told_in_words(browser: Browser, room: Room) -> None:
    """It counts by itself: the page's clock is moved on, the simulator says nothing."""
    room.raise_callout()
    show(browser, room)
    browser.until("document.querySelector('#position .fresh')")
    browser.value("window.real = Date.now, Date.now = () => window.real() + 30000")
    assert "late, 3" in browser.until(text("#position .old dd"))
    browser.until(f"document.getElementById('map').getAttribute('class') === 'map old' && {text('#map .strong')}.includes('Late')")
    browser.value("Date.now = () => window.real() + 90000")
    assert "LOST, 1 min" in browser.until(text("#position .stale dd"))
    browser.until(f"document.getElementById('map').getAttribute('class') === 'map stale' && {text('.card .age.stale')}.includes('lost')")


def test_the_page_says_when_the_server_is_gone_and_catches_up(browser: Browser, room: Room) -> None:
    """After a reconnection nothing is there twice."""
    number = room.raise_callout()
    walk(room, number, 2)
    tell(room, number, "Here")
    show(browser, room)
    browser.until(f"{fact('Positions')} === '3 live'")
    room.running.stop()
    browser.until("document.getElementById('link').textContent === 'Reconnecting'")
    room.running.start()
    browser.until("document.getElementById('link').textContent === 'Live'")
    walk(room, number, 1)
    browser.until(f"{fact('Positions')} === '4 live'")
    assert browser.value("document.querySelectorAll('.event.customer').length") == 1


def test_it_asks_no_other_host_and_reports_no_error(browser: Browser, room: Room) -> None:
    number = room.raise_callout()
    show(browser, room, WIDE)
    walk(room, number, 3)
    browser.until(f"{fact('Positions')} === '4 live'")
    asked = [each["params"]["request"]["url"] for each in browser.events if each.get("method") == "Network.requestWillBeSent"]
    assert len(asked) >= 5
    assert [url for url in asked if not url.startswith(room.running.root_url + "/")] == []
    assert troubles(browser) == []
