"""What the steps of the dialogue share.

Values only. A step is a function from a Scene to nothing: it asks, tries, and puts answers into the draft; it must not write anywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.cli.setup_draft import Draft
from agent.cli.setup_service import Daemon
from agent.cli.setup_terminal import Terminal


@dataclass(slots=True)
class Scene:
    """hands_off: a daemon runs and holds receiver, button and lamp: they are asked about, not tried.

    written: the config was written: from then on an interruption says so. code: how setup ends.
    """

    args: argparse.Namespace
    path: Path
    terminal: Terminal
    daemon: Daemon
    draft: Draft
    hands_off: bool = False
    written: bool = False
    code: int = 0


class RefusedError(Exception):
    """Setup must not go on now. The text says why, hint what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class LackError(Exception):
    """Answers are missing or wrong. table: of the config, which one step asks about."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


Step = Callable[[Scene], None]
