"""What two hundred callouts cost the control room page, against one: time of its main thread for script, style and layout.

Headless Chromium shows the page of a real simulator; each round puts one more position of every callout on the page's own line, as
its stream would, then waits a second. Thread time, so that a busy machine does not count; a ratio, so that a slow one does not either.
Usage: python benchmarks/page.py [ROUNDS]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import Browser, find  # noqa: E402 - the tests' browser
from tests.browser.dispatcher import WIDE, crowd, show  # noqa: E402 - and its dispatcher
from tests.simulator.rooms import furnish  # noqa: E402 - and its room

COUNTS = (1, 200)
PARTS = {"ScriptDuration": "script", "RecalcStyleDuration": "style", "LayoutDuration": "layout", "TaskDuration": "all tasks"}
TAP = "window.EventSource = class extends EventSource { constructor(...all) { super(...all); window.source = this; } }"
ROUND = """new Promise((done) => {{
    const now = Date.now() / 1000;
    for (const [index, callout] of window.crowd.entries()) {{
        const at = callout.positionsFrom + 1;
        callout.positionsFrom = at;
        callout.positions = [{{ received: new Date().toISOString(), latitude: -33.9 - (index % 15) / 300 + at / 9000,
            longitude: 18.4 + Math.floor(index / 15) / 300, accuracy: 9 }}];
        window.source.dispatchEvent(new MessageEvent('callout', {{ data: JSON.stringify({{ now, callout }}) }}));
    }}
    setTimeout(() => done(true), 1000);
}})"""


def measure(browser: Browser, count: int, rounds: int) -> dict[str, float]:
    """Milliseconds of the page's main thread for each second, by part."""
    room = furnish()
    numbers = crowd(room, count)
    show(browser, room, WIDE, path=f"/?{count}#{numbers[0]}")
    browser.until(f"document.querySelectorAll('.card').length === {count}")
    views = [{**view, "positionsFrom": 0, "eventsFrom": 0, "notesFrom": 0} for view in room.sim("GET", "/callouts").json()]
    browser.value(f"window.crowd = {json.dumps(views)}, true")
    browser.value(ROUND.format())
    before = metrics(browser)
    for _ in range(rounds):
        browser.value(ROUND.format())
    after = metrics(browser)
    room.close()
    return {name: 1000 * (after[name] - before[name]) / rounds for name in PARTS}


def metrics(browser: Browser) -> dict[str, float]:
    """The page's counters so far, in seconds of thread time."""
    return {each["name"]: each["value"] for each in browser.ask("Performance.getMetrics")["metrics"]}


def main(rounds: int) -> None:
    """Print what each count costs, and the ratios."""
    assert find(), "chromium is not installed"
    with Browser() as browser:
        browser.ask("Performance.enable", timeDomain="threadTicks")
        browser.ask("Page.addScriptToEvaluateOnNewDocument", source=TAP)
        costs = {count: measure(browser, count, rounds) for count in COUNTS}
    few, many = COUNTS
    for name, words in PARTS.items():
        one, all_of_them = costs[few][name], costs[many][name]
        ratio = f"ratio {all_of_them / one:5.1f}" if one else ""
        print(f"{words:10} {one:7.2f} ms/s with {few} callout, {all_of_them:7.2f} ms/s with {many}   {ratio}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
