"""What every examination of the doctor has in hand, and what it comes to: a step or several.

Values only. An examination is a coroutine function from a Scene to its Steps: it finds out one thing, changes nothing anywhere, and says
what was seen, what that means and what to do. Add one to `doctor.examinations` where its turn is. It must print no coordinate and no
secret, and while a cancel hides a callout it must look as in standby (law 5): of the daemon it knows the outward status alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from agent.cli.printed import plain
from agent.config import Config, ConfigError
from agent.connections import Connections
from agent.model import CalloutId
from agent.ports import Dispatch

NEEDED = "what it needs has failed before"


class State(StrEnum):
    """warn: it works, something is worse than need be. fail: to be mended before anyone relies on it."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


_WORST = (State.FAIL, State.WARN, State.OK, State.SKIPPED)
_STATES = {"critical": State.FAIL, "degraded": State.WARN, "note": State.WARN}


@dataclass(frozen=True, slots=True)
class Step:
    """seen: the fact. means: what follows from it. do: the next thing for a person, the line of the config if there is one."""

    name: str
    state: State
    seen: str
    means: str = ""
    do: str = ""


class Daemon(StrEnum):
    """Whether there is a daemon, by its control socket. Only where there is none may the doctor open what a daemon would hold."""

    ANSWERS = "answers"
    SILENT = "does not answer"
    FORBIDDEN = "may not be asked by this user"
    DOWN = "does not run"


SUDO = "sudo callout-agent doctor"
SETUP = "sudo callout-agent setup"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the kernel and the system show themselves. Another root stands for another machine."""

    root: Path = Path("/")

    def at(self, place: str) -> Path:
        """A place below the root, like "sys/class/rtc"."""
        return self.root / place

    def text(self, place: str) -> str | None:
        """What stands in a small file there, stripped; None if it cannot be read. Blocks."""
        return read_small(self.at(place))


def read_small(path: Path) -> str | None:
    """The beginning of a file as text, stripped; None if it cannot be read. Blocks."""
    try:
        with path.open("rb") as file:
            return file.read(65_536).decode(errors="replace").strip("\0\n\t ")
    except OSError:
        return None


@dataclass(slots=True)
class Scene:
    """What examinations share, and what the later ones learn from the earlier: None where an earlier one failed.

    config: as the file stands; broken: why it cannot be used. told: the daemon's outward status document, empty unless it answers.
    connected: somebody accepts connections where dispatch is. reached: dispatch answered as itself. listing_refused: but it does not let
    this token list the customer's callouts.
    closed_callout: a callout that may be asked about, because it is over.
    """

    args: argparse.Namespace
    config: Config | None = None
    broken: ConfigError | None = None
    machine: Machine = field(default_factory=Machine)
    daemon: Daemon = Daemon.DOWN
    told: dict[str, Any] = field(default_factory=dict)
    connections: Connections | None = None
    dispatch: Dispatch | None = None
    connected: bool = True
    reached: bool = False
    listing_refused: bool = False
    closed_callout: CalloutId | None = None

    @property
    def secrets_closed(self) -> str:
        """Names of the secret files that whoever asks may not read, though they are there or may be; empty for root."""
        if self.config is None:
            return ""
        given, config = self.config.credentials, self.config
        names = [name for name in (given.bearer_file, given.client_cert_file, given.client_key_file, given.token_file) if name is not None]
        handed = config.where.absolute().parent / "credentials"  # root's alone: what lies there only systemd hands over
        return ", ".join(name for name in names if _is_closed(config.secret_path(name), handed))

    def conditions(self, *prefixes: str) -> list[dict[str, Any]]:
        """What the daemon shows itself to suffer from, codes beginning so; worst first."""
        return [each for each in self.told.get("conditions", ()) if str(each.get("code", "")).startswith(prefixes)]


def _is_closed(path: Path, handed: Path) -> bool:
    try:
        place = path if path.exists() else handed
        return place.exists() and not os.access(place, os.R_OK, effective_ids=True)
    except PermissionError:  # of the directory above
        return True


Examination = Callable[[Scene], Awaitable[Step | tuple[Step, ...]]]


def skipped(name: str, why: str = NEEDED, do: str = "") -> Step:
    """It was not looked at."""
    return Step(name, State.SKIPPED, why, "", do)


def worst(states: list[State]) -> State:
    """Of several; SKIPPED of none."""
    return min(states, key=_WORST.index, default=State.SKIPPED)


def in_words_of_daemon(name: str, conditions: list[dict[str, Any]], well: str) -> Step:
    """What the daemon says; well: what is seen where it says nothing."""
    if not conditions:
        return Step(name, State.OK, well)
    state = worst([_STATES.get(str(each.get("severity")), State.WARN) for each in conditions])
    seen = "; ".join(f"{each.get('text')} ({each.get('code')})" for each in conditions)
    return Step(name, state, seen, "", "\n".join(dict.fromkeys(str(each.get("hint")) for each in conditions)))


def rendered(step: Step) -> str:
    """For a person: what was seen, then what it means and what to do, a line each."""
    lines = [f"{step.state.value:<8}{step.name}: {plain(step.seen)}"]
    for text, sign in ((step.means, "  "), (step.do, "->")):
        lines += [f"        {sign} {plain(line)}" for line in text.split("\n")] if text else []
    return "\n".join(lines)
