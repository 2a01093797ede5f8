"""Law 5 for the doctor and its archive: whether a cancelled callout is over or goes on, they say the same; and nothing secret gets out.

Two devices of the real daemon, the same in everything but the code that was typed.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

from stage import CODE_RIGHT, CODE_WRONG, INNER, Stage, driving, press, streamed

# What differs between any two runs: times, ages, sizes, ports, folders, ids of threads and processes, and the wear of a shared machine.
MASKS = ((r"/tmp/[\w./-]*", "/PLACE"), (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?", "TIME"), (r"\d+(\.\d+)?", "N"))


def masked(text: str) -> str:
    """Without what differs anyway."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return text


async def cancelled(stage: Stage, code: str) -> None:
    """Raised, streaming, and called off by this code; the right one ends it at dispatch, the wrong one does not."""
    await stage.start()
    await stage.until_armed()
    await press(stage)
    await stage.until_status(lambda told: told["callout"]["state"] == "active", 30, "active")
    await streamed(stage)
    assert (await stage.command("cancel", "--safe-code-stdin", typed=f"{code}\n"))[0] == 0
    callout = await stage.until_callout(lambda seen: seen["cancels"], 30, "the code arrived")
    if code == CODE_RIGHT:
        await stage.desk("POST", f"callouts/{callout['id']}/close")
        await stage.until(lambda: stage.status(inner=INNER), lambda told: told["callout"]["state"] == "standby", 30, "over")
    else:
        await streamed(stage)
    # Both have polled since, so that nothing of the time before is left to be told.
    asked = len(await stage.desk("GET", "requests"))
    await stage.until(lambda: stage.desk("GET", "requests"), lambda seen: len(seen) > asked + 2, 30, "polls go on")


async def examined(stage: Stage, name: str) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    """The doctor's steps and the members of its archive."""
    path = stage.folder / name
    code, out, err = await stage.command("doctor", "--json", "--bundle", str(path))
    steps: list[dict[str, str]] = json.loads(out)["steps"]
    assert code == 0, [each for each in steps if each["state"] == "fail"]
    assert "look at it before you send it" in err
    return steps, unpacked(path.read_bytes())


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Each member by its name."""
    members: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for each in opened.getmembers():
            file = opened.extractfile(each)
            assert file is not None
            members[each.name.rpartition("/")[2]] = file.read()
    return members


async def secrets_of(stage: Stage) -> list[str]:
    """What must not be in it: keys, tokens, codes, where the device is and was."""
    kept = json.loads((stage.folder / "token.json").read_text())
    places = [each for callout in await stage.callouts() for each in callout["positions"]]
    told = [f"{abs(each[key]):.4f}"[:-1] for each in places for key in ("latitude", "longitude")]
    assert told
    return [stage.simulator.settings.device_key, kept["token"], CODE_RIGHT, CODE_WRONG, *told]


def differences(one: Any, other: Any) -> list[Any]:
    """What the two say differently, side by side."""
    return [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]


def test_doctor_and_archive_do_not_tell_whether_a_cancelled_callout_lives(tmp_path: Path):
    """Step by step and member by member the same; in no member a secret or a place."""

    async def device(name: str, code: str, ready: asyncio.Barrier) -> tuple[list[dict[str, str]], dict[str, bytes]]:
        folder = tmp_path / name
        folder.mkdir()
        async with driving(folder) as (stage, _):
            await cancelled(stage, code)
            async with asyncio.timeout(60):
                await ready.wait()
            found = await examined(stage, "out.tar.gz")
            secrets = await secrets_of(stage)
            leaked = [(member, each) for member, content in found[1].items() for each in secrets if each.encode() in content]
            assert leaked == []
            if code == CODE_WRONG:
                await streamed(stage)
            return found

    async def story() -> Any:
        ready = asyncio.Barrier(2)
        return await asyncio.gather(device("a", CODE_RIGHT, ready), device("b", CODE_WRONG, ready))

    (over, over_archive), (living, living_archive) = asyncio.run(story())
    said = [[(each["name"], each["state"], masked(" ".join(each.values()))) for each in steps] for steps in (over, living)]
    assert len(over) > 30
    assert differences(*said) == []
    assert over_archive.keys() == living_archive.keys()
    for name in over_archive:
        texts = [masked(each[name].decode()).splitlines() for each in (over_archive, living_archive)]
        assert differences(*texts) == [], name
