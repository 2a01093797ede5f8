"""What an act at a button means: a press, a window that opens, is confirmed or taken back, or a drill.

A decision with a memory: acts and times in, deeds out. No IO, no clock of its own. It must not lose a press: whatever is in doubt is
a real press, made at once; only a different act takes one back, and only while its window is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.model import Act, Acted


@dataclass(frozen=True, slots=True)
class MakePress:
    """A press, now. at: monotonic s of the gesture."""

    button: str
    at: float
    drill: bool


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A press that waits to be confirmed; it is stored at once, and a restart makes it a press."""

    button: str
    at: float
    drill: bool


@dataclass(frozen=True, slots=True)
class Confirm:
    """The press of this button's window stands."""

    button: str


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The press of this button's window was aborted by a different act."""

    button: str


Deed = MakePress | OpenWindow | Confirm | TakeBack


class Acts:
    """All buttons of the device. windows_s: abort_window_s by the button's name; 0 for none."""

    def __init__(self, windows_s: Mapping[str, float]) -> None:
        self._windows_s = windows_s
        self._ends_at: dict[str, float] = {}  # open windows: when each is confirmed by itself
        self._drills: set[str] = set()  # which of these are
        self._touched: set[str] = set()
        self._drill_until_at = float("-inf")

    @property
    def touched(self) -> bool:
        """A button is felt, and its gesture is not complete yet."""
        return bool(self._touched)

    @property
    def window_open(self) -> bool:
        """A press waits to be confirmed or taken back."""
        return bool(self._ends_at)

    @property
    def due_at(self) -> float | None:
        """When to `look` next; None: only an act can bring anything."""
        return min(self._ends_at.values(), default=None)

    def open_drill(self, until_at: float) -> None:
        """The next gesture until then is a drill."""
        self._drill_until_at = until_at

    def drill_open(self, now_at: float) -> bool:
        """Whether the next gesture may be a drill."""
        return now_at < self._drill_until_at

    def take(self, button: str, acted: Acted, now_at: float, *, on: bool, quiet: bool) -> tuple[Deed, ...]:
        """What follows from an act. on: a callout or a press is outwardly on, so a further press needs no window.

        quiet: a drill may start (standby, nothing owed, not calm).
        """
        if acted.act is Act.TOUCHED:
            self._touched.add(button)
            return ()
        self._touched.discard(button)
        if acted.act is Act.GESTURE:
            return self._gesture(button, acted.at, now_at, on=on, quiet=quiet)
        if acted.act is Act.ABORT and self._ends_at.pop(button, None) is not None:
            return (TakeBack(button),)
        return ()

    def forget_touch(self, button: str) -> None:
        """The line is lost or stuck: whether a finger is on it is not known."""
        self._touched.discard(button)

    def look(self, now_at: float) -> tuple[Deed, ...]:
        """Windows whose time is over are confirmed."""
        over = [button for button, ends_at in self._ends_at.items() if now_at >= ends_at]
        for button in over:
            del self._ends_at[button]
        return tuple(Confirm(button) for button in over)

    def _gesture(self, button: str, at: float, now_at: float, *, on: bool, quiet: bool) -> tuple[Deed, ...]:
        if self._ends_at.pop(button, None) is not None:
            # A second gesture after a drill was asked for is an emergency, as whoever asked was told.
            return (MakePress(button, at, drill=False),) if button in self._drills else (Confirm(button),)
        drill = quiet and self.drill_open(now_at)
        self._drill_until_at = float("-inf")  # one gesture, whatever it was
        window_s = 0.0 if on else self._windows_s.get(button, 0.0)
        if window_s <= 0:
            return (MakePress(button, at, drill),)
        self._drills = self._drills | {button} if drill else self._drills - {button}
        self._ends_at[button] = now_at + window_s  # from when the lamp shows it, not from when the finger moved
        return (OpenWindow(button, at, drill),)
