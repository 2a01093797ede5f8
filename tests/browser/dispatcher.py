"""A dispatcher at the page: opens it, looks and acts as a person would. No assertions live here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.browser.chromium import Browser
from tests.simulator.rooms import HERE, Room

KEPT = Path(__file__).parents[2] / "artefacts"
WIDE, LAPTOP, NARROW = (1440, 900), (1280, 760), (360, 740)
TROUBLES = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"


def show(browser: Browser, room: Room, size: tuple[int, int] = WIDE, path: str = "/") -> None:
    """Open the page anew and wait until it is connected."""
    browser.ask("Page.navigate", url="about:blank")  # the same page with another # would not be loaded again
    browser.events.clear()
    browser.open(room.running.root_url + path, *size)
    browser.until("document.getElementById('link').textContent === 'Live'")


def walk(room: Room, number: int, steps: int) -> None:
    """Move the callout north-east in even steps."""
    for step in range(1, steps + 1):
        place = {"latitude": HERE["latitude"] + step * 2e-4, "longitude": HERE["longitude"] + step * 1e-4, "accuracy": 9.5}
        room.api("POST", f"/callouts/{number}/location", place).raise_for_status()


def tell(room: Room, number: int, text: str, source: str = "customer") -> None:
    """The device says something."""
    room.api("POST", f"/callouts/{number}/events", {"source": source, "event": text}).raise_for_status()


def crowd(room: Room, count: int) -> list[int]:
    """So many customers with a callout each, near each other; speaks with a server token from then on."""
    room.as_backend()
    numbers = []
    for index in range(count):
        room.sim("POST", "/customers", {"id": 10_000 + index, "mobile": f"+2783{index:07d}", "name": f"Customer {index:03d}"})
        place = {"latitude": -33.9 - index % 15 / 300, "longitude": 18.4 + index // 15 / 300, "accuracy": 10 + index % 40}
        numbers.append(room.sim("POST", "/callouts", {"customerId": 10_000 + index, **place}).json()["id"])
    return numbers


def fact(name: str) -> str:
    """JavaScript for the value beside a name in the facts."""
    return f"[...document.querySelectorAll('#facts dt')].find((each) => each.textContent === '{name}')?.nextSibling.textContent"


def text(selector: str) -> str:
    """JavaScript for what an element says."""
    return f"(document.querySelector({selector!r})?.textContent ?? '')"


def click(browser: Browser, selector: str) -> None:
    """With the mouse, in the middle of the element, so that nothing may lie over it."""
    spot: dict[str, Any] = browser.until(f"""(() => {{
        const element = document.querySelector({selector!r});
        element?.scrollIntoView({{ block: 'nearest' }});
        const box = element?.getBoundingClientRect();
        const [x, y] = box?.width ? [box.left + box.width / 2, box.top + box.height / 2] : [0, 0];
        return element?.contains(document.elementFromPoint(x, y)) && !element.disabled ? {{ x, y }} : null; }})()""")
    for kind in ("mousePressed", "mouseReleased"):
        browser.ask("Input.dispatchMouseEvent", type=kind, **spot, button="left", clickCount=1)


def troubles(browser: Browser) -> list[dict[str, Any]]:
    """What the page complained of."""
    return [each for each in browser.events if each.get("method") in TROUBLES]


def scheme(browser: Browser, name: str = "") -> None:
    """What the reader prefers: "dark", "light" or nothing."""
    features = [{"name": "prefers-color-scheme", "value": name}] if name else []
    browser.ask("Emulation.setEmulatedMedia", features=features)
