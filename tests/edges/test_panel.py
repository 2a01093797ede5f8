# ruff: noqa: FBT001, FBT003 - the port's callbacks take the level as it is
"""The wearer's side wired: acts to presses, levels across restarts, ailments to conditions, state to lamp."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from devices import Device, Fused, Hanging, device, run, stored

from agent import recovery
from agent.conversation import Responder
from agent.health import Conditions
from agent.model import Act, Acted, Ailment, Asked, Callout, Meaning, Outcome, SafeCode, Severity, Sign
from agent.panel import Panel, Wired
from agent.signals import CancelAsked, Happening, LocationReplied, Phase, RaiseReplied
from agent.store import Store

JAMMED = Ailment("button.stuck", "the line is active all the time", "free the button")
ACCEPTED = RaiseReplied(Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", callout=Callout(7, "created")), 9, drill=False, at=1.0, wall=1.0)
CLOSED = LocationReplied(Outcome(Asked.LOCATION, Meaning.CLOSED, "closed", callout_id=7, http_status=285), 2.0, 2.0)
GONE = Ailment("button.missing", "/dev/gpiochip0 does not exist", "check chip")


class Finger:
    """A button that is played by hand: what its adapter would tell."""

    def __init__(self, name: str) -> None:
        self.name, self.played = name, False
        self.read_at: float | None = None
        self.ready = asyncio.Event()

    async def run(
        self,
        acted: Callable[[Acted], None],
        ailing: Callable[[Ailment | None], None],
        levelled: Callable[[bool], None],
        was_active: Callable[[], bool | None],
    ) -> None:
        self.acted, self.ailing, self.was_active = acted, ailing, was_active
        self._told = levelled
        self.ready.set()
        await asyncio.get_running_loop().create_future()

    def levelled(self, active: bool) -> None:
        """The level is read."""
        self.read_at = time.monotonic()
        self._told(active)

    def hold(self) -> None:
        """Press, as a hold gesture is told."""
        self.levelled(True)
        self.acted(Acted(Act.TOUCHED, time.monotonic()))
        self.acted(Acted(Act.GESTURE, time.monotonic()))

    def let_go(self) -> None:
        self.levelled(False)
        self.acted(Acted(Act.RELEASED, time.monotonic()))


class Lamp:
    """An indicator that remembers what it showed, each change once."""

    def __init__(self) -> None:
        self.shown: list[Sign] = []
        self.ticks = 0

    def show(self, sign: Sign) -> None:
        if self.shown[-1:] != [sign]:
            self.shown.append(sign)

    def tick(self) -> None:
        self.ticks += 1

    async def run(self, _ailing: Callable[[Ailment | None], None]) -> None:
        await asyncio.get_running_loop().create_future()


class Pad:
    """A keypad that types by itself: one code, four keys."""

    name = "keypad"

    async def run(self, typed: Callable[[SafeCode], None], ticked: Callable[[], None], _ailing: Callable[[Ailment | None], None]) -> None:
        for _ in range(5):
            ticked()
        typed(SafeCode("0042"))
        await asyncio.get_running_loop().create_future()


class Talk:
    """What dispatch has said back."""

    def __init__(self) -> None:
        self.stage, self.wrote = Responder.NONE, False

    def responder(self) -> Responder:
        return self.stage

    def message_new(self) -> bool:
        return self.wrote


class Wearer:
    """A device with a panel."""

    def __init__(self, of: Device, windows_s: dict[str, float]) -> None:
        self.of, self.conditions, self.lamp, self.conversation = of, Conditions(), Lamp(), Talk()
        self.clock, self.presses = of.clock, of.presses
        self.decided: list[Happening] = []
        self.attempts_fail = False
        self.fingers = {name: Finger(name) for name in windows_s}
        wired = [Wired(finger, windows_s[name], 2 if name == "shop" else None) for name, finger in self.fingers.items()]
        self.panel = Panel(self, of.runtime, wired, self.lamp, Pad(), played=Severity.CRITICAL)  # type: ignore[arg-type]

    @property
    def state(self) -> Any:
        return self.of.decider.state

    def decide(self, event: Happening) -> Awaitable[None]:
        self.decided.append(event)
        return self.of.decider.decide(event)

    def failing(self) -> bool:
        return self.attempts_fail

    def kept_note(self, name: str) -> str | None:
        return self.of.recovery.note(name)

    def codes(self) -> list[str]:
        return [each.code for each in self.conditions.shown(calm=False)]


async def caught_up(of: Device) -> None:
    """On a busy disk a start goes on without the store; what it knows is taken up when it answers."""
    if of.late is not None:
        await of.late


@contextlib.asynccontextmanager
async def wearer(folder: Path, store: Store | None = None, **windows_s: float) -> AsyncIterator[Wearer]:
    """A device that has recovered, with its panel running."""
    async with device(folder, store) as of:
        made = Wearer(of, windows_s or {"panic": 0.0})
        tasks = [asyncio.create_task(work()) for work, _ in made.panel.vital()]
        for finger in made.fingers.values():
            await finger.ready.wait()
        await of.recover()
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def test_gesture_is_a_press_of_its_button_with_its_response_type(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path, panic=0.0, shop=0.0) as on:
            on.fingers["shop"].hold()
            await on.of.until(lambda: on.of.owed)
            (press,) = on.of.owed
            assert (press.origin, press.response_type_id) == ("button:shop", 2)
            on.panel.follow()  # as after every step
            assert on.lamp.shown == [Sign.PRESSED, Sign.CONTACTING], "no dark moment between the two"

    run(story)


def test_window_is_shown_confirmed_by_time_and_taken_back_by_another_act(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path, panic=0.15) as on:
            finger = on.fingers["panic"]
            finger.hold()
            assert on.lamp.shown[-1] is Sign.WINDOW
            finger.acted(Acted(Act.ABORT, time.monotonic()))
            assert on.lamp.shown[-1] is Sign.NOTHING
            finger.let_go()
            began = time.monotonic()
            finger.hold()
            await on.of.until(lambda: on.of.owed)
            assert time.monotonic() - began >= 0.15
            assert len(on.of.owed) == 1

    run(story)


@pytest.mark.parametrize("power_cut", [False, True])
def test_hold_that_a_crash_interrupted_is_no_stuck_button_and_a_press_that_was_made_is(tmp_path: Path, power_cut: bool):
    """The stored level is active only once the press of that hold was made; else a crash would swallow an emergency."""

    async def story() -> None:
        async with wearer(tmp_path) as on:
            finger = on.fingers["panic"]
            assert finger.was_active() is None, "a new device does not know"
            finger.levelled(False)
            finger.levelled(True)
            finger.acted(Acted(Act.TOUCHED, time.monotonic()))
            await stored(on.of)
        if power_cut:
            shutil.rmtree(tmp_path / "run")
        async with wearer(tmp_path) as on:
            await caught_up(on.of)
            finger = on.fingers["panic"]
            assert finger.was_active() is False, "its press was not made yet: held at the start, it is one"
            finger.hold()
            assert finger.was_active() is True
            await stored(on.of)
        if power_cut:
            shutil.rmtree(tmp_path / "run")
        async with wearer(tmp_path) as on:
            await caught_up(on.of)
            assert on.fingers["panic"].was_active() is True, "its press was made: held at the start, it is stuck"
            on.fingers["panic"].let_go()
            assert on.fingers["panic"].was_active() is False

    run(story)


@pytest.mark.parametrize("commits", range(3))
def test_power_cut_behind_any_commit_of_a_press_leaves_it_stored_or_the_button_not_known_as_active(tmp_path: Path, commits: int):
    """Still held after the power cut, the button is a press by itself, unless it is taken for one that was made."""

    async def story() -> None:
        async with wearer(tmp_path, fused := Fused(tmp_path / "agent.db")) as on:
            on.fingers["panic"].levelled(False)
            await stored(on.of)
            fused.left = commits
            on.fingers["panic"].hold()
            await on.of.until(lambda: on.of.owed)
            await stored(on.of)
        shutil.rmtree(tmp_path / "run")
        async with wearer(tmp_path) as on:
            await caught_up(on.of)
            assert on.of.owed or on.fingers["panic"].was_active() is False

    run(story)


def test_process_that_ends_before_the_press_is_kept_leaves_no_active_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Else the hold that goes on would be taken for one whose press was made."""

    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    async def story() -> None:
        async with wearer(tmp_path) as on:
            on.fingers["panic"].levelled(False)
            monkeypatch.setattr(on.presses, "feel", end)
            with pytest.raises(KeyboardInterrupt):
                on.fingers["panic"].hold()
        async with wearer(tmp_path) as on:
            assert on.fingers["panic"].was_active() is False

    run(story)


def test_press_that_was_made_is_not_made_again_by_a_start_on_a_database_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The runtime directory knows the level by itself."""
    monkeypatch.setattr(recovery, "OPEN_STORE_S", 0.01)

    async def story() -> None:
        async with wearer(tmp_path) as on:
            on.fingers["panic"].hold()
            await on.of.until(lambda: on.of.owed)
        async with wearer(tmp_path, hanging := Hanging(tmp_path / "agent.db")) as on:
            assert on.fingers["panic"].was_active() is True
            hanging.go.set()

    run(story)


def test_button_that_fails_is_critical_by_name_until_it_is_well(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path, panic=0.0, shop=0.0) as on:
            on.panel.look()
            assert on.codes() == ["button.unproven"], "no line was read yet"
            on.fingers["panic"].levelled(False)
            on.fingers["shop"].ailing(GONE)
            assert on.codes() == ["button.missing"]
            (condition,) = on.conditions.shown(calm=True)
            assert condition.severity is Severity.CRITICAL
            assert condition.text.startswith("shop: ")
            on.fingers["shop"].ailing(None)
            on.fingers["shop"].levelled(False)
            assert on.codes() == []

    run(story)


def test_button_whose_level_nobody_reads_any_more_is_not_proven(tmp_path: Path):
    """A task that hangs, or a chip that answers nothing: no ailment tells of it."""

    async def story() -> None:
        async with wearer(tmp_path) as on:
            finger = on.fingers["panic"]
            finger.levelled(False)
            assert on.codes() == []
            finger.read_at = time.monotonic() - 61.0
            on.panel.look()
            assert on.codes() == ["button.unproven"]
            finger.levelled(False)
            assert on.codes() == []

    run(story)


def test_button_without_its_bias_works_and_is_armed(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path) as on:
            finger = on.fingers["panic"]
            finger.levelled(True)
            finger.acted(Acted(Act.TOUCHED, time.monotonic()))
            finger.ailing(Ailment("button.bias", "the chip sets no bias", "add a resistor"))
            assert on.lamp.shown[-1] is Sign.PRESSED
            assert [each.severity for each in on.conditions.shown(calm=False)] == [Severity.DEGRADED]

    run(story)


def test_stuck_button_is_kept_as_active_and_lights_nothing(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path) as on:
            finger = on.fingers["panic"]
            finger.levelled(True)
            finger.acted(Acted(Act.TOUCHED, time.monotonic()))
            assert on.lamp.shown[-1] is Sign.PRESSED
            finger.ailing(JAMMED)
            assert on.lamp.shown[-1] is Sign.NOTHING
            assert on.codes() == ["button.stuck"]
            await stored(on.of)
        async with wearer(tmp_path) as on:
            assert on.fingers["panic"].was_active() is True

    run(story)


def test_open_drill_window_makes_the_next_gesture_a_drill_and_the_second_one_real(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path) as on:
            on.panel.open_drill(60.0)
            assert "drill.open" in on.codes()
            on.fingers["panic"].hold()
            await on.of.until(lambda: on.of.owed)
            assert on.of.decider.state.drill
            assert "drill.open" not in on.codes()
            assert [press.drill for press in on.of.owed] == [True]
            on.fingers["panic"].let_go()
            on.fingers["panic"].hold()
            await on.of.until(lambda: len(on.of.owed) == 2)
            assert [press.drill for press in on.of.owed] == [True, False]

    run(story)


def test_drill_window_that_nobody_uses_is_told_for_as_long_as_it_is_open(tmp_path: Path):
    """Whoever reads the status must know whose turn it is: a wearer's first gesture would be a drill."""

    async def story() -> None:
        async with wearer(tmp_path) as on:
            on.panel.open_drill(0.1)
            assert "drill.open" in on.codes()
            over = asyncio.Event()
            asyncio.get_running_loop().call_later(0.1, over.set)  # behind the panel's own
            await over.wait()
            assert "drill.open" not in on.codes()
            on.fingers["panic"].hold()
            await on.of.until(lambda: on.of.owed)
            assert [press.drill for press in on.of.owed] == [False]

    run(story)


def test_press_of_a_window_asks_for_the_response_of_its_button(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path, shop=30.0) as on:
            on.fingers["shop"].hold()
            on.fingers["shop"].let_go()
            on.fingers["shop"].hold()
            await on.of.until(lambda: on.of.owed)
            assert [press.response_type_id for press in on.of.owed] == [2]

    run(story)


def test_lamp_says_that_attempts_fail(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path) as on:
            on.fingers["panic"].hold()
            await on.of.until(lambda: on.of.owed)
            on.attempts_fail = True
            on.panel.follow()  # as once a second
            assert on.lamp.shown[-1] is Sign.FAILING

    run(story)


def test_window_opens_while_calm_as_it_does_in_standby(tmp_path: Path):
    """Law 5: a gesture that needed no confirmation would tell that the cancelled callout lives."""

    async def story() -> None:
        async with wearer(tmp_path, panic=30.0) as on:
            on.presses.make("cli")
            await on.of.until(lambda: on.of.owed)
            await on.of.decider.decide(CancelAsked(SafeCode("0042")))
            assert on.state.calm
            on.fingers["panic"].hold()
            assert on.lamp.shown[-1] is Sign.WINDOW
            assert len(on.of.owed) == 1

    run(story)


def test_gesture_after_a_cancel_is_real_though_a_drill_was_asked_for_before(tmp_path: Path):
    """Whether dispatch has closed the cancelled callout or not: the wearer asks for help again."""

    async def story() -> None:
        async with wearer(tmp_path) as on:
            on.panel.open_drill(60.0)
            on.presses.make("cli")
            await on.of.until(lambda: on.of.owed)
            for event in (ACCEPTED, CancelAsked(SafeCode("0042")), CLOSED):
                await on.of.decider.decide(event)
            assert on.state.calm
            assert on.state.phase is Phase.STANDBY
            on.fingers["panic"].hold()
            await on.of.until(lambda: on.of.owed)
            assert [press.drill for press in on.of.owed] == [False]

    run(story)


def test_code_goes_to_the_inbox_and_each_key_ticks(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path) as on:
            comforts = {name: work for work, name in on.panel.comforts()}
            typing = asyncio.create_task(comforts["keypad"]())
            await on.of.until(lambda: on.decided)
            assert isinstance(on.decided[0], CancelAsked)
            assert on.decided[0].code is not None
            assert on.decided[0].code.typed() == "0042"
            assert on.lamp.ticks == 5
            typing.cancel()

    run(story)


def test_played_button_is_critical_where_the_daemon_says_so(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path) as on:
            on.fingers["panic"].levelled(False)
            on.fingers["panic"].played = True
            on.panel.look()
            (condition,) = on.conditions.shown(calm=False)
            assert (condition.code, condition.severity) == ("button.played", Severity.CRITICAL)

    run(story)


def test_lamp_says_what_dispatch_says_back_until_the_cancel(tmp_path: Path):
    async def story() -> None:
        async with wearer(tmp_path) as on:
            on.fingers["panic"].hold()
            await on.of.until(lambda: on.of.owed)
            on.fingers["panic"].let_go()
            await on.of.decider.decide(ACCEPTED)
            talk, lamp = on.conversation, on.lamp
            for talk.stage, talk.wrote in (
                (Responder.NONE, False),
                (Responder.COMING, False),
                (Responder.COMING, True),
                (Responder.COMING, False),
                (Responder.THERE, False),
                (Responder.DONE, False),
            ):
                on.panel.follow()
            said = [Sign.ACCEPTED, Sign.RESPONDING, Sign.MESSAGE, Sign.RESPONDING, Sign.ARRIVED, Sign.ACCEPTED]
            assert lamp.shown[-len(said) :] == said
            await on.of.decider.decide(CancelAsked(SafeCode("0042")))
            for talk.stage, talk.wrote in itertools.product(Responder, (False, True)):
                on.panel.follow()
                assert lamp.shown[-1] is Sign.NOTHING

    run(story)
