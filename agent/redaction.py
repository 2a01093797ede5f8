"""What may leave the device in a text: values that cannot be printed, and the cleaning of texts that others wrote.

Pure. Where we write a document ourselves, what is secret or a place is replaced by a `Withheld`, whose text is its kind and nothing else.
Foreign texts (a journal, what a program printed) are searched for the very values that are known to be secret, then for what looks like
one. It rather takes too much than too little, and must never put back, shorten or keep what it took.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

SHORTEST = 4  # a known value that is shorter would turn up in anything


@dataclass(frozen=True, slots=True)
class Withheld:
    """In the place of a value. what: its kind, for a person. The value itself is not in here."""

    what: str

    def __str__(self) -> str:
        return f"(withheld:{self.what})"  # without a blank: a URL that holds it is a URL still


PLACE, SECRET, PERSONAL, KNOWN = Withheld("place"), Withheld("secret"), Withheld("personal"), Withheld("value")

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_LINES: tuple[tuple[re.Pattern[str], str], ...] = (
    # --- secrets
    (re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), str(SECRET)),
    (re.compile(r"\b(\w+://)[^\s/\"']+@"), rf"\1{SECRET}@"),
    (re.compile(r"\b(\w+://[^\s?\"'<>]{1,500})\?[^\s\"'<>]+"), rf"\1?{SECRET}"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {SECRET}"),
    (re.compile(r"(\bauthorization\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\r\n\"']+", re.IGNORECASE), rf"\1{SECRET}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,2}"), str(SECRET)),
    (
        re.compile(
            r"\b((?:\w+[_-])?(?:token|secret|password|passwd|passphrase|api[_-]?key|device[_-]?key|psk|cookie)\\?[\"']?\s*(?:=|:)\s*\\?[\"']?)"
            r"(?=[^\s\"',;}]*\d)[^\s\"',;}]{6,}",
            re.IGNORECASE,
        ),
        rf"\1{SECRET}",
    ),
    (re.compile(r"\b((?:password|passwd|passphrase|secret)\\?[\"']?\s*=\s*\\?[\"']?)[^\s\"',;}]+", re.IGNORECASE), rf"\1{SECRET}"),
    (re.compile(r"\b((?:safe|cancel)[ _-]?code\\?[\"']?\s*[:=]?\s*\\?[\"']?)[^\s\"',;}]{1,16}", re.IGNORECASE), rf"\1{SECRET}"),
    (re.compile(r"\b(code\\?[\"']?\s*[:=]?\s*\\?[\"']?)\d{4,16}\b", re.IGNORECASE), rf"\1{SECRET}"),
    (re.compile(r"(?<![/\w-])(?=[\w+=-]{0,200}\d)(?=[\w+=-]{0,200}[A-Z])(?=[\w+=-]{0,200}[a-z])[\w+=-]{40,}"), str(SECRET)),
    (re.compile(r"\b(?=[A-Za-z0-9]*\d)(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{24,}\b"), str(SECRET)),
    # --- places
    (re.compile(r"(?:[$!](?i:[A-Z][A-Z0-9]{3,7})|\bG[ABILNPQ][A-Z]{3}),[^\r\n\"]*"), str(Withheld("sentence"))),
    (re.compile(r"\bgeo:[^\s\"']+", re.IGNORECASE), str(PLACE)),
    (
        re.compile(rf"\b((?:lat|latitude|lon|lng|long|longitude)(?:_deg)?\\?[\"']?\s*[:= ]\s*\\?[\"']?){_NUMBER}", re.IGNORECASE),
        rf"\1{PLACE}",
    ),
    (re.compile(r"\b\d{3,5}\.\d+,[NSEW]\b"), str(PLACE)),
    (re.compile(r"\d{1,3}\s*°\s*\d{1,2}(?:\.\d+)?\s*['\u2032](?:\s*\d{1,2}(?:\.\d+)?\s*[\"\u2033])?\s*[NSEW]?"), str(PLACE)),
    (re.compile(r"(?<![\d.:])[-+]?\d{1,3}(?:\.\d+)?\s*°\s*[NSEW]"), str(PLACE)),
    (re.compile(r"(?<![\w.:])[-+]?\d{1,3}\.\d{2,}[ \t]*[NSEW]\b"), str(PLACE)),
    (re.compile(r"(?<![\w.:])[-+]?\d{1,3}\.\d{2,}(?:[ \t]*[,;/][ \t]*|[ \t]+)[-+]?\d{1,3}\.\d{2,}(?!\.?\d)"), str(PLACE)),
    (re.compile(r"(?<![\w.:])[-+]?\d{1,3}\.\d{4,}(?!\d*\.\d)"), str(PLACE)),
    # --- who
    (re.compile(r"(\bcustomer(?:s|_?id)?\\?[\"']?\s*[/:= ]\s*\\?[\"']?)\d+", re.IGNORECASE), rf"\1{PERSONAL}"),
    (re.compile(r"(?<![\w.+])\+\d[\d ()-]{7,}\d"), str(PERSONAL)),
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), str(PERSONAL)),
)


def clean(text: str, known: Iterable[str] = ()) -> str:
    """The text without what may not leave. known: values that are secret, in whatever form a document may hold them."""
    for value in sorted(set(known), key=len, reverse=True):  # a longer one may hold a shorter one
        for form in _forms(value):
            text = text.replace(form, str(KNOWN))
    for pattern, instead in _LINES:
        text = pattern.sub(instead, text)
    return text


def _forms(value: str) -> tuple[str, ...]:
    """As it is, as JSON has it, as a URL has it."""
    forms = (value, json.dumps(value)[1:-1], quote(value, safe=""), quote(value))
    return tuple(dict.fromkeys(form for form in forms if len(form) >= SHORTEST))


def numbers(value: float) -> tuple[str, ...]:
    """The forms in which a coordinate may turn up: with at least 3 decimals, each way of rounding."""
    texts = (f"{abs(value):.{digits}f}" for digits in range(3, 9))
    cut = (str(abs(value))[: len(str(int(abs(value)))) + 1 + digits] for digits in range(3, 9))
    return tuple(dict.fromkeys((*texts, *cut, repr(abs(value)))))


def where(url: str) -> str:
    """Scheme, host and port of a URL, and whether a path follows: paths name tenants, users and keys name themselves."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "(no URL)"
    if not parts.scheme or not parts.hostname:
        return "(no URL)"
    return f"{parts.scheme}://{parts.hostname}{port}" + ("/..." if parts.path.strip("/") else "")
