"""What a bystander can find out after a cancel (law 5): nothing.

Three devices live through the same, side by side; on one the safe code was right, on one wrong, on one it never reached dispatch.
Everything that somebody beside the device can see, hear, read, run or time is noted and compared: the bytes and exit code of every
command, the whole status document, the lamp's and the buzzer's history, what the owner's program was told, the log, and how long it
all takes; also across a power cycle, with the daemon down, with a responder on the way, and after dispatch has closed the callout.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from stage import CODE_RIGHT, CODE_WRONG, Stage, codes
from wearing import BUZZER, LAMP, Wearing, wearing

from agent.columns import write_utc
from hardware.played_keypad import PlayedKeypad

CODES = {"right": CODE_RIGHT, "wrong": CODE_WRONG, "undelivered": CODE_RIGHT}
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("say", "are you there?"),
    ("raise", "--drill"),
    ("drill", "--open", "5"),
    ("callout", "forget", "1"),
    ("callout", "list", "--json"),
    ("callout", "show"),
    ("callout", "events", "--follow"),
    ("cancel", "--unconditional"),
    ("check",),
)
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
ASKED = 25
REQUESTS: dict[str, dict[str, Any]] = {
    "status": {"do": "status"},
    "say": {"do": "say", "text": "are you there?"},
    "raise --drill": {"do": "raise", "drill": True},
    "drill --open": {"do": "drill", "open_s": 5},
    "forget": {"do": "forget", "id": 1},
    "list": {"do": "list"},
    "rating items": {"do": "rating_items"},
    "show": {"do": "show"},
    "show 1": {"do": "show", "id": 1},
    "events": {"do": "events"},
    "follow": {"do": "events", "follow": 1, "wait_s": 30},
    "map": {"do": "map"},
    "report": {"do": "report"},
    "reasons": {"do": "reasons"},
    "rate": {"do": "rate", "stars": 5},
    "blank code": {"do": "cancel", "code": " "},
    "no code": {"do": "cancel"},
}
DARK_WITHIN_S = 5.0  # a lamp that goes dark by then goes dark with the cancel, on however busy a machine
PROVEN = ("token", "lookup", "dispatch", "clock", "position", "button:panic", "button:medic", "store", "loop")
SIREN = "987.25"  # seconds that only this siren sleeps
NOISE_S = 0.4  # three interpreters start and end at once on two cores
# Of how long the quickest takes: where an interpreter needs a second to start, nothing finer can be told. What is asked over a socket is.
NOISE_PART = 1.5
SOCKET_NOISE_S = 0.01
# Asked of dispatch over a line of its own: three handshakes at once on two cores. One device at a time shows no difference in 150 asks.
LINE_NOISE_S = 0.06
ASK_DISPATCH = ("list", "rating items")


@dataclass
class Seen:
    """What one bystander noted. what: to be equal. took_s: durations, to be equal within noise. grown: fixes in so many seconds."""

    what: dict[str, Any] = field(default_factory=dict)
    took_s: dict[str, list[float]] = field(default_factory=dict)
    grown: int = 0

    def note(self, name: str, value: Any) -> None:
        assert name not in self.what
        self.what[name] = value

    async def time(self, name: str, doing: Awaitable[Any]) -> Any:
        began = time.monotonic()
        done = await doing
        self.took_s.setdefault(name, []).append(time.monotonic() - began)
        return done


def outward(document: dict[str, Any]) -> dict[str, Any]:
    """The whole document, with those values as marks that any moment changes: times, places, ages. What kind they are of stays."""
    plain = json.loads(MOMENT.sub("MOMENT", json.dumps(document)))
    fix = plain["fix"]
    for key in ("latitude", "longitude", "age_s", "accuracy_m"):
        assert isinstance(fix[key], float)
        fix[key] = "NUMBER"
    # Worst first, then oldest: which of two lines was opened first after a start is chance.
    plain["conditions"].sort(key=lambda condition: condition["code"])
    plain["store"]["fixes"] = "NUMBER"  # its growth is compared elsewhere
    plain["clock"]["system_off_s"] = "NUMBER"  # a measurement; that a callout has no part in it is shown by the code: the clock knows none
    return plain


class Bystander:
    """One device, its wearer and the person beside it."""

    def __init__(self, code: str, folder: Path, stage: Stage, wearer: Wearing, pad: PlayedKeypad) -> None:
        self.code, self.folder, self.stage, self.wearer, self.pad = code, folder, stage, wearer, pad
        self.seen = Seen()
        self._log_from = self._heard_from = 0
        self._since = self._cancelled_wall = 0.0

    async def begin(self, *, dispatched: bool) -> None:
        """A press that dispatch has accepted, and a responder on the way if so."""
        await self.stage.start()
        await self.until_settled()
        self.wearer.hold()
        callout = await self.stage.until_callout(lambda seen: len(seen["positions"]) >= 2)
        self.wearer.let_go()
        if dispatched:
            await self.stage.desk("POST", f"callouts/{callout['id']}/dispatch", {"eta_s": 300})
            await self.stage.until_status(lambda told: told["callout"]["responder"]["stage"] == "coming")
            await self.stage.desk("POST", f"callouts/{callout['id']}/say", {"message": "we are coming"})
            told = lambda lines: len(lines) == 3  # noqa: E731 - accepted, dispatched, and what was said
            await self.stage.until(lambda: asyncio.to_thread(self._heard), told, what="the owner's program knows")
        if self.code == "undelivered":
            await self.stage.desk("POST", "faults", {"on": ["cancel"], "action": "reset"})

    async def until_settled(self) -> None:
        """A raise would work, all of it is proven, and the receiver has told the time, which takes it three epochs."""

        def settled(told: dict[str, Any]) -> bool:
            proven = all(proof["proven"] for proof in told["proofs"].values())
            return bool(told["armed"] and proven and told["fix"] and told["clock"]["trusted"])

        await self.stage.until_status(settled, 20, "armed, with the time")

    async def cancel(self, *, by_keypad: bool) -> None:
        """The code is handed over; from here on the bystander looks."""
        await self.stage.until(self._log, lambda log: "armed_proof.old: over" in log, what="the journal has said everything of the raise")
        self._log_from, self._heard_from = len(await self._log()), len(await asyncio.to_thread(self._heard))
        self._since, self._cancelled_wall = time.monotonic(), time.time()
        if by_keypad:
            self.pad.type(CODES[self.code])
            self.pad.key("enter")
        else:
            cancel = self.stage.command("cancel", "--safe-code-stdin", typed=CODES[self.code] + "\n")
            self.seen.note("cancel", await self.seen.time("cancel", cancel))
        await self.stage.until_status(lambda told: told["callout"]["state"] == "standby")
        if self.code == "undelivered":
            callout = (await self.stage.callouts())[-1]
            assert not callout["cancels"], "the rig: it was to be undelivered"
        else:
            await self.stage.until_callout(lambda seen: seen["cancels"] and seen["duress"] == (self.code == "wrong"))
        if self.code == "right":
            await self.close()

    async def close(self) -> None:
        """Dispatch closes the callout, and the device has been told so: by 285, or by a read."""
        await self.stage.desk("DELETE", "requests")
        await self.stage.desk("POST", f"callouts/{(await self.stage.callouts())[-1]['id']}/close")
        told = lambda seen: any(each["status"] == 285 or each["operation"] == "read" for each in seen)  # noqa: E731
        await self.stage.until(lambda: self.stage.desk("GET", "requests"), told, what="closed inwardly")

    async def look(self, when: str) -> None:
        """Note everything."""
        seen = self.seen
        for words in COMMANDS:
            code, out, err = await self.stage.command(*words)
            name = f"{when}: {' '.join(words)}"
            if words == ("status", "--json"):
                seen.note(name, (code, outward(json.loads(out)), err))
            else:
                told = NUMBER.sub("N", MOMENT.sub("MOMENT", out))
                seen.note(name, (code, sorted(told.splitlines()) if words == ("status",) else told, err))  # see `outward`
        for _ in range(ASKED):
            for name, request in REQUESTS.items():
                await seen.time(name, self.stage.ask(**request))
        for code in ("1111", "2222"):
            handed = self.stage.command("cancel", "--safe-code-stdin", typed=f"{code}\n")
            seen.note(f"{when}: cancel {code}", await seen.time("a further cancel", handed))

    def finish_looking(self) -> None:
        """What lamp, buzzer, program and log did since the cancel."""
        for line, name in ((LAMP, "lamp"), (BUZZER, "buzzer")):
            history = [level for at, level in self.wearer.chip.history(line) if at > self._since + DARK_WITHIN_S]
            self.seen.note(f"{name} since", history)
        self.seen.note("hook", (self.folder / "told").exists())
        self.seen.note("program", self._heard()[self._heard_from :])
        self.seen.note("presses", sorted(each.name for each in (self.folder / "run" / "presses").iterdir()))

    async def note_log(self) -> None:
        """The log since the cancel, without its moments and numbers, and without the device's own folder."""
        log = (await self._log())[self._log_from :].replace(str(self.folder), "FOLDER")
        lines = set(NUMBER.sub("N", MOMENT.sub("MOMENT", log)).splitlines())
        # After a start it is chance on a busy machine whether the first poll is answered before the journal looks for the first time.
        self.seen.note("log", sorted(line for line in lines if "dispatch.unproven: " not in line))

    async def noted(self, words: str, times: int) -> None:
        """Wait until the log has it so often since the cancel: the journal looks once a second, and what is over by then it never names."""

        async def since() -> str:
            return (await self._log())[self._log_from :]

        await self.stage.until(since, lambda text: text.count(words) >= times, 5, words)

    async def power_cycle(self) -> None:
        """The plug is pulled: the runtime directory is empty after it."""
        await self.stage.kill()
        code, out, err = await self.stage.command("status", "--json")
        self.seen.note("down: status", (code, outward(json.loads(out)), err))
        shutil.rmtree(self.folder / "run")
        await self.stage.start()
        await self.until_settled()

    async def stop(self) -> None:
        """How long an orderly end takes."""
        await self.stage.signal(signal.SIGTERM)
        self.seen.note("exit status", await self.seen.time("end", self.stage.ended()))
        self.seen.grown = await asyncio.to_thread(self._fixes_recorded)

    def _fixes_recorded(self) -> int:
        """Fixes of the 5 s after the cancel's first second, by the database: a track that grows faster would tell."""
        window = tuple(write_utc(self._cancelled_wall + after_s) for after_s in (1.0, 6.0))
        with contextlib.closing(sqlite3.connect(f"file:{self.stage.store}?mode=ro", uri=True)) as connection:
            count: int = connection.execute("SELECT count(*) FROM fixes WHERE wall_utc BETWEEN ? AND ?", window).fetchone()[0]
        return count

    def _heard(self) -> list[str]:
        """What the owner's program was told of dispatch."""
        path = self.folder / "heard"
        return path.read_text().splitlines() if path.exists() else []

    async def _log(self) -> str:
        return await asyncio.to_thread((self.folder / "agent.log").read_text)


def compared(tmp_path: Path, story: Callable[[Bystander], Coroutine[Any, Any, None]]) -> dict[str, Seen]:
    """The story on three devices at once; what was seen must be equal."""

    async def together() -> dict[str, Seen]:
        async with AsyncExitStack() as stack:
            bystanders = {}
            for code in CODES:
                folder = tmp_path / code
                folder.mkdir()
                script = folder / "sms.sh"
                script.write_text(f"cat >> {folder}/told\n")
                listener = folder / "event.sh"
                listener.write_text(f"cat >> {folder}/heard\n")
                more = f'[keypad]\npath = "{folder}/keypad"\n[hooks]\non_unreachable = ["/bin/sh", "{script}"]\nunreachable_after_s = 1\n'
                more += f'on_event = ["/bin/sh", "{listener}"]\n'
                stage, wearer = await stack.enter_async_context(wearing(folder, more=more))
                pad = await stack.enter_async_context(PlayedKeypad(folder / "keypad"))
                bystanders[code] = Bystander(code, folder, stage, wearer, pad)
            await asyncio.gather(*(story(each) for each in bystanders.values()))
            return {code: each.seen for code, each in bystanders.items()}

    seen = asyncio.run(together())
    for name in seen["right"].what:
        told = {code: each.what[name] for code, each in seen.items()}
        assert told["right"] == told["wrong"] == told["undelivered"], name
    for name in seen["right"].took_s:
        quickest = {code: min(each.took_s[name]) for code, each in seen.items()}  # a busy machine only ever adds
        command_noise_s = NOISE_S if name == "end" else max(NOISE_S, NOISE_PART * min(quickest.values()))
        noise_s = LINE_NOISE_S if name in ASK_DISPATCH else SOCKET_NOISE_S if name in REQUESTS else command_noise_s
        assert max(quickest.values()) - min(quickest.values()) <= noise_s, f"{name}: {quickest}"
    grown = {code: each.grown for code, each in seen.items()}
    assert max(grown.values()) - min(grown.values()) <= 1, grown
    assert max(grown.values()) <= 4, "recorded as in standby, every 2 s here; the receiver says 1 a second"
    return seen


def test_right_wrong_and_undelivered_code_look_the_same(tmp_path: Path):
    async def story(each: Bystander) -> None:
        await each.begin(dispatched=False)
        await each.cancel(by_keypad=False)
        await each.look("after the cancel")
        each.finish_looking()
        await each.note_log()
        await each.stop()

    seen = compared(tmp_path, story)["wrong"].what
    assert seen["cancel"] == (0, "The cancel was handed over.\n", "")
    assert seen["lamp since"] == []
    assert not seen["hook"]
    document = seen["after the cancel: status --json"][1]
    assert {name: proof["proven"] for name, proof in document["proofs"].items()} == dict.fromkeys(PROVEN, "MOMENT")
    assert document["callout"] == {
        "state": "standby",
        "id": None,
        "origin": None,
        "drill": False,
        "since": None,
        "dispatch_status": None,
        "responder": {"stage": "none", "eta": None, "eta_text": None, "name": None},
        "messages": {"heard": 0, "last": None},
    }
    assert seen["program"] == []
    assert document["store"]["untold"] == 0


def test_power_cycle_does_not_tell_them_apart(tmp_path: Path):
    async def story(each: Bystander) -> None:
        await each.begin(dispatched=False)
        await each.cancel(by_keypad=True)
        await each.power_cycle()
        await each.look("after the power cycle")
        each.finish_looking()
        await each.note_log()
        await each.stop()

    seen = compared(tmp_path, story)["wrong"].what
    assert seen["down: status"][1]["callout"]["state"] == "standby"


def test_responder_on_the_way_does_not_tell_them_apart_and_neither_does_the_close(tmp_path: Path):
    async def story(each: Bystander) -> None:
        await each.begin(dispatched=True)
        await each.cancel(by_keypad=True)
        await each.wearer.until_dark()
        callout = (await each.stage.callouts())[-1]
        if each.code != "right":
            await each.stage.desk("POST", f"callouts/{callout['id']}/arrive")
            await each.stage.desk("POST", f"callouts/{callout['id']}/say", {"message": "we are at the door"})
        await each.look("responder there")
        await each.power_cycle()
        if each.code != "right":
            await each.close()
        await each.look("closed")
        each.finish_looking()
        await each.note_log()

    seen = compared(tmp_path, story)["undelivered"].what
    assert seen["lamp since"] == []
    assert seen["program"] == []


def test_how_the_line_fails_does_not_tell_them_apart(tmp_path: Path):
    """Behind a cancel other lanes have open connections, and notice what happens to the line long before a device in standby would."""

    async def story(each: Bystander) -> None:
        await each.begin(dispatched=False)
        await each.cancel(by_keypad=True)
        for number, silent in enumerate((True, False)):
            if silent:
                await each.stage.desk("POST", "faults", {"on": "/panic-api/*", "action": "half_open"})
            else:
                await each.stage.link.cut()
            document = await each.stage.until_status(unreached, 40, "it is shown that dispatch does not answer")
            await each.noted("ERROR dispatch.unreachable", number + 1)
            each.seen.note(f"ill {number}", outward(document)["conditions"])
            if silent:
                await each.stage.desk("DELETE", "faults")
            else:
                await each.stage.link.mend()
            await each.stage.until_status(lambda told: not unreached(told), 40, "it is over")
            await each.noted("dispatch.unreachable: over", number + 1)
        await each.note_log()
        await each.stop()

    compared(tmp_path, story)


@pytest.mark.parametrize("code", [CODE_RIGHT, CODE_WRONG])
def test_cancel_of_a_raise_that_reaches_nobody_is_dark_at_once_and_ends_the_siren_while_the_raise_goes_on(tmp_path: Path, code: str):
    async def story() -> None:
        told = tmp_path / "told"
        script = tmp_path / "siren.sh"
        script.write_text(f"echo on >> {told}\nexec sleep {SIREN}\n")
        hooks = f'[hooks]\non_unreachable = ["/bin/sh", "{script}"]\nunreachable_after_s = 1\n'
        async with wearing(tmp_path, more=hooks) as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            await stage.link.cut()
            wearer.hold()
            await stage.until(lambda: asyncio.to_thread(told.exists), bool)
            wearer.let_go()
            siren = await stage.until(lambda: asyncio.to_thread(sirens), bool)
            assert (await stage.command("cancel", "--safe-code-stdin", typed=code + "\n"))[0] == 0
            await wearer.until_dark()
            await stage.until(lambda: asyncio.to_thread(alive, siren), lambda left: not left, 5)
            assert (await stage.status())["callout"]["state"] == "standby"
            await stage.link.mend()
            callout = await stage.until_callout(lambda seen: seen["cancels"], 30)
            assert callout["duress"] == (code == CODE_WRONG)
            assert [lit for _, lit in wearer.sees(1.0)] == [False]

    asyncio.run(story())


def test_command_that_waits_for_dispatch_ends_with_the_cancel_and_not_with_the_answer(tmp_path: Path):
    """When it ended, and what it said, would tell that the raise went on."""

    async def story() -> None:
        async with wearing(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.link.cut()
            waiting = asyncio.create_task(stage.command("raise", "--wait", "55"))
            await stage.until_status(lambda told: told["callout"]["state"] == "raising")
            await stage.command("cancel", "--safe-code-stdin", typed=CODE_RIGHT + "\n")
            async with asyncio.timeout(5):
                code, out, err = await waiting
            assert (code, NUMBER.sub("N", out), err) == (4, "press N: a cancel was handed over\n", "")
            await stage.link.mend()
            await stage.until_callout(lambda seen: seen["cancels"], 30)

    asyncio.run(story())


def unreached(told: dict[str, Any]) -> bool:
    """Whether the status says that dispatch does not answer."""
    return "dispatch.unreachable" in codes(told)


def sirens() -> list[int]:
    """Processes that the owner's program became."""
    found = []
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if path.name.isdigit() and SIREN.encode() in (path / "cmdline").read_bytes().split(b"\0"):
                found.append(int(path.name))
    return found


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
