"""The map and the timeline in headless Chromium: ways that came in live, ways that were told later, hands, time."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from agent import trail
from agent.model import Fix, Quality
from tests.browser.chromium import Browser, find
from tests.browser.dispatcher import FRAME, KEPT, NARROW, WIDE, click, fact, show, tell, text, walk
from tests.simulator.rooms import HERE, Room

pytestmark = pytest.mark.skipif(find() is None, reason="chromium is not installed")

BEGAN = 1_772_442_845.0  # 2026-03-02 09:14:05 UTC


def drive(seconds: int, *, hole: range = range(0), trusted: bool = True) -> list[Fix]:
    """A fix every five seconds, round bends, none in `hole`; as a device keeps them."""
    fixes = []
    for second in (each for each in range(0, seconds, 5) if each not in hole):
        turn = second / 90
        place = {"latitude": HERE["latitude"] + 0.004 * math.sin(turn), "longitude": HERE["longitude"] + second * 2e-5}
        fixes.append(
            Fix(
                at=1.0 + second,
                wall=BEGAN + second,
                wall_trusted=trusted,
                accuracy_m=5.0,
                speed_mps=None,
                track_deg=None,
                receiver="gpsd",
                quality=Quality.LIVE,
                **place,
            )
        )
    return fixes


def read(browser: Browser, messages: list[str], received: str = "2026-03-02T09:40:00.000Z") -> dict[str, Any]:
    """What the page's own reader makes of messages of the device."""
    told: dict[str, Any] = browser.value(f"""import('/page/told.js').then(({{ ToldTrail }}) => {{
        const trail = new ToldTrail();
        for (const text of {messages!r}) trail.hear({{ text, received: '{received}', source: 'customer', kind: 'chat' }});
        return {{ lines: trail.lines, stops: trail.stops, count: trail.count }}; }})""")
    return told


def same_place(place: dict[str, Any], fix: Fix) -> bool:
    """To the five decimals that are told."""
    return abs(place["latitude"] - fix.latitude) < 1e-5 and abs(place["longitude"] - fix.longitude) < 1e-5


@pytest.mark.parametrize("fixes", [drive(1_000), drive(4_000, hole=range(700, 1_100)), drive(1_000, trusted=False)])
def test_what_the_device_words_the_page_reads(browser: Browser, room: Room, fixes: list[Fix]) -> None:
    """Every place of a trail, in order and with its time; a line neither across a gap nor broken between two messages."""
    show(browser, room)
    messages = list(trail.missed(fixes[0], fixes[1:]))
    assert len(messages) >= 2
    told = read(browser, messages)
    places = [place for line in told["lines"] for place in line]
    by_time = {round(fix.wall): fix for fix in fixes}
    assert len(places) >= 10
    assert all(same_place(place, by_time[round(place["at"] / 1000)]) for place in places)
    assert [place["at"] for place in places] == sorted(place["at"] for place in places)
    assert {place["unset"] for place in places} == {not fixes[0].wall_trusted}
    gaps = sum(later.wall - earlier.wall > 60 for earlier, later in pairwise(fixes))
    assert len(told["lines"]) == 1 + gaps


def test_every_missed_fix_as_a_line_is_read(browser: Browser, room: Room) -> None:
    """The other form in which a device may tell, with accuracies."""
    show(browser, room)
    fixes = drive(300)
    messages, count = trail.lines(fixes, 8)
    places = [place for line in read(browser, list(messages))["lines"] for place in line]
    assert len(places) == count == len(fixes)
    assert all(same_place(place, fix) and place["accuracy"] == 5 for place, fix in zip(places, fixes, strict=True))


def test_where_it_stood_is_read(browser: Browser, room: Room) -> None:
    """A device that did not move, before a press and during an outage; one position alone."""
    show(browser, room)
    stood = [
        Fix(
            at=1.0 + second,
            wall=BEGAN + second,
            wall_trusted=True,
            latitude=-33.92,
            longitude=18.42,
            accuracy_m=5.0,
            speed_mps=0.0,
            track_deg=None,
            receiver="gpsd",
            quality=Quality.LIVE,
        )
        for second in range(0, 600, 5)
    ]
    for messages in (trail.before_press(stood, BEGAN + 600), trail.missed(stood[0], stood[1:]), trail.before_press(stood[:1], BEGAN + 9)):
        told = read(browser, list(messages))
        where = [*told["stops"], *(place for line in told["lines"] for place in line)]
        assert where, messages
        assert all(same_place(place, stood[0]) for place in where)
    one = read(browser, list(trail.missed(None, stood[:1])))
    assert [(place["at"], place["accuracy"]) for line in one["lines"] for place in line] == [(BEGAN * 1000, 5)]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("09:14:05 -33.91959,18.42059", 1),
        ("at 09:14:05 UTC the device was at -33.91959, 18.42059 within 12 m", 1),
        ("2026-13-99 29:99:99 -33.91959,18.42059", 1),
        ("??:??:?? -33.91959,18.42059", 1),
        ("09:14:05 -99.91959,18.42059; 09:14:05 -33.91959,218.42059", 0),
        ("Two men at the gate at 09:14:05, call 082 000 1234", 0),
        ("09:14:05 -33.91959,18.42059; " * 5_000, 2_000),
        ("from 09:14:05 for " * 3_000, 0),
    ],
    ids=("time", "sentence", "no-such-day", "no-clock", "off-the-earth", "no-place", "very-many", "endless"),
)
def test_odd_words_are_read_tolerantly(browser: Browser, room: Room, words: str, count: int) -> None:
    """A place without a sane time is still a place; what is no place is left as words; much is bounded and takes no time."""
    show(browser, room)
    assert read(browser, [words])["count"] == count


def test_a_time_without_its_day_is_before_the_message(browser: Browser, room: Room) -> None:
    show(browser, room)
    told = read(browser, ["23:59:50 -33.91959,18.42059; 00:00:10 -33.91960,18.42060"], received="2026-03-03T00:05:00.000Z")
    assert [place["at"] / 1000 for place in told["lines"][0]] == [1_772_495_990, 1_772_496_010]


def test_two_trails_are_not_joined(browser: Browser, room: Room) -> None:
    """A line joins the messages of one trail and no others."""
    show(browser, room)
    head, tail = (
        "Trail, part 1 of 2: where the device was.",
        "Trail, part 2 of 2 (UTC): 2026-03-02 09:14:05 -33.9,18.4; 09:15:05 -33.8,18.4.",
    )
    assert [len(line) for line in read(browser, [head, tail, head, tail])["lines"]] == [2, 2]


def test_a_told_way_is_drawn_differently(browser: Browser, room: Room) -> None:
    """Dashed, with marks of its own, explained beside the map, in the list and not as a wall of numbers."""
    number = room.raise_callout()
    walk(room, number, 10)
    for message in trail.missed(drive(5)[0], drive(900)[1:]):
        tell(room, number, message)
    show(browser, room)
    browser.until("document.querySelector('#map .told')")
    style = "getComputedStyle(document.querySelector('#map .{}'))"
    assert browser.value(style.format("told") + ".strokeDasharray") != "none"
    assert browser.value(style.format("track") + ".strokeDasharray") == "none"
    assert browser.value(style.format("told") + ".stroke") != browser.value(style.format("track") + ".stroke")
    assert browser.value("document.querySelector('#map .toldmark').getAttribute('d').split('M').length") >= 10
    assert browser.value(text("#legend")) == "livetold later"
    assert "told later" in browser.value(fact("Positions"))
    assert browser.value("document.querySelector('.trailtext:not([open]) summary').textContent").startswith("Told later: ")
    # The whole of both ways is on the map.
    inside = """(() => { const map = document.getElementById('map').getBoundingClientRect();
        return [...document.querySelectorAll('#map .told, #map .track')].every((line) => { const box = line.getBoundingClientRect();
            return box.left >= map.left && box.right <= map.right && box.top >= map.top && box.bottom <= map.bottom; }); })()"""
    assert browser.value(inside)
    browser.screenshot(KEPT / "control-room-told.png")


def test_a_silence_is_drawn_dotted_and_hatched(browser: Browser, room: Room) -> None:
    """Nobody knows the way between two positions that are far apart in time, and the timeline says how long that was."""
    show(browser, room)
    drawn = browser.value("""Promise.all([import('/page/layers.js'), import('/page/view.js'), import('/page/happenings.js')])
        .then(([{ track }, { View }, { runs, gaps }]) => {
            const group = document.createElementNS('http://www.w3.org/2000/svg', 'g');
            const view = new View();
            view.size(500, 500);
            const seconds = [0, 5, 10, 300, 305];
            const points = seconds.map((second, index) => ({ x: index * 50, y: 0, at: second * 1000 }));
            view.settle({ points, everything: [], last: points.at(-1), around: 0 });
            track(group, view, points);
            const found = runs(seconds.map((second) => ({ received: new Date(second * 1000).toISOString() })));
            return [group.querySelectorAll('.track:not(.gap)').length, group.querySelectorAll('.track.gap').length,
                found.map((run) => run.count), gaps(found, 400000).map(({ from, to }) => (to - from) / 1000)]; })""")
    assert drawn == [2, 1, [3, 2], [290, 95]]


@pytest.mark.parametrize(
    ("seconds", "north_deg", "expected"),
    [([0, 10], 0.001, 11.1), ([0, 9, 10], 0.001, 22.2), ([0, 1], 0.001, None), ([0, 200], 0.001, None)],
)
def test_speed_comes_from_positions_that_can_tell_it(
    browser: Browser, room: Room, seconds: list[int], north_deg: float, expected: float | None
) -> None:
    """Arrivals jitter: two positions a second apart say nothing about speed, nor do two with a silence between them."""
    show(browser, room)
    speed = browser.value(f"""import('/page/geometry.js').then(({{ motion }}) => motion({seconds}.map((second, index) => (
        {{ received: new Date(second * 1000).toISOString(), latitude: index * {north_deg}, longitude: 31 }})))?.speed ?? null)""")
    assert speed == (None if expected is None else pytest.approx(expected, rel=0.01))


@pytest.mark.parametrize(
    ("east_deg", "north_deg", "words", "turn"),
    [(0.001, 0, "40 km/h E, 90°", "rotate(90)"), (-0.001, -0.001, "57 km/h SW, 225°", "rotate(225)"), (0.00001, 0, "standing", None)],
)
def test_speed_and_heading_are_words_and_an_arrow(
    browser: Browser, room: Room, east_deg: float, north_deg: float, words: str, turn: str | None
) -> None:
    """North is up; a device that stands is a dot without a direction."""
    show(browser, room)
    told = browser.value(f"""Promise.all([import('/page/layers.js'), import('/page/view.js')]).then(([layers, {{ View }}]) => {{
        const positions = [0, 1].map((step) => ({{ received: new Date(step * 10000).toISOString(), latitude: step * {north_deg},
            longitude: step * {east_deg}, accuracy: 5 }}));
        const view = new View();
        view.size(500, 500);
        view.scale = 1;
        const group = document.createElementNS('http://www.w3.org/2000/svg', 'g');
        layers.here(group, view, positions, {{ x: 0, y: 0 }});
        return [layers.motionWords(positions), group.querySelector('.here').getAttribute('transform')?.split(' ').at(-1) ?? null]; }})""")
    assert told == [words, turn]


def test_the_map_is_moved_by_mouse_wheel_touch_and_keys(browser: Browser, room: Room) -> None:
    """Each moves or zooms it; what a hand has chosen stays while positions come in; Fit and 0 give the whole way back."""
    number = room.raise_callout()
    walk(room, number, 20)
    show(browser, room)
    browser.until("document.querySelector('#map .here')")
    here = "JSON.stringify(document.querySelector('#map .here').getBoundingClientRect())"
    scale = text("#map [data-layer=scale] .ink")
    middle = "({ left, top, width, height }) => ({ x: left + width / 2, y: top + height / 2 })"
    box = browser.value(f"({middle})(document.getElementById('map').getBoundingClientRect())")
    mouse = {"button": "left", "buttons": 1, "clickCount": 1}

    def moves(act: str, seen: str = here) -> None:
        before = browser.value(seen)
        hands[act]()
        browser.until(f"{seen} !== {before!r}")

    def drag() -> None:
        for kind, dx in (("mousePressed", 0), ("mouseMoved", 60), ("mouseReleased", 60)):
            browser.ask("Input.dispatchMouseEvent", type=kind, x=box["x"] + dx, y=box["y"], **mouse)

    def pinch() -> None:
        for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 90)):
            points = [{"x": box["x"] - apart, "y": box["y"], "id": 0}, {"x": box["x"] + apart, "y": box["y"], "id": 1}]
            browser.ask("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        browser.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    hands: dict[str, Any] = {
        "drag": drag,
        "wheel": lambda: browser.ask("Input.dispatchMouseEvent", type="mouseWheel", x=box["x"], y=box["y"], deltaX=0, deltaY=-300),
        "pinch": pinch,
        "arrow": lambda: browser.press("ArrowLeft", 37),
        "minus": lambda: browser.press("-", 189),
        "fit": lambda: browser.press("0", 48),
        "follow": lambda: click(browser, "[data-view=follow]"),
    }
    moves("drag")
    moves("wheel", scale)
    moves("pinch", scale)
    browser.value("document.getElementById('map').focus()")
    moves("arrow")
    moves("minus", scale)
    assert browser.value("document.querySelectorAll('[data-view][aria-pressed=true]').length") == 0
    before = browser.value(scale)
    walk(room, number, 1)
    browser.until(f"{fact('Positions')} === '22 live'")
    assert browser.value(scale) == before
    moves("fit")
    assert browser.value("document.querySelector('[data-view=fit]').getAttribute('aria-pressed')") == "true"


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("spot", [0.02, 0.5, 0.72, 0.98])
def test_the_words_beside_the_last_position_are_all_on_the_map(browser: Browser, room: Room, size: tuple[int, int], spot: float) -> None:
    """The longest of them, wherever the position lies, wide and on a phone."""
    show(browser, room, size)
    left, right = browser.value(f"""Promise.all([import('/page/layers.js'), import('/page/view.js')]).then(([layers, {{ View }}]) => {{
        const map = document.getElementById('map');
        const width = Math.min(innerWidth - 24, 620);
        const view = new View();
        view.size(width, 400);
        view.place = () => ({{ x: width * {spot}, y: 200 }});
        document.body.append(map);
        map.replaceChildren();
        const words = layers.here(map, view, [{{ received: '2026-03-02T10:00:00Z', latitude: 0, longitude: 0 }}], {{ x: 0, y: 0 }});
        words.textContent = 'Last position at 02:04:28 UTC';
        layers.fit(words, width);
        const at = Number(words.getAttribute('x'));
        return [at, width - at - words.getComputedTextLength()]; }})""")
    assert left >= 0
    assert right >= 0


def test_other_open_callouts_are_on_the_map_and_can_be_chosen(browser: Browser, room: Room) -> None:
    """As marks, duress by shape and colour; All shows every one of them; pointing at one shows it."""
    for index in range(3):
        room.sim("POST", "/customers", {"id": 20 + index, "mobile": f"+2784000000{index}", "name": f"Customer {index}"})
    ids = [
        room.sim("POST", "/callouts", {"customerId": 20 + each, "latitude": -29.86, "longitude": 31.02 + each / 50, "accuracy": 9}).json()[
            "id"
        ]
        for each in range(3)
    ]
    room.as_device(20)
    room.api("POST", f"/callouts/{ids[0]}/cancel", {"safeCode": "9999"})
    show(browser, room, path=f"/#{ids[2]}")
    browser.until(f"{text('.who-name')} === 'Customer 2'")
    click(browser, "[data-view=all]")
    browser.until("document.querySelectorAll('#map .other').length === 2 && document.querySelectorAll('#map .other.alarm').length === 1")
    assert "DURESS" in browser.value(text("#map .other.alarm title"))
    browser.value(FRAME)
    click(browser, f"#map [data-other='{ids[1]}']")
    browser.until(f"{text('.who-name')} === 'Customer 1'")


def test_the_timeline_tells_everything_twice(browser: Browser, room: Room) -> None:
    """As marks on a strip and as a list in words: press, positions, talk, faults, cancels, responder, close."""
    number = room.raise_callout()
    room.raise_callout()
    walk(room, number, 3)
    tell(room, number, "Hello")
    room.sim("POST", f"/callouts/{number}/say", {"message": "Hello to you"})
    room.sim("POST", "/faults", {"action": "status", "status": 503, "on": ["locate"], "count": 1})
    room.api("POST", f"/callouts/{number}/location", HERE)
    room.act(number, "dispatch")
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
    room.act(number, "close")
    show(browser, room)
    browser.value("document.getElementById('happenings').open = true")
    browser.until(f"{text('#striplist')}.includes('Callout closed')")
    told = browser.value("[...document.querySelectorAll('#striplist li')].map((each) => each.textContent)")
    for words in (
        "Raised by the device",
        "Raised again",
        "4 positions",
        "Customer: Hello",
        "Dispatch: Hello to you",
        "Fault “status” hit locate",
        "DURESS: cancel",
        "Responder dispatched",
    ):
        assert any(words in each for each in told), words
    for kind in ("press", "act", "customer", "dispatch", "fault", "alarm"):
        assert browser.value(f"document.querySelector('#strip .mark.{kind} title')?.textContent"), kind
    assert browser.value("document.querySelector('#strip .bars').getAttribute('d').length") > 5
    assert browser.value("document.querySelectorAll('#strip .tick').length") >= 3
