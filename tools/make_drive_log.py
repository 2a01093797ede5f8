"""Makes the receiver log that the demo plays: a made-up drive in Cape Town, as a u-blox receiver would tell it at 1 Hz.

Usage: python tools/make_drive_log.py > agent/cli/drive.nmea. Same output every time. No real person drove there.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass

START_S = 9 * 3600 + 14 * 60  # 09:14:00 UTC
DATE = "020326"
M_PER_DEG = 111_195.0

# Turn by turn: seconds, target speed (m/s), turn over the leg (degrees).
LEGS = (
    (15, 0.0, 0.0),
    (40, 13.0, 0.0),
    (12, 6.0, 90.0),
    (45, 15.0, -8.0),
    (10, 0.0, 0.0),
    (20, 0.0, 0.0),
    (35, 12.0, 5.0),
    (10, 5.0, -88.0),
    (60, 22.0, -12.0),
    (30, 24.0, 30.0),
    (12, 7.0, 75.0),
    (40, 14.0, 0.0),
    (10, 5.0, 92.0),
    (45, 11.0, 6.0),
    (16, 0.0, 0.0),
)


@dataclass
class Car:
    """Where it is (degrees), how fast (m/s) and which way (degrees from north)."""

    latitude: float = -33.924_87
    longitude: float = 18.424_06
    speed: float = 0.0
    track: float = 118.0

    def drive(self, target: float, turn: float) -> None:
        """One second."""
        self.speed += max(-3.0, min(2.0, target - self.speed))
        self.track = (self.track + turn) % 360.0
        self.latitude += self.speed * math.cos(math.radians(self.track)) / M_PER_DEG
        self.longitude += self.speed * math.sin(math.radians(self.track)) / (M_PER_DEG * math.cos(math.radians(self.latitude)))


def sentences() -> Iterator[str]:
    """One epoch a second: RMC, VTG, GGA, GSA, GST, as a u-blox 8 orders them."""
    dice, car, second = random.Random(4711), Car(), START_S  # noqa: S311 - wander of a made-up car
    for seconds, target, turn in LEGS:
        for _ in range(seconds):
            car.drive(target, turn / seconds)
            yield from epoch(car, second, dice)
            second += 1


def epoch(car: Car, second: int, dice: random.Random) -> Iterator[str]:
    """What the receiver says of this second: the truth and half a metre of wander."""
    clock = f"{second // 3600:02d}{second % 3600 // 60:02d}{second % 60:02d}.00"
    latitude = car.latitude + dice.gauss(0, 0.5) / M_PER_DEG
    longitude = car.longitude + dice.gauss(0, 0.5) / M_PER_DEG
    place = f"{degrees(latitude, 2, 'NS')},{degrees(longitude, 3, 'EW')}"
    knots, track = car.speed * 3600 / 1852, "" if car.speed < 0.5 else f"{car.track:.2f}"
    used, hdop = dice.choice((9, 10, 11, 12)), dice.choice((0.84, 0.91, 0.97, 1.05))
    yield sentence(f"GNRMC,{clock},A,{place},{knots:.3f},{track},{DATE},,,A")
    yield sentence(f"GNVTG,{track},T,,M,{knots:.3f},N,{knots * 1.852:.3f},K,A")
    yield sentence(f"GNGGA,{clock},{place},1,{used:02d},{hdop:.2f},{42 + dice.gauss(0, 0.4):.1f},M,30.9,M,,")
    yield sentence(f"GNGSA,A,3,05,07,13,14,15,20,24,28,30,,,,1.72,{hdop:.2f},1.45")
    yield sentence(f"GNGST,{clock},28,,,,{1.6 * hdop:.1f},{1.9 * hdop:.1f},3.4")


def degrees(value: float, width: int, signs: str) -> str:
    """`ddmm.mmmmm,N`."""
    whole = int(abs(value))
    return f"{whole:0{width}d}{(abs(value) - whole) * 60:08.5f},{signs[value < 0]}"


def sentence(body: str) -> str:
    """With its checksum."""
    total = 0
    for byte in body.encode():
        total ^= byte
    return f"${body}*{total:02X}"


if __name__ == "__main__":
    sys.stdout.write("# Provenance: made by tools/make_drive_log.py, a drive that no one drove; 1 Hz, RMC VTG GGA GSA GST.\n")
    for line in sentences():
        sys.stdout.write(line + "\n")
