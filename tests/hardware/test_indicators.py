"""The suite that lamp and buzzer pass on every kind of chip: a played one always, gpio-sim where `gpio_rigs.SIM` says so."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest

from agent.model import Sign
from hardware.indicator import TICK_S
from tests.hardware.gpio_rigs import BUZZER, KINDS, LAMP, Chip, eventually, indicator_on, lit, plugged

LATE_S = 0.06  # how much later than it should a change may come on a busy machine

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def chip(kind: str, folder: Path):
    with plugged(kind, folder) as chip:
        yield chip


def levels(chip: Chip, line: int) -> list[bool]:
    return [level for _, level in chip.history(line)]


def spans(chip: Chip, line: int, since: float) -> list[tuple[bool, float]]:
    """(level, for how long) of what began since then and is over."""
    return [(level, end - began) for (began, level), (end, _) in pairwise(chip.history(line)) if began >= since]


def is_about(span: tuple[bool, float], level: bool, length_s: float) -> bool:  # noqa: FBT001
    return span[0] == level and abs(span[1] - length_s) < LATE_S


@pytest.mark.parametrize(
    ("sign", "lamp", "buzzer"),
    [
        (Sign.CONTACTING, [(True, 0.16), (False, 0.16)], []),
        (Sign.FAILING, [(True, 0.12), (False, 0.18), (True, 0.12)], [(True, 0.12), (False, 0.18), (True, 0.12)]),
        (Sign.RESPONDING, [(True, 1.9), (False, 0.1)], [(True, 0.8), (False, 0.4), (True, 0.8)]),
        (Sign.ACCEPTED, [], [(True, 0.8)]),
        (Sign.ARRIVED, [(True, 1.0), (False, 1.0)], [(True, 0.8), (False, 0.4), (True, 0.8), (False, 0.4), (True, 0.8)]),
        (Sign.MESSAGE, [*[(True, 0.2), (False, 0.2)] * 3, (True, 0.8)], [(True, 0.12), (False, 0.12)] * 2),
    ],
)
def test_a_sign_is_seen_and_heard_on_the_lines(
    kind: str, folder: Path, chip: Chip, sign: Sign, lamp: list[tuple[bool, float]], buzzer: list[tuple[bool, float]]
):
    """From the table to the voltage."""

    async def scenario() -> None:
        indicator = indicator_on(folder)
        async with lit(indicator):
            await eventually(lambda: levels(chip, LAMP) == levels(chip, BUZZER) == [False])
            since = time.monotonic()
            indicator.show(sign)
            await eventually(lambda: len(spans(chip, LAMP, since)) >= len(lamp) and len(spans(chip, BUZZER, since)) >= len(buzzer))
            assert levels(chip, LAMP)[1]
            for line, expected in ((LAMP, lamp), (BUZZER, buzzer)):
                seen = spans(chip, line, since)[: len(expected)]
                assert all(is_about(span, *other) for span, other in zip(seen, expected, strict=True)), seen

    asyncio.run(scenario())


def test_another_sign_takes_effect_at_once(kind: str, folder: Path, chip: Chip):
    """Not at the end of what is being shown; and the same sign again begins nothing anew."""

    async def scenario() -> None:
        indicator = indicator_on(folder)
        async with lit(indicator):
            await eventually(lambda: levels(chip, LAMP) == [False])
            waits = []
            for number in range(6):
                asked = time.monotonic()
                indicator.show((Sign.RESPONDING, Sign.NOTHING)[number % 2])
                await eventually(lambda wanted=number + 2: len(levels(chip, LAMP)) == wanted)
                waits.append(chip.history(LAMP)[-1][0] - asked)
            assert min(waits) < 0.02
            since = time.monotonic()
            while time.monotonic() - since < 0.5:
                indicator.show(Sign.CONTACTING)
                await asyncio.sleep(0.02)
            assert len(spans(chip, LAMP, since)) >= 2

    asyncio.run(scenario())


def test_a_tick_is_short_and_leaves_the_lamp_alone(kind: str, folder: Path, chip: Chip):
    """One per key: each is heard by itself."""

    async def scenario() -> None:
        indicator = indicator_on(folder)
        async with lit(indicator):
            await eventually(lambda: levels(chip, LAMP) == [False])
            indicator.show(Sign.PRESSED)
            await eventually(lambda: levels(chip, LAMP) == [False, True])
            since = time.monotonic()
            for number in range(3):
                indicator.tick()
                await eventually(lambda wanted=2 * number + 3: len(levels(chip, BUZZER)) == wanted)
            assert all(TICK_S - 0.01 < length_s < TICK_S + LATE_S for level, length_s in spans(chip, BUZZER, since) if level)
            assert levels(chip, LAMP) == [False, True]

    asyncio.run(scenario())


def test_a_tick_within_a_beep_is_not_heard_and_shortens_nothing(kind: str, folder: Path, chip: Chip):
    """The buzzer is one."""

    async def scenario() -> None:
        indicator = indicator_on(folder)
        async with lit(indicator):
            await eventually(lambda: levels(chip, BUZZER) == [False])
            indicator.show(Sign.ACCEPTED)
            await eventually(lambda: levels(chip, BUZZER) == [False, True])
            indicator.tick()
            await eventually(lambda: levels(chip, BUZZER) == [False, True, False])
            assert is_about(spans(chip, BUZZER, 0.0)[-1], level=True, length_s=0.8)

    asyncio.run(scenario())


def test_both_go_off_when_it_ends(kind: str, folder: Path, chip: Chip):
    """A lamp that stays on after the daemon went would claim what nobody knows; the lines are given back."""

    async def scenario() -> None:
        indicator = indicator_on(folder)
        async with lit(indicator):
            indicator.show(Sign.ACCEPTED)
            await eventually(lambda: levels(chip, LAMP)[-1:] == levels(chip, BUZZER)[-1:] == [True])
            assert indicator.played == (kind == "played")
        await eventually(lambda: levels(chip, LAMP)[-1:] == levels(chip, BUZZER)[-1:] == [False])
        await eventually(lambda: chip.holder(LAMP) is None)

    asyncio.run(scenario())


def test_lamp_for_armed_is_lit_and_dark_by_itself_and_dark_at_the_end(kind: str, folder: Path, chip: Chip):
    """Whatever the other lamp says meanwhile: it does not blink with it. Here it is on the buzzer's line."""

    async def scenario() -> None:
        indicator = indicator_on(folder, buzzer_line=None, armed_line=BUZZER)
        async with lit(indicator):
            await eventually(lambda: levels(chip, BUZZER) == [False])
            indicator.show(Sign.CONTACTING)
            indicator.arm(lit=True)
            indicator.arm(lit=True)
            await eventually(lambda: levels(chip, LAMP).count(True) >= 3)
            assert levels(chip, BUZZER) == [False, True]
            indicator.arm(lit=False)
            await eventually(lambda: levels(chip, BUZZER) == [False, True, False])
            indicator.arm(lit=True)
            await eventually(lambda: levels(chip, BUZZER)[-1])
        await eventually(lambda: not levels(chip, BUZZER)[-1])
        await eventually(lambda: chip.holder(BUZZER) is None)

    asyncio.run(scenario())


def test_silent_asks_for_no_line(kind: str, folder: Path, chip: Chip):
    """Nor does it complain about a chip that is not there."""

    async def scenario() -> None:
        for place in (folder, folder / "nowhere"):
            indicator = indicator_on(place, profile="silent", buzzer_line=None, armed_line=BUZZER)
            async with lit(indicator) as told:
                indicator.show(Sign.FAILING)
                indicator.arm(lit=True)
                indicator.tick()
                await asyncio.sleep(0.2)
                assert chip.holder(LAMP) is None
                assert told.told == []
        assert True not in levels(chip, LAMP) + levels(chip, BUZZER)

    asyncio.run(scenario())


def test_a_lamp_without_a_buzzer(kind: str, folder: Path, chip: Chip):
    """Ticks and beeps are nothing to it."""

    async def scenario() -> None:
        indicator = indicator_on(folder, buzzer_line=None)
        async with lit(indicator):
            indicator.tick()
            indicator.show(Sign.ACCEPTED)
            await eventually(lambda: levels(chip, LAMP)[-1:] == [True])
            assert chip.holder(BUZZER) is None

    asyncio.run(scenario())


def test_a_chip_that_is_pulled_is_told_and_lit_again(kind: str, folder: Path, chip: Chip):
    """With what is to be shown by then. Meanwhile nothing spins."""

    async def scenario() -> None:
        indicator = indicator_on(folder)
        async with lit(indicator) as told:
            indicator.show(Sign.ACCEPTED)
            await eventually(lambda: levels(chip, LAMP)[-1:] == [True])
            chip.unplug()
            await told.until(lambda: told.ailment == "indicator.missing")
            began = time.thread_time()
            indicator.show(Sign.PRESSED)
            await asyncio.sleep(0.6)
            assert time.thread_time() - began < 0.1
            since = time.monotonic()
            chip.replug()
            await told.until(lambda: told.ailment is None)
            await eventually(lambda: (chip.history(LAMP)[-1][0] > since) and levels(chip, LAMP)[-1])

    asyncio.run(scenario())


def test_a_line_that_another_holds_is_taken_once_it_is_free(kind: str, folder: Path, chip: Chip):
    """Told as busy until then."""

    async def scenario() -> None:
        async with lit(indicator_on(folder)) as first:
            await eventually(lambda: chip.holder(LAMP) is not None)
            waiting = lit(indicator_on(folder))
            told = await waiting.__aenter__()
            await told.until(lambda: told.ailment == "indicator.busy")
            assert first.told == []
        await told.until(lambda: told.ailment is None)
        await waiting.__aexit__(None, None, None)

    asyncio.run(scenario())
