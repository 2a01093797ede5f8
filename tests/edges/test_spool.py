"""Presses in the runtime directory: whole or not there, in order, and never stumbled over."""

from __future__ import annotations

import errno
import json
import math
import multiprocessing
import os
import stat
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import spool
from agent.identity import read_boot_id
from agent.spool import SpooledPress, SpoolError, done, put, take

PRESS = SpooledPress(boot_id=read_boot_id(), at=12.5, wall=1.78e9, origin="button:panic", uid=os.getuid())


STRANGER = 12345  # a user of the group, who is not the daemon
ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def put_many(directory: Path, first: int) -> None:
    for n in range(first, first + 100):
        put(directory, replace(PRESS, at=float(n)))


@settings(deadline=None)  # a disk is in it
@given(
    at=st.floats(0, 1e9),
    wall=st.floats(0, 1e11),
    note=st.none() | st.text(st.characters(codec=None), max_size=50),
    number=st.none() | st.integers(),
)
def test_what_is_left_is_taken(
    at: float, wall: float, note: str | None, number: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every field comes back, odd characters and full precision included; after `done` nothing does."""
    directory = tmp_path_factory.mktemp("spool", numbered=True)
    press = replace(PRESS, at=at, wall=wall, note=note, number=number, response_type_id=3, drill=True, wall_trusted=False)
    path = put(directory, press)
    assert take(directory) == [(path, press)]
    assert take(directory) == [(path, press)]  # taking is not removing
    done(path)
    done(path)
    assert take(directory) == []


def test_presses_come_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    """By the monotonic clock, over every power of ten; what another boot left is older than all."""
    times = [100_000.25, 9.5, 10.0, 1e7, 0.125]
    for at in times:
        put(tmp_path, replace(PRESS, at=at))
    put(tmp_path, replace(PRESS, at=5e8, boot_id="another"))
    assert [press.at for _, press in take(tmp_path)] == [5e8, *sorted(times)]


def test_two_writers_at_once_do_not_clash(tmp_path: Path) -> None:
    """Two processes, the same times: every press is there."""
    writers = [multiprocessing.get_context("spawn").Process(target=put_many, args=(tmp_path, 1)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert [press.at for _, press in take(tmp_path)] == [float(n) for n in range(1, 101) for _ in range(2)]


def test_the_group_may_leave_presses_and_read_but_not_change_them(tmp_path: Path) -> None:
    """Whatever the umask of whoever made it: the daemon runs under another uid, and removes it by its right to the folder."""
    before = os.umask(0o077)
    try:
        path = put(tmp_path / "run" / "presses", PRESS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o2770


@ONLY_ROOT
@pytest.mark.skipif(Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "1", reason="this system lets anybody link anything")
def test_press_of_root_is_no_fact_by_another_name(tmp_path: Path) -> None:
    """Whoever may write into a file may give it a second name: one of the daemon's, by which a device would start calm, say."""
    tmp_path.chmod(0o711)
    directory = tmp_path / "presses"
    path = put(directory, PRESS)
    for each in (directory, path):
        os.chown(each, 0, STRANGER)
    directory.chmod(0o3770)
    links = """import os, sys
os.chdir(sys.argv[1])
os.setgroups([]); os.setgid(12345); os.setuid(54321)
for take in (lambda: os.link(sys.argv[2], ".calm"), lambda: open(sys.argv[2], "r+"), lambda: os.unlink(sys.argv[2])):
    try:
        take()
    except PermissionError:
        continue
    sys.exit("it may")
"""
    subprocess.run([sys.executable, "-c", links, directory, path.name], check=True, timeout=30)
    assert not spool.is_kept(directory / ".calm")


def test_thousands_of_files_keep_no_press_from_its_turn(tmp_path: Path) -> None:
    """Only so many are looked at in one go; neither names that come first nor files that nobody can read keep the others waiting."""
    for number in range(60):
        (tmp_path / f"0{number}.json").symlink_to("nowhere")
    paths = {put(tmp_path, replace(PRESS, at=float(n))) for n in range(1, 5)}
    assert len(take(tmp_path)) == 4
    assert len(take(tmp_path, most=3)) <= 3
    found: set[Path] = set()
    for _ in range(2000):
        found |= {path for path, _ in take(tmp_path, known=found, most=3)}
    assert found == paths


def put_until_full(directory: Path) -> int:
    for n in range(1000):
        try:
            put(directory, replace(PRESS, at=float(n), note="x" * 3000))
        except SpoolError as trouble:
            assert "No space left" in str(trouble)  # noqa: PT017 - how many fitted counts, too
            return n
    return 1000


def malformed() -> dict[str, bytes]:
    record = asdict(PRESS)
    bad = {
        "at-text": {**record, "at": "12"},
        "at-nan": {**record, "at": math.nan},
        "wall-infinite": {**record, "wall": math.inf},
        "at-true": {**record, "at": True},
        "drill-text": {**record, "drill": "no"},
        "note-list": {**record, "note": []},
        "unknown": {**record, "code": "1234"},
        "missing": {"at": 1.0},
        "list": [],
    }
    files = {name: json.dumps(content).encode() for name, content in bad.items()}
    return {
        **files,
        "empty": b"",
        "half": json.dumps(record).encode()[:-9],
        "bytes": b"\xff\xfe\x00",
        "deep": b"[" * 16_000,
        "long": b" " * 20_000,
    }


@pytest.mark.parametrize(("name", "content"), malformed().items())
def test_a_malformed_file_breaks_nothing_and_is_kept_aside(tmp_path: Path, name: str, content: bytes) -> None:
    """The presses around it are taken; the file itself is renamed and does not come again."""
    put(tmp_path, PRESS)
    (tmp_path / f"{name}.json").write_bytes(content)
    assert [press for _, press in take(tmp_path)] == [PRESS]
    assert (tmp_path / f"{name}.json.malformed").read_bytes() == content
    assert not (tmp_path / f"{name}.json").exists()


def test_neither_a_link_nor_a_pipe_nor_a_directory_leads_astray(tmp_path: Path) -> None:
    """Whoever is in the group may write here: nothing outside is read, and nothing is waited for."""
    inside, outside = tmp_path / "in", tmp_path / "outside.json"
    path = put(inside, PRESS)
    outside.write_bytes(path.read_bytes())
    (inside / "a.json").symlink_to(outside)
    (inside / "0.json").symlink_to(outside)  # what cannot be read keeps nobody behind it waiting
    os.mkfifo(inside / "b.json")
    (inside / "c.json").mkdir()
    assert [press for _, press in take(inside)] == [PRESS]


def test_who_wrote_it_is_told_by_the_kernel(tmp_path: Path) -> None:
    """A claimed uid does not count."""
    put(tmp_path, replace(PRESS, uid=12345))
    assert take(tmp_path)[0][1].uid == os.getuid()


def test_a_press_that_is_still_being_written_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader at any moment before the rename sees nothing, and is not told that it is malformed."""
    rename = Path.rename

    def look_and_rename(self: Path, target: Path) -> Path:
        assert take(tmp_path) == []
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", look_and_rename)
    put(tmp_path, PRESS)
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


def test_no_directory_holds_no_presses(tmp_path: Path) -> None:
    """Absence is not an error."""
    assert take(tmp_path / "none") == []


def test_where_nothing_can_be_written_it_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full directory is told in words, with its name, and no half file stays."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(spool, "_write", fail)
    with pytest.raises(SpoolError, match=f"{tmp_path}: No space left"):
        put(tmp_path, PRESS)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match="could not be kept"):
        put(tmp_path / "file" / "presses", PRESS)


# --- the daemon's own, where its group may write -------------------------------------------------------------------------------


def plant(path: Path, what: str, elsewhere: Path) -> None:
    """What a member of the group may leave under a name that the daemon uses."""
    match what:
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to(elsewhere)
        case "folder":
            path.mkdir()
        case "file":
            path.write_text("active")
    if os.geteuid() == 0:
        os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


@pytest.mark.parametrize("what", ["pipe", "link", "folder", pytest.param("file", marks=ONLY_ROOT)])
def test_what_another_user_planted_is_no_fact_and_is_replaced(tmp_path: Path, what: str) -> None:
    """A pipe would stop the daemon for good, a link would lead its pen into the database."""
    elsewhere, path = tmp_path / "agent.db", tmp_path / "run" / ".level-panic"
    elsewhere.write_text("active")
    path.parent.mkdir()
    plant(path, what, elsewhere)
    assert (spool.kept(path), spool.is_kept(path)) == (None, False)
    spool.keep(path, "inactive")
    assert (spool.kept(path), spool.is_kept(path)) == ("inactive", True)
    assert elsewhere.read_text() == "active"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("what", ["pipe", "link", "file", pytest.param("folder", marks=ONLY_ROOT)])
def test_folder_of_the_daemons_own_is_nobody_elses(tmp_path: Path, what: str) -> None:
    """In someone else's its presses could be read, counted, and taken away."""
    elsewhere = tmp_path / "var"
    elsewhere.mkdir()
    plant(tmp_path / ".own", what, elsewhere)
    assert not spool.is_own(tmp_path / ".own")
    spool.make_own(tmp_path / ".own")
    assert spool.is_own(tmp_path / ".own")
    put(tmp_path / ".own", PRESS)
    assert list(elsewhere.iterdir()) == []


def test_fact_that_cannot_be_kept_leaves_no_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A level of before would be believed after the next start."""
    path = tmp_path / ".level-panic"
    spool.keep(path, "active")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="full"):
        spool.keep(path, "inactive")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_full_tmpfs_keeps_the_presses_that_it_has(tmp_path: Path) -> None:
    """The real thing: what fitted is whole, what did not was told."""
    directory = tmp_path / "run"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount: {mounted.stderr.strip()}")
    try:
        fitted = put_until_full(directory)
        assert 0 < fitted < 64
        assert [press.at for _, press in take(directory)] == [float(n) for n in range(fitted)]
        assert [path for path in directory.iterdir() if path.suffix != ".json"] == []
        done(take(directory)[0][0])
        put(directory, PRESS)
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def test_directory_that_may_not_be_shared_is_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Under its unit the daemon may set no group id bit: its own presses are kept there, and the first of them too."""

    def forbidden(path: Path, mode: int, **_: Any) -> None:
        if mode & 0o6000:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(Path, "chmod", forbidden)
    spool.make(tmp_path / "run" / "presses")
    assert (tmp_path / "run" / "presses").is_dir()
