"""The daily self-test: what it looks at is looked at for real, when it comes on which device, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import ssl
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from scripted import Wired, reply, server_context

from agent import examinations, quick_check
from agent.clock import SystemClock
from agent.config import Config, parse
from agent.examinations import Examinations
from agent.findings import Finding
from agent.health import Conditions, Origin
from agent.kept import NoteKept, Write
from agent.line import Line
from agent.model import Fix, Severity
from agent.proofs import SelfTested, write_self_test
from agent.selftest import EVERY_S, FRESH_S, NOTE, SOON_S, SelfTest
from agent.store import Store

CONFIG = """
[panic_api]
environment = "staging"
base_url = "{url}"
customer_id = 4711
response_type_id = 1
[credentials]
token_url = "http://127.0.0.1/token"
{credentials}
[store]
path = "{folder}/agent.db"
[site]
latitude = -33.9
longitude = 18.4
"""


class Trusting(SystemClock):
    """Somebody vouches for it, or nobody does."""

    vouched = True

    def trusted(self) -> bool:
        return self.vouched


def configured(folder: Path, *, url: str = "http://127.0.0.1:1/v2", credentials: str = "") -> Config:
    path = folder / "config.toml"
    path.write_text(CONFIG.format(folder=folder, url=url, credentials=credentials))
    return parse(path.read_text(), path)


def examining(config: Config, *, line: Any = None, owed: bool = False, on_disk: bool = True, trusted: bool = True) -> Examinations:
    clock = Trusting()
    clock.vouched = trusted
    turn = contextlib.nullcontext
    return Examinations(config, clock, line, owed=lambda: owed, turn=turn, on_disk=lambda: on_disk)  # type: ignore[arg-type]


def codes(found: tuple[Finding, ...] | None) -> list[str]:
    assert found is not None, "it could be found out"
    return [each.code for each in found]


# --- what is looked at ---------------------------------------------------------------------------------------------------


async def filled(folder: Path, fixes: int) -> Store:
    """A store with a track."""
    store = Store(folder / "agent.db")
    await store.open()
    for number in range(fixes):
        store.record(Fix(float(number), 1.8e9 + number, "gps", -33.9, 18.4, accuracy_m=5.0))
    await store.step(NoteKept("x", "y"))
    return store


async def test_whole_database_is_whole_also_while_it_is_written(tmp_path: Path) -> None:
    store = await filled(tmp_path, 3_000)
    examine = examining(configured(tmp_path))
    looking = asyncio.ensure_future(examine.database())
    while not looking.done():
        store.record(Fix(time.monotonic(), time.time(), "gps", -33.9, 18.4))
        await store.step(NoteKept("x", str(time.monotonic())))
    assert codes(looking.result()) == []
    await store.aclose()


async def test_damaged_database_is_found(tmp_path: Path) -> None:
    """Pages in its middle are overwritten, as by a dying card."""
    store = await filled(tmp_path, 3_000)
    await store.aclose()
    with (tmp_path / "agent.db").open("r+b") as file:
        file.seek(40 * 1024)
        file.write(os.urandom(40 * 1024))
    assert codes(await examining(configured(tmp_path)).database()) == ["store.damaged"]


async def test_without_a_database_nothing_is_claimed_of_it(tmp_path: Path) -> None:
    assert codes(await examining(configured(tmp_path), on_disk=False).database()) == []
    assert await examining(configured(tmp_path)).database() is None, "none could be read"


def test_check_changes_nothing_and_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    before = (path.read_bytes(), sorted(tmp_path.iterdir()))
    assert quick_check.look(str(path)) == "ok"
    assert (path.read_bytes(), sorted(tmp_path.iterdir())) == before
    path.write_bytes(b"no database at all" * 100)
    assert quick_check.look(str(path)) == "damaged"


@pytest.mark.parametrize(
    ("free", "blocks", "files", "low"),
    [
        (10_000_000, 20_000_000, 9_999, False),
        (10_000, 20_000_000, 9_999, True),
        (2_000, 20_000, 9_999, False),
        (500, 20_000, 9_999, True),
        (10_000_000, 20_000_000, 500, True),
    ],
)
async def test_little_room_is_told_by_the_size_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, blocks: int, files: int, *, low: bool
) -> None:
    """64 MiB, or a twentieth of a small one; and a disk without room for another file."""
    shown = SimpleNamespace(f_bavail=free, f_blocks=blocks, f_frsize=4096, f_files=100_000, f_favail=files)
    monkeypatch.setattr(examinations.os, "statvfs", lambda _path: shown)
    assert codes(await examining(configured(tmp_path)).disk()) == (["disk.low"] if low else [])


async def test_config_that_was_edited_is_told_and_one_that_would_not_start_without_its_value(tmp_path: Path) -> None:
    """A value may be a coordinate: the journal must not have it (law 11)."""
    config = configured(tmp_path)
    examine = examining(config)
    assert codes(await examine.file()) == []
    path = tmp_path / "config.toml"
    path.write_text(config.text + "# a word\n")
    (edited,) = await examine.file() or ()
    assert (edited.code, edited.severity) == ("config.edited", Severity.NOTE)
    path.write_text(config.text.replace("-33.9", "-193.9"))
    (broken,) = await examine.file() or ()
    assert (broken.code, broken.severity) == ("config.file_broken", Severity.DEGRADED)
    assert "site.latitude" in broken.text
    assert "193" not in broken.text
    path.unlink()
    assert codes(await examine.file()) == ["config.file_broken"]


def soon(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@pytest.mark.parametrize(("days", "found"), [(200, []), (3, ["dispatch.certificate"])])
async def test_certificate_of_dispatch_that_ends_soon_is_told(
    tmp_path: Path, rig: Wired, authority: trustme.CA, trusting: ssl.SSLContext, days: float, found: list[str]
) -> None:
    """It is asked without a token, over a connection that is let go."""
    async with rig(context=server_context(authority, not_after=soon(days))) as at:
        at.server.on("HEAD", "", reply(404))
        config = configured(tmp_path, url=at.server.url)
        assert codes(await examining(config, line=lambda: Line(trusting)).certificate()) == found
        assert [(each.method, each.bearer) for each in at.server.seen] == [("HEAD", None)]
        await at.server.until_open(0)
        assert codes(await examining(config, line=lambda: Line(trusting), trusted=False).certificate()) == [], "by whose clock?"
        assert await examining(config, line=lambda: Line(trusting), owed=True).certificate() is None, "the line is the raise's"
        assert at.server.connections == 2
    assert await examining(config, line=lambda: Line(trusting)).certificate() is None, "nobody answers"


async def test_own_certificate_that_ends_soon_or_cannot_be_read_is_told(tmp_path: Path) -> None:
    own = 'client_cert_file = "device.pem"\nclient_key_file = "key.pem"'
    examine = examining(configured(tmp_path, credentials=own))
    assert codes(await examine.own_certificate()) == ["token.certificate"]
    for days, found in ((200, []), (3, ["token.certificate"]), (-3, ["token.certificate"])):
        chain = trustme.CA().issue_cert("device.test", not_after=soon(days)).cert_chain_pems
        (tmp_path / "device.pem").write_bytes(b"".join(each.bytes() for each in chain))
        assert codes(await examine.own_certificate()) == found, days
    assert codes(await examining(configured(tmp_path)).own_certificate()) == [], "none is used"


async def test_what_was_moved_aside_is_told_and_what_a_crash_left_goes(tmp_path: Path) -> None:
    """Only what is ours by its name, and has been nobody's for a day."""
    old, new, theirs = (tmp_path / name for name in (".config.toml.last-good.abcd1234", ".config.toml.last-good.abcd5678", ".keep.me"))
    for path in (old, new, theirs):
        path.write_text("x")
    for path in (old, theirs):
        os.utime(path, (time.time() - 2 * 86_400,) * 2)
    examine = examining(configured(tmp_path))
    assert codes(await examine.leftovers()) == []
    assert (old.exists(), new.exists(), theirs.exists()) == (False, True, True)
    (tmp_path / "agent.db.aside-20260101T000000Z-corrupt").write_bytes(b"x" * 3_000_000)
    (aside,) = await examine.leftovers() or ()
    assert (aside.code, aside.severity) == ("store.asides", Severity.NOTE)
    assert "1 files" in aside.text
    assert (tmp_path / "agent.db.aside-20260101T000000Z-corrupt").exists(), "it is kept for a person"


# --- when, and what is left ------------------------------------------------------------------------------------------------


class Clock:
    """Shows what it is told to."""

    def __init__(self) -> None:
        self.now_at, self.vouched = 1_000.0, True

    def at(self) -> float:
        return self.now_at

    def wall(self) -> float:
        return 1.8e9 + self.now_at

    def trusted(self) -> bool:
        return self.vouched


class Paper:
    """A store of notes."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    def step(self, *writes: Write) -> Awaitable[None]:
        self.notes |= {write.name: write.value for write in writes if isinstance(write, NoteKept)}
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Looks:
    """Examinations that find what a test wants."""

    def __init__(self) -> None:
        self.found: tuple[Finding, ...] | None = ()

    async def disk(self) -> tuple[Finding, ...] | None:
        return self.found

    def often(self) -> Any:
        return {("disk.low",): self.disk}

    def seldom(self) -> Any:
        return {}

    def daily(self) -> Any:
        return {}


class Device:
    """A process, and those before it by their note."""

    def __init__(self, note: str | None = None) -> None:
        self.conditions, self.store, self.clock, self.looks = Conditions(), Paper(), Clock(), Looks()
        self.note = note
        self.of = SelfTest(self, self.looks)  # type: ignore[arg-type]

    def kept_note(self, _name: str) -> str | None:
        return self.note


LOW = Finding("disk.low", Severity.DEGRADED, "text", "hint")


async def test_what_it_came_to_is_kept_and_told() -> None:
    device = Device()
    assert device.of.last is None
    await device.of.test()
    assert device.of.last == SelfTested(1.8e9 + 1_000.0)
    device.looks.found = (LOW,)
    device.conditions.put("token.unproven", Severity.CRITICAL, "", "", wall=1.0)
    device.conditions.put("receiver.silent", Severity.DEGRADED, "", "", wall=1.0)
    device.conditions.put("dispatch.failing", Severity.CRITICAL, "", "", wall=1.0, origin=Origin.CALLOUT)
    await device.of.test()
    assert device.of.last.failed == ("disk.low", "token.unproven"), "of the device alone: the same whatever a cancel hides"
    assert Device(device.store.notes[NOTE]).of.last == device.of.last
    device.looks.found = None
    await device.of.test()
    assert "disk.low" in device.of.last.failed, "what could not be found out stands"
    device.looks.found = ()
    await device.of.test()
    assert device.of.last.failed == ("token.unproven",)


async def test_device_that_has_none_is_tested_ten_minutes_after_its_start_and_once_a_day_from_then() -> None:
    """Whether its clock is ever trusted or not, and though it sleeps in the night."""
    for vouched in (True, False):
        device = Device()
        device.clock.vouched = vouched
        device.clock.now_at += SOON_S - 1
        assert not device.of.due()
        device.clock.now_at += 1
        assert device.of.due()
        await device.of.test()
        device.clock.now_at += EVERY_S - 1
        assert not device.of.due(), "the night's comes before"
        device.clock.now_at += 1
        assert device.of.due()


async def test_device_that_restarts_is_not_tested_each_time() -> None:
    """Unless nobody knows how long ago the last one was."""
    recent = write_self_test(SelfTested(1.8e9 + 1_000.0 - FRESH_S / 2))
    device = Device(recent)
    device.clock.now_at += SOON_S
    assert not device.of.due()
    device.clock.vouched = False
    assert device.of.due()
    stale = Device(write_self_test(SelfTested(1.8e9 - FRESH_S)))
    stale.clock.now_at += SOON_S
    assert stale.of.due()
    ahead = Device(write_self_test(SelfTested(3.0e9)))
    ahead.clock.now_at += SOON_S
    assert ahead.of.due(), "one from the future was told by a wrong clock"
