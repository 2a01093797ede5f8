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
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agent import aside
from agent.health import Conditions, Origin
from agent.model import Severity
from agent.ports import Clock

LIMIT_S: Final = 50.0  # ended before the next one of its kind is due
LOOK_S: Final = 0.1
FAILED: Final = "hook.failed"
PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")


class Hook:
    """One program of the owner, run for one thing at a time. That it failed is a condition until it succeeds again."""

    def __init__(
        self,
        command: Sequence[str],
        clock: Clock,
        conditions: Conditions,
        *,
        limit_s: float = LIMIT_S,
        origin: Origin = Origin.CALLOUT,
    ) -> None:
        """command: empty for none: then nothing is ever run. limit_s: how long one run may take. origin: what it is told of."""
        self._command, self._limit_s = tuple(command), limit_s
        self._clock, self._conditions, self._origin = clock, conditions, origin
        self._failed = False
        self.running: asyncio.Task[None] | None = None

    @property
    def failed(self) -> bool:
        """Whether the last run came to nothing."""
        return self._failed

    def __bool__(self) -> bool:
        """Whether there is a program."""
        return bool(self._command)

    def start(self, document: Mapping[str, Any], ended: Callable[[], None] | None = None) -> None:
        """Run it, unless it runs already or there is none. ended: called when it has ended by itself."""
        if not self._command or self.running is not None:
            return
        self.running = running = asyncio.create_task(self._tell(document), name="hook")

        def over(_: asyncio.Task[None]) -> None:
            if self.running is running:
                self.running = None
            if running.cancelled():
                return
            running.result()
            if ended is not None:
                ended()

        running.add_done_callback(over)

    def end(self) -> None:
        """End it with all that it started, if it runs."""
        if self.running is not None:
            self.running.cancel()

    async def _tell(self, document: Mapping[str, Any]) -> None:
        failed = await run(self._command, document, limit_s=self._limit_s)
        if failed is None:
            if self._failed:  # another program may have failed, too: that is not mended by this one
                self._conditions.drop(FAILED, origin=self._origin)
            self._failed = False
            return
        self._failed = True
        hint = "run it by hand as the agent's user with a line of JSON on standard input"
        self._conditions.put(FAILED, Severity.DEGRADED, failed, hint, wall=self._clock.wall(), origin=self._origin)


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
