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
# Of a url: who asks, and what is asked.
_ASKING = re.compile(r"(?<=//)[^/?#]*@|[?#].*", re.DOTALL)
# A key that can be no code; any other, of a body in which one is typed, may be one.
_PLAIN_KEY = re.compile(r"[A-Za-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Veil:
    """What hides secrets. secrets: texts that appear nowhere. judge: what a typed code was worth; None where none is typed (answers).

    wary: a code may stand under any key, so nothing but the worth of what stands under a right one is told.
    """

    secrets: tuple[str, ...]
    judge: Judge | None = None
    wary: bool = False

    def over(self, document: Any, depth: int = 0) -> Any:
        """The same document without secrets."""
        if depth > DEEPEST:
            return GONE
        if isinstance(document, dict):
            return {self._key(key): self._value(key, value, depth + 1) for key, value in document.items()}
        if isinstance(document, list):
            return [self.over(item, depth + 1) for item in document]
        if self.wary:
            return GONE
        return self.text(document) if isinstance(document, str) else document

    def text(self, text: str) -> str:
        """The same text without tokens, keys and tracking pages."""
        for secret in self.secrets:
            text = text.replace(secret, GONE)
        return _TRACK.sub(rf"\1{GONE}", _JWT.sub(GONE, text))

    def _key(self, key: str) -> str:
        return GONE if self.wary and not _PLAIN_KEY.fullmatch(key) else self.text(key)

    def _value(self, key: str, value: Any, depth: int) -> Any:
        name = re.sub(r"[^a-z]", "", key.lower())
        if self.judge and name in _CODES:
            return self.judge(value)
        if _SECRET.search(name) and not isinstance(value, bool | None):
            return GONE
        if name == "url" and isinstance(value, str):
            value = _ASKING.sub(GONE, value)
        return self.over(value, depth)


def veiled(raw: bytes | None, veil: Veil) -> Any:
    """A body for a transcript: JSON without secrets, None without a body, else its size. raw None: longer than was listened to.

    Where a code may be typed, also the size of what is neither an object nor a list of objects: there no key tells a code.
    """
    if raw is None:
        return {"bytes": "too many"}
    if not raw:
        return None
    try:
        document = json.loads(raw)
        if veil.judge and not all(isinstance(each, dict) for each in (document if isinstance(document, list) else [document])):
            return {"bytes": len(raw)}
        document = veil.over(document)
    except (ValueError, RecursionError):
        return {"bytes": len(raw), "json": False}
    return document if len(json.dumps(document)) <= MOST_CHARS else {"bytes": len(raw)}


def worth(typed: object, right: str | None) -> str:
    """What a code was worth. right: the customer's code, None where nobody knows the callout."""
    if not isinstance(typed, str) or not typed.strip():
        return "blank"
    return "right" if typed == right else "wrong"
