"""GPIO lines in words: what is wished of a chip, what an edge is, what a granted request can do.

Words only: touches nothing. The kernel's lines are in `hardware.gpio`, a played chip's in `hardware.played_lines`; buttons and lamps must
not know which of them they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

CONSUMER = "callout-agent"  # who holds a line, in the words of `gpioinfo`


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of a chip: lines that are felt (both edges), or lines that are driven (off at first).

    chip: path of the chip's node, or of a played chip's socket. active_low: the line is active when its voltage is low.
    bias: "pull-up", "pull-down", "disabled", "as-is". debounce_s: an edge is told once the level has been stable for so long; 0: at once.
    """

    chip: str
    lines: tuple[int, ...]
    driven: bool = False
    active_low: bool = False
    bias: str = "as-is"
    debounce_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Edge:
    """A line changed. at: the chip's own time, monotonic s. lost: how many edges of this line are missing right before this one."""

    line: int
    active: bool
    at: float
    lost: int = 0


class Gone(Exception):  # noqa: N818 - a fact about a chip, not an error of ours
    """The chip has vanished, or refuses what it granted before. The lines are of no more use: close them and ask again."""


class Lines(Protocol):
    """Lines that a chip granted. Nothing here blocks. wish: as granted, which may be less debounce or bias than was asked for."""

    wish: Wish
    played: bool

    def fileno(self) -> int:
        """Readable when there are edges, and when the chip is gone."""

    def edges(self) -> list[Edge]:
        """What has happened since the last call, in order. Raises Gone."""

    def active(self, line: int) -> bool:
        """The level now, which is never older than the last edge. Raises Gone."""

    def drive(self, levels: Mapping[int, bool]) -> None:
        """Set driven lines, active or not. Raises Gone."""

    def close(self) -> None:
        """Give the lines back. Never raises."""
