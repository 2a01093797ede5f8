"""Disks that go wrong, real ones: file systems of their own, hung, full, read-only or without power.

For root on Linux; what the machine does not allow is skipped, with the reason. Whatever becomes of the test, the disk is thawed and
unmounted: a frozen file system would hold every process that touches it, and none of them could be killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from stage import Stage, driving

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")

# linux/fs.h and fs/ext4/ext4.h
_FIFREEZE, _FITHAW = 0xC0045877, 0xC0045878
_EXT4_IOC_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
# Ends with its standard input, that is with the test's process at the latest, however that ends.
_GUARD = 'read -r _; fsfreeze --unfreeze "$0"; umount --lazy "$0"'


@contextlib.contextmanager
def mounted(directory: Path, *how: str) -> Iterator[Path]:
    """A mount of its own (`how`: as for `mount`); skips where the kernel does not allow it."""
    directory.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *how, str(directory)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    guard = subprocess.Popen(["sh", "-c", _GUARD, str(directory)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield directory
    finally:
        guard.communicate()
    assert guard.returncode == 0, f"{directory} is still mounted"


@dataclass(frozen=True, slots=True)
class Disk:
    """An ext4 in a file. folder: where it is mounted."""

    image: Path
    folder: Path

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """The disk in use. Between two mounts its bare folder takes no file: else a store would begin anew beneath the mount."""
        self.folder.mkdir(exist_ok=True)
        self._seal("+i")
        try:
            with mounted(self.folder, "-o", "loop", str(self.image)) as folder:
                yield folder
        finally:
            self._seal("-i")

    def freeze(self) -> None:
        """Hung: whoever writes from now on waits in the kernel, and cannot be killed there."""
        self._order(_FIFREEZE, 0)

    def thaw(self) -> None:
        """Well again."""
        self._order(_FITHAW, 0)

    def cut_power(self) -> None:
        """As when power is pulled: what was not synced is gone, and nothing can be read or written until the next mount."""
        self._order(_EXT4_IOC_SHUTDOWN, _NO_LOG_FLUSH)

    def turn_read_only(self) -> None:
        """What ext4 does to itself after an error, whoever has files open for writing."""
        device = self.folder.stat().st_dev
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        try:
            Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1")
        except FileNotFoundError:
            pytest.skip("this kernel cannot be told to find an error")

    def mount_anew(self) -> None:
        """What ends every trouble of a file system. Fails while anybody has a file open on it."""
        subprocess.run(["umount", str(self.folder)], check=True)
        # A mount namespace that was made meanwhile may hold the old file system: the same file would bring that back, cut as it is.
        fresh = self.image.with_suffix(".fresh")
        subprocess.run(["cp", "--sparse=always", str(self.image), str(fresh)], check=True)
        fresh.replace(self.image)
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.folder)], check=True)

    def _seal(self, flag: str) -> None:
        """Where the file system knows no such flag the moment between two mounts stays a race, and is short."""
        subprocess.run(["chattr", flag, str(self.folder)], capture_output=True, check=False)

    def _order(self, request: int, value: int) -> None:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, request, struct.pack("I", value))
        finally:
            os.close(handle)


def make_disk(where: Path, megabytes: int = 16) -> Disk:
    """A new disk, not in use yet."""
    disk = Disk(where / "image", where / "disk")
    with disk.image.open("wb") as file:
        file.truncate(megabytes * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-e", "remount-ro", str(disk.image)], check=True)
    return disk


def fill_up(directory: Path) -> Path:
    """Somebody else takes all the room there is."""
    hog = directory / "hog"
    with hog.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return hog


@contextlib.asynccontextmanager
async def on_a_disk(folder: Path) -> AsyncIterator[tuple[Stage, Disk]]:
    """A stage whose daemon has a disk of its own, which is mended before the daemon is killed: on a frozen disk no process ends."""
    disk = make_disk(folder)
    async with driving(folder) as (stage, _):
        stage.env["STATE_DIRECTORY"] = str(disk.folder)  # as systemd names it: the last good config lies there
        with disk.mounted():
            stage.store = disk.folder / "agent.db"
            yield stage, disk
