"""Bearer tokens: minted, found, expired.

Tokens look like JWTs (header, claims with `exp`, HMAC) because one client reads `exp` there; what counts is this book. It
draws its randomness itself and takes the moment as an argument. No HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token. customer_id None: a server token for the whole source. *_wall: UTC s."""

    text: str = field(repr=False)
    customer_id: int | None
    minted_wall: float
    expires_wall: float


class Tokens:
    """Every token, live or not. book: by its text, in the order of minting."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self.book: dict[str, Token] = {}

    def mint(self, customer_id: int | None, now: float, life_s: float) -> Token:
        """A new token; earlier ones stay good until they expire."""
        text = self._sign({"sub": customer_id, "iat": int(now), "exp": int(now + life_s), "jti": secrets.token_hex(8)})
        token = Token(text, customer_id, now, now + life_s)
        self.book[text] = token
        return token

    def find(self, text: str, now: float) -> Token | None:
        """The live token with this text."""
        token = self.book.get(text)
        return token if token and now < token.expires_wall else None

    def expire(self, now: float, customer_id: int | None = None) -> int:
        """Expire at once, all or those of one customer. How many were live."""
        live = [token for token in self.book.values() if token.expires_wall > now and customer_id in (None, token.customer_id)]
        for token in live:
            self.book[token.text] = replace(token, expires_wall=now)
        return len(live)

    def all(self) -> list[Token]:
        """In the order of minting."""
        return list(self.book.values())

    def _sign(self, claims: dict[str, object]) -> str:
        head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = _encode(json.dumps(claims).encode())
        mark = hmac.new(self._key, f"{head}.{body}".encode(), hashlib.sha256).digest()
        return f"{head}.{body}.{_encode(mark)}"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
