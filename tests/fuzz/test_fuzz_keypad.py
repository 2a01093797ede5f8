"""A keypad is whatever was plugged in under its name: it may send any records, at any times, in any pieces.

A code that is handed over is what was typed, no more and no less, because a wrong one is a call for help under duress (law 5).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from agent.model import SafeCode
from hardware.entry import LONGEST, PAUSE_S, Entry, Key
from hardware.input_device import EV_KEY, EV_SYN, READ_AT_ONCE, RECORD, SYN_DROPPED, SYN_REPORT, Input, inputs
from hardware.keypad import KEYS, _Reading
from tests.fuzz.limits import GROWTH_BYTES, grown, tries
from tests.fuzz.mutations import damaged, seeded

CODES = {key: code for code, key in KEYS.items()}
NOW_AT = 10_000.0
LIMIT_S = 10.0


def record(code: int, value: int = 1, *, kind: int = EV_KEY, at: float = NOW_AT) -> bytes:
    """An event as the kernel writes it."""
    return RECORD.pack(int(at), int(at % 1 * 1e6), kind, code, value)


def typed(text: str) -> bytes:
    """Digits, `E` for enter: each key pressed and released."""
    keys = [CODES[Key.ENTER if each == "E" else Key(each)] for each in text]
    return b"".join(record(code) + record(code, 0) + record(SYN_REPORT, 0, kind=EV_SYN) for code in keys)


HONEST = [typed("0042E"), typed("1234567890123456E"), typed("E"), record(SYN_DROPPED, 0, kind=EV_SYN) + typed("42E")]
KINDS = st.sampled_from([EV_KEY, EV_KEY, EV_SYN, 2, 4, 0x1F, 0xFFFF])
CODED = st.sampled_from([*KEYS, 30, 0x110, 0, 0x2FF, 0xFFFF])
TIMES = st.sampled_from([NOW_AT, NOW_AT - PAUSE_S, NOW_AT + 1, 0.0, 4e9, NOW_AT - 0.5])
RECORDS = st.lists(
    st.builds(
        lambda code, value, kind, at: record(code, value, kind=kind, at=at),
        *(CODED, st.sampled_from([1, 1, 1, 0, 2, -1, 2**31 - 1]), KINDS, TIMES),
    ),
    max_size=70,
).map(b"".join)


def expected(events: Sequence[Input]) -> tuple[list[str], int]:
    """The codes, and the ticks, said as plainly as possible."""
    codes, ticks = [], 0
    held: str | None = ""  # None: void
    last_at = 0.0
    for each in events:
        lost = each.type == EV_SYN and each.code == SYN_DROPPED
        if lost:
            held, last_at = None, each.at
        if each.type != EV_KEY or each.value != 1:
            continue
        ticks += 1
        if each.at - last_at >= PAUSE_S:
            held = ""
        key = KEYS.get(each.code, Key.OTHER)
        if key.value.isdigit():
            held, last_at = (None if held is None or len(held) == LONGEST else held + key.value), each.at
        elif key is Key.ENTER:
            codes += [held] if held else []
            held = ""
        elif key is Key.CLEAR:
            held = ""
    return codes, ticks


class Pipe:
    """An open device whose events come through a pipe of records; hangs up like one that was pulled."""

    played = True

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)  # noqa: FBT003 - as sockets say it

    def fileno(self) -> int:
        return self._ours.fileno()

    async def ioctl(self, request: int, given: bytes) -> bytes:
        raise OSError

    def read(self) -> bytes:
        data = os.read(self._ours.fileno(), READ_AT_ONCE)
        if not data:
            raise OSError("pulled")
        return data

    def close(self) -> None:
        self._ours.close()
        self.theirs.close()


def handed_over(data: bytes) -> tuple[list[str], int, Entry]:
    """What the reading end of the keypad makes of these bytes, read as the kernel gives them: whole records, a few at a time."""

    async def run() -> tuple[list[str], int, Entry]:
        device, entry = Pipe(), Entry()
        codes: list[SafeCode] = []
        ticks = [0]

        def tick() -> None:
            ticks[0] += 1

        reading = _Reading(device, entry, lambda: NOW_AT, codes.append, tick)
        try:
            async with asyncio.timeout(LIMIT_S):
                for at in range(0, len(data), READ_AT_ONCE):
                    await asyncio.get_running_loop().sock_sendall(device.theirs, data[at : at + READ_AT_ONCE])
                device.theirs.close()
                await reading.gone
        finally:
            reading.close()
            device.close()
        return [each.typed() for each in codes], ticks[0], entry

    return asyncio.run(run())


@tries(200)
@given(RECORDS | damaged(HONEST) | st.binary(max_size=300))
@example(typed("1" * 17 + "E"))
@example(record(SYN_DROPPED, 0, kind=EV_SYN, at=0.0) + typed("42E"))
def test_no_events_hand_over_what_was_not_typed(data: bytes):
    """Ticks and codes as the plain model has them; a code is 1 to 16 digits."""
    codes, ticks, entry = handed_over(data)
    assert (codes, ticks) == expected(list(inputs(data)))
    assert all(1 <= len(code) <= LONGEST and code.isdigit() for code in codes)
    assert repr(entry) == "Entry(***)"


def test_keys_by_the_hundred_thousand_fill_no_memory():
    """A key that is held down by a thing in the glovebox."""
    chance = seeded(12)
    entry = Entry()
    keys = list(Key)

    def feed(number: int) -> None:
        entry.take(chance.choice(keys), number * chance.choice((0.01, 1.0)))
        if not number % 7:
            entry.missed(float(number))

    assert grown(feed, 20_000) < GROWTH_BYTES
    assert len(entry._typed) <= LONGEST
