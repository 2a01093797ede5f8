"""The tables of the store and the numbered steps that made them: brings any older database up to date.

Touches one open connection. Must not open, close or move files, must not drop a row, and must not import sqlite-utils unless
there is a migration to run: the import costs 40 ms and 8 MB.

Columns read well in Datasette and need no decoding: `_utc` is ISO 8601 text in UTC with milliseconds and a Z (fixed width, so
it sorts as text and SQLite's date functions take it), `_s`, `_m`, `_mps` and `_deg` are numbers in that unit, `at_s` is
monotonic within its `boot`. Callout ids have no column affinity: 12 stays a number, '12' stays text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agent.columns import first_id

if TYPE_CHECKING:  # at run time only where a migration runs
    from sqlite_utils import Database

Migration = Callable[["Database"], None]


def make_first_tables(db: Database) -> None:
    """Version 1: boots, fixes, presses, callouts, events, notes, state."""
    db.table("boots").create({"number": int, "boot_id": str}, pk="number", not_null={"boot_id"})
    db.table("boots").create_index(["boot_id"], unique=True)
    _make_fixes(db)
    _make_presses_and_callouts(db)
    events = {"number": int, "callout_id": bytes, "key": str, "wall_utc": str, "source": str, "text": str, "told": int}
    db.table("events").create(events, pk="number")
    db.table("events").create_index(["callout_id", "key"], unique=True)
    db.table("notes").create({"name": str, "value": str}, pk="name")
    db.table("state").create({"name": str, "value": str}, pk="name")


def _make_fixes(db: Database) -> None:
    # `episode` is when the emergency began during which the fix was taken, NULL in quiet times; `sent_utc` when the
    # location lane had it accepted, `told_utc` when a trail told it.
    columns: dict[str, type] = {
        "id": int,
        "boot": int,
        "at_s": float,
        "wall_utc": str,
        "wall_trusted": int,
        "gnss_utc": str,
        "receiver": str,
        "latitude_deg": float,
        "longitude_deg": float,
        "accuracy_m": float,
        "altitude_m": float,
        "speed_mps": float,
        "track_deg": float,
        "segment": int,
        "quality": str,
        "episode": str,
        "sent_utc": str,
        "told_utc": str,
    }
    db.table("fixes").create(columns, pk="id", foreign_keys=[("boot", "boots", "number")])
    # Unique, so that a commit whose answer was lost can be tried again.
    db.table("fixes").create_index(["boot", "at_s", "receiver"], unique=True)
    db.table("fixes").create_index(["wall_utc"])
    db.execute("CREATE INDEX untold ON fixes (episode) WHERE episode IS NOT NULL AND sent_utc IS NULL AND told_utc IS NULL")


def _make_presses_and_callouts(db: Database) -> None:
    presses: dict[str, type] = {
        "number": int,
        "boot": int,
        "at_s": float,
        "wall_utc": str,
        "wall_trusted": int,
        "origin": str,
        "response_type_id": int,
        "note": str,
        "drill": int,
        "state": str,  # owed, settled, taken_back
        "settled_utc": str,
        "callout_id": bytes,
    }
    db.table("presses").create(presses, pk="number", foreign_keys=[("boot", "boots", "number")])
    callouts: dict[str, type] = {
        "number": int,  # counts up with every change: the newest change has the highest
        "id": bytes,
        "base_url": str,
        "customer_id": int,
        "phase": str,
        "calm": int,
        "origin": str,
        "drill": int,
        "raised_utc": str,
        "press_number": int,
        "dispatch_status": str,
        "closed_utc": str,
    }
    db.table("callouts").create(callouts, pk="number")
    db.table("callouts").create_index(["base_url", "customer_id", "id"], unique=True)


def order_by_capture(db: Database) -> None:
    """Version 2: the id of a fix tells its boot and its moment, so the rows lie in capture order in one tree.

    The two indexes that went cost two thirds of all bytes written.
    """
    _number_by_capture(db)
    db.execute("DROP INDEX idx_fixes_boot_at_s_receiver")
    db.execute("DROP INDEX idx_fixes_wall_utc")
    db.execute("CREATE INDEX undated ON fixes (boot) WHERE wall_trusted = 0")
    db.execute(
        "CREATE VIEW track AS SELECT wall_utc AS time_utc, latitude_deg, longitude_deg, accuracy_m, altitude_m, speed_mps, track_deg,"
        " receiver, quality, segment, gnss_utc, wall_trusted, at_s, boot_id, episode AS emergency_utc, sent_utc, told_utc, id"
        " FROM fixes JOIN boots ON boots.number = fixes.boot"
    )


def _number_by_capture(db: Database) -> None:
    """Give each fix its id (`columns.first_id`); where more share a moment than it has places, the next ones move up.

    In the order of the index, a handful at a time: a million rows at once would take 200 MB of memory.
    """
    sql = "SELECT id, boot, at_s, receiver FROM fixes WHERE (boot, at_s, receiver) > (?, ?, ?) ORDER BY boot, at_s, receiver LIMIT 5000"
    last, done = -1, (-1, 0.0, "")
    while rows := db.execute(sql, done).fetchall():
        fresh = []
        for number, boot, at, _ in rows:
            last = max(first_id(boot, at), last + 1)
            fresh.append((last, number))
        db.conn.executemany("UPDATE fixes SET id = ? WHERE id = ?", fresh)
        done = rows[-1][1:]


# Step n brings version n - 1 to version n. Steps are only ever appended, never edited.
MIGRATIONS: tuple[Migration, ...] = (make_first_tables, order_by_capture)


def read_version(connection: sqlite3.Connection) -> int:
    """The schema version of a database; 0 for an empty file. Raises sqlite3.Error."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Run the missing steps in one transaction: all of them or none. Raises sqlite3.Error and whatever a step raises."""
    version = read_version(connection)
    if version >= len(steps):
        return
    from sqlite_utils import Database  # noqa: PLC0415 - 40 ms and 8 MB, only when there is a migration to run

    connection.execute("BEGIN IMMEDIATE")
    try:
        db = Database(connection)
        for step in steps[version:]:
            step(db)
        connection.execute(f"PRAGMA user_version = {len(steps):d}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
