"""What systemd is told, on a socket of the test's own; without one, and with a broken one, nothing happens."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from agent.notify import Supervisor


@pytest.fixture
def systemd(tmp_path: Path):
    """A notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(2.0)
        yield listening


def test_each_word_is_one_datagram_in_systemds_language(systemd: socket.socket):
    """sd_notify(3): a start that may take its time, ready, alive, an end that may take its time."""
    supervisor = Supervisor(str(systemd.getsockname()))
    for say in (lambda: supervisor.starting(90.0), supervisor.ready, supervisor.alive, lambda: supervisor.stopping(10.0)):
        say()
    told = [systemd.recv(4096).decode() for _ in range(4)]
    assert told[0].startswith("EXTEND_TIMEOUT_USEC=90000000\nSTATUS=")
    assert told[1:] == ["READY=1", "WATCHDOG=1", "STOPPING=1\nEXTEND_TIMEOUT_USEC=10000000"]


def test_status_is_one_line_and_is_not_repeated(systemd: socket.socket):
    """A line break would be another word."""
    supervisor = Supervisor(str(systemd.getsockname()))
    for line in ("armed\nREADY=1", "armed\nREADY=1", "not armed"):
        supervisor.status(line)
    assert [systemd.recv(4096).decode() for _ in range(2)] == ["STATUS=armed READY=1", "STATUS=not armed"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody"])
def test_nobody_who_listens_is_no_trouble(address: str):
    """Started by hand, or systemd went away."""
    supervisor = Supervisor(address)
    supervisor.ready()
    supervisor.alive()
    assert supervisor.limit_s is None


@pytest.mark.parametrize(
    ("limit_us", "pid", "limit_s"),
    [
        ("20000000", None, 20.0),
        ("20000000", "ours", 20.0),
        ("20000000", "1", None),
        ("0", None, None),
        ("x", None, None),
        (None, None, None),
    ],
)
def test_limit_of_the_watchdog_is_the_one_that_is_meant_for_us(
    monkeypatch: pytest.MonkeyPatch, limit_us: str | None, pid: str | None, limit_s: float | None
):
    """sd_watchdog_enabled(3): a number of another process is none."""
    for name, value in (("WATCHDOG_USEC", limit_us), ("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert Supervisor("").limit_s == limit_s
