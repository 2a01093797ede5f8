"""What systemd is told: ready, alive, stopping, and a status line (sd_notify(3)).

Touches one datagram socket named by $NOTIFY_SOCKET; without it every call does nothing. Never raises, never blocks. Whether the daemon is
alive it does not judge: whoever calls `alive` does.
"""

from __future__ import annotations

import os
import socket
from typing import Final

BEATS_PER_LIMIT: Final = 3  # one that is lost, or late on a busy machine, must not end the process


class Supervisor:
    """systemd, if it started us."""

    def __init__(self, address: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._told: str | None = None
        self.limit_s = _limit_s()

    def starting(self, within_s: float) -> None:
        """The button is felt; all else may take so long."""
        self._send(f"EXTEND_TIMEOUT_USEC={within_s * 1e6:.0f}\nSTATUS=buttons are felt; the rest is starting")

    def waiting(self, within_s: float, line: str) -> None:
        """Nothing can be started for now, and the start may take so long; in words why."""
        self._send(f"EXTEND_TIMEOUT_USEC={within_s * 1e6:.0f}\nSTATUS={line}")

    def ready(self) -> None:
        """A press is sent (Type=notify)."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog; within every `limit_s`."""
        self._send("WATCHDOG=1")

    def stopping(self, within_s: float) -> None:
        """A clean end has begun, and may take so long."""
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={within_s * 1e6:.0f}")

    def status(self, line: str) -> None:
        """One line for `systemctl status`; repeated lines are not sent again."""
        if line != self._told:
            self._told = line
            self._send("STATUS=" + line.replace("\n", " "))

    def _send(self, message: str) -> None:
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
                sock.sendto(message.encode(), name)
        except OSError:  # systemd went away or its buffer is full: nothing here may depend on being heard
            return


def _limit_s() -> float | None:
    """Seconds after which systemd ends a process that it has not heard of; None: it waits for ever. See sd_watchdog_enabled(3)."""
    limit_us = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(limit_us) / 1e6 if ours and limit_us.isascii() and limit_us.isdigit() and int(limit_us) else None
