"""A disk that fails at any call: each call of the store's thread, with each error, once or from then on for a while.

The store runs in a process of its own under `failing_calls`; after each step its files are copied as a kill at that moment would leave
them, and read. What it called safe is there, and stays there; what it could not keep it names, and keeps once it can.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from failing_calls import Fault, Supervisor
from store_lives import OLD_AT, Given

from agent import identity

HERE = Path(__file__).parent
SHELF = "/dev/shm" if Path("/dev/shm").is_dir() else None
ERRORS = (errno.ENOSPC, errno.EROFS, errno.EIO)
STARTS = ("fresh", "closed", "killed")
NEVER = 10**9
# How often each kind of call is made to fail, in each way and from each start; "all": every call with every error, twenty minutes.
SAMPLE = os.environ.get("CALLOUT_AGENT_CALLS", "1")
LIMIT_S = 20.0
TEST_S = 3600 if SAMPLE == "all" else 120
# What the disk may be said to suffer from. SQLite tells no more of a file that it cannot open.
NAMES = {None, "store.full", "store.read_only", "store.io", "store.unusable", "store.slow"}
# A file that cannot be read, on a disk that lets it be moved, is moved aside: its place is needed.
READS = ("pread", "read")


def read_file(path: Path, given: Given) -> None:
    """Add what a database holds, the later file over the earlier."""
    with tempfile.TemporaryDirectory(dir=SHELF) as copy:
        for side in ("", "-wal"):
            if (there := path.with_name(path.name + side)).exists():
                shutil.copyfile(there, Path(copy) / f"a.db{side}")
        with closing(sqlite3.connect(Path(copy) / "a.db")) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'fixes'").fetchone():
                return
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            fixes = connection.execute("SELECT at_s, coalesce(sent_utc, told_utc) IS NOT NULL FROM fixes").fetchall()
            presses = connection.execute("SELECT at_s, state <> 'owed' FROM presses").fetchall()
            events = connection.execute("SELECT key, told FROM events").fetchall()
            callouts = connection.execute("SELECT id, phase FROM callouts").fetchall()
    for rows in (fixes, presses, events, callouts):
        assert len(dict(rows)) == len(rows), f"something is there twice: {rows}"
    given.fixes |= {at: bool(told) for at, told in fixes if at != OLD_AT}  # that one may be pruned
    given.presses |= {at: bool(settled) for at, settled in presses}
    given.events |= {key: bool(told) for key, told in events}
    given.callouts |= dict(callouts)


def read_image(directory: Path) -> Given:
    """What a kill at this moment would leave on the disk, without the tiny file."""
    given = Given()
    for path in sorted(directory.glob("a.db.aside-*")):
        if not path.name.endswith(("-wal", "-shm")):
            read_file(path, given)
    read_file(directory / "a.db", given)
    return given


def parse(told: dict[str, Any]) -> Given:
    return Given(**{name: dict(pairs) if isinstance(pairs, list) else pairs for name, pairs in told.items()})


def find_lost(given: Given, image: Given) -> list[str]:
    """What was given and is not on the disk as it should be."""
    lost = [f"fix {at}" for at, dealt in given.fixes.items() if at not in image.fixes or (dealt and not image.fixes[at])]
    lost += [f"press {at}" for at, settled in given.presses.items() if at not in image.presses or (settled and not image.presses[at])]
    lost += [f"event {key}" for key, told in given.events.items() if key not in image.events or (told and not image.events[key])]
    return lost + [f"callout {n} {phase}" for n, phase in given.callouts.items() if image.callouts.get(n) not in (phase, "standby")]


@dataclass
class Case:
    """One way to fail. start: what lies there before the first life. steps: each with the number of calls that were made until then."""

    start: str
    fault: Fault
    steps: list[tuple[str, int]] = field(default_factory=list)

    def __str__(self) -> str:
        fault = self.fault
        here = fault.calls[fault.first - 1] if len(fault.calls) >= fault.first else "?"
        return f"{self.start}: call {fault.first} ({here}) {'and on' if fault.lasts else 'once'}, {errno.errorcode.get(fault.error)}"


class Lives:
    """The child and what watches it; begun anew where a life went wrong."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(dir=SHELF)
        self._count = itertools.count()
        self._templates: dict[str, tuple[Path, Given]] = {}
        self.codes: Counter[str | None] = Counter()
        self._clean: dict[str, Case] = {}

    def _begin(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        paths = os.pathsep.join(sys.path)
        self._child = subprocess.Popen(
            [sys.executable, str(HERE / "store_lives.py"), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": paths},
        )
        theirs.close()
        self._supervisor = Supervisor(self._ours)
        if (why_not := json.loads(self._supervisor.hear(LIMIT_S))["why_not"]) is not None:
            pytest.skip(f"calls cannot be watched here: {why_not}")

    def end(self) -> None:
        if self._child is not None:
            self._supervisor.close()
            self._ours.close()
            self._child.kill()
            self._child.wait()
            self._child = None

    def close(self) -> None:
        self.end()
        self._folder.cleanup()

    def clean(self, start: str) -> Case:
        """What two lives come to where no call fails."""
        if start not in self._clean:
            clean = self._clean[start] = Case(start, Fault(NEVER, 0))
            self.try_case(clean)
        return self._clean[start]

    def new_directory(self, start: str) -> tuple[Path, Given]:
        """A directory as a process before left it."""
        directory = Path(self._folder.name) / str(next(self._count))
        if start == "fresh":
            directory.mkdir()
            return directory, Given()
        if start not in self._templates:
            self._prepare()
        template, given = self._templates[start]
        shutil.copytree(template, directory)
        return directory, given

    def _prepare(self) -> None:
        directory, given = self.new_directory("fresh")
        for word in self.play(directory, given, 0, Fault(NEVER, 0)):
            given = parse(word["given"])
            if word["step"] == "prepared":
                killed = directory.with_name("killed")
                shutil.copytree(directory, killed)
                (killed / "a.db-shm").unlink()
        self._templates = {"closed": (directory, given), "killed": (killed, given)}

    def play(self, directory: Path, given: Given, life: int, fault: Fault) -> Iterator[dict[str, Any]]:
        """Have a life lived; yields what it says, and lets it go on after each."""
        if self._child is None:
            self._begin()
        self._supervisor.directory, self._supervisor.judge = directory, fault.judge
        told = {name: list(value.items()) if isinstance(value, dict) else value for name, value in vars(given).items()}
        self._ours.send(json.dumps({"directory": str(directory), "life": life, "given": told}).encode())
        while (word := json.loads(self._supervisor.hear(LIMIT_S)))["step"] != "end":
            assert word["step"] != "broken", "\n".join(word["what"])
            yield word
            self._ours.send(b"on")

    def try_case(self, case: Case) -> None:
        """Two lives, the fault in one of them or across both; everything that must hold. Raises AssertionError."""
        directory, given = self.new_directory(case.start)
        try:
            for life in (1, 2):
                given = self._try_life(case, directory, given, life)
        except BaseException as trouble:
            self.end()
            trouble.add_note(str(case))
            raise
        shutil.rmtree(directory)

    def _try_life(self, case: Case, directory: Path, given: Given, life: int) -> Given:
        fault = case.fault
        safe, failed_before = given, 0
        for word in self.play(directory, given, life, fault):
            given, image = parse(word["given"]), read_image(directory)
            step, trouble, well = word["step"], word["trouble"], word["trouble"] is None
            going_on = fault.lasts and fault.failed and not fault.over
            self.codes[trouble] += 1
            case.steps.append((step, len(fault.calls)))
            if well and word["mode"] == "disk" and step != "opened":
                safe = given
            assert not find_lost(safe, image), f"{step}: lost"
            # What is marked as told although nobody told it, nobody will ever tell.
            assert not [at for at, told in image.fixes.items() if told and not given.fixes[at]], f"{step}: marked and never told"
            assert fault.kind in READS or not list(directory.glob("*aside*")), f"{step}: moved aside, and nothing is wrong with the file"
            if (directory / "a.db.identity").exists():
                identity.load(directory / "a.db.identity")
            if step == "opened" and not going_on:
                self._check_remembered(word, given)
            if step == "dead":
                if going_on and fault.kind is None and failed_before:
                    assert not well, "nothing can be written, and nobody is told"
                fault.over = fault.failed > 0
            if step == "healed":
                assert word["healed"], f"still {trouble}"
            if step == "closed" and not going_on:
                assert not find_lost(given, image), "closed: lost"
            failed_before = fault.failed
        return self._left(image, directory) if going_on else given

    @staticmethod
    def _left(image: Given, directory: Path) -> Given:
        """What the next life begins with. A tiny file that could not be replaced is older, and of two records the more serious one wins."""
        record = identity.load(directory / "a.db.identity")
        if record and record.callout and record.callout.id in image.callouts and record.callout.phase != "standby":
            image.callouts[record.callout.id] = record.callout.phase
        return image

    def _check_remembered(self, word: dict[str, Any], given: Given) -> None:
        assert word["owed"] == [at for at, settled in given.presses.items() if not settled]
        assert word["callout"] in ([number for number, phase in given.callouts.items() if phase == "active"] or [None])


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    """The child, for all cases; skipped where the kernel lets nobody watch its calls."""
    lives = Lives()
    try:
        yield lives
    finally:
        lives.close()


def choose(lives: Lives, start: str) -> Iterator[tuple[int, int]]:
    """Which calls fail, with what: all with each error, or a sample of all kinds of call, the same every time."""
    clean = lives.clean(start)
    calls = clean.fault.calls
    if SAMPLE == "all":
        yield from itertools.product(range(1, len(calls) + 1), ERRORS)
        return
    chance = random.Random(start)  # noqa: S311 - not a secret
    for kind, error in zip(sorted(set(calls)) * int(SAMPLE), itertools.cycle(ERRORS), strict=False):
        yield chance.choice([n for n, name in enumerate(calls, 1) if name == kind]), error
    # The last commit of a life; and pages that are read while it writes.
    yield from ((number + 1, errno.EIO) for step, number in clean.steps if step == "over")
    edges = [number for step, number in clean.steps if step in ("opened", "dead")]
    for opened, dead in zip(edges[::2], edges[1::2], strict=True):
        yield from ((n, errno.EIO) for n in range(opened + 1, dead) if calls[n - 1] == "pread" != calls[n] != "open")


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.timeout(TEST_S)
def test_a_call_that_fails_once_costs_nothing(lives: Lives, start: str) -> None:
    """No press, callout, event or fix, not even of a process's last commit; and no file is moved aside for it."""
    lives.codes.clear()
    for first, error in choose(lives, start):
        lives.try_case(Case(start, Fault(first, error)))
    assert set(lives.codes) <= NAMES


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.timeout(TEST_S)
def test_a_disk_that_dies_at_any_call_and_comes_back_costs_nothing_that_was_safe(lives: Lives, start: str) -> None:
    """While it is dead its trouble has a name, the store answers, and what it is given waits; afterwards all is there."""
    lives.codes.clear()
    for first, error in choose(lives, start):
        lives.try_case(Case(start, Fault(first, error, lasts=True)))
    assert {"store.full", "store.read_only", "store.io"} <= set(lives.codes) <= NAMES


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.timeout(TEST_S)
def test_one_kind_of_call_that_fails_for_a_while_costs_nothing_that_was_safe(lives: Lives, start: str) -> None:
    """A disk that reads and does not write, that syncs nothing, that has no room for a name: what is not safe is not called safe."""
    lives.codes.clear()
    calls = lives.clean(start).fault.calls
    for index, kind in enumerate(sorted(set(calls))):
        many = calls.count(kind)
        for first in range(1, many + 1, 10) if SAMPLE == "all" else (1 + index % many,):
            for error in ERRORS if SAMPLE == "all" else (ERRORS[index % 3],):
                lives.try_case(Case(start, Fault(first, error, lasts=True, kind=kind)))
    assert set(lives.codes) <= NAMES | {"store.corrupt_moved"}
