"""A directory of power supplies as the kernel shows them: one folder each, one word a file, changed by writing the file.

Values and names are those of Documentation/ABI/testing/sysfs-class-power. What it cannot do is announce: see `announced`.
"""

from __future__ import annotations

import shutil
from pathlib import Path


class Supplies:
    """The tree at `place`, which need not exist yet."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def put(self, name: str, **files: object) -> None:
        """A supply appears, or some of its files change. capacity=12 becomes the file `capacity` that holds `12`."""
        folder = self.place / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, value in files.items():
            new = folder / f".{file}"
            new.write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())
            new.replace(folder / file)  # as a whole, like a kernel attribute: a reader never meets half a word

    def battery(self, name: str = "BAT0", *, capacity: object = 80, status: str = "Discharging", **files: object) -> None:
        """A battery of the device."""
        self.put(name, type="Battery", present=1, capacity=capacity, status=status, **files)

    def mains(self, name: str = "AC", *, online: int = 1, kind: str = "Mains") -> None:
        """A supply from outside."""
        self.put(name, type=kind, online=online)

    def take_away(self, name: str) -> None:
        """A supply is unplugged."""
        shutil.rmtree(self.place / name)


def announced(name: str, subsystem: str = "power_supply") -> bytes:
    """The kernel's datagram for a change of it."""
    path = f"/devices/platform/{name}"
    words = (f"change@{path}", "ACTION=change", f"DEVPATH={path}", f"SUBSYSTEM={subsystem}", "SEQNUM=4711")
    return b"".join(word.encode() + b"\0" for word in words)
