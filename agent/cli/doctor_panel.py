"""The doctor's steps for the wearer's side: each button's level now, the lamp, the keypad.

Opens a button's line only while no daemon runs: a line has one owner. Never drives a lamp (`setup` does, with a person who looks), never
reads a key, and what it feels at a button is no press.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

import hardware
from agent.cli.doctor_step import Daemon, Scene, State, Step, in_words_of_daemon, skipped
from agent.config import Button
from agent.model import Ailment

LEVEL_S = 1.5  # a line is granted or refused at once, and read after 50 ms
LET_GO_S = 3.0  # who touches it by chance lets go within this
NOT_FELT = "a press at this button reaches nobody"
STUCK = "a press cannot be told from a button that is jammed: no further one can be felt"


@dataclass(slots=True)
class _Felt:
    """What a line says."""

    level: bool | None = None
    ailment: Ailment | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def levelled(self, active: bool) -> None:  # noqa: FBT001 - a level, as everywhere at buttons
        self.level = active
        self.news.set()

    def ail(self, ailment: Ailment | None) -> None:
        self.ailment = ailment
        self.news.set()


async def buttons(scene: Scene) -> tuple[Step, ...]:
    """Each of them."""
    config = scene.config
    if config is None:
        return (skipped("button"),)
    if not config.buttons:
        do = "add a [[button]], if this device has one"
        return (Step("button", State.WARN, "none is configured", "only the command line can raise", do),)
    return tuple(await asyncio.gather(*(_button(scene, each) for each in config.buttons)))


async def _button(scene: Scene, button: Button) -> Step:
    name, where = f"button {button.name}", f"line {button.line} of {button.chip}"
    if scene.daemon is Daemon.ANSWERS:
        told = [each for each in scene.conditions("button.") if _is_about(each, button.name, where)]
        step = in_words_of_daemon(name, told, f"the daemon holds {where}, reads it, and it is not pressed for long")
        means = "" if step.state is not State.FAIL else STUCK if scene.conditions("button.stuck") else NOT_FELT
        return Step(name, step.state, step.seen, means, step.do)
    if scene.daemon is not Daemon.DOWN:
        return skipped(name, f"a daemon may hold {where}, and it {scene.daemon}")
    return _verdict(name, where, button, await _feel(button))


def _is_about(condition: dict[str, str], name: str, where: str) -> bool:
    """A text of several buttons names each; one that names none may be about any."""
    text = condition["text"]
    return name in text or where in text or condition["code"] in {"button.played", "button.unproven", "button.failed"}


async def _feel(button: Button) -> _Felt:
    """The line as the daemon would read it, for a moment; longer while it is active."""
    felt = _Felt()
    source = hardware.open_button(clock_at=time.monotonic, **button.wiring())
    feeling = asyncio.create_task(source.run(lambda _: None, felt.ail, felt.levelled, lambda: None))
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEVEL_S):
                while felt.level is None and felt.ailment is None:
                    await _news(felt)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_S):
                while felt.level:
                    await _news(felt)
    finally:
        feeling.cancel()
        await asyncio.gather(feeling, return_exceptions=True)
    return felt


async def _news(felt: _Felt) -> None:
    felt.news.clear()
    await felt.news.wait()


def _verdict(name: str, where: str, button: Button, felt: _Felt) -> Step:
    if felt.level:
        do = (
            f'let go of it; if nobody holds it, free a jammed button; if it is wired the other way round, active = "'
            f'{"high" if button.active == "low" else "low"}"; on an opening contact look for a wire that fell off'
        )
        return Step(name, State.FAIL, f"{where} is active: pressed, or stuck", STUCK, do)
    if felt.ailment is not None and felt.level is None:
        return Step(name, State.FAIL, felt.ailment.text, NOT_FELT, felt.ailment.hint)
    if felt.level is None:
        return Step(name, State.FAIL, f"{where} cannot be read within {LEVEL_S:.1f} s", NOT_FELT, "check chip and line in the config")
    if felt.ailment is not None:
        return Step(name, State.WARN, felt.ailment.text, "it is felt all the same", felt.ailment.hint)
    return Step(name, State.OK, f"{where} is released; whether a finger moves it only a press shows: a drill, or `callout-agent setup`")


async def lamp(scene: Scene) -> Step:
    """Whether it can be driven, by the daemon's word."""
    config = scene.config
    if config is None:
        return skipped("lamp")
    if config.indicator is None:
        return skipped("lamp", "none is configured: the wearer sees nothing")
    where = f"line {config.indicator.lamp_line} of {config.indicator.chip}"
    if scene.told:
        well = f"the daemon drives {where}; whether it is lit only a person sees"
        return in_words_of_daemon("lamp", scene.conditions("indicator."), well)
    if not Path(config.indicator.chip).exists():
        return Step("lamp", State.FAIL, f"{config.indicator.chip} does not exist", "the wearer sees nothing", "see the button's step")
    return skipped("lamp", f"{where} is there; the doctor drives nothing", "callout-agent setup tries it with a person who looks")


async def keypad(scene: Scene) -> Step:
    """Whether a code can be typed."""
    config = scene.config
    if config is None:
        return skipped("keypad")
    if config.keypad is None:
        return skipped("keypad", "none is configured")
    path = config.keypad.path
    if scene.told:
        return in_words_of_daemon("keypad", scene.conditions("keypad."), f"the daemon holds {path}")
    if not Path(path).exists():
        return Step("keypad", State.FAIL, f"{path} does not exist", "no code can be typed on it", "plug it in, or mend [keypad] path")
    return skipped("keypad", f"{path} is there; the doctor reads no key")


PANEL = (buttons, lamp, keypad)
