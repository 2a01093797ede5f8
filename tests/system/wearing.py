"""A wearer of the real daemon: fingers on the buttons of a played chip, eyes on its lamp.

What the lamp says is read off the line's history alone, as a person would: how long it is lit and dark.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from stage import Stage, driving

from agent.model import Sign
from hardware.patterns import LAMP as PATTERNS
from hardware.patterns import Pattern
from hardware.played_chip import PlayedChip
from simulator.settings import Settings

BUTTON, MEDIC, ABORT, LAMP, BUZZER = 5, 6, 7, 8, 9
HOLD_S = 0.3
TOLERANCE_S = 0.045  # the patterns differ by more


class Wearing:
    """One person. Button 5 is held for 0.3 s; button 6 (medic) is tapped three times; 7 aborts; lamp on 8, buzzer on 9."""

    def __init__(self, folder: Path, *, window_s: float = 0.0, profile: str = "visible") -> None:
        self.path = folder / "gpiochip"
        self.chip: PlayedChip
        self._window_s, self._profile = window_s, profile

    def config(self) -> str:
        """The wearer's tables."""
        window = f"abort_window_s = {self._window_s}\nabort_line = {ABORT}\n" if self._window_s else ""
        return f"""
[[button]]
name = "panic"
chip = "{self.path}"
line = {BUTTON}
hold_s = {HOLD_S}
{window}

[[button]]
name = "medic"
chip = "{self.path}"
line = {MEDIC}
presses = 3
response_type_id = 2

[indicator]
chip = "{self.path}"
lamp_line = {LAMP}
buzzer_line = {BUZZER}
profile = "{self._profile}"
"""

    def hold(self) -> float:
        """Press the panic button and keep it pressed; when, monotonic s."""
        self.chip.press(BUTTON)
        return time.monotonic()

    def let_go(self) -> None:
        """Release it."""
        self.chip.release(BUTTON)

    def let_go_after_gesture(self) -> None:
        """Release it when its gesture is complete."""
        time.sleep(HOLD_S + 0.1)  # a finger, in its own time
        self.let_go()

    def tap(self, line: int) -> None:
        """A short press, 60 ms, and as long a pause."""
        for act in (self.chip.press, self.chip.release):
            act(line)
            time.sleep(0.06)  # a finger, in its own time

    def lamp(self) -> bool | None:
        """Lit, dark, or None: never driven."""
        history = self.chip.history(LAMP)
        return history[-1][1] if history else None

    def sees(self, seconds: float) -> tuple[tuple[float, bool], ...]:
        """The lamp's last so many seconds: (how many seconds, lit), oldest first; the first one may be cut."""
        now = time.monotonic()
        history = [entry for entry in self.chip.history(LAMP) if entry[0] <= now]
        ends = [*(at for at, _ in history[1:]), now]
        spans = [(end - max(at, now - seconds), lit) for (at, lit), end in zip(history, ends, strict=True) if end > now - seconds]
        return tuple(spans)

    async def until(self, seen: Callable[[], bool], within_s: float, what: str) -> None:
        """Look until it is so."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            if seen():
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"the wearer never saw {what} within {within_s} s; the last 3 s: {self.sees(3.0)}")

    async def until_steady(self, within_s: float = 10.0) -> None:
        """The lamp is simply on: accepted by dispatch."""
        await self.until(lambda: [lit for _, lit in self.sees(1.2)] == [True], within_s, "a steady light")

    async def until_dark(self, within_s: float = 10.0) -> None:
        """The lamp is simply off."""
        await self.until(lambda: [lit for _, lit in self.sees(1.2)] == [False], within_s, "darkness")

    async def until_sees(self, sign: str, within_s: float = 10.0) -> None:
        """The lamp plays the pattern of this sign: its lit and dark spans are those of the table, twice over."""
        wanted = PATTERNS[Sign(sign)]
        spans = steps_of(wanted)
        period_s = sum(span for span, _ in spans)

        def seen() -> bool:
            told = self.sees(2.5 * period_s)[1:-1]  # whole spans only
            if len(told) < len(spans):
                return False
            turns = [tuple(spans[(start + n) % len(spans)] for n in range(len(told))) for start in range(len(spans))]
            return any(
                all(lit == s_lit and abs(t - s) <= TOLERANCE_S for (t, lit), (s, s_lit) in zip(told, turn, strict=True)) for turn in turns
            )

        await self.until(seen, within_s, f"{sign}, which is {spans}")


def steps_of(pattern: Pattern) -> list[tuple[float, bool]]:
    """The loop of a pattern as (seconds, lit)."""
    return [(span_s, lit) for on_s, off_s in pattern.then for span_s, lit in ((on_s, True), (off_s, False))]


@contextlib.asynccontextmanager
async def wearing(
    folder: Path, settings: Settings | None = None, *, window_s: float = 0.0, profile: str = "visible", more: str = ""
) -> AsyncIterator[tuple[Stage, Wearing]]:
    """A driving stage with buttons and lamp; the agent is not started."""
    wearer = Wearing(folder, window_s=window_s, profile=profile)
    async with driving(folder, settings) as (stage, _), PlayedChip(wearer.path) as chip:
        wearer.chip = chip
        stage.more = wearer.config() + more
        yield stage, wearer
