"""How answers of dispatch look on a terminal: columns, an indented document, and no character that could drive the terminal.

Whatever comes from dispatch or a wearer may hold escapes. Must not shorten or reword what was said, and must not print anything itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

STRANGE = "\N{REPLACEMENT CHARACTER}"
MAX_DEPTH = 12  # a report that is nested deeper is shown as JSON has it


def plain(text: object) -> str:
    """One line of printable characters; an empty text for None. Line breaks become blanks, everything else that is unseen is marked."""
    words = "" if text is None else str(text)
    return "".join(each if each.isprintable() else " " if each in "\n\r\t" else STRANGE for each in words)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as they must be; the last one is not padded."""
    lines = [list(head), *([plain(cell) or "-" for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def pairs(facts: Sequence[tuple[str, object]]) -> str:
    """`name  value` a line; what is unknown is left out."""
    known = [(name, plain(value)) for name, value in facts if value is not None]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in known)


def tree(document: object) -> str:
    """Any JSON document as indented keys."""
    return "\n".join(_tree(document, 0)) or "(empty)"


def _tree(document: object, depth: int) -> Iterator[str]:
    margin = "  " * depth
    if isinstance(document, dict) and depth < MAX_DEPTH:
        for key, value in document.items():
            yield from _entry(f"{margin}{plain(key)}:", value, depth)
    elif isinstance(document, list) and depth < MAX_DEPTH:
        for value in document:
            yield from _entry(f"{margin}-", value, depth)
    else:
        yield f"{margin}{_leaf(document)}"


def _entry(name: str, value: object, depth: int) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield name
        yield from _tree(value, depth + 1)
    else:
        yield f"{name} {_leaf(value)}"


def _leaf(value: Any) -> str:
    if value is None or value in ({}, []):
        return "-"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else plain(value)
