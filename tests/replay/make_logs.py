"""Writes the generated logs of this folder, and their golden outputs: `python tests/replay/make_logs.py`, from the repository's root.

The logs imitate habits of real receivers; no receiver, and no place that anybody was at, is in them. A golden file is what `read_log`
made of its log when a person last looked it over: run this only to add a log, and read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from hardware.framing import checksum
from hardware.replay import read_log

HERE = Path(__file__).parent


def _line(content: str) -> bytes:
    return b"$%s*%02X\r\n" % (content.encode(), checksum(content.encode()))


def _at(second: float) -> tuple[str, str]:
    """Clock and place: due east along 33.9 S at 15 m/s."""
    clock = f"{int(second // 3600) % 24:02d}{int(second // 60) % 60:02d}{second % 60:05.2f}"
    return clock, f"3354.00000,S,018{25.0 + (second + 300) % 600 * 15 / 1537.0:08.5f},E"


def dateless_midnight() -> Iterator[bytes]:
    """GGA and GLL only, over midnight, talker GN."""
    for second in range(86397, 86403):
        clock, place = _at(second)
        yield _line(f"GNGGA,{clock},{place},1,09,1.1,12.0,M,33.0,M,,")
        yield _line(f"GNGLL,{place},{clock},A,A")


def dated_midnight() -> Iterator[bytes]:
    """RMC behind GGA at 2 Hz over the turn of the year; GST instead of a useful HDOP; LF only."""
    for half in range(2 * 86398, 2 * 86402):
        clock, place = _at(half / 2)
        day = "311224" if half < 2 * 86400 else "010125"
        yield _line(f"GAGGA,{clock},{place},2,09,99.99,12.0,M,33.0,M,,")[:-2] + b"\n"
        yield _line(f"GAGST,{clock},3.0,2.0,1.0,45.0,1.5,2.0,4.0")[:-2] + b"\n"
        yield _line(f"GARMC,{clock},A,{place},29.2,90.0,{day},,,D")[:-2] + b"\n"


def garage() -> Iterator[bytes]:
    """Start without time, time without fix, fix, dead reckoning in a tunnel, fix; RMC repeats the last place while void."""
    for _ in range(2):
        yield from map(_line, ["GPRMC,,V,,,,,,,,,,N", "GPGGA,,,,,,0,00,99.99,,,,,,", "GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99"])
    for second in range(36000, 36010):
        clock, place = _at(second)
        quality, status, mode = "0VN" if second < 36003 else "6AE" if 36006 <= second < 36008 else "1AA"
        yield _line(f"GPRMC,{clock},{status},{place},29.2,90.0,150624,,,{mode}")
        yield _line(f"GPGGA,{clock},{place},{quality},07,1.4,12.0,M,33.0,M,,")
        yield _line(f"GPGSA,A,{1 if status == 'V' else 3},01,02,03,04,05,06,07,,,,,,2.0,1.4,1.5")


def dirty_line() -> Iterator[bytes]:
    """Binary, cut, unchecked and damaged sentences between good ones at 5 Hz; two recordings an hour apart, the later one first."""
    for start in (50_000, 46_400):
        for fifth in range(10):
            clock, place = _at(start + fifth / 5)
            good = _line(f"GPRMC,{clock},A,{place},29.2,90.0,150624,,,A")
            yield b"\xb5\x62\x01\x07\x5c\x00$\x00\xff" if fifth % 3 == 0 else b""
            yield good[:30] if fifth == 4 else b""
            yield good.replace(b"018", b"019") if fifth == 5 else b""
            yield good.partition(b"*")[0].replace(b"018", b"020") + b"\r\n" if fifth == 6 else b""
            yield good


def simulator() -> Iterator[bytes]:
    """Quality 8 and mode S."""
    for second in range(3):
        clock, place = _at(43200 + second)
        yield _line(f"GPRMC,{clock},V,{place},29.2,90.0,150624,,,S")
        yield _line(f"GPGGA,{clock},{place},8,10,2.0,12.0,M,33.0,M,,")


def gpsd_session() -> Iterator[bytes]:
    """What gpsd says to a client: three times the first epoch, a void one, one without time, a broken line."""
    tpv = {
        "class": "TPV",
        "device": "/dev/ttyACM0",
        "mode": 3,
        "lat": -33.9,
        "altMSL": 12.0,
        "altHAE": 45.0,
        "eph": 9.5,
        "speed": 15.0,
        "track": 90.0,
    }

    def said(**more: object) -> bytes:
        return json.dumps(tpv | more).encode() + b"\r\n"

    yield b'{"class":"VERSION","release":"3.22"}\r\n'
    for mode in (2, 3, 3):
        yield said(mode=mode, lon=18.4, time="2024-06-15T10:00:00.000Z")
    yield said(mode=1, time="2024-06-15T10:00:01.000Z")
    yield said(lon=18.4001)
    yield b'{"class":"TPV","mode":3,"la\r\n'
    yield said(lon=18.4002, time="2024-06-15T10:00:03.000Z", status=8)


LOGS: tuple[Callable[[], Iterator[bytes]], ...] = (dateless_midnight, dated_midnight, garage, dirty_line, simulator, gpsd_session)


def golden(path: Path) -> str:
    """What `read_log` makes of a log, one line of JSON per epoch, without what is None."""
    reports = (asdict(report) for report in read_log(path, "r"))
    return "".join(json.dumps({key: value for key, value in each.items() if value is not None}) + "\n" for each in reports)


def main() -> None:
    """Write every log and its golden output."""
    for make in LOGS:
        path = HERE / f"{make.__name__}.log"
        header = (
            f"# Generated by tests/replay/make_logs.py of callout-agent; no receiver was involved. Licence: Apache-2.0.\n# {make.__doc__}\n"
        )
        path.write_bytes(header.encode() + b"".join(make()))
        path.with_suffix(".golden").write_text(golden(path))


if __name__ == "__main__":
    main()
