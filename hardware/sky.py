"""Whether a receiver hears any satellite: what tells an antenna that is off from a sky that is narrow.

Pure: time is data (`at`, monotonic s). Takes GSV sentences and gpsd's SKY. It must not count satellites for anybody's accuracy, and it
says nothing where the receiver says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LATELY_S = 12.0  # some receivers tell their satellites every 5 s, and one constellation after the other
_HEADER = re.compile(rb"\$(?!P)[A-Z][A-Z0-9]GSV,")
_FIRST, _EACH, _SIGNAL = 4, 4, 3  # of a GSV: header and three counts, then four fields a satellite, the last one its signal in dB-Hz


class Sky:
    """What one receiver hears, by its own word."""

    def __init__(self) -> None:
        self._told_at = float("-inf")
        self._heard_at = float("-inf")

    def sentence(self, line: bytes, at: float) -> None:
        """Take a framed sentence (`$...*hh`) of any kind. Never raises."""
        if _HEADER.match(line) is None:
            return
        fields = line[: line.rindex(b"*")].split(b",")
        self.told([_decibels(each) for each in fields[_FIRST + _SIGNAL :: _EACH]], at)

    def told(self, signals: Sequence[float | None], at: float) -> None:
        """The signals (dB-Hz) of all satellites that it names, or of some of them. None: tracked, and not heard."""
        self._told_at = at
        if any(signal is not None and signal > 0 for signal in signals):
            self._heard_at = at

    def hears(self, at: float) -> bool | None:
        """Whether any satellite was heard lately; None: the receiver tells nothing of satellites."""
        if at - self._told_at > _LATELY_S:
            return None
        return at - self._heard_at <= _LATELY_S


def _decibels(field: bytes) -> float | None:
    return float(field) if field.isdigit() else None
