"""Cuts a stream of bytes into NMEA sentences whose checksum is present and right.

Pure: decides where a sentence begins and ends, nothing else. It must not look at what a sentence says, must not keep more than
LONGEST bytes back, and its answer must not depend on how the bytes were chunked.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor

# NMEA 0183 allows 82 characters; proprietary sentences of real receivers reach 200 and more. gpsd's own limit is of this order.
LONGEST = 512

# A sentence ends at its checksum, or is broken off by a line end, a new sentence or a byte that no sentence may hold.
_END = re.compile(rb"[*$]|[^\x20-\x7e]")
_HEX = frozenset(b"0123456789abcdefABCDEF")


def checksum(content: bytes | bytearray) -> int:
    """XOR of all bytes between `$` and `*` (NMEA 0183, section 5.3)."""
    return reduce(xor, content, 0)


class Framer:
    """Bytes in, sentences out (`$...*hh`, without line end).

    A sentence is complete with its second checksum digit: nothing waits for the line end, which some receivers leave out.
    good, bad, unchecked: sentences seen so far; bad ones were cut off, too long or failed their checksum, unchecked ones ended
    well but carry no checksum. Neither is passed on: without a checksum a flipped bit is a wrong position.
    """

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.unchecked = 0
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the sentences that these bytes complete. Never raises."""
        self._rest += data
        found: list[bytes] = []
        start = 0
        while (start := self._rest.find(b"$", start)) >= 0:
            after = self._cut(start, found)
            if after is None:
                break
            start = after
        del self._rest[: start if start >= 0 else len(self._rest)]
        return found

    def reset(self) -> None:
        """Forget a half sentence: the device was reopened."""
        self._rest.clear()

    def _cut(self, start: int, found: list[bytes]) -> int | None:
        """Judge the sentence at `start`; return where to look on, None when its end has not come yet."""
        end = _END.search(self._rest, start + 1)
        at = end.start() if end else len(self._rest)
        if at - start > LONGEST:
            self.bad += 1
            return at
        if end is None:
            return None
        if end.group() != b"*":
            self._broken_off(start, at)
            return at
        return self._check(start, at, found)

    def _check(self, start: int, star: int, found: list[bytes]) -> int | None:
        digits = bytes(self._rest[star + 1 : star + 3])
        if not all(digit in _HEX for digit in digits):
            self.bad += 1
            return star + 1
        if len(digits) < 2:
            return None
        content = self._rest[start + 1 : star]
        if content and checksum(content) == int(digits, 16):  # nothing at all has a right checksum too: 00
            self.good += 1
            found.append(bytes(self._rest[start : star + 3]))
        else:
            self.bad += 1
        return star + 3

    def _broken_off(self, start: int, at: int) -> None:
        if self._rest[at] in b"\r\n" and self._rest[start:at].count(b",") > 1:
            self.unchecked += 1
        else:
            self.bad += 1
