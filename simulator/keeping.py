"""The state file: everything that outlives the simulator's process, in one SQLite database that a person can read.

Touches that file, its -wal and -shm, and nothing else. A file that is not its own, or of another version, is refused and left
exactly as it is. Codes as typed are not written: four digits behind a hash are four digits.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import stat
import struct
import tempfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.ledger import Ledger, Step, read_back
from simulator.outbox import Delivery, Outbox
from simulator.records import Callout, Cancel, Counters, Customer, Device, Site, Webhook
from simulator.settings import Settings, change, tell
from simulator.state import State
from simulator.tables import Table, lay_out
from simulator.tokens import Token, Tokens

# In the header of every state file, where `file` and SQLite look for it: "cosm", callout simulator.
APPLICATION_ID = 0x636F736D
_MAGIC = b"SQLite format 3\0"
# How long a step waits for somebody who writes to the file by hand, s. Nothing is answered meanwhile.
_BUSY_S = 1.0


class UnusableError(ValueError):
    """The file cannot be used as it is. The text is one sentence for a person and says what to do."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A setting that was changed while the simulator ran, as JSON."""

    name: str
    value: str


def _table(name: str, form: type, key: str | None = None) -> Table:
    return lay_out(name, form, key=key, leave_out={(Cancel, "typed")})


# What lies in the file: attributes of `State`, tokens, what a webhook is still to be told, settings. Those with a key are a dict, the
# others one record or None.
STATE_TABLES = (
    _table("counters", Counters),
    _table("customers", Customer, "id"),
    _table("sites", Site, "reference"),
    _table("devices", Device, "device_id"),
    _table("callouts", Callout, "id"),
    _table("webhook", Webhook),
)
TOKENS = _table("tokens", Token, "text")
DELIVERIES = _table("deliveries", Delivery, "number")
SETTINGS = _table("settings", Changed, "name")
TABLES = (*STATE_TABLES, TOKENS, DELIVERIES, SETTINGS)
_DDL = [below.ddl() for table in TABLES for below in table.within()]
# Other fields make other tables, and those another number: nobody has to remember to count a version up.
VERSION = zlib.crc32("\n".join(_DDL).encode()) & 0x7FFFFFFF


class Keeping:
    """The state file of one simulation, open and locked until `close`.

    What an existing file holds replaces what state, tokens and outbox held. Raises UnusableError where the file cannot be used. One
    thread at a time.
    """

    def __init__(self, path: Path, state: State, tokens: Tokens, outbox: Outbox, settings: Settings) -> None:
        self.path = path
        self._state = state
        self._tokens = tokens
        self._outbox = outbox
        self._begun_with = settings
        self._told = settings
        self._changed: dict[str, Changed] = {}
        self._ledger = Ledger()
        with contextlib.ExitStack() as undo:
            if not path.exists():
                _make(path, self._compare(None))
            self._lock = _lock(path)
            undo.callback(os.close, self._lock)
            _check_header(path, self._lock)
            self._connection = _connect(path)
            undo.callback(self._connection.close)
            self._load()
            undo.pop_all()

    @property
    def settings(self) -> Settings:
        """Those that the simulation began with, and over them what was changed while it ran. Raises UnusableError."""
        try:
            return change(self._begun_with, {each.name: json.loads(each.value) for each in self._changed.values()})
        except ValueError as trouble:
            raise UnusableError(f"{self.path} holds a setting that does not fit ({trouble}): {_WAY_OUT}.") from None

    def save(self, settings: Settings, touched: Collection[int]) -> None:
        """Write what changed; touched: ids of callouts. Raises sqlite3.Error, and then the next call writes it."""
        if settings is not self._told:
            start, now = tell(self._begun_with), tell(settings)
            self._changed = {name: Changed(name, json.dumps(now[name])) for name in now if now[name] != start[name]}
        step = self._compare(touched)
        if step.statements:
            with _transaction(self._connection):
                _carry_out(self._connection, step)
        self._ledger.settle(step)
        self._told = settings

    def close(self) -> None:
        """Close the file; twice is harmless."""
        if self._lock >= 0:
            self._connection.close()
            # After the connection: to close any descriptor of the file gives up SQLite's own locks on it.
            os.close(self._lock)
            self._lock = -1

    def _compare(self, touched: Collection[int] | None) -> Step:
        """What is to be written. touched None: every callout is looked at."""
        step = Step()
        for table in STATE_TABLES:
            value = getattr(self._state, table.name)
            if table.key:
                self._ledger.compare_keyed(step, table, value, touched if table.name == "callouts" else None)
            else:
                self._ledger.compare_list(step, table, (), [] if value is None else [value])
        self._ledger.compare_keyed(step, TOKENS, self._tokens.book)
        self._ledger.compare_keyed(step, DELIVERIES, self._outbox.waiting)
        self._ledger.compare_keyed(step, SETTINGS, self._changed)
        return step

    def _load(self) -> None:
        try:
            for table in STATE_TABLES:
                found = self._read(table)
                kept: Any = {getattr(record, table.key): record for record in found} if table.key else next(iter(found), None)
                setattr(self._state, table.name, kept)
            self._tokens.book = {token.text: token for token in self._read(TOKENS)}
            self._outbox.waiting = {delivery.number: delivery for delivery in self._read(DELIVERIES)}
            self._changed = {each.name: each for each in self._read(SETTINGS)}
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as trouble:
            raise UnusableError(f"{self.path} is damaged ({trouble}): {_WAY_OUT}.") from trouble
        self._told = self.settings
        self._ledger.settle(self._compare(None))

    def _read(self, table: Table) -> list[Any]:
        rows = {below.name: self._connection.execute(_select(below)).fetchall() for below in table.within()}
        return [record for records in read_back(table, rows).values() for record in records]


_WAY_OUT = "move it away and a new one is begun, or name another file"


def _select(table: Table) -> str:
    names = ", ".join(f'"{column.name}"' for column in (*table.path, *table.columns))
    order = "rowid" if table.key else ", ".join(f'"{column.name}"' for column in table.path)
    return f'SELECT {names} FROM "{table.name}" ORDER BY {order}'  # noqa: S608 - names of our own dataclasses


def _make(path: Path, filled: Step) -> None:
    """A new file, complete before it bears its name: a start that breaks off leaves none or a whole one."""
    try:
        # Made by us and not by SQLite: tokens and positions are for the owner alone. -wal and -shm inherit the mode, 0600.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as trouble:
        raise UnusableError(f"{path} cannot be made ({trouble.strerror}): name a file in a folder that can be written.") from None
    os.close(handle)
    try:
        with contextlib.closing(sqlite3.connect(name, isolation_level=None)) as connection, _transaction(connection):
            for statement in _DDL:
                connection.execute(statement)
            _carry_out(connection, filled)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        with contextlib.suppress(FileExistsError):  # another simulator was quicker: its file is looked at like any other
            os.link(name, path)
    except (sqlite3.Error, OSError) as trouble:
        raise UnusableError(f"{path} cannot be made ({trouble}): name another file.") from trouble
    finally:
        Path(name).unlink()


def _lock(path: Path) -> int:
    """A descriptor that holds the file for this process. Readers are not kept out."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as trouble:
        raise UnusableError(f"{path} cannot be opened ({trouble.strerror}): name a file that can be read and written.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UnusableError(f"{path} is in use by another simulator: end that one, or name another file.") from None
    return handle


def _check_header(path: Path, handle: int) -> None:
    """Look before SQLite does: opening a stranger's database may already change it."""
    head = os.read(handle, 100) if stat.S_ISREG(os.fstat(handle).st_mode) else b""  # a pipe would be waited for
    if len(head) < 100 or not head.startswith(_MAGIC) or struct.unpack_from(">I", head, 68)[0] != APPLICATION_ID:
        raise UnusableError(f"{path} is not a state file of the simulator and was left as it is: name another file.")
    if struct.unpack_from(">I", head, 60)[0] != VERSION:
        raise UnusableError(f"{path} is of another version of the simulator and was left as it is: {_WAY_OUT}, or use that version.")
    os.fchmod(handle, 0o600)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A kill loses nothing; pulled power may lose the last steps, which is enough for a stand-in.
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.DatabaseError as trouble:
        connection.close()
        raise UnusableError(f"{path} cannot be used ({trouble}): {_WAY_OUT}.") from trouble
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _carry_out(connection: sqlite3.Connection, step: Step) -> None:
    for statement, rows in step.statements:
        connection.executemany(statement, rows)
