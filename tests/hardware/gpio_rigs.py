"""Rigs for the suites of button and indicator: a played chip, and gpio-sim where a kernel has it.

CALLOUT_AGENT_GPIO_SIM names gpio-sim's folder in configfs (/sys/kernel/config/gpio-sim): then every case runs on lines of the kernel, too.
Both rigs have the same words. Nothing here records calls: a chip is asked what its lines do.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

import pytest

from agent.model import Act, Acted, Ailment
from hardware import open_button, open_indicator
from hardware.button import GpioButton
from hardware.indicator import GpioIndicator
from hardware.played_chip import PlayedChip

SIM = os.environ.get("CALLOUT_AGENT_GPIO_SIM")
KINDS = ["played", *(["gpio-sim"] if SIM else [])]
LINES = 32
PATIENCE_S = 10.0
_FELT_MS = 20
BUTTON, OTHER, ABORT, LAMP, BUZZER = 17, 18, 23, 27, 22


class Chip(Protocol):
    """What the suites do to a chip."""

    def press(self, line: int) -> None: ...
    def release(self, line: int) -> None: ...
    def bounce(self, line: int, at_ms: Sequence[float]) -> None: ...
    def history(self, line: int) -> list[tuple[float, bool]]: ...
    def holder(self, line: int) -> str | None: ...
    def unplug(self) -> None: ...
    def replug(self) -> None: ...


class SimChip:
    """A gpio-sim chip under a path that stays the same when it is replugged. Its pulls are the buttons: idle high, pressed low.

    A bias that is asked for would move the pulls, so buttons on it have none.
    """

    _numbers = itertools.count()

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = Path(SIM or "") / f"suite-{os.getpid()}-{next(self._numbers)}"
        self._pressed: set[int] = set()
        self._histories: dict[int, list[tuple[float, bool]]] = {LAMP: [], BUZZER: []}
        self._lines = Path()
        self._plugged = threading.Event()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._record, daemon=True)
        self._scripts: list[threading.Thread] = []

    def __enter__(self) -> Self:
        (self._folder / "bank").mkdir(parents=True)
        (self._folder / "bank" / "num_lines").write_text(str(LINES))
        self.replug()
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._plugged.set()
        for thread in (self._watch, *self._scripts):
            thread.join()
        with contextlib.suppress(OSError):
            self.unplug()
        (self._folder / "bank").rmdir()
        self._folder.rmdir()

    def press(self, line: int) -> None:
        """Pull it to ground."""
        self._pressed.add(line)
        (self._lines / f"sim_gpio{line}" / "pull").write_text("pull-down")

    def release(self, line: int) -> None:
        """Pull it up again."""
        self._pressed.discard(line)
        (self._lines / f"sim_gpio{line}" / "pull").write_text("pull-up")

    def bounce(self, line: int, at_ms: Sequence[float]) -> None:
        """As `PlayedChip.bounce`, from a thread. On a busy machine what should be felt stays long enough to be felt."""
        began, closed = time.monotonic(), line in self._pressed

        def script() -> None:
            last_ms = 0.0
            for number, each_ms in enumerate(at_ms):
                span_ms, last_ms = each_ms - last_ms, each_ms
                time.sleep(max(began + each_ms / 1e3 - time.monotonic(), span_ms / 1e3 if span_ms >= _FELT_MS else 0.0))
                (self.press if closed == bool(number % 2) else self.release)(line)

        self._scripts.append(threading.Thread(target=script, daemon=True))
        self._scripts[-1].start()

    def history(self, line: int) -> list[tuple[float, bool]]:
        """As far as looking every 2 ms can tell."""
        return list(self._histories[line])

    def holder(self, line: int) -> str | None:
        """As the kernel says."""
        import gpiod

        with gpiod.Chip(str(self._path)) as chip:
            info = chip.get_line_info(line)
            return info.consumer if info.used else None

    def unplug(self) -> None:
        """Remove the device from the kernel."""
        self._plugged.clear()
        (self._folder / "live").write_text("0")
        self._path.unlink()

    def replug(self) -> None:
        """Create it again; the buttons are as they were."""
        (self._folder / "live").write_text("1")
        chip, device = ((self._folder / name).read_text().strip() for name in ("bank/chip_name", "dev_name"))
        self._lines = Path("/sys/devices/platform") / device / chip
        for line in {BUTTON, OTHER, ABORT} - self._pressed:
            self.release(line)
        for line in self._pressed:
            self.press(line)
        self._path.symlink_to(Path("/dev") / chip)
        self._plugged.set()

    def _record(self) -> None:
        while not self._over.is_set():
            self._plugged.wait()
            for line, history in self._histories.items():
                with contextlib.suppress(OSError, ValueError):
                    level = bool(int((self._lines / f"sim_gpio{line}" / "value").read_text()))
                    if not history or history[-1][1] != level:
                        history.append((time.monotonic(), level))
            time.sleep(0.002)


@contextlib.contextmanager
def plugged(kind: str, folder: Path) -> Iterator[Chip]:
    """A chip of this kind at folder/chip."""
    with SimChip(folder / "chip") if kind == "gpio-sim" else PlayedChip(folder / "chip", LINES) as chip:
        yield chip


class Finger:
    """What a button told, with a way to wait for it."""

    def __init__(self) -> None:
        self.acts: list[Acted] = []
        self.levels: list[bool] = []
        self.told: list[Ailment | None] = []
        self._news = asyncio.Event()

    def acted(self, act: Acted) -> None:
        """Take an act."""
        self.acts.append(act)
        self._news.set()

    def levelled(self, active: bool) -> None:  # noqa: FBT001 - as the port says
        """Take a level."""
        self.levels.append(active)
        self._news.set()

    def ailing(self, ailment: Ailment | None) -> None:
        """Take an ailment."""
        self.told.append(ailment)
        self._news.set()

    @property
    def ailment(self) -> str | None:
        """The code told last, None if it is healed or there never was any."""
        return self.told[-1].code if self.told and self.told[-1] else None

    def words(self) -> list[Act]:
        """The acts without their times."""
        return [each.act for each in self.acts]

    def at(self, act: Act) -> float:
        """When it happened last."""
        return next(each.at for each in reversed(self.acts) if each.act is act)

    async def until(self, true: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Wait for it, or fail."""
        try:
            async with asyncio.timeout(within_s):
                while not true():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pytest.fail(f"not within {within_s} s; {self.words()}, levels {self.levels}, ailment {self.ailment}")

    async def does(self, *acts: Act) -> None:
        """Wait until exactly these have been told since the start."""
        await self.until(lambda: len(self.acts) >= len(acts))
        assert self.words() == list(acts)


def button_on(folder: Path, kind: str, **changed: object) -> GpioButton:
    """A button at folder/chip, wired as both rigs are: it connects to ground."""
    options: dict[str, object] = {
        "name": "panic",
        "clock_at": time.monotonic,
        "chip": str(folder / "chip"),
        "line": BUTTON,
        "active": "low",
        "bias": "as-is" if kind == "gpio-sim" else "pull-up",
        "hold_s": 0.3,
        "presses": 1,
        "within_s": 5.0,
        **changed,
    }
    return open_button(**options)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def felt(button: GpioButton, *, was_active: bool | None = None, ready: bool = True) -> AsyncIterator[Finger]:
    """Run a button; anything that escapes from it fails the test. ready: wait until it has seen its line."""
    finger = Finger()
    async with running(button.run(finger.acted, finger.ailing, finger.levelled, lambda: was_active)):
        if ready:
            await finger.until(lambda: bool(finger.levels))
        yield finger


@contextlib.asynccontextmanager
async def lit(indicator: GpioIndicator) -> AsyncIterator[Finger]:
    """Run an indicator; anything that escapes from it fails the test."""
    finger = Finger()
    async with running(indicator.run(finger.ailing)):
        yield finger


@contextlib.asynccontextmanager
async def running(task: object) -> AsyncIterator[None]:
    """Run it until the block ends; it must live as long."""
    running = asyncio.ensure_future(task)  # type: ignore[arg-type]
    try:
        yield
    finally:
        if running.done():
            running.result()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def indicator_on(folder: Path, **changed: object) -> GpioIndicator:
    """Lamp and buzzer at folder/chip."""
    options: dict[str, object] = {
        "clock_at": time.monotonic,
        "chip": str(folder / "chip"),
        "lamp_line": LAMP,
        "buzzer_line": BUZZER,
        **changed,
    }
    return open_indicator(**options)  # type: ignore[arg-type]


async def eventually(true: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Wait for something that a chip does, by looking."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - a chip has no way to call us
            await asyncio.sleep(0.005)
