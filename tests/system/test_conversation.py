"""What dispatch says reaches whoever waits for help: lamp, status and the owner's program, and after a cancel nobody (law 5)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from stage import CODE_WRONG, Stage, codes, side_by_side
from wearing import Wearing, wearing

from agent.model import Sign
from simulator.settings import Generation, Settings

NOTHING_SAID = {
    "responder": {"stage": "none", "eta": None, "eta_text": None, "name": None},
    "messages": {"heard": 0, "last": None},
}


class Owner:
    """Whoever configured a program for what dispatch says: it takes a moment, as an SMS does."""

    def __init__(self, folder: Path) -> None:
        self.told_path = folder / "told"
        self._script = folder / "event.sh"
        self._script.write_text(f"cat >> {self.told_path}\nsleep 0.1\n")

    @property
    def config(self) -> str:
        return f'[hooks]\non_event = ["/bin/sh", "{self._script}"]\n'

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.told_path.read_text().splitlines()] if self.told_path.exists() else []

    def events(self) -> list[str]:
        """What it was told, in order; of a message its text."""
        return [each["text"] if each["event"] == "message" else each["event"] for each in self.told()]

    async def until(self, stage: Stage, *events: str) -> list[dict[str, Any]]:
        """Until it was told exactly this, in this order."""
        await stage.until(lambda: asyncio.to_thread(self.events), lambda told: told == list(events), 20, f"told {events}")
        return self.told()


async def until_shown(wearer: Wearing, sign: Sign) -> None:
    """The lamp says this to a person, who counts no milliseconds: its table is tested elsewhere, and a busy machine is late."""

    def seen() -> bool:
        whole = wearer.sees(3.5 if sign is Sign.ARRIVED else 5.0)[1:-1]
        lit, dark = ([seconds for seconds, on in whole if on is wanted] for wanted in (True, False))
        if sign is Sign.MESSAGE:  # nothing else that may be shown now has short flashes
            return sum(seconds < 0.5 for seconds in lit) >= 3
        if sign is Sign.ARRIVED:
            return bool(lit and dark) and min(*lit, *dark) > 0.5 and max(*lit, *dark) < 1.5
        return bool(lit and dark) and min(lit) > 1.0 and max(dark) < 0.5  # on, with short dark blinks

    await wearer.until(seen, 15.0, sign)


async def raised(stage: Stage, wearer: Wearing) -> int:
    """A callout that dispatch has."""
    await stage.start()
    await stage.until_armed()
    wearer.hold()
    callout = await stage.until_callout(lambda seen: seen["positions"])
    wearer.let_go()
    number: int = callout["id"]
    return number


async def say(stage: Stage, callout_id: int, text: str) -> None:
    await stage.desk("POST", f"callouts/{callout_id}/say", {"message": text})


async def respond(stage: Stage, callout_id: int, act: str, body: Any = None) -> None:
    await stage.desk("POST", f"callouts/{callout_id}/{act}", body)


async def whole_conversation(folder: Path) -> None:
    """From the press to the close, with a crash and a cancel in between."""
    owner = Owner(folder)
    async with wearing(folder, more=owner.config) as (stage, wearer):
        number = await raised(stage, wearer)
        await owner.until(stage, "accepted")

        await respond(stage, number, "dispatch", {"eta_s": 420})
        told = await stage.until_status(lambda told: told["callout"]["responder"]["eta"])
        assert told["callout"]["responder"]["stage"] == "coming"
        await until_shown(wearer, Sign.RESPONDING)
        out = (await stage.command("status"))[1]
        assert "responder on the way" in out
        assert "UTC (in 7 min)" in out or "UTC (in 6 min)" in out
        (_, dispatched) = await owner.until(stage, "accepted", "dispatched")
        assert dispatched["eta"] == told["callout"]["responder"]["eta"]
        assert dispatched["callout_id"] == number

        await say(stage, number, "two minutes \x1b]0;away\x07")
        await until_shown(wearer, Sign.MESSAGE)
        told = await stage.until_status(lambda told: told["callout"]["messages"]["heard"] == 1)
        assert told["callout"]["messages"]["last"]["text"] == "two minutes �]0;away�"
        assert "\x1b" not in (await stage.command("status"))[1]
        assert (await stage.command("say", "I am in the kitchen"))[0] == 0
        await stage.until_callout(lambda seen: any(each["text"] == "I am in the kitchen" for each in seen["events"]))
        await owner.until(stage, "accepted", "dispatched", "two minutes �]0;away�")

        await stage.kill()
        await say(stage, number, "at the gate")
        await respond(stage, number, "arrive")
        await stage.start()
        heard = ("accepted", "dispatched", "two minutes �]0;away�", "arrived", "at the gate")
        await owner.until(stage, *heard)
        await until_shown(wearer, Sign.ARRIVED)
        told = await stage.until_status(lambda told: told["callout"]["messages"]["heard"] == 2)
        assert told["callout"]["responder"]["stage"] == "there"

        await calm_hears_nothing(stage, wearer, owner, number)
        wearer.hold()
        await owner.until(stage, *heard, "accepted", "completed", "drop the bag")
        wearer.let_go()
        await respond(stage, number, "close")
        told = await stage.until_status(lambda told: told["callout"]["state"] == "standby")
        assert {key: told["callout"][key] for key in NOTHING_SAID} == NOTHING_SAID
        await owner.until(stage, *heard, "accepted", "completed", "drop the bag", "closed")
        await wearer.until_dark()


async def calm_hears_nothing(stage: Stage, wearer: Wearing, owner: Owner, number: int) -> None:
    """A cancel that was forced: help goes on, and nothing says so."""
    before = owner.events()
    await stage.command("cancel", "--safe-code-stdin", typed=f"{CODE_WRONG}\n")
    callout = await stage.until_callout(lambda seen: seen["duress"])
    await wearer.until_dark()
    await stage.desk("DELETE", "requests")
    await say(stage, number, "drop the bag")
    await respond(stage, number, "complete")
    count = len(callout["positions"])
    await stage.until_callout(lambda seen: len(seen["positions"]) > count + 3, what="inwardly it goes on")
    told = await stage.status()
    assert {key: told["callout"][key] for key in NOTHING_SAID} == NOTHING_SAID
    assert owner.events() == before
    asked = [each["operation"] for each in await stage.desk("GET", "requests")]
    assert "list_events" not in asked
    assert "read" in asked
    assert [lit for _, lit in wearer.sees(2.0)] == [False]


async def older_generation(folder: Path) -> None:
    """It names no source: our own words are known by what we said, and a crash forgets none of them."""
    owner = Owner(folder)
    async with wearing(folder, Settings(generation=Generation.OLD), more=owner.config) as (stage, wearer):
        number = await raised(stage, wearer)
        assert (await stage.command("say", "I hide in the cellar"))[0] == 0
        await say(stage, number, "stay there")
        await owner.until(stage, "accepted", "stay there")
        assert (await stage.command("say", "they are upstairs"))[0] == 0
        await stage.until_callout(lambda seen: any(each["text"] == "they are upstairs" for each in seen["events"]))
        await stage.kill()
        await respond(stage, number, "dispatch")
        await stage.start()
        await stage.until_status(lambda told: told["callout"]["responder"]["stage"] == "coming")
        await respond(stage, number, "arrive")
        await owner.until(stage, "accepted", "stay there", "dispatched", "arrived")
        await respond(stage, number, "stand_down")
        await owner.until(stage, "accepted", "stay there", "dispatched", "arrived", "stood_down")
        await wearer.until_steady()
        assert (await stage.status())["callout"]["messages"]["heard"] == 1


async def token_that_may_not_listen(folder: Path) -> None:
    """The responder is shown all the same, the lanes go on, and it is a note."""
    scope = Settings().scope - {"list_events"}
    async with wearing(folder, Settings(scope=scope), more="") as (stage, wearer):
        number = await raised(stage, wearer)
        told = await stage.until_status(lambda told: "dispatch.no_events" in codes(told))
        assert next(each for each in told["conditions"] if each["code"] == "dispatch.no_events")["severity"] == "note"
        assert told["armed"]
        await respond(stage, number, "dispatch")
        await until_shown(wearer, Sign.RESPONDING)
        count = len((await stage.callouts())[-1]["positions"])
        await stage.until_callout(lambda seen: len(seen["positions"]) > count + 4)
        asked = [each for each in await stage.desk("GET", "requests") if each["operation"] == "list_events"]
        assert 1 <= len(asked) <= 2, "once, and once with a new token; again in five minutes"


def test_dispatch_is_heard_by_the_wearer_and_by_nobody_after_a_cancel(tmp_path: Path):
    """Through a crash, in both generations, and with a token that may not listen."""
    side_by_side(tmp_path, whole_conversation, older_generation, token_that_may_not_listen)
