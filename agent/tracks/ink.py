"""How a picture looks: its colours, dashes and marks, and the few SVG elements that it is made of.

Pure. Nothing is told by colour alone: each fate has a dash of its own on the map and a pattern of its own in the strip, and their
brightness differs, too. Must not know what is drawn with it.
"""

from __future__ import annotations

from agent.tracks.labels import Label
from agent.tracks.points import Fate
from agent.tracks.xmltext import said

FONT = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif"

LIGHT = {
    "paper": "#ffffff",
    "land": "#f4f5f2",
    "rule": "#c9ccc6",
    "text": "#1b1f23",
    "soft": "#5b626a",
    "quiet": "#7d8790",
    "live": "#0067a8",
    "told": "#e08e00",
    "untold": "#a3122f",
    "press": "#c2185b",
    "halo": "#ffffff",
}
DARK = {
    "paper": "#14171a",
    "land": "#1d2226",
    "rule": "#3c444b",
    "text": "#eceff1",
    "soft": "#a9b2ba",
    "quiet": "#8a949d",
    "live": "#58b4f0",
    "told": "#f5b942",
    "untold": "#ff7b8a",
    "press": "#ff6fa5",
    "halo": "#14171a",
}
# Line widths and dashes of the fates, px.
LINES = {Fate.QUIET: (2.6, ""), Fate.LIVE: (5.0, ""), Fate.TOLD: (5.0, "11 5"), Fate.UNTOLD: (5.5, "0.1 8.5")}


def style() -> str:
    """The style sheet of a picture, for light, dark and print. Every selector begins with `.ct`: a page may hold other things."""
    dark = "".join(_colours(DARK))
    return (
        f".ct{{font-family:{FONT};font-size:13px}}.ct path,.ct polyline{{fill:none;stroke-linejoin:round}}"
        ".ct .line{stroke-linecap:butt}.ct .untold.line{stroke-linecap:round}"
        ".ct .gap{stroke-width:2px;stroke-dasharray:2 5}.ct .thin{stroke-width:1px}"
        ".ct .words{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
        ".ct .strong{font-weight:700}.ct .middle{text-anchor:middle}.ct .late{text-anchor:end}"
        + "".join(f".ct .{fate.value}.line{{stroke-width:{width}px{_dash(dash)}}}" for fate, (width, dash) in LINES.items())
        + "".join(_colours(LIGHT))
        + f"@media screen and (prefers-color-scheme:dark){{{dark}}}"
    )


def _dash(dash: str) -> str:
    return f";stroke-dasharray:{dash}" if dash else ""


def _colours(of: dict[str, str]) -> list[str]:
    rules = [
        f".ct .paper{{fill:{of['paper']}}}.ct .land{{fill:{of['land']};stroke:{of['rule']}}}",
        f".ct text{{fill:{of['text']}}}.ct text.soft{{fill:{of['soft']}}}.ct .words{{stroke:{of['land']}}}",
        f".ct .gap,.ct .thin{{stroke:{of['soft']}}}.ct .rule{{stroke:{of['rule']}}}.ct .halo{{stroke:{of['halo']}}}",
        f".ct .scale,.ct .ring,.ct .cross,.ct .bars{{stroke:{of['text']};stroke-width:2px}}.ct .ring{{stroke:{of['live']};fill:none}}",
        f".ct .spot{{fill:{of['paper']};stroke:{of['text']};stroke-width:2px}}.ct .solid{{fill:{of['text']};stroke:{of['halo']}}}",
        f".ct .arrow{{fill:{of['text']};stroke:{of['halo']};stroke-width:1.5px}}.ct .pressed{{fill:{of['press']};stroke:{of['halo']}}}",
        f".ct text.on{{fill:{of['paper']}}}.ct .call{{fill:{of['press']}}}.ct .hatch{{stroke:{of['paper']}}}",
    ]
    fates = (f".ct .{fate.value}.line{{stroke:{of[fate.value]}}}.ct .{fate.value}.bar{{fill:{of[fate.value]}}}" for fate in Fate)
    return [*rules, *fates]


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def text(words: str, x: float, y: float, size: float, kind: str = "") -> str:
    """One line of text; x, y: of its baseline. kind: classes."""
    return f'<text class="{kind}" x="{number(x)}" y="{number(y)}" font-size="{number(size)}">{said(words)}</text>'


def line(points: list[tuple[float, float]], kind: str) -> str:
    """A line through points."""
    return f'<polyline class="{kind}" points="{" ".join(f"{number(x)},{number(y)}" for x, y in points)}"/>'


def bar(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A filled rectangle."""
    return f'<rect class="{kind}" x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"/>'


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """A circle around a point."""
    return f'<circle class="{kind}" cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"/>'


def symbol(kind: str, x: float, y: float) -> str:
    """The mark of a press, of a callout's begin or end, of a stop."""
    if kind == "press":
        return circle(x, y, 9, "pressed") + text("!", x, y + 4.5, 13, "on strong middle")
    if kind == "raised":
        return circle(x, y, 12, "ring")
    if kind == "ended":
        return f'<path class="cross" d="M{number(x - 6)} {number(y - 6)}l12 12m0 -12l-12 12"/>'
    pause = (line([(x + side, y - 3), (x + side, y + 3)], "bars") for side in (-2, 2))
    return circle(x, y, 7, "spot") + "".join(pause)


def hover(title: str, parts: list[str]) -> str:
    """Parts with a title that shows under the pointer."""
    return f"<g><title>{said(title)}</title>{''.join(parts)}</g>"


def label(placed: Label, size: float, kind: str = "") -> list[str]:
    """Placed words; the first line is the important one."""
    parts = []
    if placed.is_far:
        x = min(max(placed.from_x, placed.box.x), placed.box.right)
        y = min(max(placed.from_y, placed.box.y), placed.box.bottom)
        parts.append(line([(placed.from_x, placed.from_y), (x, y)], "thin"))
    for row, words in enumerate(placed.lines):
        parts.append(text(words, placed.x, placed.y + row * size * 1.15, size, f"words {kind}" if row == 0 else "words soft"))
    return parts


def patterns(prefix: str) -> str:
    """What is laid over the bars of the strip: slanted lines for what was told later, dots for what was not told."""
    return (
        f'<defs><pattern id="{prefix}-told" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" x1="0" y1="0" x2="0" y2="7" stroke-width="4"/></pattern>'
        f'<pattern id="{prefix}-untold" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<circle class="paper" cx="3" cy="3" r="1.8"/></pattern></defs>'
    )
