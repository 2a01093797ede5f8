"""Step 4: lamp and buzzer: their lines, and that a person sees and hears them.

Plays through the daemon's own adapter what the daemon would play. Must leave both dark and silent.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

from agent.cli import setup_draft, setup_pins
from agent.cli.setup_button import line_read
from agent.cli.setup_draft import Draft
from agent.cli.setup_loop import on_loop
from agent.cli.setup_scene import Scene
from agent.cli.setup_summary import line_words
from agent.cli.setup_terminal import Terminal
from agent.model import Ailment, Sign
from agent.settings import Indicator
from hardware import open_indicator

_LAMP = (
    "The lamp tells whether help was summoned. On a Raspberry Pi: pin 13 (GPIO27), through a resistor of 330 ohm, to ground. "
    "none: no lamp and no buzzer."
)
_SILENT = (
    "silent: this device never gives a sign, not even when the button is touched: for a wearer whom an attacker must not hear or see. "
    "visible: it blinks while it calls, and stays on once dispatch has the callout."
)
_ASK_S = 0.1
Place = tuple[str, int]  # chip and line


def choose(scene: Scene) -> None:
    """The indicator, or none."""
    terminal, draft = scene.terminal, scene.draft
    before = draft.keys("indicator")
    chip = before.get("chip") or next((each["chip"] for each in draft.tables("button") if "chip" in each), None)
    while True:
        taken = _of_buttons(draft)
        default = _default(before, "lamp_line", "pin 13" if not before and draft.old is None else "none")
        place = terminal.ask("Which line is the lamp on (pin 13, GPIO27, or none)", _free(line_read(chip), taken), default, _LAMP)
        if place is None:
            draft.drop("indicator")
            terminal.say("No lamp: nobody sees whether help was summoned.")
            return
        keys: dict[str, Any] = {"chip": place[0], "lamp_line": place[1]}
        keys["profile"] = ("visible", "silent")[
            terminal.choose(
                "What may it show",
                ("visible: a lamp that says what goes on", "silent: no outward sign at all, ever"),
                int(before.get("profile") == "silent"),
                _SILENT,
            )
        ]
        keys |= _further(scene, place[0], before, taken | {place: "the lamp"})
        if scene.hands_off or _proven(terminal, keys):
            draft.set("indicator", **{key: value for key, value in keys.items() if value is not None or key in before})
            return


def _default(before: dict[str, Any], key: str, otherwise: str) -> str:
    line = before.get(key)
    if line is None:
        return otherwise
    chip = before.get("chip", setup_draft.button_default("chip"))
    return setup_pins.spoken(line) if chip == setup_draft.button_default("chip") else f"{chip}:{line}"


def _of_buttons(draft: Draft) -> dict[Place, str]:
    """Which lines buttons have. To try a lamp there would drive the line against the button's contact: that can break the pin."""
    of_default = {key: setup_draft.button_default(key) for key in ("chip", "line")}
    buttons = [{**of_default, **each} for each in draft.tables("button")]
    return {(each["chip"], each[key]): "the button" for each in buttons for key in ("line", "abort_line") if key in each}


def _free(read: Callable[[str], Place | None], taken: Mapping[Place, str]) -> Callable[[str], Place | None]:
    """Reads a line as `read` does, and takes none that has another duty."""

    def read_free(answer: str) -> Place | None:
        place = read(answer)
        if place is not None and place in taken:
            raise ValueError(f"{line_words(*place)} is that of {taken[place]}: name another one")
        return place

    return read_free


def _further(scene: Scene, chip: str, before: dict[str, Any], taken: dict[Place, str]) -> dict[str, int | None]:
    """Buzzer, and the lamp that says armed where this version has one: on the lamp's own chip."""
    asked = {"buzzer_line": "Which line is the buzzer on, or none"}
    if any(each.name == "armed_line" for each in dataclasses.fields(Indicator)):
        asked["armed_line"] = "Which line is the lamp on that is lit while all is well (armed), or none"
    keys: dict[str, int | None] = {}
    for key, question in asked.items():
        default = _default(before, key, "none")
        line = keys[key] = scene.terminal.ask(question, _of_chip(chip, taken), default, f"It must be on {chip}, as the lamp.")
        if line is not None:
            taken[chip, line] = "the buzzer"
    return keys


def _of_chip(chip: str, taken: Mapping[Place, str]) -> Callable[[str], int | None]:
    read = _free(line_read(chip), taken)

    def read_line(answer: str) -> int | None:
        place = read(answer)
        if place is not None and place[0] != chip:
            raise ValueError(f"It must be on {chip}, as the lamp")
        return None if place is None else place[1]

    return read_line


def _proven(terminal: Terminal, keys: dict[str, Any]) -> bool:
    """Whether a person saw and heard it, or keeps it all the same."""
    lamp, buzzer = keys["lamp_line"], keys.get("buzzer_line")
    terminal.say(f"The lamp on {line_words(keys['chip'], lamp)} should blink fast now.")
    ailment = _shown(terminal, keys, Sign.CONTACTING, "Look at it, then press Enter")
    if ailment is None and terminal.yes("Did it blink", default=True):
        if buzzer is None:
            return True
        terminal.say(f"The buzzer on {line_words(keys['chip'], buzzer)} should beep now.")
        if _shown(terminal, keys, Sign.WINDOW, "Listen, then press Enter") is None and terminal.yes("Did it beep", default=True):
            return True
    elif ailment is None:
        terminal.say("Is the LED the right way round (its longer leg to the line)? Is it another pin?")
    return terminal.yes("Keep it all the same", default=False)


def _shown(terminal: Terminal, keys: dict[str, Any], sign: Sign, prompt: str) -> Ailment | None:
    """Play a sign until Enter. What is wrong with the lines is told and returned. A silent device is tried visibly: just this once."""

    async def play() -> Ailment | None:
        told: list[Ailment | None] = [None]
        indicator = open_indicator(
            clock_at=time.monotonic, chip=keys["chip"], lamp_line=keys["lamp_line"], buzzer_line=keys.get("buzzer_line"), profile="visible"
        )
        indicator.show(sign)
        task = asyncio.ensure_future(indicator.run(told.append))
        try:
            async with terminal.enter() as enough:
                print(f"{prompt}: ", end="", flush=True)
                while not enough.is_set() and (told[-1] is None):
                    await asyncio.wait({task}, timeout=_ASK_S)
        finally:
            task.cancel()
            await asyncio.wait({task})
        return told[-1]

    ailment = on_loop(play())
    if ailment is not None:
        terminal.say(f"\n{ailment.text}. {ailment.hint}")
    return ailment
