"""The track that dispatch missed, in words for a control room. Decides nothing yet."""

from __future__ import annotations

from collections.abc import Sequence

from agent.model import Fix

MAX_MESSAGES = 8  # of one trail, with its head


def missed(before: Fix | None, fixes: Sequence[Fix]) -> tuple[str, ...]:
    """The messages of a trail: `before` is the last fix that dispatch has, `fixes` are what it missed, in capture order."""
    del before, fixes
    return ()


def before_press(fixes: Sequence[Fix], press_wall: float) -> tuple[str, ...]:
    """The messages about the minutes before a press; press_wall: UTC s."""
    del fixes, press_wall
    return ()


def lines(fixes: Sequence[Fix], most_messages: int) -> tuple[tuple[str, ...], int]:
    """Every fix as a dated line, in at most `most_messages` messages; and how many of the fixes (a prefix) they tell."""
    del fixes, most_messages
    return (), 0
