"""The installer's dialogue: its steps, and the way through them, forth and back.

Decides which step is next and what an interruption says. Must not ask or try anything itself: the steps do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent import __version__
from agent.cli import setup_begin, setup_button, setup_dispatch, setup_end, setup_keypad, setup_lamp, setup_position, talk
from agent.cli.setup_draft import Draft
from agent.cli.setup_flags import WrongError
from agent.cli.setup_scene import LackError, RefusedError, Scene, Step
from agent.cli.setup_service import Daemon
from agent.cli.setup_terminal import BackError, EndedError, SkipError, Terminal

REFUSED, ANSWERS, INTERRUPTED = 1, 2, 130
STEPS: Sequence[tuple[str, Step]] = (
    ("What is here already", setup_begin.begin),
    ("Where positions come from", setup_position.choose),
    ("The button", setup_button.choose),
    ("Lamp and buzzer", setup_lamp.choose),
    ("A keypad for the safe code", setup_keypad.choose),
    ("Dispatch", setup_dispatch.choose),
    ("Write, start, prove", setup_end.end),
)
# Which of them asks about a table of the config; the first one about those that nobody asks about.
ASKS: Mapping[str, int] = {"receiver": 1, "site": 1, "button": 2, "indicator": 3, "keypad": 4, "panic_api": 5, "credentials": 5, "drill": 5}
_OPENING = f"""\
callout-agent {__version__}: setup

Step by step to a panic button that is proven to work: some ten minutes. At every question:
  Enter  takes the answer in [brackets]
  b      goes back a step
  s      skips a step, its answers stay as they are
  ?      says more
  Ctrl-C ends setup; before the last step nothing is changed
"""


def run(args: argparse.Namespace, path: Path, daemon: Daemon) -> int:
    """From the first question to the last; the exit code, as in `setup`."""
    if not sys.stdin.isatty():
        talk.complain("the dialogue needs a terminal; nothing was changed", "callout-agent setup --unattended takes flags instead")
        return ANSWERS
    scene = Scene(args, path, Terminal(daemon.answered), daemon, Draft(path))
    try:
        return _through(scene)
    except RefusedError as refused:
        talk.complain(str(refused), refused.hint)
        return REFUSED
    except KeyboardInterrupt:
        return _stopped(scene, "Ended")
    except EndedError:
        return _stopped(scene, "Nobody is at the terminal any more")
    finally:
        if daemon.paused:
            print("The daemon is started again.", flush=True)
        daemon.release()


def _through(scene: Scene) -> int:
    scene.terminal.say(_OPENING)
    number = 0
    while number < len(STEPS):
        title, step = STEPS[number]
        scene.terminal.title(f"Step {number + 1} of {len(STEPS)}: {title}")
        try:
            step(scene)
        except BackError:
            number = max(0, number - 1)
            continue
        except LackError as lack:
            number = ASKS.get(lack.table, 0)
            continue
        except SkipError:
            if number == len(STEPS) - 1 and not scene.written:
                raise RefusedError("nothing was changed") from None
            scene.terminal.say("Skipped.")
        except WrongError as wrong:
            raise RefusedError("; ".join(wrong.reasons), "callout-agent setup --help") from None
        number += 1
    return scene.code


def _stopped(scene: Scene, why: str) -> int:
    end = f"{scene.path} is written; run setup again to change it" if scene.written else "nothing was changed"
    print(f"\n{why}: {end}.", flush=True)
    return INTERRUPTED
