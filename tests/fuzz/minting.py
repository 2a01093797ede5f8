"""Tokens without a service to ask, and a TLS context that nothing here uses."""

from __future__ import annotations

import ssl
import time

from agent.model import Secret
from agent.wire import Token

SECRET = "a-secret-token-value"
TLS = ssl.create_default_context()  # 20 ms each; nothing here speaks TLS


class Minted:
    """A source of ever new tokens that costs nothing."""

    local = True

    def __init__(self) -> None:
        self._count = 0

    async def fetch(self) -> Token:
        self._count += 1
        return Token(Secret(f"{SECRET}-{self._count}"), time.monotonic(), 3_600.0)
