"""What dispatch has missed is told once, after the newest position, whatever ends in between: the process, the link, the callout."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench, play
from dispatchers import Service, lost

from agent import trail
from agent.decider import Decider
from agent.health import Origin
from agent.kept import Remembered
from agent.lanes.board import Lanes
from agent.model import Asked, Fix, Meaning, Outcome, Place, Press, Quality, SafeCode
from agent.records import PRESS_TRAIL_NOTE
from agent.signals import CancelAsked, Phase, Pressed
from agent.store import Pace, Store
from agent.telling import Telling
from agent.trails import MOST_LINES, Manner, Trails

EVERY_S = 0.1  # all of it within the uptime of a machine that has just booted: a time of another boot would be below zero
BEFORE = Manner(before_press_s=600.0)
PROMPT = Pace(group_s=0.01)


class Device(Bench):
    """A bench that records and tells. Fixes are 0.1 s and about 50 m apart; number 0 is the first."""

    folder: Path
    manner = Manner(trail_after_s=6 * EVERY_S, before_press_s=0.0)

    def __init__(self, service: Service, *, poll_s: float) -> None:
        super().__init__(service, poll_s=poll_s)
        self.store = Store(self.folder / "agent.db", pace=PROMPT)
        self.decider = Decider(self.store, self.clock, base_url="https://x", customer_id=1, changed=self._stepped)
        self.telling = Telling(self.store, self.clock, lambda: self.lanes, self.conversation.say)
        self.lanes = Lanes(self, self.telling.settled, self.conversation)
        self.trails = Trails(self, self.store, self.telling, self.manner)
        self.first_at = self.clock.at() - 50.0
        self.first_wall = self.clock.wall() - 50.0
        self.remembered: Remembered | None = None

    def place(self) -> Place:
        """A live one, which needs no words."""
        return Place(-33.9, 18.4, 5.0, Quality.LIVE, self.first_wall)

    def fix_of(self, n: int) -> Fix:
        at_s = n * EVERY_S
        return Fix(self.first_at + at_s, self.first_wall + at_s, "fake", -33.9 + n * 4.5e-4, 18.4 + (n % 7) * 3e-4, accuracy_m=5.0)

    def record(self, *numbers: int) -> None:
        for n in numbers:
            self.store.record(self.fix_of(n))

    def miss(self, *numbers: int) -> None:
        """Recorded while nothing gets through."""
        self.record(*numbers)
        self.trails.replied(lost(Asked.READ))

    async def send(self, n: int) -> None:
        """Dispatch has this one, and the trails know it."""
        self.record(n)
        self.fix = self.fix_of(n)
        self.lanes.location.locate_now()
        await self.until(lambda: any(at == self.fix_of(n).at for _, at in self.service.positions))

    def sent(self, fix: Fix) -> None:
        super().sent(fix)
        self.store.sent(fix)
        self.trails.located(fix)

    def notice(self, outcome: Outcome, origin: Origin) -> None:
        super().notice(outcome, origin)
        self.trails.replied(outcome)

    def tell(self, callout_id: int | str, text: str, *, urgent: bool = False) -> None:
        self.telling.tell(callout_id, text, urgent=urgent)

    def _stepped(self, *step: object) -> None:
        self._changed(*step)  # type: ignore[arg-type]
        self.trails.follow(step[0], step[1])  # type: ignore[arg-type]

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.service.events]

    async def told(self, wanted: Callable[[str], bool]) -> str:
        """The first message that is so."""
        await self.until(lambda: any(map(wanted, self.texts)))
        return next(filter(wanted, self.texts))

    async def missed(self) -> list[float]:
        """What is still to be told, by the numbers of its fixes."""
        return [round((fix.at - self.first_at) / EVERY_S) for fix in (await self.store.missed(self.first_at + 1_000.0, 10_000)).fixes]

    async def nothing_missed(self) -> None:
        while await self.missed():
            await self.store.step()

    async def active(self) -> None:
        await self.press()
        await self.until(lambda: self.state.phase is Phase.ACTIVE)


def says(device: Device, n: int) -> Callable[[str], bool]:
    """Whether a text tells the position of a fix."""
    fix = device.fix_of(n)
    return lambda text: f"{fix.latitude:.5f}" in text and f"{fix.longitude:.5f}" in text


Story = Callable[[Device, Service], Awaitable[None]]


def tell(story: Story, folder: Path, manner: Manner | None = None) -> None:
    """A process of its own for each call, on the same database."""

    class Here(Device):
        pass

    Here.folder = folder
    Here.manner = manner or Device.manner

    async def whole(device: Device, service: Service) -> None:
        device.remembered = await device.store.open()
        trails = asyncio.create_task(device.trails.run())
        try:
            await story(device, service)
            assert not trails.done()
        finally:
            trails.cancel()
            await device.store.aclose()

    play(whole, kind=Here, drive=False)


def test_gap_that_is_short_is_covered_and_needs_no_words(tmp_path: Path):
    async def story(device: Device, _service: Service) -> None:
        await device.active()
        await device.send(0)
        device.record(1, 2, 3)
        await device.send(4)
        await device.nothing_missed()
        assert device.texts == []

    tell(story, tmp_path)


def test_long_pause_without_a_failure_is_the_cadence_and_needs_no_words(tmp_path: Path):
    async def story(device: Device, _service: Service) -> None:
        await device.active()
        await device.send(0)
        device.record(*range(1, 40))
        await device.send(40)
        await device.nothing_missed()
        assert device.texts == []

    tell(story, tmp_path)


def test_position_that_hung_through_an_outage_and_came_in_old_does_not_cover_what_followed_it(tmp_path: Path):
    """The attempt was begun in the dead zone with the position of then; the link came back before its deadline."""

    async def story(device: Device, _service: Service) -> None:
        await device.active()
        await device.send(0)
        device.record(1)
        device.miss(*range(2, 40))
        device.sent(device.fix_of(1))
        await device.send(40)
        await device.told(says(device, 39))
        await device.nothing_missed()

    tell(story, tmp_path)


def test_outage_is_told_once_after_the_newest_position_and_from_the_last_known_on(tmp_path: Path):
    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        device.miss(*range(1, 40))
        await device.send(40)
        first = await device.told(says(device, 0))
        assert service.asked.index(Asked.EVENT) > max(n for n, asked in enumerate(service.asked) if asked is Asked.LOCATION)
        assert not any(says(device, 40)(text) for text in device.texts), "that one is on the map"
        await device.told(says(device, 39))
        await device.nothing_missed()
        count = len(device.texts)
        for n in range(41, 44):
            await device.send(n)
        await device.nothing_missed()
        assert len(device.texts) == count, "told once"
        assert device.texts.index(first) <= 1, "at most the head is before it"

    tell(story, tmp_path)


def test_what_was_told_is_not_told_again_by_the_next_process_and_what_was_not_is(tmp_path: Path):
    async def first(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        device.miss(*range(1, 20))
        service.hold[Asked.EVENT] = asyncio.Event()  # the trail is handed over, and no answer ever comes
        await device.send(20)
        await device.until(lambda: Asked.EVENT in service.asked)
        assert await device.missed() == []

    async def second(device: Device, service: Service) -> None:
        assert device.remembered is not None
        waiting = [each.text for each in device.remembered.untold]
        assert waiting, "messages are kept before they are told"
        await device.active()
        device.record(21, 22)
        await device.send(23)
        await device.nothing_missed()
        assert device.texts == [], "these are recalled by the start, not made anew"

    tell(first, tmp_path)
    tell(second, tmp_path)


def test_process_that_ends_in_an_outage_leaves_the_trail_to_the_next(tmp_path: Path):
    async def first(device: Device, _service: Service) -> None:
        await device.active()
        await device.send(0)
        device.miss(*range(1, 20))
        await device.store.step()

    async def second(device: Device, _service: Service) -> None:
        await device.active()
        await device.store.step()
        assert device.texts == []
        device.fix = device.fix_of(30)
        device.record(30)
        device.lanes.location.locate_now()
        text = await device.told(lambda text: "missed" in text.lower() or "not" in text.lower() or ";" in text)
        assert text
        await device.nothing_missed()

    tell(first, tmp_path)
    tell(second, tmp_path)


def test_events_leave_in_batches_each_fix_once(tmp_path: Path):
    count = 400

    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        device.miss(*range(1, count))
        service.hold[Asked.EVENT] = asyncio.Event()
        await device.send(count)
        await device.until(lambda: Asked.EVENT in service.asked)
        left = await device.missed()
        assert len(left) > count / 2, "the next batch waits until this one has been told"
        assert len(device.lanes.event._outbox) <= MOST_LINES
        service.hold.pop(Asked.EVENT).set()
        await device.nothing_missed()
        await device.told(says(device, count - 1))
        whole = "\n".join(device.texts)
        for n in range(1, count):
            fix = device.fix_of(n)
            assert whole.count(f"{fix.latitude:.5f}") == 1, f"fix {n}"

    tell(story, tmp_path, Manner("events", 6 * EVERY_S, 0.0))


def test_keep_tells_nothing_and_what_was_missed_stays_so(tmp_path: Path):
    async def story(device: Device, _service: Service) -> None:
        device.record(*range(-50, 0))
        await device.store.step()
        await device.active()
        await device.send(0)
        device.miss(*range(1, 20))
        await device.send(20)
        await device.send(21)
        await device.store.step()
        assert await device.missed() == list(range(1, 20))
        assert device.texts == []

    tell(story, tmp_path, Manner("keep", 6 * EVERY_S, 600.0))


def test_minutes_before_the_press_are_told_as_soon_as_there_is_a_callout(tmp_path: Path):
    """Also where no position can be sent: that is where it is most wanted."""

    async def story(device: Device, _service: Service) -> None:
        device.first_at = device.clock.at() - 10.0
        device.record(*range(80))
        await device.store.step()
        await device.active()
        await device.told(says(device, 79))
        assert device.service.positions == []
        await device.press(2)
        await device.until(lambda: not device.state.owed and any("again" in text for text in device.texts))
        await device.store.step()
        assert sum(says(device, 0)(text) for text in device.texts) == 1, "once"

    tell(story, tmp_path, BEFORE)


def test_process_that_ends_before_it_told_them_leaves_them_to_the_next(tmp_path: Path):
    async def first(device: Device, service: Service) -> None:
        device.first_at = device.clock.at() - 10.0
        device.record(*range(80))
        await device.store.step()
        asked = device.store.before_press

        async def never(number: int, span_s: float) -> tuple[Fix, ...]:
            await asyncio.Event().wait()
            return await asked(number, span_s)

        device.store.before_press = never  # type: ignore[method-assign]
        await device.active()
        await device.store.step()
        assert service.events == []

    async def second(device: Device, service: Service) -> None:
        assert device.remembered is not None
        notes = dict(device.remembered.notes)
        service.callouts[101] = "created"
        await device.active()
        await device.until(lambda: bool(device.state.callout_id))
        device.trails.recall(notes[PRESS_TRAIL_NOTE])
        await device.until(lambda: any("press" in text for text in device.texts))

    tell(first, tmp_path, BEFORE)
    tell(second, tmp_path, BEFORE)


def test_after_a_cancel_the_trail_is_told_as_before_it_and_nothing_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async def story(device: Device, _service: Service) -> None:
        await device.active()
        await device.send(0)
        await device.decide(CancelAsked(SafeCode("0042")))
        device.miss(*range(1, 20))
        await device.send(20)
        await device.told(says(device, 19))
        assert device.state.calm

    with caplog.at_level(logging.INFO):
        tell(story, tmp_path)
    assert not [record for record in caplog.records if record.name.startswith(("agent", "callout"))]


def test_every_other_message_passes_the_parts_of_a_trail(tmp_path: Path):
    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        device.miss(*range(1, 400))
        service.hold[Asked.EVENT] = asyncio.Event()
        await device.send(400)
        await device.until(lambda: Asked.EVENT in service.asked and len(device.lanes.event._outbox) > 2)
        device.tell(101, "a word of the wearer")
        device.tell(101, "another")
        service.hold.pop(Asked.EVENT).set()
        await device.nothing_missed()
        await device.until(lambda: len(device.texts) > 4 and not device.lanes.event._outbox)
        assert device.texts[1:3] == ["a word of the wearer", "another"], "only the one on its way was before them"

    tell(story, tmp_path, Manner("events", 6 * EVERY_S, 0.0))


def test_without_a_position_to_send_the_first_answer_of_any_kind_is_the_end_of_the_outage(tmp_path: Path):
    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        service.fault = lost
        device.miss(*range(1, 20))
        await device.store.step()
        device.fix = None
        service.fault = lambda _: None
        device.trails._heard_at = float("-inf")  # it is long ago
        device.lanes.watch.read_now()
        await device.told(says(device, 19))

    tell(story, tmp_path)


def test_gap_that_ends_while_an_earlier_one_is_told_is_told_too(tmp_path: Path):
    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        device.miss(*range(1, 20))
        service.hold[Asked.EVENT] = asyncio.Event()
        await device.send(20)
        await device.until(lambda: Asked.EVENT in service.asked)
        device.miss(*range(21, 40))
        await device.send(40)
        service.hold.pop(Asked.EVENT).set()
        await device.told(says(device, 39))
        await device.nothing_missed()

    tell(story, tmp_path)


def test_defect_in_a_trail_stops_nothing_and_is_owned_up_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> tuple[str, ...]:
        raise ZeroDivisionError

    async def story(device: Device, _service: Service) -> None:
        await device.active()
        await device.send(0)
        with monkeypatch.context() as patch:
            patch.setattr(trail, "missed", broken)
            device.miss(*range(1, 20))
            await device.send(20)
            while not device.conditions.shown(calm=False):  # noqa: ASYNC110 - the condition is told to nobody
                await asyncio.sleep(0.01)
        assert [each.code for each in device.conditions.shown(calm=False)] == ["trail.failed"]
        assert device.conditions.shown(calm=True) == (), "behind a cancel it would tell"
        assert await device.missed() == list(range(1, 20))
        device.miss(*range(21, 40))
        await device.send(40)
        await device.told(says(device, 19))

    tell(story, tmp_path)


def test_last_positions_before_link_and_sky_were_lost_together_are_told_when_no_position_follows(tmp_path: Path):
    """However few they are: nothing else will ever tell where the wearer was seen last."""

    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        service.fault = lost
        device.miss(1, 2, 3)
        await device.store.step()
        device.fix = None
        device.trails._heard_at = float("-inf")  # it is long ago
        service.fault = lambda _: None
        device.lanes.watch.read_now()
        await device.told(says(device, 3))

    tell(story, tmp_path)


def test_few_positions_at_the_beginning_of_a_long_gap_are_told(tmp_path: Path):
    """It is the gap that is long, not what was recorded in it: into the garage, and out of it much later."""

    async def story(device: Device, _service: Service) -> None:
        await device.active()
        await device.send(0)
        device.miss(1, 2, 3)
        await device.send(40)
        await device.told(says(device, 3))
        await device.nothing_missed()

    tell(story, tmp_path)


def refuse_positions(asked: Asked) -> Outcome | None:
    """Dispatch answers, and takes no position."""
    return Outcome(asked, Meaning.REJECTED, "http_400", http_status=400) if asked is Asked.LOCATION else None


def test_positions_that_dispatch_refused_are_told_once_it_takes_one(tmp_path: Path):
    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        service.fault = refuse_positions
        for n in range(1, 20):
            device.record(n)
            device.fix = device.fix_of(n)
            asked = service.asked.count(Asked.LOCATION)
            device.lanes.location.locate_now()
            await device.until(lambda asked=asked: service.asked.count(Asked.LOCATION) > asked)
        service.fault = lambda _: None
        await device.send(40)
        await device.told(says(device, 19))
        await device.nothing_missed()

    tell(story, tmp_path)


def test_damaged_note_of_a_press_does_not_keep_the_daemon_from_starting(tmp_path: Path):
    async def story(device: Device, _service: Service) -> None:
        await device.active()
        device.trails.recall(f"one two {device.state.callout_id}")
        await device.send(0)

    tell(story, tmp_path)


def test_positions_that_dispatch_goes_on_refusing_are_told_in_words(tmp_path: Path):
    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        service.fault = refuse_positions
        device.record(*range(1, 20))
        await device.store.step()
        device.fix = device.fix_of(20)
        device.lanes.location.locate_now()
        await device.until(lambda: device.trails._refused_at is not None)
        device.trails._refused_at = float("-inf")  # it is long ago
        device.lanes.watch.read_now()
        await device.told(says(device, 19))
        count = len(device.texts)
        device.store.record(replace(device.fix_of(21), at=device.clock.at()))  # after what was told
        await device.store.step()
        reads = service.asked.count(Asked.READ)
        await device.until(lambda: service.asked.count(Asked.READ) > reads + 3)
        assert len(device.texts) == count, "not with every answer"

    tell(story, tmp_path)


def test_callout_that_dispatch_does_not_know_is_told_nothing_that_it_would_not_keep(tmp_path: Path):
    def unknown(asked: Asked) -> Outcome | None:
        return Outcome(asked, Meaning.REJECTED, "http_404", http_status=404) if asked is Asked.LOCATION else None

    async def story(device: Device, service: Service) -> None:
        await device.active()
        await device.send(0)
        service.fault = unknown
        device.record(*range(1, 20))
        device.fix = device.fix_of(20)
        device.lanes.location.locate_now()
        await device.until(lambda: device.trails._failed_at is not None)
        assert device.trails._refused_at is None
        service.fault = lambda _: None
        await device.send(40)
        await device.told(says(device, 19))

    tell(story, tmp_path)


def test_press_by_a_clock_that_nobody_vouches_for_is_told_without_a_time(tmp_path: Path):
    """One that goes on from the last shutdown is hours off, and looks right."""

    async def story(device: Device, _service: Service) -> None:
        device.first_at = device.clock.at() - 10.0
        device.first_wall = device.clock.wall() - 10.0
        device.record(*range(80))
        await device.store.step()
        device.clock.trusted = lambda: False  # type: ignore[method-assign]
        await device.decide(Pressed(Press(1, device.clock.at(), device.clock.wall() - 3 * 3_600.0, "button:panic", wall_trusted=False)))
        text = await device.told(lambda text: "before the press" in text)
        assert "before the press at" not in text

    tell(story, tmp_path, BEFORE)
