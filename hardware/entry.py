"""What the keys of a keypad come to: digits are collected, enter hands them over as a safe code, clear forgets them.

Pure: time is data (`at`, monotonic s). It must not compare a code with anything, and nothing that it keeps may be seen in a repr, a
pickle or an exception. When keys may have been missed, what was typed is void until a new beginning: the rest of a code would reach
dispatch as a wrong one, and a wrong one is a call for help under duress.
"""

from __future__ import annotations

from enum import StrEnum

from agent.model import SafeCode

PAUSE_S = 10.0  # so long after the last digit an entry is forgotten
LONGEST = 16


class Key(StrEnum):
    """What a key means here."""

    D0 = "0"
    D1 = "1"
    D2 = "2"
    D3 = "3"
    D4 = "4"
    D5 = "5"
    D6 = "6"
    D7 = "7"
    D8 = "8"
    D9 = "9"
    ENTER = "enter"
    CLEAR = "clear"
    OTHER = "other"


_DIGITS = frozenset(Key) - {Key.ENTER, Key.CLEAR, Key.OTHER}


class Entry:
    """The code that is being typed. It begins anew with enter, with clear, and PAUSE_S after its last digit."""

    __slots__ = ("_last_at", "_typed", "_void")

    def __init__(self) -> None:
        self._typed = bytearray()
        self._void = False
        self._last_at = 0.0

    def take(self, key: Key, at: float) -> SafeCode | None:
        """Take a key that was pressed at `at`; return the code when this was the enter that ends one.

        An empty entry, a void one and one of more than LONGEST digits hand over nothing.
        """
        self.look(at)
        if key in _DIGITS:
            self._add(key, at)
        elif key is Key.ENTER:
            return self._end()
        elif key is Key.CLEAR:
            self._begin()
        return None

    def missed(self, at: float) -> None:
        """Keys may have been missed until `at`: what was typed, and what follows without a new beginning, is void."""
        self._wipe()
        self._void = True
        self._last_at = at

    def look(self, at: float) -> None:
        """Forget what has waited for too long."""
        if at - self._last_at >= PAUSE_S:
            self._begin()

    @property
    def ends_at(self) -> float | None:
        """When `look` will forget what was typed, monotonic s; None while nothing is kept."""
        return self._last_at + PAUSE_S if self._typed else None

    def _add(self, key: Key, at: float) -> None:
        self._last_at = at
        if self._void:
            return
        if len(self._typed) == LONGEST:
            self.missed(at)
            return
        self._typed += key.value.encode()

    def _end(self) -> SafeCode | None:
        # A digit is one byte, so that the text is the bytes.
        code = SafeCode(self._typed.decode()) if self._typed else None
        self._begin()
        return code

    def _begin(self) -> None:
        self._wipe()
        self._void = False

    def _wipe(self) -> None:
        """Overwrite, then empty: what is left in the buffer's memory is zeros."""
        self._typed[:] = bytes(len(self._typed))
        self._typed.clear()

    def __repr__(self) -> str:
        return "Entry(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a half-typed code is never stored")
