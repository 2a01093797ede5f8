"""A container: a small Debian under its own systemd, on layers of files that it never writes to.

Touches mounts, control groups and processes, in the namespaces that tools/appliance-guest has made and that end with it. It shares the
tests' loopback and nothing else of the network. Knows nothing of our package.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_HIERARCHIES = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")
_NUMBERS = itertools.count()
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended: its exit status and all that it said."""

    status: int
    out: str


class Container:
    """layers: folders of files, the lowest first; what is written goes to `folder`/written, and outlives a `stop`.

    `outside` is a folder of ours that is /outside within.
    """

    def __init__(self, folder: Path, layers: Sequence[Path]) -> None:
        self.root = folder / "root"
        self.written = folder / "written"
        self.outside = folder / "outside"
        self._console = folder / "console"
        self._layers = layers
        self._work = folder / "work"
        self._process: asyncio.subprocess.Process | None = None
        self._init = 0
        self._group = f"{os.environ['CALLOUT_AGENT_CGROUP']}-{os.getpid()}-{next(_NUMBERS)}"
        for each in (self.root, self.written, self.outside, self._work):
            each.mkdir()
        lower = ":".join(str(layer) for layer in reversed(layers))
        _do("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={self.written},workdir={self._work}", str(self.root))

    async def boot(
        self, *, devices: Mapping[str, Path] | None = None, network: bool = True, ends_in: Collection[str] = ("running", "degraded")
    ) -> None:
        """Until systemd says that it has started. devices: device files of ours by their path within. network: loopback is ours.

        ends_in: how the start may end, in the words of systemd.
        """
        binds = [f"--bind={path.resolve()}:{within}" for within, path in (devices or {}).items()]
        with self._console.open("ab") as console:
            self._process = await asyncio.create_subprocess_exec(
                *("systemd-nspawn", f"--directory={self.root}", "--boot", "--quiet", "--register=no", "--keep-unit", "--console=pipe"),
                *("--link-journal=no", f"--bind={self.outside}:/outside", *binds, *(() if network else ("--private-network",))),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                preexec_fn=self._enter_group,
            )
        self._init = await self._until_begun(20)
        told = await self.run("systemctl", "is-system-running", "--wait", within_s=60)
        assert told.out.strip() in ends_in, told

    async def _until_begun(self, within_s: float) -> int:
        """The process id, here, of the container's first process, once systemd answers in it."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        end = time.monotonic() + within_s
        while time.monotonic() < end and self._process.returncode is None:
            with contextlib.suppress(OSError, IndexError, ValueError):
                init = int(children.read_text().split()[0])
                if Path(f"/proc/{init}/root", "run/systemd/private").exists():
                    return init
            await asyncio.sleep(0.02)
        raise AssertionError(f"the container does not boot:\n{self._console.read_text()[-3000:]}")

    def path(self, within: str) -> Path:
        """The way from here to a file within, also to one in a file system that is mounted there. Only while it runs."""
        return Path(f"/proc/{self._init}/root{within}")

    async def run(self, *command: str, within_s: float = 30.0, typed: str = "", **env: str) -> Done:
        """Run a command as root within; it is killed if it takes longer."""
        process = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={self._init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--"),
            *("env", "-i", _PATH, "LANG=C.UTF-8", "HOME=/root", *(f"{name}={value}" for name, value in env.items()), *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(within_s):
                out, _ = await process.communicate(typed.encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        return Done(process.returncode or 0, out.decode(errors="replace"))

    async def must(self, *command: str, within_s: float = 30.0, **env: str) -> str:
        """What a command says that has to succeed."""
        done = await self.run(*command, within_s=within_s, **env)
        assert done.status == 0, f"{command}: {done.status}\n{done.out}"
        return done.out

    async def stop(self) -> None:
        """Everything in it ends at once. Its files stay; it can be booted again."""
        if self._process is None:
            return
        for pid in (self._init, self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)
        await self._process.wait()
        self._process, self._init = None, 0
        end = time.monotonic() + 10
        while any(self._leave_group(hierarchy) for hierarchy in _groups()):
            assert time.monotonic() < end, "processes of the container do not end"
            await asyncio.sleep(0.02)

    def discard(self) -> None:
        """Forget its files. Nothing may run."""
        _do("umount", str(self.root))
        for each in (self.written, self._work):
            shutil.rmtree(each)

    def detach(self) -> Path:
        """Unmount it, and leave what was written as a layer for others."""
        _do("umount", str(self.root))
        return self.written

    def _enter_group(self) -> None:
        """In the child: two containers in one control group would be in each other's way."""
        for hierarchy in _groups():
            (hierarchy / self._group).mkdir(exist_ok=True)
            (hierarchy / self._group / "cgroup.procs").write_text(str(os.getpid()))

    def _leave_group(self, hierarchy: Path) -> bool:
        """Remove the control groups; whether something still runs in them."""
        ours = hierarchy / self._group
        for each in sorted((Path(path) for path, _, _ in os.walk(ours)), reverse=True):
            with contextlib.suppress(OSError):
                each.rmdir()
        return ours.exists()


def _groups() -> Iterator[Path]:
    """Where the control groups are that systemd uses: the second hierarchy's, or beside older ones both of its own."""
    for hierarchy in map(Path, _HIERARCHIES):
        if (hierarchy / "cgroup.procs").exists():
            yield hierarchy


def _do(*command: str) -> None:
    subprocess.run(command, check=True)
