"""systemd's side of a supervised daemon, and daemons with a defect: what a test needs to see who feeds the watchdog, and who does not.

A defect is put into the process before it begins, by a few lines of Python in front of the command: the daemon itself is the real one.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from stage import Stage

BEGIN = "import asyncio, os, sys, time\n"
END = "\nfrom agent.cli import main\nsys.exit(main())\n"


def spoil(stage: Stage, defect: str) -> None:
    """From the next start on the daemon begins with these lines; commands do not."""
    plain = type(stage).command_line

    def command_line(*words: str) -> tuple[str, ...]:
        if words[:1] != ("run",):
            return plain(stage, *words)
        return (sys.executable, "-c", BEGIN + defect + END, *words, "--config", str(stage.config))

    stage.command_line = command_line  # type: ignore[method-assign]


def mend(stage: Stage) -> None:
    """From the next start on the daemon is sound."""
    del stage.command_line  # type: ignore[method-assign]


def log_of(stage: Stage) -> str:
    """Everything that the daemon has said so far."""
    return (stage.folder / "agent.log").read_text()


class Notified:
    """A notify socket that remembers what it was told, and when. fed: monotonic s of each WATCHDOG=1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fed: list[float] = []
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def lines(self, name: str) -> list[str]:
        """The values that were told under this name."""
        return [line.removeprefix(f"{name}=") for message in self.told for line in message.splitlines() if line.startswith(f"{name}=")]

    def longest_s(self, since: float) -> float:
        """The longest time without a feed from then until now."""
        times = [since, *(at for at in self.fed if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def listen(self) -> None:
        self._socket.bind(str(self.path))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while message := self._socket.recv(8192):
                if message == b"WATCHDOG=1":
                    self.fed.append(time.monotonic())
                else:
                    self.told.append(message.decode())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextlib.contextmanager
def supervised(stage: Stage, limit_s: float = 20.0) -> Iterator[Notified]:
    """The next daemons of this stage are started as systemd does, with WatchdogSec=limit_s."""
    notified = Notified(stage.folder / "notify")
    notified.listen()
    stage.env |= {"NOTIFY_SOCKET": str(notified.path), "WATCHDOG_USEC": f"{limit_s * 1e6:.0f}"}
    os.environ.pop("WATCHDOG_PID", None)
    try:
        yield notified
    finally:
        notified.close()
