"""How the control room looks: contrast, a phone's width, the dark, text that is cut off. Screenshots are kept under artefacts/."""

from __future__ import annotations

import re

import pytest

from simulator.pages import FILES
from tests.browser.chromium import Browser, find
from tests.browser.dispatcher import FRAME, KEPT, LAPTOP, NARROW, WIDE, crowd, scheme, show, tell, walk
from tests.simulator.rooms import Room

TRAIL = (
    "Trail, part 2 of 2 (UTC; latitude,longitude): 2026-03-02 09:14:05 -29.85790,31.02920 (last known); 09:15:30 -29.85990,31.03020; "
    "09:17:45 -29.86200,31.03200; (no position for 2 min) 09:25:35 -29.86800,31.03400; 09:30:40 -29.87010,31.03510."
)
# Words in the one colour stand on the other somewhere. 4.5 to 1 is AA for words of any size.
ON_GROUNDS = {
    "ink": ("paper", "ground", "sunk", "blue-soft", "red-soft", "amber-soft", "violet-soft"),
    "soft": ("paper", "ground", "sunk", "blue-soft", "red-soft"),
    "blue": ("paper", "blue-soft"),
    "green": ("paper", "green-soft"),
    "amber": ("paper", "sunk", "amber-soft", "red-soft", "blue-soft"),
    "red": ("paper", "sunk", "red-soft", "blue-soft"),
    "violet": ("paper", "sunk"),
    "on": ("blue", "amber"),
    "off": ("paper", "sunk"),
    "on-bar": ("bar",),
    "on-alarm": ("alarm",),
    "on-signal": ("signal",),
}
# Edges of what is acted on, marks and lines of the map: 3 to 1.
MARKS = {"edge": ("paper", "sunk"), "focus": ("paper", "ground", "sunk"), "blue": ("sunk",), "violet": ("sunk",), "alarm": ("ground",)}


def colours() -> dict[str, dict[str, str]]:
    """The variables of both schemes."""
    text = FILES.joinpath("colours.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part)) for part in text.split("prefers-color-scheme: dark"))
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: str) -> float:
    """Relative, as WCAG 2 defines it."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_every_colour_is_readable_where_it_stands(name: str) -> None:
    """AA: words 4.5 to 1, edges and marks 3 to 1."""
    known = colours()[name]
    pairs = [(ink, ground, 4.5) for ink, grounds in ON_GROUNDS.items() for ground in grounds]
    pairs += [(ink, ground, 3.0) for ink, grounds in MARKS.items() for ground in grounds]
    poor = {
        f"{ink} on {ground}": round(contrast(known[ink], known[ground]), 2)
        for ink, ground, least in pairs
        if contrast(known[ink], known[ground]) < least
    }
    assert poor == {}


def test_no_colour_is_used_past_the_table() -> None:
    """Colours are written in one file only, or the table above would not cover them."""
    for each in FILES.iterdir():
        if each.name.endswith((".css", ".js")) and each.name != "colours.css":
            found = set(re.findall(r"#[0-9a-fA-F]{3,8}\b(?![\w-])|rgba?\(", each.read_text(encoding="utf-8")))
            assert found <= {"#4cc578", "#0009"}, (
                each.name
            )  # the lamp of the link, which has a word beside it; what dims the page behind a dialog


# What a browser makes of it: every visible text against what is painted behind it.
POOR = """(() => {
    const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => { for (let e = element; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0.95) return c; } return [255, 255, 255]; };
    return [...document.querySelectorAll('body *')].filter((e) => !e.closest('svg, dialog:not([open]), .hidden, option')
            && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && e.checkVisibility() && e.getClientRects().length)
        .map((e) => { const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => x - y);
            return [`${e.tagName} ${e.className} ${e.textContent.slice(0, 30)}`, (b + 0.05) / (a + 0.05)]; })
        .filter(([, ratio]) => ratio < 4.5); })()"""
# Words that are cut off by the box that they stand in, on purpose only where the whole is in the facts: names in cards.
CUT = """[...document.querySelectorAll('button, dd, dt, .chip, h1, h2, label, summary, .legend li, .expected, .duress, .event')]
    .filter((e) => e.checkVisibility() && !e.closest('.hidden') && (e.scrollWidth > e.clientWidth + 1) && e.clientWidth > 0
        && !['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
    .map((e) => `${e.tagName} ${e.className}: ${e.textContent.slice(0, 40)}`)"""
# Things to act on that lie outside of the window or under something else.
COVERED = """[...document.querySelectorAll('#tabs button, #acts button, #say button, #say input, .zoom button, #summary button, #help')]
    .filter((e) => e.checkVisibility()).filter((e) => { const b = e.getBoundingClientRect();
        const [x, y] = [b.left + b.width / 2, b.top + b.height / 2];
        return b.right > innerWidth + 1 || b.left < -1 || !e.contains(document.elementFromPoint(x, y)); })
    .map((e) => e.id || e.textContent)"""

browsing = pytest.mark.skipif(find() is None, reason="chromium is not installed")


def furnish(room: Room) -> int:
    """A busy control room: the callout in the middle of it."""
    number = room.raise_callout()
    walk(room, number, 12)
    tell(room, number, TRAIL)
    tell(room, number, "The battery of the device is nearly empty (4 %): it may go silent.")
    room.sim("POST", f"/callouts/{number}/say", {"message": "We have your call. Help is being arranged."})
    room.sim("POST", f"/callouts/{number}/dispatch", {"eta_s": 420})
    room.api("POST", f"/callouts/{number}/cancel", {"safeCode": "7391"})
    room.sim(
        "POST", "/customers", {"id": 9, "mobile": "+27820009999", "name": "A branch with a name that is much longer than a card is wide"}
    )
    crowd(room, 3)
    room.sim("POST", "/callouts", {"customerId": 9})
    room.act(room.sim("POST", "/callouts", {"customerId": 10_000}).json()["id"], "close")
    room.sim("POST", "/faults", {"action": "latency", "delay_s": 1, "on": ["read"], "for_s": 900})
    return number


@browsing
@pytest.mark.parametrize("dark", ["light", "dark"])
def test_it_is_readable_as_a_browser_paints_it(browser: Browser, room: Room, dark: str) -> None:
    """Wide, at a laptop, at a phone's width in each part: contrast, nothing cut off, nothing covered, no sideways scrolling."""
    number = furnish(room)
    scheme(browser, dark)
    show(browser, room, WIDE, path=f"/#{number}")
    browser.until("document.querySelector('#map .here') && document.querySelector('#map .told')")
    found = {}
    for name, size in (("wide", WIDE), ("laptop", LAPTOP), ("narrow", NARROW)):
        browser.size(*size)
        for part in ("list", "tools", "map", "talk"):
            browser.value(f"document.querySelector('#tabs [data-tab={part}]').click()")
            browser.value(FRAME)
            if name != "narrow" and part in ("map", "talk"):
                continue
            wrong = {"poor": browser.value(POOR), "cut": browser.value(CUT), "covered": browser.value(COVERED)}
            found[name, part] = {kind: each for kind, each in wrong.items() if each}
            assert browser.value("document.scrollingElement.scrollWidth") <= size[0]
            browser.screenshot(KEPT / f"control-room-{name}{'' if part == 'list' else '-' + part}{'-dark' if dark == 'dark' else ''}.png")
    for dialog in ("keys", "sure"):
        browser.value(f"document.getElementById('{dialog}').showModal()")
        found[dialog, ""] = {kind: each for kind, script in (("poor", POOR), ("cut", CUT)) if (each := browser.value(script))}
        browser.value(f"document.getElementById('{dialog}').close()")
    scheme(browser)
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


@browsing
def test_motion_is_left_out_for_who_prefers_that(browser: Browser, room: Room) -> None:
    """Nothing moves by itself, for anybody; what a browser would add is switched off."""
    show(browser, room)
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    assert browser.value("matchMedia('(prefers-reduced-motion: reduce)').matches")
    assert browser.value("document.getAnimations().length") == 0
    scheme(browser)
