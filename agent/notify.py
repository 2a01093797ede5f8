"""What systemd is told: ready, alive, stopping, and a status line (sd_notify(3)).

Touches one datagram socket named by $NOTIFY_SOCKET; without it every call does nothing. Never raises, never blocks.
"""

from __future__ import annotations

import os
import socket


class Supervisor:
    """systemd, if it started us."""

    def __init__(self, address: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._told: str | None = None

    def ready(self) -> None:
        """The button works (Type=notify)."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """A clean end has begun."""
        self._send("STOPPING=1")

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
