"""`track` beside the real daemon: what it recorded is there, and after a cancel nothing of what goes on is."""

from __future__ import annotations

import asyncio
import csv
import difflib
import io
import json
import sqlite3
from pathlib import Path

from stage import CODE_WRONG, Stage, driving, streamed


async def exported(stage: Stage, form: str) -> str:
    code, out, err = await stage.command("track", "export", "--format", form)
    assert code == 0, err
    return out


def test_the_track_of_a_callout_and_what_a_cancel_leaves_of_it(tmp_path: Path):
    """Positions that dispatch accepted are marked. Behind a cancel more are, and the export only grows by rows that say nothing.

    What it said of the time before the cancel stays the same to the byte, in the daemon's life and after its end; so does the picture.
    """

    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3)
            await stage.until(lambda: exported(stage, "csv"), lambda told: count_sent(told) >= 2, 15, "sent positions are in the file")
            await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG + "\n")
            await stage.until_callout(lambda seen: seen["duress"], what="the cancel has arrived")
            first = await exported(stage, "csv")
            about = [each["properties"] for each in json.loads(await exported(stage, "geojson"))["features"]]
            (ended,) = [each["text"] for each in about if each["kind"] == "ended"]
            await streamed(stage)
            grown = await stage.until(lambda: exported(stage, "csv"), lambda told: len(told) > len(first), 30, "it goes on recording")
            await stage.kill()
            for later in (grown, await exported(stage, "csv")):
                assert later.startswith(first), "\n".join(difflib.unified_diff(first.splitlines(), later.splitlines(), lineterm="", n=1))
                fresh = csv.DictReader(io.StringIO(first.partition("\n")[0] + "\n" + later[len(first) :]))
                assert {(row["sent_utc"], row["told_utc"], row["episode"]) for row in fresh} == {("", "", "")}
            about = [each["properties"] for each in json.loads(await exported(stage, "geojson"))["features"]]
            assert [each["text"] for each in about if each["kind"] == "ended"] == [ended]
            code, out, err = await stage.command("track", "show", "--output", str(tmp_path / "track.html"))
            assert code == 0, err
            assert "never offline" in out
            with sqlite3.connect(stage.store) as db:
                sql = "SELECT count(*) FROM fixes WHERE episode > '' AND wall_utc > (SELECT value FROM notes WHERE name = 'calm_since')"
                assert db.execute(sql).fetchone()[0], "there is something to hide"

    asyncio.run(story())


def count_sent(told: str) -> int:
    return sum(bool(row["sent_utc"]) for row in csv.DictReader(io.StringIO(told)))
