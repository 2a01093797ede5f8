"""What setup's tests stand on: a place with a simulator, a played `systemctl` that runs the real daemon, and a person at a real pty.

The played systemctl is a program on PATH that behaves: it starts, stops and restarts one real daemon, and says what it says.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = "callout-agent-tried.service"

_SYSTEMCTL = """\
#!{python}
import os, signal, subprocess, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from agent import control
folder, config = Path({folder!r}), {config!r}
pid_file, log = folder / "pid", folder / "daemon.log"
words = [word for word in sys.argv[1:] if not word.startswith("--no-")]
(folder / "asked").open("a").write(" ".join(words) + "\\n")

def pid():
    try:
        number = int(pid_file.read_text())
        os.kill(number, 0)
        return number if Path("/proc", str(number), "stat").read_text().rpartition(")")[2].split()[0] != "Z" else None
    except (OSError, ValueError):
        return None

def stop():
    if (number := pid()) is not None:
        os.kill(number, signal.SIGTERM)
        while pid() is not None:
            time.sleep(0.02)

def start():
    if pid() is None and Path(config).exists():
        command = [sys.executable, "-m", "agent", "run", "--config", config]
        cap = ["setpriv", "--bounding-set=-sys_time"] if os.geteuid() == 0 else []
        with log.open("ab") as out:
            daemon = subprocess.Popen([*cap, *command], stdout=out, stderr=out, cwd={root!r}, start_new_session=True)
        pid_file.write_text(str(daemon.pid))
        end = time.monotonic() + 30
        while daemon.poll() is None and time.monotonic() < end:
            try:
                control.ask(Path({socket!r}), {{"do": "status"}}, timeout_s=1)
                return
            except (control.NotRunningError, TimeoutError):
                time.sleep(0.02)
        sys.exit("it did not become ready")

match words[0]:
    case "show":
        print("loaded")
    case "is-enabled":
        print("enabled")
    case "is-active":
        print("active" if pid() is not None else "inactive")
    case "stop":
        stop()
    case "start":
        start()
    case "restart":
        stop()
        start()
"""


class Systemd:
    """A played systemctl in `folder`/bin, for the config at `config` whose socket is `socket`."""

    def __init__(self, folder: Path, config: Path, socket: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        program = folder / "bin" / "systemctl"
        program.write_text(
            _SYSTEMCTL.format(python=sys.executable, root=str(ROOT), folder=str(folder), config=str(config), socket=str(socket))
        )
        program.chmod(0o755)
        self.env = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}

    @property
    def pid(self) -> int | None:
        """Of the daemon that it started last, if that lives."""
        try:
            number = int((self.folder / "pid").read_text())
            os.kill(number, 0)
        except (OSError, ValueError):
            return None
        return number

    @property
    def asked(self) -> list[str]:
        """What it was asked, in order."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "asked").read_text().splitlines()
        return []

    def close(self) -> None:
        """End the daemon."""
        if (number := self.pid) is not None:
            os.kill(number, signal.SIGKILL)
