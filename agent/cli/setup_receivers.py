"""What receivers there are: a gpsd and its devices, ports that speak, and those that do not, each with the reason in words.

Looks through `hardware`; decides only what is offered, and that one receiver is offered once: through gpsd where gpsd has it. Must not
open a port that somebody holds.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.cli.setup_loop import on_loop
from hardware.discovery import Heard, Holder, Port, SerialLine, ask_gpsd, holders, hunt, serial_ports
from hardware.earshot import SPEEDS, Speech

GPSD = ("127.0.0.1", 2947)
_SPEAKS = {
    Speech.UNCHECKED: "it speaks NMEA without checksums at {baud} baud, and without them nothing is believed: turn them on in the receiver",
    Speech.UBX: "it speaks UBX only, at {baud} baud, not NMEA: turn NMEA on in the receiver (u-center), or let gpsd read it",
    Speech.SIRF: "it speaks SiRF binary, at {baud} baud, not NMEA: let gpsd read it, which can switch it over",
    Speech.NOISE: "bytes come, but no NMEA at any speed: this is no receiver, or its wires have no common ground",
    Speech.SILENCE: "nothing comes: no receiver is there, it has no power, or its TX is not on this port's RX",
}
# Most telling first: of a console the shell that runs on it is a holder, too.
_HELD = {
    "console": "a login console runs on it: free it with `raspi-config` (Interface, Serial Port: login shell no, port yes), and reboot",
    "gpsd": "gpsd reads it already",
    "ours": "the callout-agent daemon reads it: stop the daemon first",
    "modem": "ModemManager has it: it takes receivers for modems. `systemctl disable --now ModemManager` if there is no modem",
    "other": "another program reads it: {name} (process {pid})",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One receiver that can be used. keys: as a table of the config. said: in words."""

    keys: dict[str, Any]
    said: str


@dataclass(slots=True)
class Found:
    """offers: best first. useless: ports that cannot be used, with the reason."""

    offers: list[Offer] = field(default_factory=list)
    useless: list[tuple[str, str]] = field(default_factory=list)


async def look(
    only: Iterable[str] = (), told: Callable[[str], None] = lambda _: None, gpsd: tuple[str, int] = ("127.0.0.1", 2947)
) -> Found:
    """Everything that there is; of ports none but `only`, if there is any in it. told: hears what is being looked at."""
    found = Found()
    told("gpsd")
    behind = await _look_at_gpsd(found, *gpsd)
    for port in serial_ports(only):
        if port.node not in behind:
            told(f"{port.path}{f' ({port.product})' if port.product else ''}")
            await _look_at_port(found, port, told)
    return found


async def _look_at_gpsd(found: Found, host: str, number: int) -> frozenset[str]:
    """The nodes that gpsd reads."""
    ear = await ask_gpsd(host, number)
    if ear is None:
        return frozenset()
    devices = ear.devices or ()
    keys = {"kind": "gpsd", "host": host, "port": number}
    if devices:
        found.offers.append(Offer(keys, f"gpsd {ear.version}, which reads {', '.join(devices)}"))
    else:
        reason = "it runs, but reads no receiver: name one in /etc/default/gpsd (DEVICES=...), or let this agent read the port"
        found.useless.append((f"gpsd {ear.version}", reason))
    return frozenset(os.path.realpath(each) for each in devices)


async def _look_at_port(found: Found, port: Port, told: Callable[[str], None]) -> None:
    why = why_held(holders(port.node))
    if why is not None:
        found.useless.append((port.path, why))
        return
    try:
        heard = await speed_of(port, lambda baud: told(f"  {baud} baud"))
    except OSError as error:
        found.useless.append((port.path, of_opening(error)))
        return
    if heard.speech is Speech.NMEA and heard.baud is not None:
        keys = {"kind": "serial", "path": port.path, "baud": heard.baud}
        found.offers.append(Offer(keys, f"{port.path}: NMEA at {heard.baud} baud{f', {port.product}' if port.product else ''}"))
    else:
        found.useless.append((port.path, _SPEAKS[heard.speech].format(baud=heard.baud)))


async def speed_of(port: Port, told: Callable[[int], None] = lambda _: None) -> Heard:
    """What the port speaks, and how fast. Raises OSError."""
    return await hunt(SerialLine(port.path).listen, told, SPEEDS if port.paced else SPEEDS[:1])


def why_held(who: Sequence[Holder]) -> str | None:
    """Why a port must be left alone; None if nobody has it."""
    if not who:
        return None
    telling = min(who, key=lambda holder: list(_HELD).index(holder.kind))
    return _HELD[telling.kind].format(name=telling.name or "unknown", pid=telling.pid)


def of_opening(error: OSError) -> str:
    """Why a port cannot be opened, in words."""
    if isinstance(error, PermissionError):
        return "it may not be opened by this user: run setup with sudo"
    if error.errno in (errno.EBUSY, errno.EAGAIN):
        return "another program has it for itself"
    return f"it cannot be used: {error.strerror or error}"


def completed(tables: list[dict[str, Any]], *, automatic: bool, only: Iterable[str] = ()) -> tuple[list[dict[str, Any]], list[str]]:
    """The receivers that flags name, with what they leave to be found out; and in words what could not be.

    automatic: everything that is found comes after those that were named.
    """
    chosen, reasons = [], []
    for keys in tables:
        if keys["kind"] != "serial" or "baud" in keys:
            chosen.append(keys)
            continue
        found = on_loop(_look_at(str(keys["path"])))
        chosen += [offer.keys for offer in found.offers]
        reasons += [f"--receiver serial:{path}: {why}" for path, why in found.useless]
    if automatic:
        found = on_loop(look(only))
        chosen += [offer.keys for offer in found.offers if offer.keys not in chosen]
        if not chosen:
            seen = "; ".join(f"{path}: {why}" for path, why in found.useless) or "no serial port, no gpsd"
            reasons.append(f"--receiver auto: no receiver was found ({seen})")
    return chosen, reasons


async def _look_at(path: str) -> Found:
    found = Found()
    ports = serial_ports([path])
    if not ports:
        found.useless.append((path, "there is no such port"))
    for port in ports:
        await _look_at_port(found, port, lambda _: None)
    return found
