"""The page of `track show` in headless Chromium: wide, on a phone, dark and printed. Screenshots are kept under artefacts/."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli import main
from tests.browser.chromium import Browser, find
from tests.edges import drives

pytestmark = pytest.mark.skipif(find() is None, reason="chromium is not installed")

KEPT = Path(__file__).parents[2] / "artefacts"
WIDE, NARROW = (1280, 900), (390, 844)
SHOWN = (
    "[...document.querySelectorAll('svg.wide, svg.narrow')].filter((each) => each.clientWidth > 0).map((each) => each.classList[1]).join()"
)
PAPER = "getComputedStyle(document.querySelector('svg.wide .paper')).fill"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as one:
        yield one


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    database = drives.make_drive(folder / "agent.db")
    assert main(["track", "show", "--database", str(database), "--output", str(folder / "track.html")]) == 0
    return (folder / "track.html").as_uri()


def test_it_is_readable_wide_and_on_a_phone(browser: Browser, page: str) -> None:
    """The picture that fits, no sideways scrolling, words of a readable size; nothing is fetched and nothing complains."""
    browser.events.clear()
    browser.open(page, *WIDE)
    assert browser.value(SHOWN) == "wide"
    browser.screenshot(KEPT / "track-wide.png", whole=True)
    browser.open(page, *NARROW)
    assert browser.value(SHOWN) == "narrow"
    assert browser.value("document.scrollingElement.scrollWidth") <= NARROW[0]
    sizes = "[...document.querySelectorAll('svg.narrow text')].map((each) => each.getBoundingClientRect().height)"
    assert min(browser.value(sizes)) >= 9
    browser.screenshot(KEPT / "track-narrow.png", whole=True)
    fetched = [each["params"]["request"]["url"] for each in browser.events if each["method"] == "Network.requestWillBeSent"]
    assert set(fetched) == {page}
    assert [each for each in browser.events if each["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []


def test_words_on_the_map_are_apart_and_inside(browser: Browser, page: str) -> None:
    """As the browser sets them, not as we think it does."""
    browser.open(page, *WIDE)
    overlaps = """(() => {
        const boxes = [...document.querySelectorAll('svg.wide .words')].map((each) => each.getBoundingClientRect());
        const land = document.querySelector('svg.wide .land').getBoundingClientRect();
        const shared = (a, b, low, high) => Math.min(a[high], b[high]) - Math.max(a[low], b[low]);
        const over = (a, b) => shared(a, b, 'left', 'right') > 2 && shared(a, b, 'top', 'bottom') > 4;
        const hit = boxes.flatMap((a, n) => boxes.slice(n + 1).filter((b) => over(a, b)));
        const out = boxes.filter((a) => a.left < land.left || a.right > land.right || a.top < land.top || a.bottom > land.bottom);
        return [boxes.length, hit.length, out.length];
    })()"""
    count, hit, out = browser.value(overlaps)
    assert count >= 15
    assert (hit, out) == (0, 0)


def test_in_the_dark_and_on_paper(browser: Browser, page: str) -> None:
    """It follows the reader's scheme on the screen; on paper it is light and wide, on one page with its picture whole."""
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.ask("Emulation.setEmulatedMedia", features=dark)
    browser.open(page, *WIDE)
    assert browser.value(PAPER) == "rgb(20, 23, 26)"
    browser.screenshot(KEPT / "track-dark.png")
    browser.ask("Emulation.setEmulatedMedia", media="print", features=dark)
    assert browser.value(PAPER) == "rgb(255, 255, 255)"
    browser.size(*NARROW)
    assert browser.value(SHOWN) == "wide"
    printed = base64.b64decode(browser.ask("Page.printToPDF", printBackground=False)["data"])
    assert printed.startswith(b"%PDF")
    (KEPT / "track-print.pdf").write_bytes(printed)
    browser.ask("Emulation.setEmulatedMedia", media="", features=[])


def test_the_pointer_is_told_more(browser: Browser, page: str) -> None:
    """Titles on the lines and marks say from when to when."""
    browser.open(page, *WIDE)
    titles = browser.value("[...document.querySelectorAll('svg.wide g > title')].map((each) => each.textContent)")
    assert "told to dispatch later: 08:39:58 to 08:58:03 UTC" in titles
    assert any(title.startswith("Press 1. Pressed at 2026-03-02T08:31:00Z (button panic)") for title in titles)
