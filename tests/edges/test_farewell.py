"""What a device says before it may go silent: at once, once per occasion, to whatever callout is on, and no sooner or later for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from bench import Bench, play
from dispatchers import Service, lost
from scripted import Wall

from agent import farewell
from agent.cadence import Pace
from agent.farewell import Farewell
from agent.health import Conditions, Origin
from agent.model import Asked, CalloutId, Fix, Outcome, Place, Power, Quality, SafeCode
from agent.signals import CancelAsked, Phase
from agent.wording import utc

RARE = Pace(send_active_s=600, send_min_s=600, send_max_s=600)  # no position goes by itself within a test
FULL, LOW = Power(80.0, low=False), Power(9.0, low=True)
FED, CUT = Power(80.0, mains=True), Power(80.0, mains=False, lost=True)


class Device(Bench):
    """A bench whose daemon has last words. kept: the position that is left when none is live."""

    def __init__(self, service: Service, *, poll_s: float) -> None:
        super().__init__(service, poll_s=poll_s)
        self.clock = Wall()
        self.conditions = Conditions()
        self.kept: Place | None = None
        self.farewell = Farewell(self, 0.2)

    def place(self) -> Place | None:
        return super().place() or self.kept

    def notice(self, outcome: Outcome, origin: Origin) -> None:
        super().notice(outcome, origin)
        self.farewell.replied(outcome)

    def texts(self, callout_id: CalloutId = 101) -> list[str]:
        return [text for to, text in self.service.events if to == callout_id]

    def codes(self, *, calm: bool = False) -> list[str]:
        return [each.code for each in self.conditions.shown(calm=calm)]

    async def active(self) -> None:
        """A callout is on, it has its first position, and no further one is due."""
        self.terms = replace(self.terms, pace=RARE)
        await self.press()
        await self.until(lambda: self.state.phase is Phase.ACTIVE and bool(self.service.positions))

    async def told(self, count: int) -> list[str]:
        """So many messages have arrived."""
        await self.until(lambda: len(self.texts()) >= count)
        return self.texts()

    async def nothing_more(self) -> list[str]:
        """What has arrived once everything that was said before now has: messages keep their order."""
        self.tell(101, "end of the test")
        await self.until(lambda: "end of the test" in self.texts() and not self.lanes.urgent._outbox)
        return [text for text in self.texts() if text != "end of the test"]


def test_low_battery_sends_a_word_and_a_new_position_at_once():
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FULL)
        await device.active()
        positions = len(service.positions)
        device.farewell.fed(LOW)
        (text,) = await device.told(1)
        assert "9 %" in text
        assert "Last known position" not in text, "a live one goes out with it"
        await device.until(lambda: len(service.positions) > positions)
        assert device.codes() == ["power.low"]

    play(story, kind=Device)


@pytest.mark.parametrize("trusted", [True, False])
def test_times_by_a_clock_that_nobody_vouches_for_are_said_to_be_so(*, trusted: bool):
    async def story(device: Device, _service: Service) -> None:
        device.clock.plausible = trusted
        device.farewell.fed(FULL)
        await device.active()
        device.farewell.fed(LOW)
        (text,) = await device.told(1)
        assert ("by a clock that was not yet set" in text) is not trusted

    play(story, kind=Device)


def test_word_goes_before_messages_that_wait_for_an_answer():
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FED)
        await device.active()
        answer = service.hold[Asked.EVENT] = asyncio.Event()
        device.tell(101, "first")
        await device.until(lambda: service.asked.count(Asked.EVENT) == 1)
        del service.hold[Asked.EVENT]
        device.farewell.fed(CUT)
        (text,) = await device.told(1)
        assert "was cut" in text
        answer.set()
        assert (await device.told(2))[1] == "first"

    play(story, kind=Device)


def test_occasion_is_told_once_and_again_only_after_it_was_over():
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FULL)
        await device.active()
        for power in (LOW, replace(LOW, percent=8.0), replace(LOW, percent=7.0)):
            device.farewell.fed(power)
            device.farewell.look()
        assert len(await device.nothing_more()) == 1
        assert device.conditions.shown(calm=False)[0].text.endswith("(7 %)")
        device.farewell.fed(replace(FULL, percent=20.0))
        assert device.codes() == []
        device.farewell.fed(LOW)
        assert len(await device.told(3)) == 3

    play(story, kind=Device)


def test_supply_that_is_cut_and_comes_back_is_told_twice():
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FED)
        await device.active()
        device.farewell.fed(CUT)
        assert device.codes() == ["power.lost"]
        await device.told(1)
        device.farewell.fed(replace(CUT, percent=70.0))
        device.farewell.fed(replace(FED, percent=70.0))
        device.farewell.look()
        cut, back = await device.nothing_more()
        assert "was cut" in cut
        assert "80 %" in cut
        assert "is back" in back
        assert "70 %" in back
        assert device.codes() == []

    play(story, kind=Device)


def test_callout_that_begins_on_an_empty_battery_or_after_a_cut_is_told():
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FED)
        device.farewell.fed(replace(LOW, mains=False, lost=True))
        cut_wall = device.clock.wall()
        device.clock.ahead_s = 120.0
        device.farewell.fed(replace(LOW, mains=False, lost=True, percent=5.0))
        await device.active()
        device.farewell.look()
        device.farewell.look()
        battery, power = sorted(await device.nothing_more())
        assert "5 %" in battery
        assert any(utc(cut_wall + rounding) in power for rounding in (-0.1, 0.1))

    play(story, kind=Device)


def test_supply_that_was_cut_long_before_the_press_is_no_news():
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FED)
        device.farewell.fed(CUT)
        device.clock.ahead_s = farewell.CUT_IS_NEWS_S + 1
        await device.active()
        device.farewell.look()
        device.farewell.fed(FED)
        assert await device.nothing_more() == []

    play(story, kind=Device)


def test_process_that_takes_over_a_callout_does_not_repeat_what_the_last_one_told():
    async def story(device: Device, service: Service) -> None:
        await device.active()
        device.farewell.look()
        device.farewell.fed(LOW)
        device.farewell.look()
        assert await device.nothing_more() == []
        assert device.codes() == ["power.low"]
        device.farewell.fed(FULL)
        device.farewell.fed(LOW)
        assert len(await device.told(2)) == 2

    play(story, kind=Device)


def test_battery_that_runs_low_while_a_raise_is_on_its_way_is_told_once_there_is_a_callout():
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FULL)
        service.hold[Asked.RAISE] = asyncio.Event()
        await device.press()
        device.farewell.fed(LOW)
        service.hold.pop(Asked.RAISE).set()
        await device.until(lambda: device.state.phase is Phase.ACTIVE)
        device.farewell.look()
        assert "9 %" in (await device.told(1))[0]

    play(story, kind=Device)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (Place(-33.9, 18.4, 120.0, Quality.STORED, None), "Last known position: -33.90000, 18.40000 within 120 m."),
        (None, "There is no position."),
    ],
)
def test_last_words_carry_the_last_position_where_none_is_live(kept: Place | None, words: str):
    async def story(device: Device, service: Service) -> None:
        device.kept = kept if kept is None else replace(kept, wall=device.clock.wall() - 300)
        device.farewell.fed(FULL)
        await device.press()
        await device.until(lambda: device.state.phase is Phase.ACTIVE)
        device.farewell.fed(LOW)
        text = next(text for text in await device.told(2) if "battery" in text)
        assert text.endswith(words if kept is None else words[:-1] + ", 5 min old.")

    play(story, drive=False, kind=Device)


def test_calm_device_tells_dispatch_and_logs_nothing(caplog: pytest.LogCaptureFixture):
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FED)
        await device.active()
        await device.decide(CancelAsked(SafeCode("0042")))
        caplog.set_level(logging.INFO)
        caplog.clear()
        device.farewell.fed(replace(LOW, mains=False, lost=True))
        assert len(await device.told(2)) == 2
        assert device.state.calm
        assert caplog.records == []
        assert device.codes(calm=True) == device.codes() == ["power.lost", "power.low"]

    play(story, kind=Device)


# --- the end --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["standby", "raising", "active", "calm"])
def test_end_takes_the_same_time_in_every_state_and_tells_a_callout(state: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(farewell, "FAREWELL_S", 0.4)

    async def story(device: Device, service: Service) -> None:
        if state == "raising":
            service.fault = lambda asked: lost(asked) if asked is Asked.RAISE else None
            await device.press()
        if state in ("active", "calm"):
            await device.active()
        if state == "calm":
            await device.decide(CancelAsked(SafeCode("0042")))
        positions, loop = len(service.positions), asyncio.get_running_loop()
        began = loop.time()
        await device.farewell.end()
        assert 0.4 <= loop.time() - began < 0.5
        on = state in ("active", "calm")
        assert [text for text in device.texts() if "being shut down" in text] == device.texts()
        assert len(device.texts()) == on
        assert len(service.positions) == positions + on

    play(story, kind=Device)


def test_press_during_the_end_is_still_raised(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(farewell, "FAREWELL_S", 0.4)

    async def story(device: Device, service: Service) -> None:
        ending = asyncio.create_task(device.farewell.end())
        await device.press()
        await ending
        assert device.state.phase is Phase.ACTIVE

    play(story, kind=Device)


# --- link and sky ---------------------------------------------------------------------------------------------------------


def test_outage_is_told_when_the_link_is_back():
    async def story(device: Device, service: Service) -> None:
        await device.press()
        await device.until(lambda: bool(service.positions))
        began = device.clock.at()
        service.fault = lost
        await device.until(lambda: device.clock.at() - began > 0.3)
        service.fault = lambda _: None
        (text,) = await device.told(1)
        assert text.startswith("Nothing got through from")
        assert "known throughout" in text
        assert len(await device.nothing_more()) == 1

    play(story, kind=Device)


def test_position_that_came_with_the_link_is_seen_before_the_reply():
    async def story(device: Device, service: Service) -> None:
        device.fix = Fix(device.clock.at(), device.clock.wall(), "fake", -33.9, 18.4)
        await device.press()
        await device.until(lambda: bool(service.positions))
        device.farewell.look()
        service.fault = lost
        device.lanes.watch.read_now()
        await device.until(lambda: any(each.cause == "timeout" for each in device.noticed))
        device.clock.ahead_s = 20.0
        device.fix = Fix(device.clock.at(), device.clock.wall(), "fake", -33.9, 18.4)
        service.fault = lambda _: None
        device.lanes.hurry()
        assert "No position from" in (await device.told(1))[0]

    play(story, drive=False, kind=Device)


def test_lost_sky_is_told_by_looking():
    async def story(device: Device, service: Service) -> None:
        device.fix = Fix(device.clock.at(), device.clock.wall(), "fake", -33.9, 18.4)
        await device.press()
        await device.until(lambda: device.state.phase is Phase.ACTIVE)
        device.farewell.look()
        device.fix = None
        device.farewell.look()
        device.clock.ahead_s = 61.0
        device.farewell.look()
        (text,) = await device.told(1)
        assert text.startswith("No position since")

    play(story, drive=False, kind=Device)


def test_nothing_is_told_without_a_callout():
    async def story(device: Device, service: Service) -> None:
        device.farewell.fed(FED)
        device.farewell.fed(replace(LOW, mains=False, lost=True))
        service.fault = lost
        device.lanes.watch.look_up_now()
        await device.until(lambda: bool(device.noticed))
        device.farewell.look()
        service.fault = lambda _: None
        device.lanes.watch.look_up_now()
        await device.until(lambda: len(device.noticed) >= 2)
        assert service.events == []
        assert device.codes() == ["power.lost", "power.low"]

    play(story, kind=Device)
