"""Step 5: a keypad on which the wearer types the safe code that calls a callout off.

Reads it through the daemon's own adapter. Must not ask for a real code, nor show what is typed.
"""

from __future__ import annotations

import asyncio
import time

from agent.cli import setup_flags
from agent.cli.setup_loop import on_loop
from agent.cli.setup_scene import Scene
from agent.cli.setup_terminal import Terminal
from agent.model import Ailment, SafeCode
from hardware import open_keypad
from hardware.wiring import keypads

_TRIED = "123"
_MORE = (
    "A matrix of keys or a USB number pad. Without one a callout is called off with `callout-agent cancel`, or by telephone. "
    "Type the number of one from the list, a path like /dev/input/by-id/usb-...-kbd, or none."
)
_ASK_S = 0.1
_GRAB_S = 30.0  # it may be the very keyboard that setup is typed on, and then not even Ctrl-C comes through


def choose(scene: Scene) -> None:
    """One of those that are there, another, or none."""
    terminal, draft = scene.terminal, scene.draft
    found = on_loop(keypads())
    for number, (place, name) in enumerate(found, 1):
        terminal.item(f"  {number})", f"{place}, which calls itself {name!r}")
    before = draft.value("keypad", "path")
    if not found and before is None:
        terminal.say("No keypad is plugged in.")

    def read(answer: str) -> str | None:
        if answer.lower() == setup_flags.NONE:
            return None
        if answer.isdecimal() and 1 <= int(answer) <= len(found):
            return found[int(answer) - 1][0]
        if not answer.startswith("/"):
            raise ValueError("Type a number from the list, a path that begins with /, or none")
        return answer

    while True:
        path = terminal.ask("Which keypad (or none)", read, before or setup_flags.NONE, _MORE)
        if path is None:
            draft.drop("keypad")
            return
        if scene.hands_off or _proven(terminal, path):
            draft.set("keypad", path=path)
            return


def _proven(terminal: Terminal, path: str) -> bool:
    """Whether 1 2 3 came through, or it is kept all the same."""
    terminal.say("Type 1 2 3 and then enter (or #) on the keypad; never a real code. (Enter here: give up)")
    typed, ailment = on_loop(_typed(terminal, path))
    if typed is not None and typed.typed() == _TRIED:
        terminal.say("It came through: the keypad works.")
        return True
    if ailment is not None:
        terminal.say(f"{ailment.text}. {ailment.hint}")
    else:
        terminal.say("Something else came through: a key may be worn or wired wrong." if typed is not None else "Nothing came through.")
    return terminal.yes("Keep it all the same", default=False)


async def _typed(terminal: Terminal, path: str) -> tuple[SafeCode | None, Ailment | None]:
    codes: list[SafeCode] = []
    told: list[Ailment | None] = [None]
    keypad = open_keypad(name="setup", clock_at=time.monotonic, path=path)
    task = asyncio.ensure_future(keypad.run(codes.append, lambda: None, told.append))
    try:
        async with terminal.enter() as enough:
            end = time.monotonic() + _GRAB_S
            while not codes and told[-1] is None and not enough.is_set() and time.monotonic() < end:
                await asyncio.wait({task}, timeout=_ASK_S)
    finally:
        task.cancel()
        await asyncio.wait({task})
    return codes[0] if codes else None, told[-1]
