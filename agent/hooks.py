"""Programs of the owner that are told something: run without a shell, one JSON object on standard input, never waited for by anyone.

Touches processes, from a thread: to start a program means to read it from a disk that may hang. A hook gets no secret: not in its
input, not in its environment. It is ended with everything it started when it takes too long, and whatever it does, the daemon goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agent import aside

LIMIT_S: Final = 50.0  # ended before the next one of its kind is due
LOOK_S: Final = 0.1
PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")


async def run(command: Sequence[str], document: Mapping[str, Any], *, limit_s: float = LIMIT_S) -> str | None:
    """Run it to its end, at most limit_s. None, or in words why it failed. Never raises for what the program does.

    Cancelled, it ends the program within LOOK_S.
    """
    body, stop = json.dumps(document).encode() + b"\n", threading.Event()
    try:
        return await aside.start(lambda: _run(tuple(command), body, limit_s, stop), name="hook")
    except asyncio.CancelledError:
        stop.set()
        raise
    except OSError as error:  # no thread is left
        return f"{command[0]} cannot be run: {error.strerror}"


def _run(command: tuple[str, ...], body: bytes, limit_s: float, stop: threading.Event) -> str | None:
    """Blocks."""
    until_at = time.monotonic() + limit_s
    try:
        process = subprocess.Popen(  # noqa: S603 - an absolute path of the config, without a shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"{command[0]} cannot be run: {getattr(error, 'strerror', None) or error}"
    with process:
        try:
            if not _ended(process, body, until_at, stop):
                return f"{command[0]} did not end within {limit_s:.0f} s"
        finally:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it left behind in its session
    return None if process.returncode == 0 else f"{command[0]} ended with status {process.returncode}"


def _ended(process: subprocess.Popen[bytes], body: bytes | None, until_at: float, stop: threading.Event) -> bool:
    """Whether it read what it wanted and ended by itself, in time."""
    while time.monotonic() < until_at and not stop.is_set():
        try:
            process.communicate(body, timeout=LOOK_S)
        except subprocess.TimeoutExpired:
            body = None  # what is left of it goes on being written
        else:
            return True
    return False
