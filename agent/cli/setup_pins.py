"""How a person names a GPIO line: by its number, its name, the pin of a Raspberry Pi's header, or chip and line.

Pure. Knows the 40-pin header; must not look at a chip: whether a line is there is found out by asking for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

# Physical pin -> number of the GPIO, of every Raspberry Pi with 40 pins: the header's pins that carry a GPIO.
HEADER: Mapping[int, int] = MappingProxyType(
    {3: 2, 5: 3, 7: 4, 8: 14, 10: 15, 11: 17, 12: 18, 13: 27, 15: 22, 16: 23, 18: 24, 19: 10, 21: 9, 22: 25, 23: 11, 24: 8, 26: 7}
    | {27: 0, 28: 1, 29: 5, 31: 6, 32: 12, 33: 13, 35: 19, 36: 16, 37: 26, 38: 20, 40: 21}
)
GROUND = frozenset({6, 9, 14, 20, 25, 30, 34, 39})
SUPPLY: Mapping[int, str] = MappingProxyType({1: "3.3 V", 17: "3.3 V", 2: "5 V", 4: "5 V"})
# What speaks against a line of the header.
_DOUBTS: Mapping[int, str] = MappingProxyType(
    dict.fromkeys((14, 15), "pins 8 and 10 are the serial line, which a receiver may need")
    | dict.fromkeys((2, 3), "pins 3 and 5 have a strong pull-up of their own: only a contact to ground works there")
    | dict.fromkeys((0, 1), "pins 27 and 28 belong to the memory of add-on boards: take another one")
)
_MAX_LINE = 1023  # as in the config


@dataclass(frozen=True, slots=True)
class Named:
    """What a person named. chip: None where only a line was named. name: of the line, where a kernel may know it better."""

    line: int
    chip: str | None = None
    name: str = ""


def named(text: str) -> Named:
    """Read `17`, `GPIO17`, `pin 11`, `/dev/gpiochip0:17`. Raises ValueError with words for the person."""
    words = text.strip()
    if pin := re.fullmatch(r"(?:pin|p)\s*#?\s*(\d{1,3})", words, re.IGNORECASE):
        return _of_pin(int(pin[1]))
    if gpio := re.fullmatch(r"(?:gpio|bcm)\s*_?(\d{1,4})", words, re.IGNORECASE):
        return Named(_line(gpio[1]), name=f"GPIO{int(gpio[1])}")
    if placed := re.fullmatch(r"(/.+):(\d{1,4})", words):
        return Named(_line(placed[2]), chip=placed[1])
    if placed := re.fullmatch(r"(gpiochip\d+):(\d{1,4})", words):
        return Named(_line(placed[2]), chip=f"/dev/{placed[1]}")
    if re.fullmatch(r"\d{1,4}", words):
        return Named(_line(words))
    raise ValueError(f'"{words}" names no line: type like 17, GPIO17, pin 11, or /dev/gpiochip0:17')


def _of_pin(pin: int) -> Named:
    if pin in HEADER:
        return Named(HEADER[pin], name=f"GPIO{HEADER[pin]}")
    if pin in GROUND:
        raise ValueError(f"pin {pin} is ground: it is the other wire's place; name the pin of the signal wire")
    if pin in SUPPLY:
        raise ValueError(f"pin {pin} is {SUPPLY[pin]}, no signal: never connect it to a signal wire; name the pin of the signal wire")
    raise ValueError(f"there is no pin {pin}: a header has pins 1 to 40")


def _line(digits: str) -> int:
    number = int(digits)
    if number > _MAX_LINE:
        raise ValueError(f"line {number} is more than any chip has")
    return number


def spoken(line: int, *, header: bool = True) -> str:
    """A line in a person's words, with its pin where the chip is that of a header."""
    pin = next((pin for pin, gpio in HEADER.items() if gpio == line), None) if header else None
    return f"GPIO{line} (pin {pin})" if pin is not None else f"line {line}"


def doubt(line: int) -> str:
    """What speaks against a button or a lamp on this line of a header; empty if nothing does."""
    return _DOUBTS.get(line, "")
