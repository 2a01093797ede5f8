"""Where the words of a map go, so that they hide neither each other nor the line.

Pure. The first labels get the best places; one that may be left out is, where there is no room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.tracks.frame import Box

_WIDE_PX = 0.61  # of the font size, a character of a sans serif on average, in bold
_CELL_PX = 24.0
# Unit steps around a point, best first: right of it, left, above, below, then the corners.
_AROUND = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))


@dataclass(frozen=True, slots=True)
class Label:
    """Placed words: x, y of the baseline's left end of the first line; from_x, from_y: what they belong to, px."""

    lines: tuple[str, ...]
    x: float
    y: float
    box: Box
    from_x: float
    from_y: float

    @property
    def is_far(self) -> bool:
        """Whether a thin line should say what it belongs to."""
        near_x = min(max(self.from_x, self.box.x), self.box.right)
        near_y = min(max(self.from_y, self.box.y), self.box.bottom)
        return abs(near_x - self.from_x) + abs(near_y - self.from_y) > 16


def width_px(text: str, size: float) -> float:
    """About how wide a text is."""
    return len(text) * size * _WIDE_PX


class Labels:
    """The room that is left on a map."""

    def __init__(self, box: Box, track: Iterable[tuple[float, float]]) -> None:
        """track: points of the line, px, close to each other."""
        self._box = box
        self._taken: list[Box] = []
        self._cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for x, y in track:
            self._cells.setdefault((int(x // _CELL_PX), int(y // _CELL_PX)), []).append((x, y))

    def reserve(self, box: Box) -> None:
        """Keep this ground free."""
        self._taken.append(box)

    def place(self, lines: tuple[str, ...], x: float, y: float, size: float, *, must: bool = True, away: float = 9.0) -> Label | None:
        """Find a place for words that belong to a point; None where there is none and they need not be. size: of the font, px."""
        width, height = max(width_px(line, size) for line in lines), len(lines) * size * 1.15
        best: tuple[float, Box] | None = None
        for ring, distance in enumerate((away, away + 14, away + 34, away + 60)):
            for turn, (right, down) in enumerate(_AROUND):
                box = _beside(x, y, right * distance, down * distance, width, height)
                cost = self._cost(box) + 1.5 * ring + 0.1 * turn
                if best is None or cost < best[0]:
                    best = (cost, box)
            if best is not None and best[0] < 2:
                break
        assert best is not None  # noqa: S101 - there are always places to look at
        cost, box = best
        if not must and cost >= 8:
            return None
        self._taken.append(box)
        return Label(lines, box.x, box.y + size * 0.9, box, x, y)

    def _cost(self, box: Box) -> float:
        inner = self._box
        outside = box.x < inner.x + 3 or box.right > inner.right - 3 or box.y < inner.y + 3 or box.bottom > inner.bottom - 3
        return 200.0 * outside + 40.0 * sum(box.overlaps(each) for each in self._taken) + min(30.0, 2.0 * self._hidden(box))

    def _hidden(self, box: Box) -> int:
        columns = range(int(box.x // _CELL_PX), int(box.right // _CELL_PX) + 1)
        rows = range(int(box.y // _CELL_PX), int(box.bottom // _CELL_PX) + 1)
        return sum(box.holds(*each) for column in columns for row in rows for each in self._cells.get((column, row), ()))


def _beside(x: float, y: float, right: float, down: float, width: float, height: float) -> Box:
    left = x + right if right > 0 else x + right - width if right < 0 else x - width / 2
    top = y + down if down > 0 else y + down - height if down < 0 else y - height / 2
    return Box(left, top, width, height)
