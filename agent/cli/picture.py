"""The picture of a map, out of whatever dispatch sent in its place: an address, a data: URI, or base64.

An address is fetched without any token of ours, over https or from this machine, bounded in size and time, no redirect followed. Only
what is a picture by its first bytes is one. Must not print: whoever asked says what it came to.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from agent.rules import is_loopback

MAX_BYTES = 8 * 1024 * 1024
FETCH_S = 15.0
DATA_URI = re.compile(r"data:[^,;]*((?:;[^,;]*)*),(.*)", re.DOTALL | re.IGNORECASE)
KINDS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"))


class PictureError(Exception):
    """No picture can be had: why, and what to do. away: it could not be fetched now, so it is worth another try."""

    def __init__(self, text: str, hint: str = "", *, away: bool = False) -> None:
        super().__init__(text)
        self.hint, self.away = hint, away


def kind(content: bytes) -> str | None:
    """`png`, `jpg`, `gif` or `webp`; None for what is no picture."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((name for start, name in KINDS if content.startswith(start)), None)


def of(image: str, *, base_url: str, ca_file: Path | None) -> bytes:
    """The picture. base_url: what an address without a host is below. ca_file: a private authority. Raises PictureError."""
    image = image.strip()
    data = DATA_URI.fullmatch(image)
    if data is not None:
        content = _decoded(data[2]) if "base64" in data[1].lower() else unquote_to_bytes(data[2])
    elif re.match(r"(?:https?:)?//|/[^/]*[.?/]", image, re.IGNORECASE) and kind(_decoded(image)) is None:
        content = _fetched(image, base_url, ca_file)
    else:
        content = _decoded(image)
    if kind(content) is None:
        raise PictureError("what dispatch sent is no picture", "callout-agent callout map shows the address of the live page")
    return content


def _decoded(text: str) -> bytes:
    """Empty for what is no base64."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _fetched(image: str, base_url: str, ca_file: Path | None) -> bytes:
    from agent.delivery import Reply  # noqa: PLC0415 - only for a picture that lies elsewhere
    from agent.line import Line, tls_context  # noqa: PLC0415 - likewise
    from agent.lookup import LookupLoop  # noqa: PLC0415 - likewise

    try:
        url = urljoin(base_url, image)
        parts = urlsplit(url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        safe = False
    if not safe:
        raise PictureError(
            "the picture lies at an address that is not https", "it is not fetched: anybody on the way could see or change it"
        )

    async def fetch() -> object:
        line = Line(tls_context(ca_file=ca_file))
        try:
            async with asyncio.timeout(FETCH_S):
                return await line.exchange("GET", url, limit_bytes=MAX_BYTES)
        finally:
            await line.aclose()

    try:
        with asyncio.Runner(loop_factory=LookupLoop) as runner:  # another loop would wait for a name look-up that hangs
            reply = runner.run(fetch())
    except TimeoutError:
        raise PictureError(f"the picture did not come within {FETCH_S:.0f} s", "try again", away=True) from None
    if not isinstance(reply, Reply):
        raise PictureError(f"the picture cannot be fetched: {getattr(reply, 'text', '')}", "try again", away=True)
    if reply.status != 200:
        raise PictureError(
            f"the picture cannot be fetched: HTTP {reply.status} from {parts.hostname}", "open the live page instead", away=True
        )
    if reply.too_large:
        raise PictureError(f"the picture is larger than {MAX_BYTES // 2**20} MiB", "open the live page instead")
    return reply.body
