"""Finds receivers: a gpsd that answers, serial ports, who holds them, and the speed at which one speaks NMEA.

Touches /dev, /sys and /proc to look, and opens a port only when it is told to. It must not take a port from whoever holds it: two
readers of one line get half of it each. For `setup` and `doctor`; the daemon opens what its config names.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
import termios
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import serial

from hardware.earshot import SPEEDS, Ear, GpsdEar, Speech, View

LISTEN_S = 1.6  # at each speed: a receiver of one epoch a second has spoken once, whenever we came
UNTIL_SILENT = 3  # speeds without a single byte: a line that speaks at all is noise at the wrong speed
_PATTERNS = ("ttyAMA*", "ttyS*", "ttyUSB*", "ttyACM*", "ttyTHS*", "ttymxc*", "ttyO*", "ttyAP*", "rfcomm*")
_ALIASES = ("serial/by-id/*", "serial0", "serial1", "gps*")  # best first: a name that stays with the device
_CHUNK = 4096
_GPSD_S = 2.0
_PTS, _MASTERS = "/dev/pts/", {"/dev/ptmx", "/dev/pts/ptmx"}  # who has a master plays the device
_CALLERS = ("agetty", "getty", "login")  # what runs at a console

Listen = Callable[[int, float, Callable[[bytes], bool]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Port:
    """A serial port. path: its best name; node: what that leads to. product: how a USB device calls itself."""

    path: str
    node: str
    product: str = ""
    usb: bool = False

    @property
    def paced(self) -> bool:
        """Whether its speed matters: USB devices of the modem class take any."""
        return "ttyACM" not in self.node


@dataclass(frozen=True, slots=True)
class Holder:
    """Who uses a port. pid 0: the kernel. kind: "gpsd", "ours", "modem", "console" or "other"."""

    pid: int
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What a hunt came to. baud: where it speaks, or None."""

    speech: Speech
    baud: int | None = None
    view: View | None = None


def serial_ports(only: Iterable[str] = (), *, dev: Path = Path("/dev"), sys: Path = Path("/sys")) -> list[Port]:
    """Every port, each once, under its best name; with `only` none but those, under the names given."""
    given = [Path(each) for each in only]
    names = given or [path for pattern in (*_ALIASES, *_PATTERNS) for path in sorted(dev.glob(pattern))]
    ports: dict[str, Port] = {}
    for path in names:
        node = os.path.realpath(path)
        if node not in ports and _is_port(Path(node)) and (given or _is_wired(Path(node).name, sys)):
            ports[node] = Port(str(path), node, _product(Path(node).name, sys), "USB" in node or "ACM" in node)
    return list(ports.values())


def _is_port(node: Path) -> bool:
    try:
        return stat.S_ISCHR(node.stat().st_mode)
    except OSError:
        return False


def _is_wired(name: str, sys: Path) -> bool:
    """A PC has 32 nodes ttyS and perhaps no UART: those say type 0."""
    if not name.startswith("ttyS") or not name[4:].isdigit():
        return True
    try:
        return (sys / "class" / "tty" / name / "type").read_text().strip() != "0"
    except OSError:
        return True


def _product(name: str, sys: Path) -> str:
    """What the USB device says of itself, some levels above its tty."""
    try:
        place = (sys / "class" / "tty" / name / "device").resolve(strict=True)
    except OSError:
        return ""
    for folder in (place, *place.parents[:3]):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            words = (folder / "product").read_text().strip()
            return "".join(each for each in words if each.isprintable())[:60]
    return ""


def holders(node: str, *, proc: Path = Path("/proc")) -> list[Holder]:
    """Who has it open, and whether the kernel or a login uses it as a console. Sees all processes only as root."""
    found = [Holder(0, "the kernel's console", "console")] if Path(node).name in _kernel_consoles(proc) else []
    for folder in proc.glob("[0-9]*"):
        pid = int(folder.name)
        files = list(_open_files(folder)) if pid != os.getpid() else []
        if any(_is_same(each, node) for each, _ in files) and not (node.startswith(_PTS) and any(name in _MASTERS for _, name in files)):
            name = _name_of(folder)
            found.append(Holder(pid, name, _kind(name)))
    return found


def _kernel_consoles(proc: Path) -> set[str]:
    try:
        words = (proc / "cmdline").read_text().split()
    except OSError:
        return set()
    names = [found[1] for word in words if (found := re.fullmatch(r"console=(tty[A-Za-z]+\d+|serial\d)(,.*)?", word))]
    return {Path(os.path.realpath(f"/dev/{name}")).name for name in names}


def _open_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each as the kernel's link to it, and the name that it has there."""
    with contextlib.suppress(OSError):
        for entry in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                name = str(entry.readlink())
                if name.startswith("/dev/"):
                    yield entry, name


def _is_same(link: Path, node: str) -> bool:
    """By what it is, not by its name: a container has names of its own, and terminals of its own under the same numbers."""
    try:
        one, other = link.stat(), Path(node).stat()
    except OSError:
        return False
    return one.st_rdev == other.st_rdev and (not node.startswith(_PTS) or one.st_dev == other.st_dev)


def _name_of(folder: Path) -> str:
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
        name = (folder / "comm").read_text().strip()
    except OSError:
        return ""
    ours = any(b"callout-agent" in word for word in words[:3]) or (b"agent" in words[:4] and b"run" in words)
    return "callout-agent" if ours else name


def _kind(name: str) -> str:
    if name == "callout-agent":
        return "ours"
    if name.startswith("ModemManager"):
        return "modem"
    return "gpsd" if name == "gpsd" else "console" if name in _CALLERS else "other"


class SerialLine:
    """A port that is listened to at one speed after the other."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def listen(self, baud: int, seconds: float, take: Callable[[bytes], bool]) -> None:
        """Open it at this speed and hand over what comes, until `take` says that it is enough or the time is over.

        Raises OSError where it cannot be opened, is held by someone, or goes away.
        """
        loop = asyncio.get_running_loop()
        try:
            port = serial.Serial(self.path, baud, timeout=0, exclusive=True)
        except (OSError, termios.error, ValueError) as error:  # pyserial's own errors hide what kind of OSError they were
            number = getattr(error, "errno", None)
            raise OSError(number, os.strerror(number)) if number else OSError(str(error)) from error
        done: asyncio.Future[None] = loop.create_future()
        try:
            loop.add_reader(port.fileno(), self._ready, port.fileno(), take, done)
            await asyncio.wait({done}, timeout=seconds)
            if done.done():
                done.result()
        finally:
            loop.remove_reader(port.fileno())
            with contextlib.suppress(OSError, termios.error):
                port.close()

    @staticmethod
    def _ready(fd: int, take: Callable[[bytes], bool], done: asyncio.Future[None]) -> None:
        if done.done():
            return
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            done.set_exception(error)
            return
        if not data:
            done.set_exception(OSError("it was unplugged"))
        elif take(data):
            done.set_result(None)


async def hunt(listen: Listen, told: Callable[[int], None] = lambda _: None, speeds: Sequence[int] = SPEEDS) -> Heard:
    """Listen at one speed after the other until NMEA is heard. told: hears which speed is tried.

    Raises OSError as `listen` does. What is not NMEA, but something, is told with its speed.
    """
    second: Heard | None = None
    silent = 0
    for baud in speeds:
        told(baud)
        ear = Ear()
        await listen(baud, LISTEN_S, ear.take)
        if ear.speech in (Speech.UBX, Speech.SIRF):  # some mix protocols: then sentences come, too
            await listen(baud, LISTEN_S, ear.take)
        if ear.speech is Speech.NMEA:
            return Heard(Speech.NMEA, baud, ear.view)
        if ear.speech in (Speech.UBX, Speech.SIRF, Speech.UNCHECKED):
            return Heard(ear.speech, baud)
        silent += ear.speech is Speech.SILENCE
        if silent == UNTIL_SILENT and second is None:
            return Heard(Speech.SILENCE)
        second = Heard(Speech.NOISE) if ear.speech is Speech.NOISE else second
    return second or Heard(Speech.SILENCE)


async def watch_serial(path: str, baud: int, seconds: float, seen: Callable[[View], bool]) -> Ear:
    """Listen, and show what the receiver sees with every burst, until `seen` says that it is enough. Raises OSError."""
    ear = Ear()

    def take(data: bytes) -> bool:
        ear.take(data)
        return seen(ear.view)

    await SerialLine(path).listen(baud, seconds, take)
    return ear


async def ask_gpsd(host: str = "127.0.0.1", port: int = 2947) -> GpsdEar | None:
    """What a gpsd there says of itself; None: nobody answers as gpsd does."""
    ear = GpsdEar()
    with contextlib.suppress(OSError):
        await _converse(host, port, ear, _GPSD_S, lambda: ear.devices is not None)
    return ear if ear.version else None


async def watch_gpsd(host: str, port: int, device: str | None, seconds: float, seen: Callable[[View], bool]) -> GpsdEar:
    """As `watch_serial`. Raises OSError where nobody answers."""
    ear = GpsdEar(device)
    await _converse(host, port, ear, seconds, lambda: seen(ear.view))
    return ear


async def _converse(host: str, port: int, ear: GpsdEar, seconds: float, enough: Callable[[], bool]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b'?WATCH={"enable":true,"json":true};\n')
                while data := await reader.read(_CHUNK):
                    ear.take(data)
                    if enough():
                        return
            finally:
                writer.transport.abort()
