"""Whether a database is whole, found out by a process of its own: `python quick_check.py PATH`.

Reads one file, beside whoever writes it, and prints "ok" or "damaged". In a process of its own because the store's thread belongs to
presses, and SQLite must not open one file twice in threads that share no descriptors (see `aside.part`). Imports nothing of ours, gives
way to everybody where it may (the unit's filter of system calls does not let it), changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from urllib.parse import quote

LEAST_URGENT = 19
IOPRIO_WHO_PROCESS, IDLE_CLASS = 1, 3 << 13
IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "armv7l": 314, "armv6l": 314}


def give_way() -> None:
    """To every other process, on the processor and the disk, as far as this process may."""
    import ctypes  # noqa: PLC0415 - only the process of its own needs it

    with contextlib.suppress(OSError):
        os.nice(LEAST_URGENT)
    number = IOPRIO_SET.get(os.uname().machine)
    if number is not None:
        ctypes.CDLL(None).syscall(number, IOPRIO_WHO_PROCESS, 0, IDLE_CLASS)


def look(path: str) -> str:
    """Say "ok" or "damaged". Raises sqlite3.Error for what could not be found out."""
    uri = f"file:{quote(os.path.abspath(path))}?mode=ro"  # noqa: PTH100 - no pathlib: a process that lives for a second
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10.0)) as connection:
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                return "damaged"
            raise
    return "ok" if found == ("ok",) else "damaged"


if __name__ == "__main__":
    give_way()
    sys.stdout.write(look(sys.argv[1]))
