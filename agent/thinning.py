"""Which fixes of a track are enough to draw it."""

from __future__ import annotations

from collections.abc import Sequence

from agent.model import Fix


def thin(fixes: Sequence[Fix], scale: float = 1.0) -> tuple[int, ...]:
    """Indices of the fixes that are kept. Nothing is thinned yet."""
    del scale
    return tuple(range(len(fixes)))
