"""Scenarios with the real command line: a whole rehearsal with the real daemon, played twice; and how a rehearsal ends."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from pathlib import Path

from simulator.scenario_reading import shipped_text

ROOT = Path(__file__).parents[2]


async def agent(*words: str | Path) -> asyncio.subprocess.Process:
    """A command, started."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent", *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT
    )


async def run(*words: str | Path) -> tuple[int, str]:
    """A command to its end: exit status and all that it printed."""
    process = await agent(*words)
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def shortened(text: str) -> str:
    """A scenario whose waits are short: the demo tells an outage of 5 s, and nobody reads along."""
    text = re.sub(r"after_s = (\d+)", lambda found: f"after_s = {6 if int(found[1]) >= 30 else min(3, int(found[1])) / 2}", text)
    return text.replace("positions = 3", "positions = 1")


def test_hijack_played_twice_is_the_same_and_a_right_code_instead_of_the_wrong_one_is_found(tmp_path: Path):
    """Three devices at once, each with its own dispatch; the third one's wearer gives in."""
    hijack = shortened(shipped_text("hijack"))
    texts = {"first": hijack, "second": hijack, "other": re.sub(r'"wrong"', '"right"', hijack)}

    def transcript(name: str) -> Path:
        return tmp_path / f"{name}.jsonl"

    async def play(name: str, text: str) -> None:
        file = tmp_path / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        code, out = await run("demo", "--scenario", file, "--transcript", transcript(name))
        assert code == 0, out
        assert '"Hijack" ran to its end after 18 of 18 steps' in out

    async def story() -> None:
        async with asyncio.TaskGroup() as group:
            for name, text in texts.items():
                group.create_task(play(name, text))
        (same, nothing), (different, told) = await asyncio.gather(
            *(run("simulator", "--compare", transcript("first"), transcript(name)) for name in ("second", "other"))
        )
        assert same == 0, nothing
        assert different == 1
        assert "- callout 1: cancel with a wrong code (200)" in told
        assert "+ callout 1: cancel with a right code (200)" in told

    asyncio.run(story())
    entries = [json.loads(line) for line in transcript("first").read_text(encoding="utf-8").splitlines()]
    (cancel,) = [entry for entry in entries if entry.get("operation") == "cancel"]
    assert cancel["body"] == {"safeCode": "wrong"}
    positions = [entry for entry in entries if entry.get("operation") == "locate" and entry["status"] == 200]
    assert sum(entry["at_s"] > cancel["at_s"] for entry in positions) >= 2, "it streams on behind the cancel"


def test_a_step_that_times_out_ends_the_simulator_with_1_and_says_what_it_had_waited_for(tmp_path: Path):
    """Nobody presses; and a scenario that runs to its end is 0."""
    file = tmp_path / "nobody.toml"

    async def ended(step: str) -> tuple[int, str]:
        file.write_text(f'title = "Nobody"\ndescription = "Nothing happens."\n{step}', encoding="utf-8")
        return await run("simulator", "--port", "0", "--scenario", file, "--exit-at-end")

    code, out = asyncio.run(ended('[[step]]\nafter_s = 0.1\n[[step]]\ndevice = "press"\nwithin_s = 0.3'))
    assert code == 1
    assert "step 2 timed out: it waited 0.3 s for this: somebody to press the button" in out
    code, out = asyncio.run(ended("[[step]]\nafter_s = 0.1\n[[step]]\nexpire = 'tokens'"))
    assert code == 0
    assert '"Nobody" ran to its end after 2 of 2 steps' in out


def test_ctrl_c_ends_a_rehearsal_cleanly_within_a_second(tmp_path: Path):
    """Exit 130, a word about where it was, and a whole transcript."""
    transcript = tmp_path / "t.jsonl"

    async def story() -> None:
        process = await agent("simulator", "--port", "0", "--scenario", "hijack", "--transcript", transcript)
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while b"now: switch the device on" not in await process.stdout.readline():
                pass
        asked_at = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = (await process.stdout.read()).decode()
        assert await process.wait() == 130
        assert time.monotonic() - asked_at < 3, "well within what a person waits"
        assert '"Hijack" was stopped after 0 of 18 steps' in rest
        assert "Traceback" not in rest

    asyncio.run(story())
    states = [json.loads(line).get("state") for line in transcript.read_text(encoding="utf-8").splitlines()]
    assert states == [None, "began", "stopped"]


def test_what_cannot_be_played_or_compared_is_said_and_has_its_own_exit_status(tmp_path: Path):
    """A name that is nearly one, a file with two mistakes, a transcript that is there already, one that is none."""
    bad = tmp_path / "bad.toml"
    bad.write_text('title = "Bad"\ndescription = "x"\n[[step]]\ndevice = "pres"\n[[step]]\nwen = "raised"', encoding="utf-8")
    there = tmp_path / "there.jsonl"
    there.write_text("mine", encoding="utf-8")

    async def story() -> None:
        (name, hint), (file, problems), (taken, why), (unread, which) = await asyncio.gather(
            run("simulator", "--scenario", "hijak"),
            run("simulator", "--scenario", bad),
            run("simulator", "--port", "0", "--transcript", there),
            run("simulator", "--compare", there, there),
        )
        assert (name, file, taken, unread) == (1, 1, 1, 2)
        assert "did you mean hijack?" in hint
        assert "line 4: step 1: device: 'pres'" in problems
        assert "line 6: step 2: wen: not a key of a step; did you mean when?" in problems
        assert "is there already" in why
        assert "no transcript" in which

    asyncio.run(story())
    assert there.read_text(encoding="utf-8") == "mine"
