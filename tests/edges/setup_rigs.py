"""What setup's tests stand on: a place with a simulator, a played `systemctl` that runs the real daemon, and a person at a real pty.

The played systemctl is a program on PATH that behaves: it starts, stops and restarts one real daemon, and says what it says.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = "callout-agent-tried.service"
CTRL_C, CTRL_D = b"\x03", b"\x04"

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
            streams = {{"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}}
            daemon = subprocess.Popen([*cap, *command], **streams, cwd={root!r}, start_new_session=True)
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


class Person:
    """At a terminal of 80 x 25, through a real pty. Reads what is printed, types, presses Ctrl-C. Everything said is in `said`."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None) -> None:
        self.said = ""
        self._mark = 0
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(command, **streams, cwd=ROOT, env=os.environ | (env or {}), preexec_fn=_at_terminal)  # noqa: PLW1509
        os.close(slave)

    def until(self, text: str, within_s: float = 15.0) -> str:
        """Read until this was printed, after what was waited for last; what was printed up to it."""
        end = time.monotonic() + within_s
        while (place := self.said.find(text, self._mark)) < 0:
            if not self._read(end - time.monotonic()):
                pytest.fail(f"never said {text!r}; instead: ...{self.said[self._mark :][-1500:]}")
        before, self._mark = self.said[self._mark : place], place + len(text)
        return before

    def asked(self, within_s: float = 15.0) -> None:
        """Read until the cursor stands behind a question."""
        end = time.monotonic() + within_s
        while not self.said.endswith((": ", "> ")):
            if not self._read(end - time.monotonic()):
                pytest.fail(f"never asked: ...{self.said[-1500:]}")

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, text.encode() + b"\n")

    def press(self, key: bytes) -> None:
        """A key without Enter: CTRL_C, CTRL_D."""
        os.write(self._master, key)

    def ends(self, within_s: float = 15.0) -> int:
        """Its exit code, once it has ended; everything is read."""
        end = time.monotonic() + within_s
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(max(0.1, end - time.monotonic()))

    def hang_up(self) -> None:
        """Close the terminal, as a lost ssh connection does."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        """End it, however it stands."""
        self.process.kill()
        self.process.wait()
        self.hang_up()

    def _read(self, within_s: float) -> bool:
        """Whether something came."""
        if self._master < 0 or not select.select([self._master], [], [], max(0.0, within_s))[0]:
            return False
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # EIO: the other end is closed
            return False
        self.said += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


def _at_terminal() -> None:
    """In the child: standard input is its terminal, and it ends with us."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def command(config: Path, *words: str) -> list[str]:
    """How setup is called for this config."""
    return [sys.executable, "-m", "agent", "setup", "--config", str(config), *words]
