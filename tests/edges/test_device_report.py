"""Dispatch is told of the device itself: as its template has it, never beside a raise, and never again what opens a callout."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from scripted import Answer, Rig, Wired, hang, reply

from agent import device_report, yielding
from agent.device_report import CODE, DeviceReport, Duty
from agent.health import Conditions, Origin
from agent.model import Condition, Power, Severity

EVENT = "/deviceEvent"
DUTY = Duty(device_id="8812345", type_id=5, every_s=60.0, battery_message_type=5, health_message_type=4, deadline_s=2.0)
BATTERY = {"device_id": 8812345, "device_type_id": 5, "message_type": 5, "battery_level": 81}
HEALTH = {"device_id": 8812345, "device_type_id": 5, "message_type": 4}
LEVEL = Power(percent=80.6)


def taken(event: str = "HEALTH", callout_id: int | None = None) -> Answer:
    return reply(200, {"message": "ok", "resolvedAuraEvent": {"eventTypes": event, "eventResponse": {"calloutId": callout_id}}})


class Told:
    """A report on the way to a scripted dispatch. every_s of its duty is as short as the test wants."""

    def __init__(self, at: Rig, duty: Duty) -> None:
        self.at, self.conditions, self.owed = at, Conditions(), False
        self.of = DeviceReport(duty, at.api, at.clock, self.conditions, owed=lambda: self.owed, roll=lambda: 0.0, first_s=0.0)

    def sent(self) -> list[Any]:
        return [seen.json for seen in self.at.server.seen if seen.path.endswith(EVENT)]

    def condition(self) -> Condition | None:
        return next((each for each in self.conditions.shown(calm=True) if each.code == CODE), None)

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not true():  # noqa: ASYNC110 - many things, none of which rings
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def telling(rig: Wired, *answers: Answer, power: Power | None = LEVEL, owed: bool = False, **changes: Any) -> AsyncIterator[Told]:
    async with rig() as at:
        at.server.on("POST", EVENT, *answers)
        told = Told(at, Duty(**{**{name: getattr(DUTY, name) for name in DUTY.__slots__}, **changes}))
        told.owed = owed
        if power is not None:
            told.of.fed(power)
        running = asyncio.ensure_future(told.of.run())
        try:
            yield told
            assert not running.done(), "it never ends by itself"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_battery_and_a_sign_of_life_go_as_the_template_has_them(rig: Wired) -> None:
    """The id as a number where it is one, the level in whole percent, over one connection that is then let go."""
    async with telling(rig, taken("BATTERY"), taken()) as told:
        await told.until(lambda: len(told.sent()) == 2)
        assert told.sent() == [BATTERY, HEALTH]
        await told.at.server.until_open(0)
        assert told.condition() is None


@pytest.mark.parametrize(
    ("power", "changes", "sent"),
    [
        (None, {}, [HEALTH]),
        (Power(mains=True), {}, [HEALTH]),
        (Power(percent=0.2), {"health_message_type": None}, [{**BATTERY, "battery_level": 0}]),
        (LEVEL, {"battery_message_type": None}, [HEALTH]),
        (LEVEL, {"device_id": "0042", "battery_message_type": None}, [{**HEALTH, "device_id": "0042"}]),
    ],
)
async def test_what_is_not_known_or_not_wanted_is_not_sent(rig: Wired, power: Power | None, changes: dict[str, Any], sent: Any) -> None:
    """A mains device has no level; a name keeps its leading zero."""
    async with telling(rig, taken(), power=power, every_s=0.1, **changes) as told:
        await told.until(lambda: len(told.sent()) >= 2)
        assert told.sent()[:1] == sent
        assert told.sent()[1] == told.sent()[0]


async def test_nothing_is_sent_while_a_raise_is_owed(rig: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a connection, not a token; afterwards it goes, with the level of then."""
    monkeypatch.setattr(yielding, "LOOK_S", 0.02)
    async with telling(rig, taken(), owed=True) as told:
        await asyncio.sleep(0.2)  # so long nothing happens is what is tested
        assert (told.at.server.seen, told.at.server.connections) == ([], 0)
        told.of.fed(Power(percent=50.0))
        told.owed = False
        await told.until(lambda: len(told.sent()) == 2)
        assert told.sent()[0]["battery_level"] == 50


async def test_whoever_opens_a_connection_for_something_better_goes_first(rig: Wired) -> None:
    """It is opened within a turn, and the turn is given back."""
    async with rig() as at:
        at.server.on("POST", EVENT, taken())
        turn = asyncio.Lock()
        duty = Duty(device_id="8812345", type_id=5, every_s=60.0, health_message_type=4, deadline_s=2.0)
        report = DeviceReport(duty, at.api, at.clock, Conditions(), owed=lambda: False, roll=lambda: 0.0, turn=lambda: turn, first_s=0.0)
        await turn.acquire()
        running = asyncio.ensure_future(report.run())
        try:
            await asyncio.sleep(0.2)  # so long nothing happens is what is tested
            assert at.server.connections == 0
            turn.release()
            await at.server.until(2)
            assert at.server.seen[-1].json == HEALTH
            await asyncio.wait_for(turn.acquire(), 5)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_what_is_under_way_is_given_up_for_a_raise(rig: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is the raise's; later it goes anew, and that was no failure."""
    monkeypatch.setattr(yielding, "LOOK_S", 0.02)
    async with telling(rig, hang(), taken("BATTERY"), taken(), deadline_s=30.0) as told:
        await told.until(lambda: told.sent() == [BATTERY])
        told.owed = True
        await told.until(lambda: told.at.server.open == 0)
        assert told.sent() == [BATTERY]
        told.owed = False
        await told.until(lambda: len(told.sent()) == 3)
        assert told.sent() == [BATTERY, BATTERY, HEALTH]
        assert told.condition() is None


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (reply(400, {"message": "no"}), "message types"),
        (reply(401), "callout token"),
        (reply(503), "tried again"),
        (reply(200, body=b"<html>", kind="text/html"), "tried again"),
    ],
)
async def test_a_failure_is_a_condition_of_the_device_until_it_is_over(rig: Wired, answer: Answer, hint: str) -> None:
    """Degraded: a raise does not depend on it. The same calm or not: it does not know."""
    async with telling(rig, answer, every_s=0.2, battery_message_type=None) as told:
        await told.until(told.condition)
        condition = told.condition()
        assert condition is not None
        assert (condition.severity, hint in condition.hint) == (Severity.DEGRADED, True)
        assert {code for code, origin in told.conditions._kept if origin is Origin.DEVICE} == {CODE}
        told.at.server.on("POST", EVENT, taken())
        await told.until(lambda: told.condition() is None)


@pytest.mark.parametrize("event", ["NEW_CALLOUT", "CANCEL", "LOCATION_UPDATE"])
async def test_a_number_that_means_something_else_is_never_sent_again(rig: Wired, event: str) -> None:
    """A mixed-up template would call responders every hour; the other message goes on."""
    async with telling(rig, taken(event, 7), taken(), every_s=0.05) as told:
        await told.until(lambda: len(told.sent()) >= 5)
        assert told.sent()[:5] == [BATTERY, HEALTH, HEALTH, HEALTH, HEALTH]
        condition = told.condition()
        assert condition is not None
        assert event in condition.text
        assert "5 for" in condition.text


async def test_a_level_told_about_a_callout_that_is_on_is_no_mistake(rig: Wired) -> None:
    """Dispatch may name the callout that it belongs to."""
    async with telling(rig, taken("BATTERY", 7), every_s=0.05) as told:
        await told.until(lambda: len(told.sent()) >= 4)
        assert told.sent()[:4] == [BATTERY, HEALTH, BATTERY, HEALTH]
        assert told.condition() is None


async def test_an_unanswered_one_is_not_repeated_at_once(rig: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits its time, five minutes at most: nothing here hammers a service that is ill."""
    monkeypatch.setattr(device_report, "AGAIN_S", 0.3)
    async with telling(rig, reply(503), battery_message_type=None) as told:
        await told.until(told.condition)
        began_at = told.at.server.seen[-1].at
        await told.until(lambda: len(told.sent()) == 2)
        assert told.at.server.seen[-1].at - began_at >= 0.3
