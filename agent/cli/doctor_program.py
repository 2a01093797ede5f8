"""Programs of the system that only show something, like systemctl: run with a limit, their output as text.

Touches processes. Must run none that changes anything, gives none a shell, and never raises for what one does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from agent import aside

LIMIT_S = 8.0
MOST_BYTES = 4 * 2**20
_PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL")


async def output(*command: str, limit_s: float = LIMIT_S) -> str | None:
    """What it printed; None if there is no such program, it failed, or took longer than limit_s."""
    try:
        return await aside.run(lambda: _output(command, limit_s), name=" ".join(command), limit_s=limit_s + 1.0)
    except (OSError, TimeoutError):
        return None


def _output(command: Sequence[str], limit_s: float) -> str | None:
    """Blocks."""
    program = shutil.which(command[0]) or shutil.which(command[0], path=_PATHS)
    if program is None:
        return None
    env = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", "TZ": "UTC"}
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, without a shell, its arguments are ours
            [program, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False, env=env
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[-MOST_BYTES:].decode(errors="replace") if done.returncode == 0 else None
