"""Programs of the owner that are told something: run without a shell, one JSON object on standard input, never waited for by anyone.

Touches processes. A hook gets no secret: not in its input, not in its environment. It is ended with everything it started when it
takes too long, and whatever it does, the daemon goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Final

LIMIT_S: Final = 50.0  # ended before the next one of its kind is due
PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")


async def run(command: Sequence[str], document: Mapping[str, Any], *, limit_s: float = LIMIT_S) -> str | None:
    """Run it to its end, at most limit_s. None, or in words why it failed. Never raises for what the program does."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"{command[0]} cannot be run: {getattr(error, 'strerror', None) or error}"
    try:
        async with asyncio.timeout(limit_s):
            await process.communicate(json.dumps(document).encode() + b"\n")
    except TimeoutError:
        return f"{command[0]} did not end within {limit_s:.0f} s"
    finally:
        _end(process.pid)  # what it left behind in its session, too
        await process.wait()
    return None if process.returncode == 0 else f"{command[0]} ended with status {process.returncode}"


def _end(session: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(session, signal.SIGKILL)
