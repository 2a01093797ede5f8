"""The database opens in the tools that people have: sqlite-utils and Datasette, with columns that need no decoding."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import drives
import pytest

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drives.make_drive(tmp_path_factory.mktemp("drive") / "agent.db")


def run(program: str, *words: str) -> Any:
    """What a program says, as JSON."""
    done = subprocess.run([BIN / program, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def is_readable(row: dict[str, Any]) -> bool:
    """Times as text in UTC, places as numbers in degrees."""
    return row["wall_utc"].endswith("Z") and isinstance(row["latitude_deg"], float) and row["receiver"] == "gpsd"


def test_sqlite_utils_reads_it(drive: Path):
    """Its tables, and a question about an outage as docs/TRACK.md asks it."""
    tables = {each["table"]: each["count"] for each in run("sqlite-utils", "tables", str(drive), "--counts")}
    assert tables.keys() >= {"fixes", "presses", "callouts", "events", "boots"}
    assert tables["fixes"] > 1000
    sql = "select * from fixes where episode is not null and sent_utc is null and told_utc is null"
    sql += " and wall_utc > '2026-03-02T09' order by id"
    rows = run("sqlite-utils", "query", str(drive), sql)
    assert all(map(is_readable, rows))
    assert rows[0]["wall_utc"].startswith("2026-03-02T09:3")


def test_datasette_serves_it(drive: Path):
    """Through its JSON API: filtered by a column's name, sorted by time; nothing is a blob."""
    address = "/agent/fixes.json?" + urlencode({"_shape": "array", "_size": 5, "sent_utc__notblank": 1, "_sort": "wall_utc"})
    rows = run("datasette", "--get", address, "--immutable", str(drive))
    assert len(rows) == 5
    assert all(map(is_readable, rows))
    assert rows[0]["sent_utc"] == "2026-03-02T08:31:08.300Z"
