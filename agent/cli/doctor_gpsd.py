"""A second opinion on gpsd, from gpsd-py3: another reading of the same gpsd, that shares no line with ours.

Touches one connection, in a thread with a deadline: the library has no timeouts of its own. It polls gpsd's cache, turns a missing
position into 0/0 and repeats a fix long after the receiver fell silent, so it is an opinion and never evidence. Must not print a place.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import socket
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from agent import aside

LIMIT_S = 10.0
PATIENCE_S, AGAIN_S = 6.5, 0.5  # gpsd that probes its receiver answers after 5.5 s
LONGEST = 65_536  # gpsd's own lines end far below
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
        library = _own_copy()
        # Not parted: the library keeps its descriptor for the whole process.
        asking = aside.start(lambda: _ask(library, host, port), name="gpsd-py3", parted=False)
    except (ImportError, OSError):
        return Opinion(trouble="it is not installed")
    try:
        async with asyncio.timeout(LIMIT_S):
            return await asking
    except TimeoutError:
        with contextlib.suppress(Exception):
            library.gpsd_socket.shutdown(socket.SHUT_RDWR)  # the thread that still waits reads an end, and ends
        return Opinion(trouble=f"no answer within {LIMIT_S:.0f} s")
    except ConnectionRefusedError:
        return Opinion(trouble="nobody answers there")
    except Exception as error:  # noqa: BLE001 - a foreign library on foreign bytes raises whatever it likes
        return Opinion(trouble=f"it cannot read this gpsd ({type(error).__name__})")


def _own_copy() -> Any:
    """The library for one conversation: it keeps its connection in the module, and two would mix. Raises ImportError."""
    spec = importlib.util.find_spec("gpsd")
    if spec is None or spec.loader is None:
        raise ImportError("gpsd")
    library: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    library.socket = SimpleNamespace(socket=_Bounded, AF_INET=socket.AF_INET, SOCK_STREAM=socket.SOCK_STREAM)
    return library


class _Bounded(socket.socket):
    """Whoever has gpsd's port may send a line without an end, as fast as memory fills."""

    def makefile(self, *args: Any, **options: Any) -> Any:
        """As ever; but a line ends at LONGEST characters."""
        stream: Any = super().makefile(*args, **options)
        endless = stream.readline
        stream.readline = lambda: endless(LONGEST)
        return stream


def _ask(library: Any, host: str, port: int) -> Opinion:
    """Blocks, for ever if gpsd wants it."""
    logging.getLogger("gpsd").setLevel(logging.CRITICAL)
    try:
        library.connect(host, port)
        told = _polled(library)
    finally:
        for each in (library.gpsd_stream, library.gpsd_socket):  # it never closes either
            with contextlib.suppress(Exception):
                each.close()
    if told is None:
        return Opinion(trouble="gpsd has told of no receiver yet")
    place = (float(told.lat), float(told.lon)) if told.mode >= 2 else None
    if place is not None and max(map(abs, place)) < _NULL_ISLAND_DEG:
        place = None
    return Opinion(int(told.mode), int(told.sats_valid), int(told.sats), place)


def _polled(library: Any) -> Any:
    """What gpsd has, as soon as there is a fix in it; a gpsd that was just woken has nothing yet. None: it never had anything."""
    until_at, told = time.monotonic() + PATIENCE_S, None
    while True:
        with contextlib.suppress(UserWarning, IndexError):  # no receiver, or one that has told nothing yet
            told = library.get_current()
        if time.monotonic() >= until_at or (told is not None and told.mode >= 2):
            return told
        time.sleep(AGAIN_S)
