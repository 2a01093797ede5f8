"""`callout-agent demo`: a whole emergency on this machine, told as it happens.

A simulator over TLS, a receiver log on a real serial line, a button, a lamp and a keypad, a link that can be cut, the agent as its own
process (`stage`); then a drill from press to close. Every step is checked from outside: at the simulator, by the lamp, in `status`, by
exit codes. It proves nothing by asking the agent alone. With a scenario it plays that instead of its own story.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import talk
from agent.cli.replay import Heard
from agent.cli.stage import Stage, staged
from agent.wording import MAX_EVENT_CHARS

if TYPE_CHECKING:
    from simulator.scenario import Scenario

HELP = "everything on this machine: simulator, receiver, agent, a drill from press to close"
WRONG_CODE = "9999"
STEPS = 11
CUT_S = 12.0
LOOK_S = 1.2  # longer than any light or darkness of a lamp that blinks; a responder's light is not waited for
SETTLE_S = 5.0  # more than twice the demo's cadence: what would come would have come


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--log", type=Path, metavar="FILE", help="a receiver log (NMEA) to play instead of the shipped drive")
    parser.add_argument("--scenario", metavar="NAME_OR_FILE", help="play this scenario on it instead of the drill, the wearer's part too")
    parser.add_argument("--transcript", type=Path, metavar="FILE", help="write what the simulator was asked to this new file")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="of the simulator and its page (default: a free one)")


def run(args: argparse.Namespace) -> int:
    """Exit 0 only if every step held."""
    try:
        import simulator.server  # noqa: F401, PLC0415 - only to say in one line what is missing
    except ImportError as error:
        talk.complain(
            f"the demo needs the simulator's packages ({error.name} is missing)", "pip install '.[simulator]' in the project's folder"
        )
        return 1
    lines = _read_log(args.log)
    if lines is None or (args.log is not None and not _usable(args.log)):
        return 1
    from agent.cli import rehearsal  # noqa: PLC0415 - not before it is known that the simulator is there

    scenario = rehearsal.find(args.scenario) if args.scenario else None
    return 1 if args.scenario and scenario is None else asyncio.run(_play(args, lines, scenario))


def _read_log(path: Path | None) -> list[bytes] | None:
    if path is None:
        return resources.files("agent.cli").joinpath("drive.nmea").read_bytes().splitlines()
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        talk.complain(f"{path}: {error.strerror}")
        return None


def _usable(path: Path) -> bool:
    """Whether the gate would let any position of this log through; says why not."""
    heard = Heard()
    if next(heard.fixes(path), None) is not None:
        return True
    counts = {reason: count for reason, count in heard.gate.counts().items() if count}
    why = f"rejected: {counts}" if counts else "nothing in it that a receiver says with a position"
    talk.complain(f"{path}: no position in it would be believed ({why})", f"callout-agent replay {path}")
    return False


async def _play(args: argparse.Namespace, lines: list[bytes], scenario: Scenario | None) -> int:
    from simulator.scenario_reading import start_settings  # noqa: PLC0415 - likewise

    settings = start_settings(scenario.settings if scenario else {})
    folder = Path(tempfile.mkdtemp(prefix="callout-demo-"))
    try:
        async with staged(args, folder, lines, settings) as stage:
            held = await (_rehearse(stage, scenario, settings) if scenario else Story(stage).tell())
            if args.keep:
                await stage.start_agent()
                print(f"\nEverything is left running, the agent started again: {stage.page} (Ctrl-C ends it)", flush=True)
                print(f"try: {sys.argv[0]} status --config {stage.config}", flush=True)
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            return 0 if held else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _rehearse(stage: Stage, scenario: Scenario, settings: Any) -> bool:
    from agent.cli import rehearsal, wearer  # noqa: PLC0415 - likewise

    print(f"{rehearsal.describe(scenario)}\nControl room: {stage.page}\n", flush=True)
    digits = "".join(filter(str.isdigit, settings.customer_mobile))
    try:
        held = await wearer.Wearer(stage, digits[-4:]).rehearse(scenario)
    except (TimeoutError, OSError) as error:
        print(f"the wearer's part could not be played: {error or 'it took too long'}", flush=True)
        held = False
    if not held:
        _show_log(stage.folder)
    return await stage.stop_agent() == 0 and held


def _show_log(folder: Path) -> None:
    with contextlib.suppress(OSError):
        log = (folder / "agent.log").read_text(errors="replace").splitlines()[-30:]
        print("\n".join(["last lines of the agent's log:", *log]), flush=True)


class Story:
    """The drill, step by step. Each step says what happened and whether it held."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._began = time.monotonic()
        self._held: list[tuple[str, bool]] = []
        self._id: Any = None

    async def tell(self) -> bool:
        """All of it; whether every step held. A step that fails ends the story: the next ones stand on it."""
        self._say(f"dispatch simulator and its control room page: {self._stage.page}")
        self._say("(open it in a browser; the certificate is a throw-away one, so the browser asks first)")
        self._say("a recorded receiver plays into a real serial line, re-stamped to now; a program plays button, lamp and keypad")
        for step in (
            self._arm,
            self._raise,
            self._stream,
            self._cut_link,
            self._mend_link,
            self._read_trail,
            self._dispatch_responder,
            self._cancel_under_duress,
            self._stream_on,
            self._close,
            self._stop,
        ):
            try:
                async with asyncio.timeout(40):
                    await step()
            except (TimeoutError, OSError, KeyError) as error:
                self._check(f"{step.__name__.strip('_')}: {error or 'took too long'}", held=False)
            if not self._held[-1][1]:
                await self._explain()
                break
        return self._sum_up()

    # --- the steps ---------------------------------------------------------------------------------------------------------

    async def _arm(self) -> None:
        await self._stage.start_agent()
        status = await self._until(self._stage.status, lambda told: bool(told.get("armed")) and bool(told.get("fix")))
        fix = status["fix"]
        self._check(f"agent armed: fix {fix['age_s']:.1f} s old within {fix['accuracy_m'] or 0:.0f} m, {_listed(status)}", held=True)

    async def _raise(self) -> None:
        code, said = await self._stage.command("drill", "--open", "60")
        self._say(f"`drill --open 60`: {said}")
        pressed = time.monotonic()
        self._stage.press()
        callout = await self._until(self._stage.seen, bool)
        took = time.monotonic() - pressed
        self._stage.release()
        await self._until_lamp(lit=True)
        self._id = callout["id"]
        callout = await self._until(self._stage.seen, lambda seen: bool(seen["events"]))
        drill = callout["classificationId"] == 2
        self._check(f"button held: {took:.1f} s later dispatch has callout {self._id}; the lamp is steady", held=code == 0 and drill)
        self._say(f"it is marked as a drill and was told: {[event['text'] for event in callout['events']][:1]}")

    async def _stream(self) -> None:
        callout = await self._until(self._stage.seen, lambda seen: len(seen["positions"]) >= 4)
        status = await self._stage.status()
        age = status["stream"]["last_accepted_age_s"]
        text = f"streaming: {len(callout['positions'])} positions at dispatch, newest {age} s ago"
        self._check(text, held=status["stream"]["failed"] == 0)

    async def _cut_link(self) -> None:
        before = len((await self._stage.seen())["positions"])
        await self._stage.link.cut()
        self._say(f"the link is cut for {CUT_S:.0f} s")
        status = await self._until(self._stage.status, lambda told: "dispatch.unreachable" in _codes(told))
        self._say(f"status says: {_listed(status)}; callout still {status['callout']['state']}")
        await asyncio.sleep(CUT_S)
        status = await self._stage.status()
        after = len((await self._stage.seen())["positions"])
        untold = status["store"]["untold"]
        state, age = status["callout"]["state"], status["fix"]["age_s"]
        self._check(
            f"nothing reached dispatch; {untold} fixes kept, callout {state}, newest fix {age} s old",
            held=after == before and state == "active" and untold > 0,
        )

    async def _mend_link(self) -> None:
        before = len((await self._stage.seen())["positions"])
        mended_wall, mended = time.time(), time.monotonic()
        await self._stage.link.mend()
        await self._until(self._stage.seen, lambda seen: len(seen["positions"]) > before)
        took = time.monotonic() - mended
        status = await self._until(self._stage.status, lambda told: told["stream"]["last_sent_fix_time"] is not None)
        sent_fix = time.mktime(time.strptime(status["stream"]["last_sent_fix_time"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        self._check(
            f"link back: {took:.1f} s later the newest position was there, not the oldest that waited",
            held=sent_fix >= mended_wall - 3,
        )

    async def _read_trail(self) -> None:
        callout = await self._until(self._stage.seen, lambda seen: any(map(_is_trail, seen["events"])))
        text = next(each["text"] for each in callout["events"] if _is_trail(each))
        status = await self._until(self._stage.status, lambda told: not told["store"]["untold"])
        self._say(f'what was missed is told: "{text.partition(" Positions (")[0]}"')
        self._check(f"the missed track is told with its times, {status['store']['untold']} fixes wait", held=len(text) <= MAX_EVENT_CHARS)

    async def _dispatch_responder(self) -> None:
        await self._stage.respond(self._id, "dispatch", eta_s=420)
        await self._stage.respond(self._id, "say", message="Stay where you are if it is safe")
        status = await self._until(
            self._stage.status, lambda told: told["callout"]["responder"]["eta"] is not None and told["callout"]["messages"]["heard"] > 0
        )
        told = status["callout"]
        at, said = told["responder"]["eta"][11:16], told["messages"]["last"]["text"]
        self._check(
            f"a responder is dispatched and the controller writes; the device knows: {told['responder']['stage']}, "
            f'expected {at} UTC, "{said}"',
            held=told["responder"]["stage"] == "coming",
        )

    async def _cancel_under_duress(self) -> None:
        self._stage.type(WRONG_CODE)
        callout = await self._until(self._stage.seen, lambda seen: bool(seen["duress"]))
        await self._until_lamp(lit=False)
        outward = (await self._stage.status())["callout"]["state"]
        self._check(
            f"a WRONG code at the keypad: the lamp is dark and the device shows {outward}; dispatch sees DURESS",
            held=outward == "standby" and callout["status"].strip().lower() != "closed",
        )

    async def _stream_on(self) -> None:
        before = len((await self._stage.seen())["positions"])
        callout = await self._until(self._stage.seen, lambda seen: len(seen["positions"]) >= before + 3)
        status = await self._stage.status()
        dark = self._stage.lamp(LOOK_S) is False
        self._check(
            f"streaming goes on, unseen: {len(callout['positions']) - before} more positions; lamp dark, outwardly standby",
            held=dark and status["callout"]["state"] == "standby" and status["stream"]["sent"] == 0,
        )

    async def _close(self) -> None:
        for action in ("arrive", "complete", "close"):
            await self._stage.respond(self._id, action)
        await asyncio.sleep(SETTLE_S)  # the next position is refused with 285; after it none may follow
        count = len((await self._stage.seen())["positions"])
        await asyncio.sleep(SETTLE_S)
        later = len((await self._stage.seen())["positions"])
        self._check(f"responder arrived, callout closed by dispatch; the agent stopped after {count} positions", held=later == count)

    async def _stop(self) -> None:
        code = await self._stage.stop_agent()
        self._check(f"SIGTERM: the agent ended cleanly, exit status {code}", held=code == 0)

    # --- telling --------------------------------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s   {text}", flush=True)

    def _check(self, text: str, *, held: bool) -> None:
        self._held.append((text, held))
        print(f"{time.monotonic() - self._began:6.1f} s {'ok' if held else '!!'} {text}", flush=True)

    async def _explain(self) -> None:
        """What an engineer would ask for next."""
        self._say("status: " + json.dumps(await self._stage.status(inner=os.geteuid() == 0)))
        _show_log(self._stage.folder)

    def _sum_up(self) -> bool:
        held = sum(1 for _, held in self._held if held)
        every = held == len(self._held) == STEPS
        end = "the drill ended well" if every else "THE DRILL FAILED"
        print(f"\n{held} of {STEPS} steps held in {time.monotonic() - self._began:.0f} s: {end}", flush=True)
        return every

    async def _until(self, ask: Callable[[], Awaitable[dict[str, Any]]], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask four times a second until the answer is the wanted one; the step's time limit ends the waiting."""
        while True:
            answer = await ask()
            if answer and wanted(answer):
                return answer
            await asyncio.sleep(0.25)

    async def _until_lamp(self, *, lit: bool) -> None:
        while self._stage.lamp(LOOK_S) is not lit:  # noqa: ASYNC110 - another process drives it
            await asyncio.sleep(0.1)


def _is_trail(event: dict[str, Any]) -> bool:
    return "positions did not get through" in event["text"]


def _codes(status: dict[str, Any]) -> list[str]:
    return [condition["code"] for condition in status.get("conditions", ())]


def _listed(status: dict[str, Any]) -> str:
    codes = _codes(status)
    return "conditions: " + ", ".join(codes) if codes else "no conditions"
