"""The doctor's steps for the way to dispatch, below HTTP: interfaces and routes, the name, a connection, the certificate.

Touches the network as any client does, and sends dispatch one HEAD of its front page. Decides which part of the way is broken, so that a
SIM without data is told from a dead modem. Must not follow a redirect, trust an unproven certificate, or show an address of this device.
"""

from __future__ import annotations

import asyncio
import email.utils
import errno
import fcntl
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from agent import aside, wording
from agent.cli.doctor_step import Machine, Scene, State, Step, skipped
from agent.line import failure_of, tls_context
from agent.rules import is_loopback

LOOK_UP_S, CONNECT_S, PROBE_S, HEAD_S = 8.0, 8.0, 5.0, 10.0
UNHEARD = frozenset({"", "no answer", os.strerror(errno.ENETUNREACH), os.strerror(errno.EHOSTUNREACH)})
OFF_S = 30.0  # beyond it a clock is named; a reply takes a while
SOON_DAYS = 14
DAY_S = 86_400.0
_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915
_UP, _LOOPBACK, _RUNNING = 0x1, 0x8, 0x40
_ROUTE_UP, _ROUTE_REJECT = 0x1, 0x200
NO_DATA = "the SIM has no data or no credit, the APN is wrong, or the uplink behind it is dead"
TRY = "put the SIM into a phone and open a web page; check credit, data bundle and APN with the operator; try another network"


@dataclass(frozen=True, slots=True)
class Way:
    """What lies between this device and dispatch. up: interfaces that have a link. out: whether a route leads out."""

    up: tuple[str, ...]
    out: bool


async def network(scene: Scene) -> tuple[Step, ...]:
    """Interface and route, then the name, then a connection; each says why the next cannot work."""
    config = scene.config
    if config is None:
        return (skipped("network"), skipped("name"), skipped("connection"))
    url = urlsplit(config.panic_api.proxy or config.panic_api.base_url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    local = is_loopback(host)
    way = await aside.run(lambda: _way(scene.machine), name="network", limit_s=LOOK_UP_S)
    (found, trouble), silence = await asyncio.gather(_look_up(host, port), _silence(scene.machine, wanted=way.out and not local))
    opened, why = await _connect(found, port) if found else (False, "")
    scene.connected = opened
    silent = silence and not opened and why in UNHEARD
    where = f"{'the proxy' if config.panic_api.proxy else 'dispatch'} at {host}:{port}"
    connection = skipped("connection", "there is no address to connect to") if not found else _connection(where, opened=opened, why=why)
    return _interface(way, local=local, silent=silent), _name(host, found, trouble), connection


def _interface(way: Way, *, local: bool, silent: bool) -> Step:
    up = ", ".join(way.up)
    if local:
        return Step("network", State.OK, "dispatch is on this machine: no network is needed")
    if not way.up:
        do = "check SIM, modem, cable or Wi-Fi: `ip -br link`, `mmcli -m any`, `nmcli device`"
        return Step("network", State.FAIL, "no interface is up", "dispatch cannot be reached", do)
    if not way.out:
        do = "check APN, PIN and registration of the modem (`mmcli -m any`), or DHCP (`ip route`)"
        return Step("network", State.FAIL, f"{up} is up, and no route leads out", "there is a link, and no connection on it", do)
    if silent:
        return Step("network", State.FAIL, f"{up} is up with a route, and nothing comes back", NO_DATA, TRY)
    return Step("network", State.OK, f"{up} is up, a route leads out")


def _name(host: str, found: list[str], trouble: str) -> Step:
    if found:
        return Step("name", State.OK, f"{host} has {len(found)} address{'es' if len(found) > 1 else ''}")
    do = "check the network first, then the name servers in /etc/resolv.conf and base_url"
    return Step("name", State.FAIL, f"{host}: {trouble}", "a raise tries the last address that worked, if there was one", do)


def _connection(where: str, *, opened: bool, why: str) -> Step:
    if opened:
        return Step("connection", State.OK, f"{where} accepts connections")
    do = "check the network first, then a firewall, base_url and [panic_api] proxy"
    return Step("connection", State.FAIL, f"{where}: {why}", "dispatch cannot be reached from here", do)


def _way(machine: Machine) -> Way:
    """Blocks."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        up = tuple(name for _, name in socket.if_nameindex() if _is_up(asker, name))
    return Way(up, any(_ways_out(machine)))


def _is_up(asker: socket.socket, name: str) -> bool:
    try:
        told = fcntl.ioctl(asker, _SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0))
    except OSError:
        return False
    flags = int(struct.unpack_from("H", told, 16)[0])
    return flags & (_UP | _RUNNING) == _UP | _RUNNING and not flags & _LOOPBACK


def _ways_out(machine: Machine) -> Iterator[bool]:
    """Default routes of both kinds that are in force."""
    for row in (machine.text("proc/net/route") or "").splitlines()[1:]:
        part = row.split()
        if len(part) > 3 and part[1] == "00000000":
            flags = int(part[3], 16)
            yield bool(flags & _ROUTE_UP) and not flags & _ROUTE_REJECT
    for row in (machine.text("proc/net/ipv6_route") or "").splitlines():
        part = row.split()
        if len(part) > 9 and set(part[0] + part[1]) == {"0"} and part[9] != "lo":
            yield not int(part[8], 16) & _ROUTE_REJECT


async def _look_up(host: str, port: int) -> tuple[list[str], str]:
    """Addresses, or why there are none. The system's own look-up takes as long as its name servers are asked."""
    try:
        async with asyncio.timeout(LOOK_UP_S):
            told = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return [], f"no name server has answered within {LOOK_UP_S:.0f} s"
    except OSError as error:
        return [], f"the name is not found ({error.strerror or 'no answer'})"
    return list(dict.fromkeys(str(each[4][0]) for each in told)), ""


async def _connect(addresses: list[str], port: int) -> tuple[bool, str]:
    """The first that accepts; else why the last one did not."""
    why = ""
    for address in addresses[:4]:
        try:
            async with asyncio.timeout(CONNECT_S / min(len(addresses), 4)):
                _, writer = await asyncio.open_connection(address, port)
        except TimeoutError:
            why = "no answer"
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
        else:
            writer.transport.abort()
            return True, ""
    return False, why


async def _silence(machine: Machine, *, wanted: bool) -> bool:
    """Whether the name servers beyond this machine are not heard from, not even with a refusal; True where there are none to ask."""
    rows = (line.split() for line in (machine.text("etc/resolv.conf") or "").splitlines())
    servers = [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver" and not is_loopback(row[1].partition("%")[0])]
    heard = await asyncio.gather(*(_is_heard(each) for each in servers[:3] if wanted))
    return wanted and not any(heard)


async def _is_heard(server: str) -> bool:
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(server, 53)
    except ConnectionRefusedError:
        return True
    except (TimeoutError, OSError):
        return False
    writer.transport.abort()
    return True


# --- the certificate ------------------------------------------------------------------------------------------------------------


async def certificate(scene: Scene) -> Step:
    """Whether dispatch's certificate is accepted here, for how long still, and what its clock says of ours."""
    config = scene.config
    if config is None:
        return skipped("certificate")
    url = urlsplit(config.panic_api.base_url)
    unseen = (
        (url.scheme != "https", "dispatch is on this machine, without TLS"),
        (config.panic_api.proxy is not None, "dispatch is behind a proxy: see the next steps"),
        (not scene.connected, "dispatch cannot be connected to: see the connection's step"),
    )
    if why := next((words for there, words in unseen if there), ""):
        return skipped("certificate", why)
    host, port = url.hostname or "", url.port or 443
    ca_file = None if config.panic_api.ca_file is None else Path(config.panic_api.ca_file)
    try:
        context = await aside.run(lambda: tls_context(ca_file=ca_file), name="authorities", limit_s=LOOK_UP_S)
    except (OSError, TimeoutError) as error:
        return skipped("certificate", f"ca_file cannot be used ({error.strerror or 'no answer'}): see the config's step")
    try:
        async with asyncio.timeout(HEAD_S):
            told, date_wall = await _shake_hands(host, port, context)
    except TimeoutError:
        return Step("certificate", State.FAIL, "no answer in time", "see the steps before", "try again")
    except OSError as error:
        return _refused(error)
    return _judged(told, date_wall)


def _refused(error: OSError) -> Step:
    failed = failure_of(error)
    if failed.cause == "tls.clock":
        means = f"by this device's clock ({datetime.now(UTC):%Y-%m-%d}) it has ended, or has not begun"
        return Step("certificate", State.FAIL, failed.text, means, "set this device's clock first; see the clock's step")
    if failed.cause == "tls":
        means = "somebody else answers in the place of dispatch (a portal, a proxy), or its authority is not known here"
        return Step("certificate", State.FAIL, failed.text, means, "sign in at the network's portal, or mend [panic_api] ca_file")
    return Step("certificate", State.FAIL, failed.text, "dispatch cannot be reached", "see the steps before")


async def _shake_hands(host: str, port: int, context: ssl.SSLContext) -> tuple[dict[str, object], float | None]:
    """Its certificate, and the Date (UTC s) of an answer to a HEAD; None without one. Raises OSError."""
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        told = writer.get_extra_info("peercert") or {}
        writer.write(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii", "replace"))
        date_wall = None
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(HEAD_S / 2):
                date_wall = await _date(reader)
        return dict(told), date_wall
    finally:
        writer.transport.abort()


async def _date(reader: asyncio.StreamReader) -> float | None:
    for _ in range(64):
        name, _, value = (await reader.readline()).decode("latin-1").partition(":")
        if name.lower() == "date":
            return email.utils.parsedate_to_datetime(value.strip()).timestamp()
        if not name.strip():
            return None
    return None


def _judged(told: dict[str, object], date_wall: float | None) -> Step:
    ends_wall = ssl.cert_time_to_seconds(str(told["notAfter"])) if "notAfter" in told else None
    days = None if ends_wall is None else (ends_wall - time.time()) / DAY_S
    seen = "it is accepted" + ("" if days is None else f" and ends in {days:.0f} days") + f"; issued by {_issuer(told)}"
    off_s = None if date_wall is None else time.time() - date_wall
    if off_s is not None and abs(off_s) > OFF_S:
        seen += f"; this device's clock is {_far(abs(off_s))} {'ahead of' if off_s > 0 else 'behind'} dispatch's"
        return Step("certificate", State.WARN, seen, "one of the two is wrong", "compare with another clock; see the clock's step")
    if days is not None and days < SOON_DAYS:
        return Step("certificate", State.WARN, seen, "if it is not renewed by then, no raise gets through", "ask AURA when it is renewed")
    return Step("certificate", State.OK, seen + ("" if off_s is None else "; the clocks agree"))


def _far(off_s: float) -> str:
    return wording.span(off_s) if off_s < 2 * DAY_S else f"{off_s / DAY_S:.0f} days"


def _issuer(told: dict[str, object]) -> str:
    rows = told.get("issuer")
    names = [pair[1] for row in rows for pair in row if pair[0] in {"organizationName", "commonName"}] if isinstance(rows, tuple) else []
    return wording.harmless(", ".join(names), 80) or "nobody named"


NETWORK = (network, certificate)
