"""The database as a file: opening it, proving it usable, moving it aside, reading it without a trace, and naming what ails it.

Touches the database, its -wal and -shm. Must not know a table beyond the schema version, and must never delete or overwrite
anything that it did not make: what is not usable is moved aside and kept. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from agent.model import Ailment
from agent.schema import MIGRATIONS, migrate, read_version

_MAGIC = b"SQLite format 3\0"
_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_SIDES = ("", "-wal", "-shm")

# A check that takes longer than this many seconds is broken off and counts as passed: a start must not wait for it.
CHECK_S = 1.0
# How long one statement waits for a lock held by another process (somebody's `sqlite3 agent.db`), seconds.
_LOCK_S = 1.0
# Of a new file. A group of routine fixes fills less than one page, and every commit writes whole pages. Existing files keep theirs.
_PAGE_BYTES = 1024
# Pages in the -wal at which SQLite brings them into the database by itself, in the middle of a commit. `upkeep` does so long before.
_WAL_PAGES = 16_384
_WAL_BYTES = 4 * 2**20  # a -wal that grew beyond this is cut when it begins anew
# Below this many free bytes an I/O error is taken for a full disk: SQLite says IOERR when it cannot grow the -shm file.
_NO_ROOM_BYTES = 131072

# Room for about a hundred lasting commits on a disk that somebody else has filled.
_RESERVE_BYTES = 1048576

# Why a file was moved aside. A newer one is not used even where it could be read: writing it might undo what its version needs.
WORDS = {
    "corrupt": "the database was damaged",
    "newer": "the database is of a newer version of this software",
    "not_ours": "the file was not a database of ours",
    "no_access": "the database could not be opened",
    "other_machine": "the store is of another machine (a cloned card?)",
    "lost": "the database was removed or overwritten while in use",
}

_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}


class UnusableError(Exception):
    """The file can never be our database as it is: damaged, not a database, another's, of a newer version. word: which."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open database. probe: a descriptor on the same file, closed last, because closing it drops SQLite's locks."""

    path: Path
    connection: sqlite3.Connection
    probe: int
    fresh: bool

    def is_lost(self) -> bool:
        """Whether the path no longer leads to this file, or the file or its -wal no longer begins as it should."""
        return self._is_elsewhere() or not _has_magic(self.probe) or _is_overwritten(_sides(self.path)[1])

    def is_wal_gone(self) -> bool:
        """Whether the -wal was removed under a connection that has written to it."""
        return not _sides(self.path)[1].exists()

    def close(self) -> None:
        """Close without raising: what was committed is in the -wal at least.

        A -wal that somebody has overwritten is emptied before: SQLite would copy it, garbage as it is, into the database.
        """
        wal = _sides(self.path)[1]
        with contextlib.suppress(OSError):
            if not self._is_elsewhere() and _is_overwritten(wal):
                os.truncate(wal, 0)
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()
        with contextlib.suppress(OSError):
            os.close(self.probe)

    def _is_elsewhere(self) -> bool:
        here = os.fstat(self.probe)
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return True
        return (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino)


def _has_magic(handle: int) -> bool:
    return os.pread(handle, len(_MAGIC), 0) in (_MAGIC, b"")  # empty: nothing was checkpointed yet


def _is_overwritten(wal: Path) -> bool:
    """Whether a -wal does not begin like one. Empty or gone is another matter."""
    try:
        with wal.open("rb") as file:
            return file.read(4) not in (*_WAL_MAGIC, b"")
    except OSError:
        return False


def _sides(path: Path) -> list[Path]:
    return [path.with_name(path.name + side) for side in _SIDES]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def measure(path: Path) -> int:
    """Bytes on disk, the -wal included; 0 where there is nothing."""
    return sum(_size(side) for side in _sides(path)[:2])


def open_file(path: Path, max_mb: float) -> OpenFile:
    """Open or make the database and bring it up to date.

    Raises UnusableError where the file should be moved aside, sqlite3.Error or OSError where the disk is to blame.
    """
    # Made by us and not by SQLite: positions stay out of files that others may read. -wal and -shm inherit the mode.
    probe = _open_probe(path)
    try:
        connection = sqlite3.connect(path, timeout=_LOCK_S, isolation_level=None)
        try:
            fresh = _prepare(connection, path, max_mb)
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as trouble:
        os.close(probe)
        if is_damage(trouble):
            raise UnusableError("corrupt") from trouble
        raise
    except BaseException:
        os.close(probe)
        raise
    return OpenFile(path, connection, probe, fresh)


def _open_probe(path: Path) -> int:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (IsADirectoryError, PermissionError) as trouble:
        raise UnusableError("no_access") from trouble


def _prepare(connection: sqlite3.Connection, path: Path, max_mb: float) -> bool:
    """True for a new database. Raises OSError (ENOSPC) where an older one has no room to be brought up to date: not to be tried in vain."""
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES:d}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES:d}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES:d}")
    connection.execute("PRAGMA temp_store = MEMORY")
    version = read_version(connection)
    if version > len(MIGRATIONS):
        raise UnusableError("newer")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if version == 0 and tables:
        raise UnusableError("not_ours")
    if tables:
        _check_quickly(connection)
    if 0 < version < len(MIGRATIONS) and shutil.disk_usage(path.parent).free < _size(path):
        raise OSError(errno.ENOSPC, "no room to bring the database up to date")
    migrate(connection)
    # DELETE needs room too and fails once the disk is full: the size is capped before. SQLite never goes below the present size.
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {int(max_mb * 2**20 / page_bytes):d}")
    return not tables


def _check_quickly(connection: sqlite3.Connection, limit_s: float | None = None) -> None:
    timer = threading.Timer(CHECK_S if limit_s is None else limit_s, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as trouble:
        if _primary(trouble) != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        timer.cancel()
        timer.join()
    # A check that was broken off may also say so in its answer.
    if found != ("ok",) and "interrupt" not in str(found):
        raise UnusableError("corrupt")


def is_there(path: Path) -> bool:
    """Whether anything has this name; also False where that cannot be found out."""
    return os.path.lexists(path)


def set_aside(path: Path, word: str) -> Path:
    """Move a file with its -wal and -shm to a name of its own beside it. Raises OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.aside-{stamp}-{word}")
    for count in range(2, 1000):
        if not any(side.exists() for side in _sides(aside)):
            break
        aside = path.with_name(f"{path.name}.aside-{stamp}-{word}-{count}")
    for old, new in zip(_sides(path), _sides(aside), strict=True):
        with contextlib.suppress(FileNotFoundError):
            old.rename(new)
    return aside


def make_reserve(path: Path) -> None:
    """Set room aside for a few presses on a disk that others may fill; nothing happens if there is none to spare."""
    reserve = _reserve(path)
    with contextlib.suppress(OSError):
        if _size(reserve) >= _RESERVE_BYTES or shutil.disk_usage(path.parent).free < 8 * _RESERVE_BYTES:
            return
        handle = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, _RESERVE_BYTES)
        finally:
            os.close(handle)


def drop_reserve(path: Path) -> bool:
    """Give that room back; True if there was some."""
    try:
        _reserve(path).unlink()
    except OSError:
        return False
    return True


def has_used_reserve(path: Path) -> bool:
    """Whether the room set aside is gone, and there is not as much again."""
    try:
        return not _reserve(path).exists() and shutil.disk_usage(path.parent).free < _RESERVE_BYTES
    except OSError:
        return False


def _reserve(path: Path) -> Path:
    return path.with_name(f"{path.name}.reserve")


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes and creates nothing beside the database, -wal read where there is one.

    Raises OSError or sqlite3.Error. Without a -wal the file is complete and read as it is; with -wal and -shm SQLite reads
    through the existing -shm; a -wal alone (pulled power) is read from a copy, since reading it in place would make a -shm.
    """
    with path.open("rb"):
        pass  # an OSError with its reason, which SQLite would not tell
    wal, shm = _sides(path)[1:]
    with contextlib.ExitStack() as stack:
        if not _size(wal):
            options = "immutable=1"
        elif shm.exists():
            options = "mode=ro&readonly_shm=1"
        else:
            path = _copy(path, Path(stack.enter_context(tempfile.TemporaryDirectory())))
            options = "mode=rw"
        uri = f"file:{quote(str(path.absolute()))}?{options}"
        connection = stack.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_LOCK_S, isolation_level=None)))
        yield connection


def _copy(path: Path, into: Path) -> Path:
    for side in _sides(path)[:2]:
        shutil.copyfile(side, into / side.name)
    return into / path.name


def _primary(trouble: sqlite3.Error) -> int:
    return int(getattr(trouble, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def is_damage(trouble: sqlite3.Error) -> bool:
    """Whether the file itself is damaged, as opposed to the disk being full, read-only or ill."""
    return _primary(trouble) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_full(trouble: BaseException, directory: Path) -> bool:
    """Whether there was no room, however it was said."""
    if isinstance(trouble, OSError):
        return trouble.errno in _FULL
    if not isinstance(trouble, sqlite3.Error):
        return False
    kind = _primary(trouble)
    return kind == sqlite3.SQLITE_FULL or (kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and not _has_room(directory))


def _has_room(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free > _NO_ROOM_BYTES
    except OSError:
        return True


def diagnose(trouble: BaseException, directory: Path) -> Ailment:
    """What the disk suffers from, in words for `status`."""
    if is_full(trouble, directory):
        return Ailment("store.full", "the disk (or max_mb) is full: rows wait in memory", "free space on the disk of store.path")
    kind = _primary(trouble) if isinstance(trouble, sqlite3.Error) else 0
    number = trouble.errno if isinstance(trouble, OSError) else None
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) or number in _READ_ONLY:
        return Ailment(
            "store.read_only",
            "the store cannot be written: rows wait in memory",
            "look for `ro` in /proc/mounts and at the owner; where the unit lets nobody write `callout-agent check` says so",
        )
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Ailment(
            "store.busy", "another process holds the database: rows wait in memory", "end whatever has the database open for writing"
        )
    # SQLite calls a page that could not be read damaged; a file that is damaged is moved aside and needs no diagnosis.
    if kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT) or number == errno.EIO:
        return Ailment("store.io", "the disk answers with errors: rows wait in memory", "see dmesg; the card may be dying")
    return Ailment(
        "store.unusable", f"the store cannot be used ({type(trouble).__name__}): rows wait in memory", "see the log and store.path"
    )
