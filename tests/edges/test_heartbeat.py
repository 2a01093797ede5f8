"""The fleet's server hears that the device lives: what everybody may see, never beside a raise, and whatever it answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from scripted import Answer, Rig, Wired, drip, hang, raw, reply, reset

from agent import heartbeat, yielding
from agent.health import Conditions
from agent.heartbeat import CODE, Heartbeat
from agent.line import Line
from agent.model import Condition

PATH = "/beat/unit-17"
SECRET = "unit-17"  # what an address may hold
DOCUMENT: dict[str, Any] = {
    "version": "1.2.3",
    "armed": False,
    "conditions": [{"code": "position.none", "text": "at -33.92, 18.42"}, {"code": "disk.low", "text": "x"}],
    "callout": {"id": 992011},
    "fix": {"latitude": -33.92},
}
SAID = {"version": "1.2.3", "armed": False, "conditions": ["position.none", "disk.low"]}


class Beating:
    """A heartbeat on the way to a scripted server."""

    def __init__(self, at: Rig, every_s: float, roll: float) -> None:
        self.at, self.conditions, self.owed, self.turn = at, Conditions(), False, asyncio.Lock()
        self.line = Line(at.tls)
        self.of = Heartbeat(
            at.server.url + PATH,
            every_s,
            self.line,
            at.clock,
            self.conditions,
            document=lambda: DOCUMENT,
            owed=lambda: self.owed,
            turn=lambda: self.turn,
            roll=lambda: roll,
            first_s=0.0,
        )

    def sent(self) -> list[Any]:
        return [seen.json for seen in self.at.server.seen if seen.path.endswith(PATH)]

    def condition(self) -> Condition | None:
        return next((each for each in self.conditions.shown(calm=True) if each.code == CODE), None)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not true():  # noqa: ASYNC110 - many things, none of which rings
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def beating(rig: Wired, *answers: Answer, every_s: float = 0.05, roll: float = 0.5, owed: bool = False) -> AsyncIterator[Beating]:
    async with rig() as at:
        at.server.on("POST", PATH, *answers)
        made = Beating(at, every_s, roll)
        made.owed = owed
        running = asyncio.ensure_future(made.of.run())
        try:
            yield made
            assert not running.done(), "it never ends by itself"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await made.line.aclose()


async def test_version_armed_and_codes_are_told_and_nothing_else(rig: Wired) -> None:
    """No text, no place, no callout, no token; each over a connection of its own, which is let go."""
    async with beating(rig, reply(204)) as made:
        await made.until(lambda: len(made.sent()) >= 3)
        assert made.sent()[:3] == [SAID] * 3
        seen = made.at.server.seen
        assert {each.connection for each in seen} == set(range(1, made.at.server.connections + 1))
        assert [each.bearer for each in seen] == [None] * len(seen)
        assert made.condition() is None


@pytest.mark.parametrize("roll", [0.0, 0.5, 0.999])
async def test_pause_is_the_usual_one_give_or_take_a_tenth(rig: Wired, roll: float) -> None:
    async with beating(rig, reply(200), every_s=0.5, roll=roll) as made:
        await made.until(lambda: len(made.sent()) >= 3)
        first, second, third = (each.at for each in made.at.server.seen[:3])
        expected_s = 0.5 * (1 + 0.1 * (2 * roll - 1))
        assert min(second - first, third - second) >= expected_s - 0.01
        assert min(second - first, third - second) < expected_s + 0.4, "a busy machine only ever adds"


@pytest.mark.parametrize(
    "answer",
    [reply(500), reply(404), reply(302, location="https://elsewhere.test/"), reset(), raw(b"nonsense\r\n\r\n"), hang(), drip()],
    ids=["500", "404", "redirected", "reset", "no HTTP", "silent", "never ends"],
)
async def test_third_failure_in_a_row_is_a_condition_until_one_arrives(rig: Wired, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    monkeypatch.setattr(heartbeat, "DEADLINE_S", 0.2)
    async with beating(rig, answer, answer, reply(200), answer) as made:
        await made.until(lambda: len(made.sent()) >= 6)
        condition = await until_condition(made)
        assert SECRET not in condition.text + condition.hint
        assert "elsewhere" not in condition.text
        made.at.server.on("POST", PATH, reply(200))
        await made.until(lambda: made.condition() is None)


async def until_condition(made: Beating) -> Condition:
    await made.until(made.condition)
    condition = made.condition()
    assert condition is not None
    return condition


async def test_two_failures_are_no_condition(rig: Wired) -> None:
    """Two in a row, and two more after one that arrived; while the next one waits for its answer."""
    async with beating(rig, reply(500), reply(500), hang()) as made:
        await made.until(lambda: len(made.sent()) == 3)
        assert made.condition() is None
    async with beating(rig, reply(500), reply(500), reply(200), reply(500), reply(500), hang()) as made:
        await made.until(lambda: len(made.sent()) == 6)
        assert made.condition() is None


async def test_endless_reply_is_cut_off(rig: Wired) -> None:
    """A server that is not ours, or has been taken over, fills no memory."""
    async with beating(rig, reply(200, body=b"x" * 5_000_000)) as made:
        await made.until(lambda: len(made.sent()) >= 2)
        assert made.condition() is None


async def test_nothing_is_sent_while_a_raise_is_owed_and_what_is_under_way_is_given_up(rig: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yielding, "LOOK_S", 0.02)
    async with beating(rig, hang(), reply(200), owed=True) as made:
        await asyncio.sleep(0.2)  # so long nothing happens is what is tested
        assert made.at.server.connections == 0
        made.owed = False
        await made.until(lambda: len(made.sent()) == 1)
        made.owed = True
        await made.at.server.until_open(0)
        made.owed = False
        await made.until(lambda: len(made.sent()) >= 2)
        assert made.condition() is None


async def test_whoever_opens_a_connection_for_something_better_goes_first(rig: Wired) -> None:
    async with beating(rig, reply(200), every_s=0.02) as made:
        await made.until(made.sent)
        async with made.turn:
            count = len(made.sent())
            await asyncio.sleep(0.2)  # so long nothing happens is what is tested
            assert len(made.sent()) == count
        await made.until(lambda: len(made.sent()) > count)
