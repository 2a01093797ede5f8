"""Step 3: the button: its line, how it is wired, and that a hold is felt as a press.

Feels the real line, for moments, to find the wiring; then the very adapter that the daemon uses must feel the gesture. Nothing is raised:
an act at the button goes nowhere from here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from agent.cli import setup_draft, setup_flags, setup_pins
from agent.cli.setup_loop import on_loop
from agent.cli.setup_scene import Scene
from agent.cli.setup_summary import gesture_words, line_words
from agent.cli.setup_terminal import Terminal
from agent.model import Act, Acted, Ailment
from hardware import ailments, open_button
from hardware.lines import Gone
from hardware.wiring import Level, Wiring, changed, chips, feel, holder_of, judge, lines_of, place_of

T = TypeVar("T")

_FEEL_S = 60.0  # nobody looks longer for a button
_TROUBLE = (OSError, ValueError, ImportError, Gone)
_WHICH = (
    "On a Raspberry Pi name the pin that the button's wire is on, like pin 11 (that is GPIO17); its other wire goes to a ground pin, "
    "like pin 9. Elsewhere: the line's number, or chip and line like /dev/gpiochip1:5. none: this device has no button."
)


def choose(scene: Scene) -> None:
    """The first button. Further ones in the config stay as they are."""
    terminal, draft = scene.terminal, scene.draft
    if not chips():
        terminal.say("This machine has no GPIO chip (/dev/gpiochip0): a button may be on a chip that is plugged in later.")
    while True:
        before = next(iter(draft.tables("button")), {})
        place = terminal.ask(
            "Which line is the button on (pin 11, GPIO17, 17, or none)", line_read(before.get("chip")), _default(before), _more()
        )
        if place is None:
            draft.set_button(None)
            terminal.say("No button: callouts are raised by software only.")
            return
        chip, line = place
        _say_doubt(terminal, chip, line)
        keys = {"chip": chip, "line": line}
        wired = None if scene.hands_off else _find_wiring(terminal, chip, line)
        if wired is None and not scene.hands_off and not terminal.yes("Keep this line all the same", default=False):
            continue
        keys |= _wiring_keys(wired, before)
        keys["hold_s"] = terminal.ask("How many seconds must it be held to call for help", _hold, f"{before.get('hold_s', 1.5):g}", _HOLD)
        draft.set_button(keys)
        if wired is None or _felt(terminal, {**before, **keys}):
            return


_HOLD = "1.5 is long enough for a bag that leans on it, and short enough in an emergency. 0: any touch calls. At most 10."


def _default(before: dict[str, Any]) -> str:
    if not before:
        return "pin 11"
    chip, line = before.get("chip", setup_draft.button_default("chip")), before.get("line", setup_draft.button_default("line"))
    return setup_pins.spoken(line) if chip == setup_draft.button_default("chip") else f"{chip}:{line}"


def _more() -> str:
    """With the names of lines, where the kernel has any and a person may see them."""
    words = [_WHICH]
    for chip in chips()[:4]:
        try:
            names = [each.name for each in lines_of(chip) if each.name]
        except (OSError, ImportError):
            names = []
        words.append(f"{chip}: {', '.join(names[:60]) or 'its lines have no names'}")
    return "\n".join(words)


def line_read(chip: str | None) -> Callable[[str], tuple[str, int] | None]:
    """Reads a line as a person names it: chip and line, or None for none. chip: of lines named without one."""

    def read(answer: str) -> tuple[str, int] | None:
        if answer.lower() == setup_flags.NONE:
            return None
        words = answer.partition(" (")[0]  # as it stands in brackets: GPIO17 (pin 11)
        named = setup_pins.named(words)
        known = place_of(named.name) if named.name and named.chip is None and chip is None else None
        return known or (named.chip or chip or setup_draft.button_default("chip"), named.line)

    return read


def _say_doubt(terminal: Terminal, chip: str, line: int) -> None:
    doubt = setup_pins.doubt(line) if chip == setup_draft.button_default("chip") else ""
    if doubt:
        terminal.say(f"{line_words(chip, line)}: {doubt}.")


def _hold(answer: str) -> float:
    try:
        seconds = float(answer.replace(",", "."))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 10:
        raise ValueError("Type seconds, from 0 to 10")
    return seconds


def _wiring_keys(wired: Wiring | None, before: dict[str, Any]) -> dict[str, str]:
    if wired is not None:
        return {"active": wired.active, "bias": wired.bias}
    return {key: before.get(key, setup_draft.button_default(key)) for key in ("active", "bias")}


def _find_wiring(terminal: Terminal, chip: str, line: int) -> Wiring | None:
    """By feeling it untouched and pressed. None, told: the line cannot be felt, or nothing was."""
    terminal.pause("Leave the button alone, and press Enter")
    try:
        idle = on_loop(feel(chip, line))
        terminal.say("Now press it, and keep it pressed. (Enter: give up)")
        pressed = on_loop(_until(terminal, lambda over: changed(chip, line, idle, over)))
    except _TROUBLE as error:
        say_trouble(terminal, "button", chip, line, error)
        return None
    wired = None if pressed is None else judge(idle, pressed)
    if wired is None:
        terminal.say(_nothing_words(idle, chip, line))
        return None
    terminal.say(f"Felt: {wired.said}.")
    if wired.doubt:
        terminal.say(f"Mind that {wired.doubt}.")
    _await_release(terminal, chip, line, idle)
    return wired


def _await_release(terminal: Terminal, chip: str, line: int, idle: Level) -> None:
    terminal.say("Let go.")

    async def released(over: Callable[[], bool]) -> Level | None:
        while not over():
            level = await feel(chip, line)
            if level == idle:
                return level
        return None

    if on_loop(_until(terminal, released)) is None:
        terminal.say("It was not felt to let go: it may be stuck.")


def _nothing_words(idle: Level, chip: str, line: int) -> str:
    if idle.decided_by == "nothing":
        return (
            f"Nothing was felt on {line_words(chip, line)}: neither of its wires may be loose, one goes to this line, the other to ground. "
            "Is it another pin?"
        )
    to = "ground" if idle.decided_by == "ground" else "3.3 V"
    return f"Nothing was felt: {line_words(chip, line)} is connected to {to} all the time. A short circuit, a stuck button, or another pin?"


def say_trouble(terminal: Terminal, kind: str, chip: str, line: int, error: Exception) -> None:
    """Why a line cannot be had, as the daemon would say it, and who holds it."""
    ailment = (
        ailments.chip_unplugged(kind, chip) if isinstance(error, Gone) else ailments.of_lines(kind, chip, (line,), error, been_held=False)
    )
    holder = holder_of(chip, line)
    terminal.say(f"{ailment.text}{f' ({holder})' if holder else ''}. {ailment.hint}")


async def _until(terminal: Terminal, work: Callable[[Callable[[], bool]], Awaitable[T]]) -> T:
    """Do it until Enter, or for so long as anybody would try. The work asks whether it is over."""
    end = time.monotonic() + _FEEL_S
    async with terminal.enter() as enough:
        return await work(lambda: enough.is_set() or time.monotonic() >= end)


def _felt(terminal: Terminal, keys: dict[str, Any]) -> bool:
    """The gesture, by the daemon's own adapter. False: the person wants another line."""
    terminal.say(f"Now {gesture_words(keys)}, as in an emergency; nothing is sent. (Enter: give up)")
    felt = on_loop(_feeling(terminal, keys))
    if felt:
        terminal.say("That is a press: the button works.")
        return True
    terminal.say("No press was felt.")
    return terminal.yes("Keep the button as it is", default=False)


async def _feeling(terminal: Terminal, keys: dict[str, Any]) -> bool:
    finger = _Finger(terminal, keys)
    button = open_button(
        name="setup",
        clock_at=time.monotonic,
        chip=keys["chip"],
        line=keys["line"],
        active=keys["active"],
        bias=keys["bias"],
        hold_s=keys["hold_s"],
        presses=keys.get("presses", 1),
        within_s=keys.get("within_s", 2.0),
    )
    task = asyncio.ensure_future(button.run(finger.acted, finger.ailing, lambda _: None, lambda: None))
    try:
        return await _until(terminal, finger.done)
    finally:
        task.cancel()
        await asyncio.wait({task})


class _Finger:
    """Hears the button, and says what a finger does wrong."""

    def __init__(self, terminal: Terminal, keys: dict[str, Any]) -> None:
        self._terminal = terminal
        self._hold_s: float = keys["hold_s"] if keys.get("presses", 1) == 1 else 0.0
        self._touched_at: float | None = None
        self._gesture = False
        self._news = asyncio.Event()
        self._over = False

    def acted(self, acted: Acted) -> None:
        """Take an act."""
        if acted.act is Act.TOUCHED:
            self._touched_at = acted.at
        elif acted.act is Act.GESTURE:
            self._gesture = True
            self._terminal.say("Felt. Let go.")
        elif acted.act is Act.RELEASED and self._touched_at is not None:
            held_s = acted.at - self._touched_at
            if not self._gesture and self._hold_s:
                self._terminal.say(f"  held for {held_s:.1f} s, which is too short: again, until I say so")
            self._over = self._gesture
        self._news.set()

    def ailing(self, ailment: Ailment | None) -> None:
        """Take what is wrong with the line."""
        if ailment is not None:
            self._terminal.say(f"  {ailment.text}")

    async def done(self, over: Callable[[], bool]) -> bool:
        """Whether the gesture was felt and let go of, before it is over."""
        while not self._over and not over():
            self._news.clear()
            try:
                async with asyncio.timeout(0.1):
                    await self._news.wait()
            except TimeoutError:
                continue
        return self._gesture
