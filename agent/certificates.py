"""How long a certificate is valid, read from its bytes.

Pure. Reads X.509's outermost fields and no more; whether a certificate is to be trusted is decided by TLS alone. Raises nothing: what
cannot be read has no validity. A certificate that ends unnoticed is a device that raises nothing one morning.
"""

from __future__ import annotations

import base64
import re
from binascii import Error
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

SOON_S: Final = 14 * 86_400.0
SOON_PART: Final = 1 / 3  # of its whole life, for one that is renewed every few days
PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
SEQUENCE, INTEGER, VERSION, UTC_TIME, GENERALIZED_TIME = 0x30, 0x02, 0xA0, 0x17, 0x18


@dataclass(frozen=True, slots=True)
class Validity:
    """UTC s."""

    begins_wall: float
    ends_wall: float

    def ends_soon(self, wall: float) -> bool:
        """Whether it is time to care."""
        return self.ends_wall - wall < min(SOON_S, SOON_PART * (self.ends_wall - self.begins_wall))


def of_pem(text: str) -> Validity | None:
    """Of the first certificate of a file, which is the one that is shown to others."""
    found = PEM.search(text)
    if found is None:
        return None
    try:
        return of_der(base64.b64decode("".join(found[1].split()), validate=True))
    except Error:
        return None


def of_der(der: bytes) -> Validity | None:
    """Of one certificate."""
    try:
        tag, at, _ = _open(der, 0)
        inner, at, _ = _open(der, at)
        if (tag, inner) != (SEQUENCE, SEQUENCE):
            return None
        if der[at] == VERSION:
            at = _open(der, at)[2]
        for wanted in (INTEGER, SEQUENCE, SEQUENCE):  # serial number, algorithm, issuer
            tag, _, end = _open(der, at)
            if tag != wanted:
                return None
            at = end
        _, at, _ = _open(der, at)
        begins, after = _moment(der, at)
        return Validity(begins, _moment(der, after)[0])
    except (IndexError, ValueError, OverflowError):
        return None


def _open(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, and where the content begins and ends. Raises IndexError or ValueError for what is no DER."""
    tag, length, at = der[at], der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(der[at : at + count], "big"), at + count
    if at + length > len(der):
        raise ValueError("cut short")
    return tag, at, at + length


def _moment(der: bytes, at: int) -> tuple[float, int]:
    """UTC s, and where the next one begins. Raises IndexError or ValueError."""
    tag, begin, end = _open(der, at)
    text = der[begin:end].decode("ascii")
    if tag == UTC_TIME:
        text = ("20" if int(text[:2]) < 50 else "19") + text  # RFC 5280, 4.1.2.5.1
    elif tag != GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp(), end
