"""The suite that a button passes on every kind of chip: a played one always, gpio-sim where `gpio_rigs.SIM` says so."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest

from agent.model import Act
from hardware import button, gpio, press
from hardware.lines import Wish
from tests.hardware.gpio_rigs import ABORT, BUTTON, KINDS, OTHER, Chip, button_on, eventually, felt, plugged

T, R, G, A = Act.TOUCHED, Act.RELEASED, Act.GESTURE, Act.ABORT
LONG_S = 30.0  # of a gesture that must not come

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def chip(kind: str, folder: Path):
    with plugged(kind, folder) as chip:
        yield chip


def test_a_hold_is_one_gesture(kind: str, folder: Path, chip: Chip):
    """Told while the button is held, at the moment when it had been held for long enough; the level is told, too."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind)) as finger:
            chip.press(BUTTON)
            await finger.does(T, G)
            assert finger.at(G) == finger.at(T) + 0.3
            assert 0 <= time.monotonic() - finger.at(G) < 0.5
            chip.release(BUTTON)
            await finger.does(T, G, R)
            await finger.until(lambda: finger.levels == [False, True, False])
            assert finger.told == []

    asyncio.run(scenario())


def test_a_tap_is_no_hold(kind: str, folder: Path, chip: Chip):
    """It is felt all the same, with its own times."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind, hold_s=LONG_S)) as finger:
            chip.bounce(BUTTON, [0, 50])
            await finger.does(T, R)
            assert 0.02 < finger.at(R) - finger.at(T) < 0.5

    asyncio.run(scenario())


def test_any_touch_where_nothing_need_be_held(kind: str, folder: Path, chip: Chip):
    """hold_s = 0."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind, hold_s=0.0)) as finger:
            chip.bounce(BUTTON, [0, 50])
            await finger.does(T, G, R)
            assert finger.at(G) == finger.at(T)

    asyncio.run(scenario())


def test_several_taps_are_a_gesture_and_then_counted_anew(kind: str, folder: Path, chip: Chip):
    """Three, and three more."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind, presses=3)) as finger:
            chip.bounce(BUTTON, range(0, 12 * 60, 60))
            await finger.does(*[T, R, T, R, T, G, R] * 2)

    asyncio.run(scenario())


def test_a_bouncing_contact_is_one_touch(kind: str, folder: Path, chip: Chip):
    """Eleven edges, 2 ms apart."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind)) as finger:
            chip.bounce(BUTTON, range(0, 22, 2))
            await finger.does(T, G)
            chip.bounce(BUTTON, range(0, 22, 2))
            await finger.does(T, G, R)

    asyncio.run(scenario())


def test_what_happened_while_the_process_stood_still_is_judged_by_its_own_times(kind: str, folder: Path, chip: Chip):
    """A tap and a hold, both over before anyone looked: the hold is a gesture, the tap is none."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind)) as finger:
            chip.bounce(BUTTON, [50, 100, 200, 700])
            time.sleep(0.9)  # noqa: ASYNC251 - the process stands still
            assert finger.acts == []
            await finger.does(T, R, T, G, R)
            assert finger.at(G) == finger.at(T) + 0.3 < finger.at(R) < time.monotonic() - 0.1

    asyncio.run(scenario())


@pytest.mark.parametrize("stored", [None, False])
def test_held_at_the_start_is_a_press(kind: str, folder: Path, chip: Chip, *, stored: bool | None):
    """Unless it was held before: nothing stored, or stored as released."""

    async def scenario() -> None:
        chip.press(BUTTON)
        async with felt(button_on(folder, kind), was_active=stored) as finger:
            await finger.does(T, G)
            assert finger.levels == [True]
            assert finger.ailment is None

    asyncio.run(scenario())


def test_held_since_before_the_start_is_stuck_until_released(kind: str, folder: Path, chip: Chip):
    """Told, and healed by letting go; the next hold is a press."""

    async def scenario() -> None:
        chip.press(BUTTON)
        async with felt(button_on(folder, kind), was_active=True) as finger:
            await finger.until(lambda: finger.ailment == "button.stuck")
            chip.release(BUTTON)
            await finger.until(lambda: finger.ailment is None)
            chip.press(BUTTON)
            await finger.does(T, R, T, G)

    asyncio.run(scenario())


def test_held_for_too_long_is_stuck_until_released(kind: str, folder: Path, chip: Chip, monkeypatch: pytest.MonkeyPatch):
    """Here too long is 0.6 s; the press was made."""
    monkeypatch.setattr(press, "STUCK_S", 0.6)

    async def scenario() -> None:
        async with felt(button_on(folder, kind)) as finger:
            chip.press(BUTTON)
            await finger.until(lambda: finger.ailment == "button.stuck")
            assert finger.words() == [T, G]
            chip.release(BUTTON)
            await finger.until(lambda: finger.ailment is None)
            assert [ailment and ailment.code for ailment in finger.told] == ["button.stuck", None]

    asyncio.run(scenario())


def test_a_line_that_another_holds_is_taken_once_it_is_free(kind: str, folder: Path, chip: Chip):
    """The other is a button, too: the first one goes on undisturbed."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind, name="first")) as first:
            second = felt(button_on(folder, kind, name="second"), ready=False)
            late = await second.__aenter__()
            await late.until(lambda: late.ailment == "button.busy")
            chip.bounce(BUTTON, [0, 50])
            await first.does(T, R)
        assert late.acts == []
        await late.until(lambda: late.ailment is None)
        chip.press(BUTTON)
        await late.does(T, G)
        await second.__aexit__(None, None, None)

    asyncio.run(scenario())


def test_a_chip_that_comes_late_is_taken(kind: str, folder: Path, chip: Chip):
    """Held when it comes: a press."""

    async def scenario() -> None:
        chip.unplug()
        async with felt(button_on(folder, kind), ready=False) as finger:
            await finger.until(lambda: finger.ailment == "button.missing")
            assert finger.levels == []
            chip.replug()
            await finger.until(lambda: finger.ailment is None)
            chip.press(BUTTON)
            await finger.does(T, G)

    asyncio.run(scenario())


def test_a_chip_that_is_pulled_during_a_hold_makes_one_press_of_it(kind: str, folder: Path, chip: Chip, monkeypatch: pytest.MonkeyPatch):
    """Whoever goes on holding is heard after the chip is back; pulled after the gesture, the same hold is no second press."""
    monkeypatch.setattr(button, "_LOOK_S", 0.1)  # Linux 6.1 wakes nobody who waits for a chip that goes: the next look tells

    async def scenario() -> None:
        hold_s = 3.0 if kind == "gpio-sim" else 0.5  # the kernel may take a second to remove a chip
        async with felt(button_on(folder, kind, hold_s=hold_s)) as finger:
            chip.press(BUTTON)
            await finger.does(T)
            chip.unplug()
            await finger.until(lambda: finger.ailment == "button.missing")
            await finger.does(T, R)
            chip.replug()
            await finger.does(T, R, T, G)
            assert finger.ailment is None
            chip.unplug()
            await finger.does(T, R, T, G, R)
            chip.replug()
            await finger.does(T, R, T, G, R, T)
            chip.release(BUTTON)
            await finger.does(T, R, T, G, R, T, R)
            assert finger.levels == [False, True, False]

    asyncio.run(scenario())


def test_a_pulled_chip_costs_nothing(kind: str, folder: Path, chip: Chip):
    """No spinning on a descriptor that hung up, or on a path that leads nowhere."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind)) as finger:
            chip.unplug()
            await finger.until(lambda: finger.ailment == "button.missing")
            began = time.thread_time()
            await asyncio.sleep(0.6)
            assert time.thread_time() - began < 0.1

    asyncio.run(scenario())


def test_the_abort_line_aborts_and_is_no_button(kind: str, folder: Path, chip: Chip):
    """Each touch of it; held at the start it is no touch."""

    async def scenario() -> None:
        chip.press(ABORT)
        async with felt(button_on(folder, kind, abort_line=ABORT)) as finger:
            chip.bounce(ABORT, [0, 60, 120])
            await finger.does(A)
            chip.press(BUTTON)
            await finger.does(A, T, G)
            chip.bounce(ABORT, [0, 60])
            await finger.does(A, T, G, A)
            assert finger.levels == [False, True]

    asyncio.run(scenario())


def test_a_long_hold_aborts_where_the_gesture_is_several_presses(kind: str, folder: Path, chip: Chip, monkeypatch: pytest.MonkeyPatch):
    """Here long is 0.4 s. Held after the gesture it aborts nothing; released and held, it does."""
    monkeypatch.setattr(press, "ABORT_HOLD_S", 0.4)

    async def scenario() -> None:
        async with felt(button_on(folder, kind, presses=2)) as finger:
            chip.bounce(BUTTON, [0, 60, 120, 700, 760])
            await finger.does(T, R, T, G, R, T, A)
            assert finger.at(A) == finger.at(T) + 0.4

    asyncio.run(scenario())


def test_two_buttons_on_one_chip_do_not_feel_each_other(kind: str, folder: Path, chip: Chip):
    """Nor does the chip's other traffic disturb them."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind)) as one, felt(button_on(folder, kind, name="other", line=OTHER, hold_s=0.0)) as other:
            chip.press(BUTTON)
            chip.bounce(OTHER, [0, 50, 100, 150])
            await other.does(T, G, R, T, G, R)
            await one.does(T, G)

    asyncio.run(scenario())


def test_a_line_that_the_chip_does_not_have_is_unusable(kind: str, folder: Path, chip: Chip):
    """Said with its number."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind, line=99), ready=False) as finger:
            await finger.until(lambda: finger.ailment == "button.unusable")
            assert finger.told[-1] is not None
            assert "99" in finger.told[-1].text

    asyncio.run(scenario())


def test_who_holds_a_line_is_said_and_the_line_is_given_back(kind: str, folder: Path, chip: Chip):
    """In the words of `gpioinfo`; played says which kind of chip it was."""

    async def scenario() -> None:
        button = button_on(folder, kind)
        assert not button.played
        async with felt(button):
            assert chip.holder(BUTTON) == "callout-agent"
            assert button.played == (kind == "played")
        await eventually(lambda: chip.holder(BUTTON) is None)

    asyncio.run(scenario())


def test_acts_come_in_order_of_their_times(kind: str, folder: Path, chip: Chip):
    """Whatever both lines do at once."""

    async def scenario() -> None:
        async with felt(button_on(folder, kind, abort_line=ABORT, hold_s=0.05)) as finger:
            chip.bounce(BUTTON, range(0, 600, 60))
            chip.bounce(ABORT, range(30, 630, 60))
            await finger.until(lambda: finger.words().count(R) == 5 and finger.words().count(A) == 5)
            assert all(one.at <= after.at for one, after in pairwise(finger.acts))

    asyncio.run(scenario())


def test_edges_that_the_chip_had_no_room_for_are_missed_and_counted(kind: str, folder: Path, chip: Chip, monkeypatch: pytest.MonkeyPatch):
    """Of more than sixteen the oldest go; the last one told is the level."""
    monkeypatch.setattr(gpio, "_QUEUE", 16)

    async def scenario() -> None:
        chip.release(BUTTON)
        lines = await gpio.request(Wish(chip=str(folder / "chip"), lines=(BUTTON,), active_low=True, bias="pull-up"))
        chip.bounce(BUTTON, range(0, 41 * 15, 15))
        time.sleep(0.8)  # noqa: ASYNC251 - the process stands still
        edges = lines.edges()
        assert len(edges) == 16
        assert edges[0].lost > 0
        assert {edge.lost for edge in edges[1:]} == {0}
        assert edges[-1].active
        assert lines.active(BUTTON)
        lines.close()

    asyncio.run(scenario())
