"""A second opinion on gpsd, from gpsd-py3: another reading of the same gpsd, that shares no line with ours.

Touches one connection, in a thread with a deadline: the library has no timeouts of its own. It polls gpsd's cache, turns a missing
position into 0/0 and repeats a fix long after the receiver fell silent, so it is an opinion and never evidence. Must not print a place.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field

from agent import aside

LIMIT_S = 7.0  # gpsd that probes its receiver answers after 5.5 s
_NULL_ISLAND_DEG = 0.001


@dataclass(frozen=True, slots=True)
class Opinion:
    """mode: as gpsd has it. place: latitude and longitude, degrees; None without a fix. trouble: why there is no opinion."""

    mode: int = 0
    used: int = 0
    seen: int = 0
    place: tuple[float, float] | None = field(default=None, repr=False)
    trouble: str = ""


async def opinion(host: str, port: int) -> Opinion:
    """Ask once. Never raises for what gpsd or the library does."""
    try:
        return await aside.run(lambda: _ask(host, port), name=f"gpsd-py3 {host}:{port}", limit_s=LIMIT_S)
    except TimeoutError:
        return Opinion(trouble=f"no answer within {LIMIT_S:.0f} s")
    except ConnectionRefusedError:
        return Opinion(trouble="nobody answers there")
    except ImportError:
        return Opinion(trouble="it is not installed")
    except Exception as error:  # noqa: BLE001 - a foreign library on foreign bytes raises whatever it likes
        return Opinion(trouble=f"it cannot read this gpsd ({type(error).__name__})")


def _ask(host: str, port: int) -> Opinion:
    """Blocks, for ever if gpsd wants it."""
    import gpsd  # noqa: PLC0415 - only here, and only when somebody asks

    logging.getLogger("gpsd").setLevel(logging.CRITICAL)
    try:
        gpsd.connect(host, port)
        told = gpsd.get_current()
    except (UserWarning, IndexError):  # what it says when gpsd has no receiver, or the receiver has told nothing yet
        return Opinion(trouble="gpsd has told of no receiver yet")
    finally:
        with contextlib.suppress(Exception):
            gpsd.gpsd_stream.close()
        with contextlib.suppress(Exception):
            gpsd.gpsd_socket.close()
    place = (float(told.lat), float(told.lon)) if told.mode >= 2 else None
    if place is not None and max(map(abs, place)) < _NULL_ISLAND_DEG:
        place = None
    return Opinion(int(told.mode), int(told.sats_valid), int(told.sats), place)
