"""What the daemon may beyond others it keeps to itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

SETPRIV = shutil.which("setpriv")
SYS_TIME = 1 << 25
CHILD = """
import subprocess, sys
from pathlib import Path
from agent.cli.run import keep_to_ourselves
if sys.argv[1] == "kept":
    keep_to_ourselves()
for status in (Path("/proc/self/status").read_text(), subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout):
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff")))
"""


def effective(how: str) -> list[int]:
    """Capabilities of a process that was given one, and of what it starts."""
    given = [
        "--securebits",
        "+noroot",
        "--inh-caps",
        "-all,+sys_time",
        "--bounding-set",
        "-all,+sys_time",
        "--ambient-caps",
        "-all,+sys_time",
    ]
    done = subprocess.run([str(SETPRIV), *given, sys.executable, "-c", CHILD, how], capture_output=True, text=True, check=False)
    if done.returncode != 0 and "setpriv" in done.stderr:
        pytest.skip(f"this machine gives no capability away: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return [int(line, 16) for line in done.stdout.split()]


@pytest.mark.skipif(os.geteuid() != 0 or SETPRIV is None, reason="giving capabilities needs root and setpriv")
def test_hooks_of_a_daemon_that_may_set_the_clock_may_not():
    assert effective("given on") == [SYS_TIME, SYS_TIME], "else the test shows nothing"
    assert effective("kept") == [SYS_TIME, 0]
