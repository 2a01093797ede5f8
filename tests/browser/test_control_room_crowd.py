"""Two hundred open callouts, each with a position a second: what did not change is not touched, and a click is answered at once.

Counted in frames and changes of the document, not in seconds. `benchmarks/page.py` measures the time.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.browser.chromium import Browser, find
from tests.browser.dispatcher import FRAME, KEPT, WIDE, crowd, fact, show, text
from tests.simulator.rooms import Room

pytestmark = pytest.mark.skipif(find() is None, reason="chromium is not installed")

COUNT = 200
MOST_FRAMES = 3  # one to take the click, one to draw it, one for who asks


@pytest.fixture(scope="module")
def many(house: Room) -> list[int]:
    """Two hundred callouts, made once."""
    house.sim("POST", "/reset")
    return crowd(house, COUNT)


@pytest.fixture
def full(browser: Browser, house: Room, many: list[int]) -> list[int]:
    """The page shows all of them."""
    show(browser, house, WIDE, path=f"/#{many[5]}")
    browser.until(f"document.querySelectorAll('.card').length === {COUNT} && {text('.who-name')} === 'Customer 005'")
    browser.until(f"document.querySelectorAll('#map .other').length === {COUNT - 1}")
    return many


# The page's own line, so that a test can put news on it as the stream would.
TAP = "window.EventSource = class extends EventSource { constructor(...all) { super(...all); window.source = this; } }"


def move(room: Room, numbers: list[int], step: int) -> None:
    """One more position of each."""
    for index, number in enumerate(numbers):
        place = {"latitude": -33.9 - index % 15 / 300 + step / 9_000, "longitude": 18.4 + index // 15 / 300, "accuracy": 9}
        room.api("POST", f"/callouts/{number}/location", place).raise_for_status()


def watch(browser: Browser) -> None:
    """Count from now on what changes in the document, by the part that it is in."""
    browser.value("""(() => { window.touched = {}; window.cards = new Set();
        const part = (node) => { const e = node instanceof Element ? node : node.parentElement; const card = e?.closest('.card');
            if (card) window.cards.add(card.dataset.id); return e?.closest('[id]')?.id ?? ''; };
        window.watcher?.disconnect();
        window.watcher = new MutationObserver((all) => { for (const { target } of all) {
            const id = part(target); window.touched[id] = (window.touched[id] ?? 0) + 1; } });
        window.watcher.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true }); })()""")


def test_a_position_of_one_touches_no_other(browser: Browser, house: Room, full: list[int]) -> None:
    """A hundred positions of another callout move one mark on the map: no other card, no conversation, no facts, no way."""
    browser.value("for (let timer = 1; timer < 50; timer += 1) clearInterval(timer)")
    watch(browser)
    for step in range(100):
        place = {"latitude": -33.9 + step / 9_000, "longitude": 18.5, "accuracy": 9}
        house.api("POST", f"/callouts/{full[9]}/location", place).raise_for_status()
    mark = f"document.querySelector(\"#map [data-other='{full[9]}']\").getAttribute('transform')"
    seen = browser.value(mark)
    house.api("POST", f"/callouts/{full[9]}/location", {"latitude": -33.95, "longitude": 18.41})
    browser.until(f"{mark} !== '{seen}'")
    browser.value(FRAME)
    touched: dict[str, int] = browser.value("window.touched")
    assert {part: count for part, count in touched.items() if part not in ("map", "list", "requests", "requestcount")} == {}
    assert browser.value("[...window.cards]") in ([], [str(full[9])])
    # Many positions, few frames: at most one change of the mark in each.
    assert touched["map"] <= 101
    browser.value("window.watcher.disconnect()")


def test_a_click_is_answered_while_all_of_them_move(browser: Browser, house: Room, full: list[int]) -> None:
    """The next callout is shown within three frames of the click, though 200 positions come in behind it."""
    answered: list[Any] = []
    for step in range(3):
        move(house, full, step)
        target = full[20 + step]
        answered.append(
            browser.value(f"""new Promise((done) => {{
                let frames = 0;
                document.querySelector('[data-id="{target}"]').click();
                const look = () => {{ frames += 1;
                    const card = document.querySelector('[aria-current=true][data-id]');
                    if (document.querySelector('.id').textContent === '#{target}' && card.dataset.id === '{target}') done(frames);
                    else if (frames > 60) done(null); else requestAnimationFrame(look); }};
                requestAnimationFrame(look); }})""")
        )
    assert all(frames is not None and frames <= MOST_FRAMES for frames in answered), answered
    browser.until(f"{fact('Positions')} === '4 live'")
    browser.value("document.querySelector('[data-view=all]').click()")
    browser.value(FRAME)
    browser.screenshot(KEPT / "control-room-200.png")


def test_a_burst_is_one_picture(browser: Browser, house: Room, many: list[int]) -> None:
    """Two hundred news in one breath ask for no more frames than one would: one for the page, one for the map."""
    script = browser.ask("Page.addScriptToEvaluateOnNewDocument", source=TAP)["identifier"]
    show(browser, house, WIDE, path=f"/#{many[5]}")
    browser.ask("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    browser.until(f"document.querySelectorAll('#map .other').length === {COUNT - 1} && {text('.id')} === '#{many[5]}'")
    news = house.sim("GET", "/callouts").json()
    before = browser.value(fact("Positions"))
    asked = browser.value(f"""(() => {{
        let asked = 0;
        const own = window.requestAnimationFrame;
        window.requestAnimationFrame = (paint) => {{ asked += 1; return own(paint); }};
        for (const callout of {json.dumps(news)}) {{
            const positions = [{{ ...callout.positions.at(-1), latitude: -33.95 }}];
            const told = {{ now: Date.now() / 1000, callout: {{ ...callout, positionsFrom: callout.positions.length, positions,
                events: [], notes: [],
                eventsFrom: callout.events.length, notesFrom: callout.notes.length }} }};
            window.source.dispatchEvent(new MessageEvent('callout', {{ data: JSON.stringify(told) }}));
        }}
        window.requestAnimationFrame = own;
        return asked; }})()""")
    assert 1 <= asked <= 2
    browser.until(f"{fact('Positions')} === '{int(before.split()[0]) + 1} live'")


def test_hours_of_positions_are_bounded_without_making_holes(browser: Browser, house: Room, many: list[int]) -> None:
    """Three hours of one a second: the page keeps a part of the older ones, counts all, and shows no gap that was not there."""
    show(browser, house, WIDE, path=f"/#{many[5]}")
    told = browser.value("""Promise.all([import('/page/room.js'), import('/page/happenings.js')]).then(([{ Room }, { runs, gaps }]) => {
        const room = new Room(null);
        const common = { id: 1, closed: false, duress: false, eventsFrom: 0, events: [], notes: [] };
        let most = 0;
        let callout;
        for (let second = 0; second < 10800; second += 1) {
            if (second >= 6000 && second < 6060) continue;
            const received = new Date(second * 1000).toISOString();
            const positionsFrom = callout?.heard ?? 0;
            callout = room.keep({ ...common, positionsFrom, positions: [{ received, latitude: 0, longitude: 0 }] }).callout;
            most = Math.max(most, callout.positions.length); }
        const found = gaps(runs(callout.positions), 10800000);
        const ends = [callout.positions[0], callout.positions.at(-1)].map(({ received }) => Date.parse(received) / 1000);
        return [most, callout.heard, found.map(({ from, to }) => (to - from) / 1000), ends]; })""")
    most, heard, gaps, ends = told
    assert most <= 5_000
    assert heard == 10_740
    assert gaps == [61]
    assert ends == [0, 10_799]
