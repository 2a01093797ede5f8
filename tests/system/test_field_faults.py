"""The ten faults that a device in the field is most likely to have: `status` and `doctor` name each, and what to do about it.

The real daemon, each fault made for real. docs/FIELD-FAULTS.md shows the actual output: with CALLOUT_AGENT_WRITE=1 this test writes the
page, otherwise it compares, numbers, times and paths apart. The stories go on side by side: they wait more than they work.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dead_sim import dead_sim
from disks import fill_up, on_a_disk
from faketime import LIBRARY, YEAR_S, FakedClock
from rigs import GPSD, Gpsd, with_checksum
from stage import DRIVE, Stage, codes, driving, staged
from wearing import wearing

from hardware.feeder import Feeder

PAGE = Path(__file__).parents[2] / "docs" / "FIELD-FAULTS.md"
WITHIN_S = 45.0  # with all ten side by side on two busy cores
ROOT = os.geteuid() == 0

# What every device of a test has besides: it was never drilled, a program plays its button, its config is for everybody to read.
BESIDES = ("armed_proof.", "button.played", "indicator.played", "files.")


@dataclass(frozen=True)
class Said:
    """What a device with a fault says."""

    status: str
    conditions: tuple[dict[str, Any], ...]
    steps: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Fault:
    """code: the condition of `status` that names it. step: the doctor's step that does. words: what both remedies must lead to.

    status_says, doctor_says: words that must be in the text and hint, and in what was seen, is meant and is to be done.
    """

    title: str
    means: str
    code: str
    step: str
    status_says: tuple[str, ...]
    doctor_says: tuple[str, ...]
    suffer: Callable[[Path], Awaitable[Said]]
    needs: str = ""  # why it cannot be made here


async def begin(stage: Stage, *changes: tuple[str, str]) -> None:
    """Start it, with the config as an installer would have it by mistake, and with patience: ten devices are on two busy cores."""
    write = stage.write_config

    def wrongly() -> None:
        write()
        for old, new in ((r"deadline_s = 3\n", "deadline_s = 20\n"), *changes):
            text, count = re.subn(old, new, stage.config.read_text())
            assert count == 1
            stage.config.write_text(text)

    setattr(stage, "write_config", wrongly)  # noqa: B010 - of this stage alone
    await stage.start()


async def armed(stage: Stage) -> None:
    """It is well."""
    await stage.until_status(lambda told: told["armed"] and told["fix"], WITHIN_S, "armed")


async def say(stage: Stage, code: str, also: Callable[[dict[str, Any]], object] = lambda _: True) -> Said:
    """As soon as the daemon suffers from it: what the two commands print, as a person and as a program sees it."""
    await stage.until_status(lambda told: code in codes(told) and also(told), WITHIN_S, code)
    exit_code, shown, _ = await stage.command("status", "--json")
    told = json.loads(shown)
    assert exit_code == (0 if told["armed"] else 1)
    assert code in codes(told), "it does not come and go"
    _, status, _ = await stage.command("status")
    exit_code, out, err = await stage.command("doctor", "--json")
    assert (exit_code, err) == (1, ""), "a fault is a failure, and nothing else is said"
    return Said(status, tuple(told["conditions"]), tuple(json.loads(out)["steps"]))


def fixed(told: dict[str, Any]) -> bool:
    """There is a position, so that nothing else is missing."""
    return bool(told["fix"])


# --- the faults ---------------------------------------------------------------------------------------------------------------

DEAF = [
    with_checksum(content).strip()
    for content in (
        "GPRMC,120000.00,V,,,,,,,010124,,,N",
        "GPGGA,120000.00,,,,,0,00,99.99,,,,,,",
        "GPGSA,A,1,,,,,,,,,,,,,99.99,99.99,99.99",
        "GPGSV,1,1,00",
    )
]


async def antenna_off(folder: Path) -> Said:
    async with staged(folder) as stage, Feeder(DEAF, stage.tty, wall=time.time):
        await begin(stage)
        return await say(stage, "receiver.no_position")


async def receiver_unplugged(folder: Path) -> Said:
    async with driving(folder) as (stage, feeder):
        await begin(stage)
        await armed(stage)
        feeder.unplug()
        return await say(stage, "receiver.unplugged", lambda told: "position.stale" in codes(told))


async def gpsd_stopped(folder: Path) -> Said:
    async with staged(folder) as stage, Feeder(DRIVE, stage.tty, wall=time.time):
        gpsd = Gpsd(folder, stage.tty)
        await gpsd.start()
        try:
            stage.receivers = f'[[receiver]]\nkind = "gpsd"\nport = {gpsd.port}\n'
            await begin(stage)
            await armed(stage)
        finally:
            await gpsd.kill()
        return await say(stage, "receiver.unreachable", lambda told: "position.stale" in codes(told))


async def sim_without_data(folder: Path) -> Said:
    async with driving(folder) as (stage, _), dead_sim() as behind:
        token = folder / "token"
        token.write_text("abc.def.ghi-0123456789")
        token.chmod(0o600)
        stage.base_url = "https://staging-panic.aura.services/panic-api/v2"  # out of reach from there, as anything is
        command_line = stage.command_line
        setattr(stage, "command_line", lambda *words: (*behind, *command_line(*words)))  # noqa: B010 - of this stage alone
        await begin(stage, (r"token_url.*\nbearer_file.*", 'token_file = "token"'))  # a token in hand: it worked before
        return await say(stage, "dispatch.unreachable", lambda told: fixed(told) and "looked up" in str(told["conditions"]))


async def captive_portal(folder: Path) -> Said:
    async with driving(folder) as (stage, _):
        await begin(stage)
        await armed(stage)
        await stage.desk("PUT", "faults", [{"on": "*", "action": "portal"}])
        return await say(stage, "dispatch.odd_reply")


async def token_revoked(folder: Path) -> Said:
    async with driving(folder) as (stage, _):
        await begin(stage)
        await armed(stage)
        (folder / "device-key").write_text("no longer good")
        await stage.desk("POST", "tokens/expire")
        return await say(stage, "token.refused")


async def clock_wrong(folder: Path) -> Said:
    async with driving(folder) as (stage, _):
        FakedClock(stage, -10 * YEAR_S)
        await begin(stage)
        return await say(stage, "clock.wrong", fixed)


async def disk_full(folder: Path) -> Said:
    async with on_a_disk(folder) as (stage, disk):
        await begin(stage)
        await armed(stage)
        fill_up(disk.folder)
        return await say(stage, "store.full")


async def button_stuck(folder: Path) -> Said:
    """It jammed at a press, dispatch closed that callout, the device was restarted."""
    async with wearing(folder) as (stage, wearer):
        await begin(stage)
        await armed(stage)
        wearer.hold()
        told = await stage.until_status(lambda told: told["callout"]["state"] == "active", WITHIN_S, "raised")
        await stage.desk("POST", f"callouts/{told['callout']['id']}/close")
        await stage.until_status(lambda told: told["callout"]["state"] == "standby", WITHIN_S, "closed")
        await stage.kill()
        await stage.start()
        return await say(stage, "button.stuck", fixed)


async def wrong_customer(folder: Path) -> Said:
    async with driving(folder) as (stage, _):
        await begin(stage, (r"customer_id = \d+", "customer_id = 4712"))
        return await say(stage, "token.none", fixed)


NEEDS_ROOT = "" if ROOT else "mounts and network namespaces need root"
FAULTS = (
    Fault(
        "The antenna is off",
        "The receiver speaks, and hears no satellite. A raise carries the last stored position, or none.",
        "receiver.no_position",
        "receiver serial",
        ("hears no satellite", "Check the antenna"),
        ("hears no satellite", "Check the antenna"),
        antenna_off,
    ),
    Fault(
        "The receiver was unplugged",
        "Its line is gone. A raise carries the last position with its age.",
        "receiver.unplugged",
        "receiver serial",
        ("was unplugged", "Plug the receiver in"),
        ("was unplugged", "Plug the receiver in"),
        receiver_unplugged,
    ),
    Fault(
        "gpsd has stopped",
        "The receiver may be well; nobody passes on what it says.",
        "receiver.unreachable",
        "receiver gpsd",
        ("gpsd at", "cannot be reached", "Start gpsd"),
        ("gpsd at", "cannot be reached", "Start gpsd"),
        gpsd_stopped,
        "" if GPSD else "gpsd is not installed",
    ),
    Fault(
        "The SIM has no data",
        "The modem is registered, the interface has an address and a route, and nothing comes back.",
        "dispatch.unreachable",
        "network",
        ("SIM with data",),
        ("nothing comes back", "the SIM has no data", "credit"),
        sim_without_data,
        NEEDS_ROOT,
    ),
    Fault(
        "A captive portal",
        "The network wants somebody to sign in, and answers everything itself until then.",
        "dispatch.odd_reply",
        "dispatch",
        ("a portal", "log in to the network's portal"),
        ("a web page answers", "sign in at the network's portal"),
        captive_portal,
    ),
    Fault(
        "The token was revoked",
        "Dispatch takes the token no more, and the token service gives this device no other.",
        "token.refused",
        "dispatch",
        ("revoked", "ask whoever runs the token service"),
        ("refuses this device's key", "revoked", "put the device's key of now into the file"),
        token_revoked,
    ),
    Fault(
        "The clock is wrong",
        "Certificates are judged by the system clock: it may keep dispatch from being reached at all.",
        "clock.wrong",
        "clock",
        ("the system clock is", "days slow", "timedatectl"),
        ("days slow", "certificates are judged by it", "timedatectl"),
        clock_wrong,
        "" if LIBRARY else "libfaketime is not installed",
    ),
    Fault(
        "The disk is full",
        "A press is raised all the same. The track waits in memory, and is lost with the power.",
        "store.full",
        "disk",
        ("full", "free space"),
        ("it is full", "free room", "du -xh"),
        disk_full,
        NEEDS_ROOT,
    ),
    Fault(
        "The button is stuck",
        "It was pressed before the start and has not let go: nobody can press it.",
        "button.stuck",
        "button panic",
        ("does not let go", "Free a jammed button"),
        ("does not let go", "Free a jammed button"),
        button_stuck,
    ),
    Fault(
        "The customer id is wrong",
        "The token service knows no such customer, so there is no token to raise with.",
        "token.none",
        "token",
        ("knows no such customer", "customer_id"),
        ("customer 4712 is wrong", "customer_id", "what AURA gave you"),
        wrong_customer,
    ),
)


# --- the page -----------------------------------------------------------------------------------------------------------------

MASKS = (
    (r"/tmp/[\w./-]*?/(ttyGPS|disk|gpiochip|run|agent\.db)\b", r"/PLACE/\1"),
    (r"/tmp/[\w.-]+", "/PLACE"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\dZ?", "TIME"),
    (r"-?\d{1,3}\.\d{6}, -?\d{1,3}\.\d{6}", "LATITUDE, LONGITUDE"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"\d+(\.\d+)?", "N"),
)


def masked(text: str) -> str:
    """What of the output is the same every time."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return text


def placed(text: str) -> str:
    """For a reader: without this machine's folders."""
    for pattern, instead in MASKS[:2]:
        text = re.sub(pattern, instead, text)
    return text


def shown_of_status(fault: Fault, said: Said) -> list[str]:
    """The head, and the conditions that belong to the fault: two lines each."""
    lines = said.status.splitlines()
    firsts = [number for number, line in enumerate(lines) if re.match(r"(CRITICAL|DEGRADED|NOTE) ", line)]
    shown = lines[:1]
    for number in firsts:
        code = lines[number].split()[1].rstrip(":")
        akin = code.partition(".")[0] in {fault.code.partition(".")[0], "position"}
        if akin and not code.startswith(BESIDES):
            shown += lines[number : number + 2]
    return shown


def shown_of_doctor(fault: Fault, said: Said) -> list[str]:
    """The step that names it."""
    step = the_step(fault, said)
    lines = [f"{step['state']:<8}{step['name']}: {step['seen']}"]
    for text, sign in ((step["means"], "  "), (step["do"], "->")):
        lines += [f"        {sign} {line}" for line in text.split("\n") if text and "name a real device" not in line]
    return [re.sub(r"; a program plays the button.*\(button\.played\)", "", line) for line in lines]


def the_step(fault: Fault, said: Said) -> dict[str, str]:
    return next(each for each in said.steps if each["name"] == fault.step)


def section(fault: Fault, said: Said) -> str:
    """One fault on the page."""
    shown = ("$ callout-agent status", *shown_of_status(fault, said), "", "$ callout-agent doctor", *shown_of_doctor(fault, said))
    return "\n".join((f"## {fault.title}\n", f"{fault.means}\n", "```", *map(placed, shown), "```"))


def head() -> str:
    """What stands above the faults."""
    anchors = (re.sub(r"[^a-z0-9 -]", "", fault.title.lower()).replace(" ", "-") for fault in FAULTS)
    rows = [f"| [{each.title}](#{to}) | `{each.code}` | {each.step} |" for each, to in zip(FAULTS, anchors, strict=True)]
    return HEAD + "\n".join(rows)


HEAD = """# Ten faults of the field

What is most likely to go wrong with a device that worked, what `callout-agent status` and `callout-agent doctor` say of it, and what to
do. Each was made for real on a running daemon, and the output is what it printed: `tests/system/test_field_faults.py` writes this page
(`CALLOUT_AGENT_WRITE=1`) and compares it. Lines that belong to another matter are left out. `doctor` goes down the whole chain: begin with
the first step that says `fail`.

| fault | condition in `status` | step of `doctor` |
| --- | --- | --- |
"""


# --- the test -----------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def somewhere() -> AsyncIterator[Path]:
    """A short folder that gpsd, once it has given root up, can enter."""
    with tempfile.TemporaryDirectory(prefix="callout-fault-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def heard_of(fault: Fault) -> Said | str:
    """What it says, or why it cannot be made here."""
    if fault.needs:
        return fault.needs
    async with somewhere() as folder:
        try:
            return await fault.suffer(folder)
        except pytest.skip.Exception as skipped:
            return str(skipped)


def assert_named(fault: Fault, said: Said) -> None:
    """By the condition and by the step, in words that lead to the remedy."""
    condition = next(each for each in said.conditions if each["code"] == fault.code)
    told = f"{condition['text']} {condition['hint']}"
    assert [word for word in fault.status_says if word not in told] == [], f"{fault.title}: {told}"
    step = the_step(fault, said)
    assert step["state"] == "fail", f"{fault.title}: {step}"
    told = " ".join((step["seen"], step["means"], step["do"]))
    assert [word for word in fault.doctor_says if word not in told] == [], f"{fault.title}: {told}"


def assert_nothing_else(fault: Fault, said: Said) -> None:
    """Whoever begins at the first failure begins at the fault, or at what follows from it."""
    failed = {each["name"] for each in said.steps if each["state"] == "fail"} - {fault.step}
    assert failed <= {"position", "store", "armed", "name", "connection", "certificate", "token", "dispatch"}, f"{fault.title}: {failed}"


def assert_on_the_page(fault: Fault, said: Said) -> None:
    """Numbers, times and paths apart."""
    written, there = section(fault, said), PAGE.read_text(encoding="utf-8").split("\n\n## ")[1:]
    (found,) = (f"## {each.rstrip()}" for each in there if each.startswith(fault.title + "\n"))
    differing = difflib.unified_diff(masked(found).splitlines(), masked(written).splitlines(), "the page", "now", lineterm="", n=1)
    assert "\n".join(differing) == "", "CALLOUT_AGENT_WRITE=1 writes the page anew"


@pytest.mark.timeout(180)
def test_status_and_doctor_name_each_fault_and_its_remedy_as_the_page_shows():
    """The condition and the step, in words that a person can follow; nothing fails that has nothing to do with the fault."""

    async def all_of_them() -> list[Said | str]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(heard_of(fault)) for fault in FAULTS]
        return [task.result() for task in tasks]

    heard = dict(zip(FAULTS, asyncio.run(all_of_them()), strict=True))
    made = {fault: said for fault, said in heard.items() if isinstance(said, Said)}
    for fault, said in made.items():
        assert_named(fault, said)
        assert_nothing_else(fault, said)
    if os.environ.get("CALLOUT_AGENT_WRITE") == "1" and len(made) == len(FAULTS):
        PAGE.write_text("\n\n".join((head(), *(section(fault, said) for fault, said in made.items()))) + "\n", encoding="utf-8")
    for fault, said in made.items():
        assert_on_the_page(fault, said)
    assert PAGE.read_text(encoding="utf-8").startswith(head() + "\n\n## ")
    if len(made) < len(FAULTS):  # all that could be made was compared
        pytest.skip("; ".join(f"{fault.title}: {said}" for fault, said in heard.items() if isinstance(said, str)))
