"""What a transcript may hold of a body: secrets go, codes become what they were worth.

Pure. Decides by the name of a key and by the look of a text, because bodies come from anyone. It never lets raw text through that
is not JSON: a code may stand in it where no key tells. Positions stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Judge = Callable[[object], str]

GONE = "(left out)"
# Longer than any document that a person would read in a transcript; what is longer is told by its size.
MOST_CHARS = 8_192
DEEPEST = 24

_CODES = {"safecode", "code", "pin", "duresscode"}
_SECRET = re.compile(r"token|secret|password|authori[sz]ation|mobile|headers|apikey|trackkey|^key$|codes?$|^pin$|^typed$")
# Begins where a run of such letters begins, and gives none of them back: linear, whatever somebody sends.
_JWT = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+")
_TRACK = re.compile(r"(/track/)[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Veil:
    """What hides secrets. secrets: texts that appear nowhere. judge: what a typed code was worth; None where none is typed (answers)."""

    secrets: tuple[str, ...]
    judge: Judge | None = None

    def over(self, document: Any, depth: int = 0) -> Any:
        """The same document without secrets."""
        if depth > DEEPEST:
            return GONE
        if isinstance(document, dict):
            return {self.text(key): self._value(key, value, depth + 1) for key, value in document.items()}
        if isinstance(document, list):
            return [self.over(item, depth + 1) for item in document]
        return self.text(document) if isinstance(document, str) else document

    def text(self, text: str) -> str:
        """The same text without tokens, keys and tracking pages."""
        for secret in self.secrets:
            text = text.replace(secret, GONE)
        return _TRACK.sub(rf"\1{GONE}", _JWT.sub(GONE, text))

    def _value(self, key: str, value: Any, depth: int) -> Any:
        name = re.sub(r"[^a-z]", "", key.lower())
        if self.judge and name in _CODES:
            return self.judge(value)
        if _SECRET.search(name) and not isinstance(value, bool | None):
            return GONE
        return self.over(value, depth)


def veiled(raw: bytes | None, veil: Veil) -> Any:
    """A body for a transcript: JSON without secrets, None without a body, else its size. raw None: longer than was listened to."""
    if raw is None:
        return {"bytes": "too many"}
    if not raw:
        return None
    try:
        document = veil.over(json.loads(raw))
    except (ValueError, RecursionError):
        return {"bytes": len(raw), "json": False}
    return document if len(json.dumps(document)) <= MOST_CHARS else {"bytes": len(raw)}


def worth(typed: object, right: str | None) -> str:
    """What a code was worth. right: the customer's code, None where nobody knows the callout."""
    if not isinstance(typed, str) or not typed.strip():
        return "blank"
    return "right" if typed == right else "wrong"
