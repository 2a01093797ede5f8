"""Writes what setup was told: the secrets, a dated copy of the config that was, and the config, whole or not at all.

Touches the config's folder and nothing else. Nothing is written before the daemon's own reading of the new config has passed, and a cut
of the power at any moment leaves the old config or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.cli.setup_draft import Draft, Secret
from agent.config import load

GROUP = "callout-agent"  # the daemon's: it reads the config, and writes none
CREDENTIALS = "credentials"  # beside the config: the unit hands over what lies there
AUTHORITY = "ca.pem"
_SEEN = ("/etc", "/usr", "/var/lib")  # by the unit, beside the config's folder
_PREFIX = ".setup-"


@dataclass(frozen=True, slots=True)
class Saved:
    """backup: the copy of the old config, None if there was none or it did not change. comments_kept: of the old config."""

    path: Path
    backup: Path | None
    comments_kept: bool
    written: bool


def save(draft: Draft) -> Saved:
    """Prove it and write it. Raises ConfigError for what the daemon would not read, OSError for what the disk refuses."""
    draft.config()
    folder = draft.path.parent
    _make(folder, 0o750)
    _sweep(folder, folder / CREDENTIALS)
    _adopt_authority(draft, folder)
    text, comments_kept = draft.text()
    for name, secret in draft.secrets.items():
        _make(folder / CREDENTIALS, 0o700, group=False)
        (folder / CREDENTIALS).chmod(0o700)  # one that somebody made by hand, too
        _replace(folder / CREDENTIALS / name, secret.value.encode() + b"\n", 0o600, group=False)
    before = _content(draft.path)
    if before == text.encode():
        return Saved(draft.path, None, comments_kept, written=False)
    backup = None if before is None else _keep(draft.path, before)
    _replace(draft.path, text.encode(), 0o640, prove=True)
    return Saved(draft.path, backup, comments_kept, written=True)


def writable(path: Path) -> bool:
    """Whether this user may replace the config."""
    try:
        return os.access(_there(path), os.W_OK | os.X_OK, effective_ids=True)
    except PermissionError:
        return False


@contextlib.contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether no other setup is at work on this config, and none will be while it lasts. A lock that ends with its process."""
    held = os.open(_there(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(held)


def _there(path: Path) -> Path:
    """The nearest folder above that exists."""
    return next(each for each in path.absolute().parents if each.exists())


@contextlib.contextmanager
def handed_over(secrets: dict[str, Secret]) -> Iterator[None]:
    """While it lasts typed secrets are found as the unit hands them over: in a folder of our own, in memory where the system has one."""
    if not secrets:
        yield
        return
    place = "/run" if os.access("/run", os.W_OK) else None
    before = os.environ.get("CREDENTIALS_DIRECTORY")
    with tempfile.TemporaryDirectory(prefix="callout-agent-setup-", dir=place) as folder:  # mode 0700
        for name, secret in secrets.items():
            _replace(Path(folder, name), secret.value.encode(), 0o600, group=False)
        os.environ["CREDENTIALS_DIRECTORY"] = folder
        try:
            yield
        finally:
            del os.environ["CREDENTIALS_DIRECTORY"]
            if before is not None:
                os.environ["CREDENTIALS_DIRECTORY"] = before


def _adopt_authority(draft: Draft, folder: Path) -> None:
    """A private authority's file that lies where the unit may not look, in a home or in /tmp, is copied beside the config."""
    named = draft.value("panic_api", "ca_file")
    if named is not None and not any(Path(named).is_relative_to(place) for place in (folder, *_SEEN)):
        _replace(folder / AUTHORITY, Path(named).read_bytes(), 0o640)
        draft.set("panic_api", ca_file=str(folder / AUTHORITY))


def _sweep(*folders: Path) -> None:
    """What an earlier setup could not finish, because the power was cut: it may hold a secret."""
    for folder in folders:
        for partial in folder.glob(f"{_PREFIX}*"):
            partial.unlink(missing_ok=True)


def _make(folder: Path, mode: int, *, group: bool = True) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(mode)
        if group:
            _give(folder)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _keep(path: Path, content: bytes) -> Path:
    """A copy beside it with the date in its name; never over an older one."""
    stem = f"{path.name}.{time.strftime('%Y-%m-%d')}"
    names = (path.with_name(stem + (f"-{number}" if number > 1 else "")) for number in range(1, 10_000))
    backup = next(name for name in names if not name.exists())
    _replace(backup, content, 0o640)
    return backup


def _replace(path: Path, content: bytes, mode: int, *, group: bool = True, prove: bool = False) -> None:
    """Atomically. prove: read it back as the daemon would before it counts."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX)
    partial = Path(name)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(mode if not group or _give(partial) else mode & ~0o070)
        if prove:
            load(partial)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    _sync(path.parent)


def _give(path: Path) -> bool:
    """To the daemon's group; False where there is none, or it is not ours to give to."""
    try:
        os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
    except (KeyError, PermissionError):
        return False
    return True


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
