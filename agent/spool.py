"""Presses on their way to the store, in the runtime directory: one small file each, in memory (tmpfs), kept across restarts.

Neither a hung disk nor the watchdog can lose a press that lies here (DESIGN law 6), and `callout-agent raise` leaves one here
when no daemon listens. The daemon's own small facts lie beside them. Touches that one directory. Must not wait for a disk (no fsync) or a
pipe, must not trust what it reads or follow a link (whoever is in the group may write here), and must not stumble over one bad file.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import secrets
import stat
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agent.identity import read_boot_id

# A longer file is no press.
_LONGEST_BYTES = 16384
# The daemon reads what a member of its group leaves, and removes it because the folder is its own. Whoever else could write into it could
# change the press, and with that right link it to the name of a fact of the daemon's.
_FILE_MODE = 0o640
_OWN_MODE = 0o600
_DIRECTORY_MODE = 0o2770  # set-group-id: what a member leaves, the daemon can read
_TYPES: dict[str, tuple[type, ...]] = {
    "boot_id": (str,),
    "at": (int, float),
    "wall": (int, float),
    "origin": (str,),
    "wall_trusted": (bool,),
    "response_type_id": (int, type(None)),
    "note": (str, type(None)),
    "drill": (bool,),
    "uid": (int, type(None)),
    "number": (int, type(None)),
}


class SpoolError(OSError):
    """The press could not be left here; the text says why and is fit for a person."""


@dataclass(frozen=True, slots=True)
class SpooledPress:
    """A press before it is in the store.

    boot_id: the boot whose monotonic clock `at` (s) belongs to. wall: UTC s. uid: who wrote the file, as the kernel knows it
    once read back. number: given by the daemon that put it here; None for a press left by someone else.
    """

    boot_id: str
    at: float
    wall: float
    origin: str
    wall_trusted: bool = True
    response_type_id: int | None = None
    note: str | None = None
    drill: bool = False
    uid: int | None = None
    number: int | None = None


def put(directory: Path, press: SpooledPress) -> Path:
    """Leave a press; it is there whole or not at all. Raises SpoolError."""
    name = f"{press.at:017.6f}-{secrets.token_hex(8)}"
    path, fresh = directory / f"{name}.json", directory / f".{name}"
    try:
        make(directory)
        _write(fresh, json.dumps(asdict(press)).encode())
        fresh.rename(path)
    except OSError as trouble:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise SpoolError(trouble.errno, f"the press could not be kept in {directory}: {trouble.strerror}") from trouble
    return path


def make(directory: Path) -> None:
    """The directory, if it is not there yet. Raises OSError."""
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        # The unit forbids to set a group id bit (RestrictSUIDSGID): then it is the daemon's alone, until tmpfiles.d makes it anew.
        with contextlib.suppress(PermissionError):
            directory.chmod(_DIRECTORY_MODE)


def _write(path: Path, document: bytes, mode: int = _FILE_MODE) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)  # past the umask: the daemon runs under another uid
        file.write(document)


def take(directory: Path, *, known: Collection[Path] = (), most: int | None = None) -> list[tuple[Path, SpooledPress]]:
    """The presses that lie here, oldest first; each stays until `done`. What is no press is renamed `*.malformed`. Never raises.

    known: left out. most: so many files are looked at, whichever of them; None: all. Thousands that somebody leaves must not hold up the
    daemon, and neither a name nor a file that cannot be read may keep the others from their turn.
    """
    out = {path.name for path in known if path.parent == directory}
    try:
        names = [name for name in os.listdir(directory) if name.endswith(".json") and not name.startswith(".") and name not in out]  # noqa: PTH208 - only names are wanted
    except OSError:
        return []
    if most is not None and len(names) > most:
        names = random.sample(names, most)
    taken = []
    for path in (directory / name for name in names):
        try:
            taken.append((path, _read(path)))
        except FileNotFoundError:
            continue
        except OSError:  # not ours to read, or a disk that is ill: it stays, and is tried again
            continue
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            with contextlib.suppress(OSError):
                path.rename(path.with_name(f"{path.name}.malformed"))
    boot_id = read_boot_id()
    # What another boot left (a runtime directory that is no tmpfs) is older than anything of this one.
    return sorted(taken, key=lambda found: (found[1].boot_id == boot_id, found[1].at, found[0].name))


def _read(path: Path) -> SpooledPress:
    # Neither a link nor a pipe in a press's place may lead the daemon elsewhere or make it wait.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LONGEST_BYTES:
            raise ValueError("not a press")
        press = _parse(json.loads(file.read(_LONGEST_BYTES)))
    return replace(press, uid=about.st_uid)


def keep(path: Path, text: str) -> None:
    """Leave a small fact of the daemon's own, in place of what lies there. Raises OSError; then nothing lies there: it would be old."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        _write(fresh, text.encode(), _OWN_MODE)
        if path.is_dir():
            _move_aside(path)
        fresh.rename(path)
    except OSError:
        for each in (fresh, path):
            with contextlib.suppress(OSError):
                each.unlink()
        raise


def kept(path: Path) -> str | None:
    """The small fact that a daemon left here; None if there is none, or if somebody else put it there. Never raises for what it finds."""
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            about = os.fstat(handle)
            if stat.S_ISREG(about.st_mode) and about.st_uid in _trusted(path.parent):
                return file.read(_LONGEST_BYTES).decode()
    return None


def is_kept(path: Path) -> bool:
    """Whether a daemon left a small fact here; who asks need not be able to read it."""
    with contextlib.suppress(OSError):
        about = path.lstat()
        return stat.S_ISREG(about.st_mode) and about.st_uid in _trusted(path.parent)
    return False


def is_own(folder: Path) -> bool:
    """Whether this is a folder of the daemon's own: no link, and nobody else's."""
    with contextlib.suppress(OSError):
        about = folder.lstat()
        return stat.S_ISDIR(about.st_mode) and about.st_uid in _trusted(folder.parent)
    return False


def make_own(folder: Path) -> None:
    """A folder of the daemon's own, if it is not there yet; what somebody else put in its place is moved aside. Raises OSError."""
    if not is_own(folder):
        if os.path.lexists(folder):
            _move_aside(folder)
        folder.mkdir(mode=0o700)


def _move_aside(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.{secrets.token_hex(8)}.foreign"))


def _trusted(directory: Path) -> set[int]:
    """Whose files there are a daemon's: this process's user, root, or whom the directory belongs to."""
    return {0, os.geteuid(), directory.lstat().st_uid}


def read_text(text: str) -> SpooledPress:
    """A press as the store keeps it while its abort window is open. Raises ValueError or TypeError for what is none."""
    return _parse(json.loads(text))


def _parse(record: Any) -> SpooledPress:
    press = SpooledPress(**record)
    for name, types in _TYPES.items():
        value = getattr(press, name)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError(f"{name} is of the wrong kind")
    if not (math.isfinite(press.at) and math.isfinite(press.wall)):
        raise ValueError("a time is no number")
    return press


def done(path: Path) -> bool:
    """Remove a press that the store has on disk; whether it is gone. Never raises: one left over is known to `Store.has_press`."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
