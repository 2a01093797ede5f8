"""A whole life of the daemon as its log tells it: nothing that is secret, no place, and few enough lines that a person reads them."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections import Counter
from pathlib import Path

from stage import CODE_WRONG, Stage, codes, driving, streamed
from supervising import log_of

MOST_A_MINUTE = 40  # the busiest minute of this story, in which everything fails once
# Positions have three decimals and more, as degrees or as NMEA's minutes; the log's own moments have a comma.
PLACE = re.compile(r"\d+\.\d{3,}")
MOMENT = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d):\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)$", re.MULTILINE)


async def outage(stage: Stage) -> None:
    """The link is gone for so long that every lane has failed several times."""
    await stage.link.cut()
    await stage.until_status(lambda told: "dispatch.unreachable" in codes(told), 30, "unreachable")
    await asyncio.sleep(8.0)  # how long it lasts
    await stage.link.mend()
    await streamed(stage)


async def live(stage: Stage) -> None:
    """From the first start to an orderly end: a press, an outage, refused tokens, a coerced cancel, a crash, a receiver unplugged."""
    await stage.start()
    await stage.until_armed()
    await stage.ask(do="raise", note="at the gate of 12.345678")
    await stage.until_callout(lambda seen: len(seen["positions"]) >= 2)
    await outage(stage)
    await stage.desk("POST", "faults", {"on": "/panic-api/*", "action": "status", "status": 401, "count": 6})
    await stage.desk("POST", "faults", {"on": ["mint"], "action": "status", "status": 503, "count": 2})
    await streamed(stage)
    await stage.kill()
    await stage.start()
    await stage.until_status(lambda told: told["callout"]["state"] == "active", 20, "resumed")
    await streamed(stage)
    await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG + "\n")
    await stage.until_callout(lambda seen: seen["duress"], 15, "the code has reached dispatch")
    await streamed(stage)
    stage.tty.unlink()
    await stage.desk("POST", f"callouts/{(await stage.callouts())[-1]['id']}/close")
    await asyncio.sleep(3.0)  # what is said of the end has been said
    await stage.signal(signal.SIGTERM)
    assert await stage.ended(20) == 0


def test_log_of_a_whole_life_holds_no_place_no_secret_and_few_lines(tmp_path: Path):
    """At info and above, whatever went wrong in it (law 11)."""

    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            began = time.monotonic()
            await live(stage)
            log, minutes = log_of(stage), (time.monotonic() - began) / 60
            told = MOMENT.findall(log)
            assert {"INFO", "ERROR"} <= {level for _, level, _ in told} <= {"INFO", "WARNING", "ERROR"}, "a defect would be critical"
            assert len(told) == len(log.splitlines()), "one line a record: nothing writes past the log"
            assert [words for _, _, words in told if PLACE.search(words)] == []
            secrets = (stage.simulator.settings.device_key, CODE_WRONG, "eyJ", "Bearer", "12.345678", "at the gate")
            assert [secret for secret in secrets if secret in log] == []
            a_minute = Counter(minute for minute, _, _ in told)
            assert max(a_minute.values()) <= MOST_A_MINUTE, a_minute
            assert len(told) <= MOST_A_MINUTE * max(1.0, minutes)
            assert re.search(r"dispatch\.unreachable: over after \d+ failure\(s\) in ", log)

    asyncio.run(story())
