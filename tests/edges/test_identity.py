"""The tiny file: atomic, private, checked; and which of two records wins."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import identity
from agent.deeds import StateKept
from agent.essence import Essence
from agent.identity import Identity, IdentityError, load, more_serious, save
from agent.kept import CalloutRecord, NoteKept, PressMade
from agent.model import Press

WALL = 1_780_000_000.0
ACTIVE = CalloutRecord(7, "https://host", 5, "active", calm=False, origin="cli", drill=False, raised_wall=WALL)
CANCELLING = replace(ACTIVE, phase="cancelling", calm=True)

numbers = st.integers(0, 4)
walls = st.integers(0, 10).map(lambda n: WALL + n)
presses = st.builds(Press, numbers, walls, walls, st.just("cli"), drill=st.booleans())
callouts = st.builds(
    CalloutRecord,
    st.sampled_from([7, "7", 10**30, "é\udcff"]),
    st.just("https://host"),
    st.just(5),
    st.sampled_from(["active", "cancelling"]),
    calm=st.booleans(),
    origin=st.sampled_from(["cli", "elsewhere"]),
    drill=st.booleans(),
    raised_wall=walls,
)
identities = st.builds(
    Identity,
    machine_id=st.sampled_from([None, "a" * 32]),
    press_number=numbers,
    settled=numbers,
    settled_wall=walls,
    calm=st.booleans(),
    owed=st.none() | presses,
    callout=st.none() | callouts,
)


@settings(deadline=None)  # a disk is in it
@given(record=identities)
def test_what_is_saved_is_loaded(record: Identity, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Ids keep their type, times their value."""
    path = tmp_path_factory.getbasetemp() / "round.identity"
    save(path, record)
    assert load(path) == record


def test_the_file_is_for_its_owner_and_says_its_phase(tmp_path: Path) -> None:
    """0600 whatever the umask, and readable by a person."""
    before = os.umask(0)
    try:
        save(tmp_path / "i", Identity(callout=CANCELLING, calm=True, press_number=3))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "i").stat().st_mode) == 0o600
    record = json.loads((tmp_path / "i").read_text())["record"]
    assert (record["phase"], record["calm"], record["press_number"], record["callout"]["id"]) == ("cancelling", True, 3, 7)


def test_every_cut_and_every_changed_digit_is_noticed(tmp_path: Path) -> None:
    """A file cut at any byte, or with any digit changed, is damaged and never half believed."""
    path = tmp_path / "i"
    save(path, Identity(press_number=3, callout=ACTIVE, owed=Press(3, 1.5, WALL, "cli")))
    whole = path.read_bytes()
    for end in range(len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(IdentityError):
            load(path)
    for at, byte in enumerate(whole):
        if chr(byte).isdigit():
            path.write_bytes(whole[:at] + str((byte + 1) % 10).encode() + whole[at + 1 :])
            if path.read_bytes() != whole:
                with pytest.raises(IdentityError):
                    load(path)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"record": {}, "sha256": ""}', b"\xff\xfe", b"[" * 50_000])
def test_no_content_breaks_loading(tmp_path: Path, content: bytes) -> None:
    """Whatever lies there is either believed or damaged."""
    (tmp_path / "i").write_bytes(content)
    with pytest.raises(IdentityError):
        load(tmp_path / "i")


def test_no_file_is_no_record(tmp_path: Path) -> None:
    """Absence is not damage."""
    assert load(tmp_path / "i") is None


def test_a_failing_disk_leaves_the_old_record_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC at any call of the replacement: the error is told, the old record stays, nothing is left lying about."""
    path = tmp_path / "i"
    save(path, Identity(press_number=1))

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for owner, name in ((os, "fsync"), (os, "fchmod"), (Path, "replace")):
        with monkeypatch.context() as broken:
            broken.setattr(owner, name, fail)
            with pytest.raises(OSError, match="No space"):
                save(path, Identity(press_number=2))
        assert load(path) == Identity(press_number=1)
        assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_only_whole_records_while_a_killed_writer_replaces_them(tmp_path: Path) -> None:
    """SIGKILL in the midst of replacements leaves a record that can be believed."""
    script = (
        "import sys, itertools; from pathlib import Path; from agent.identity import Identity, save\n"
        "for n in itertools.count(1):\n    save(Path(sys.argv[1]), Identity(press_number=n)); print(n, flush=True)"
    )
    last = 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "i")], stdout=subprocess.PIPE, text=True) as writer:
            told = [int(line) for _, line in zip(range(100), writer.stdout, strict=False)]
            for _ in range(100):
                last = load(tmp_path / "i").press_number
            writer.kill()
        assert load(tmp_path / "i").press_number >= max(last, told[-1])


# Two records


@given(a=identities, b=identities)
def test_nothing_serious_is_lost_between_two_records(a: Identity, b: Identity) -> None:
    """An open callout stays open, the higher number wins, a press stays owed unless its settlement is on record."""
    merged = more_serious(a, b)
    assert merged.press_number == max(a.press_number, b.press_number)
    assert (merged.callout is None) == (a.callout is None and b.callout is None)
    for one, other in ((a, b), (b, a)):
        if one.owed is not None and merged.owed is None:
            assert other.settled >= one.owed.number
            assert other.settled_wall >= one.owed.wall
    if merged.callout is not None:
        assert merged.phase in ("active", "cancelling")
    elif merged.owed is not None:
        assert merged.phase == "raising"


@given(a=identities)
def test_a_record_agrees_with_itself(a: Identity) -> None:
    """Merging changes nothing where both say the same."""
    assert more_serious(a, a) == a


@given(a=identities, b=identities)
def test_the_order_does_not_matter(a: Identity, b: Identity) -> None:
    """Except between two open callouts of equal rank, where either may be taken."""
    there, back = more_serious(a, b), more_serious(b, a)
    assert replace(there, callout=None, owed=None, machine_id=None) == replace(back, callout=None, owed=None, machine_id=None)
    assert (there.owed is None) == (back.owed is None)
    assert there.phase == back.phase or None not in (a.callout, b.callout)


def test_calm_survives_the_loss_of_the_later_write() -> None:
    """After a cancel one of the two records may still be the one before it: calm wins."""
    before, after = Identity(press_number=4, callout=ACTIVE), Identity(press_number=4, calm=True, callout=CANCELLING)
    for merged in (more_serious(before, after), more_serious(after, before)):
        assert (merged.phase, merged.calm, merged.callout.calm) == ("cancelling", True, True)


def test_calm_survives_the_close() -> None:
    """Closed in one record, still cancelling in the other: still cancelling, and calm either way."""
    cancelling, closed = Identity(press_number=4, calm=True, callout=CANCELLING), Identity(press_number=4, calm=True)
    assert more_serious(cancelling, closed) == cancelling


def test_an_open_callout_is_as_calm_as_the_device() -> None:
    """Cancelled and closed in one record, not even cancelled in the other: it goes on, unseen."""
    closed, before = Identity(press_number=4, calm=True), Identity(press_number=4, callout=ACTIVE)
    for merged in (more_serious(closed, before), more_serious(before, closed)):
        assert merged.callout == replace(ACTIVE, calm=True)


def test_calm_that_only_the_tiny_file_knows_of_is_taken_in() -> None:
    essence = Essence()
    essence.fold(StateKept("press_number", "4"))
    news = essence.reconcile(Identity(press_number=4, calm=True), lambda told: told)
    assert essence.calm
    assert NoteKept("calm", "true") in news, "the database is told, too"


def test_the_tiny_file_keeps_a_real_press_rather_than_an_older_drill() -> None:
    """There is room for one."""
    essence = Essence()
    for press in (Press(1, 1.0, WALL, "cli", drill=True), Press(2, 2.0, WALL, "button:panic")):
        essence.fold(PressMade(press))
    owed = essence.identity("m").owed
    assert owed is not None
    assert (owed.number, owed.drill) == (2, False)


def test_a_new_database_is_given_the_notes_of_the_lost_one() -> None:
    """An open abort window is one of them: a press."""
    note = NoteKept("window:button:panic", "{}")
    essence = Essence()
    essence.fold(note)
    assert note in essence.deeds()


def test_a_press_after_the_cancel_ends_the_calm() -> None:
    """The record that saw the later press is not calm, and the callout that was being cancelled is active again."""
    press = Press(5, 9.0, WALL + 9, "cli")
    cancelled, pressed = Identity(press_number=4, calm=True, callout=CANCELLING), Identity(press_number=5, owed=press)
    for merged in (more_serious(cancelled, pressed), more_serious(pressed, cancelled)):
        assert (merged.calm, merged.owed, merged.callout) == (False, press, ACTIVE)
    merged = more_serious(Identity(press_number=4, calm=True), pressed)
    assert (merged.phase, merged.calm) == ("raising", False)


def test_a_press_that_the_tiny_file_tells_again_does_not_end_the_calm() -> None:
    """The database has lost the row of the press and knows of the cancel after it."""
    press = Press(1, 10.0, WALL, "button:panic")
    essence = Essence()
    for fact in (StateKept("press_number", "1"), StateKept("calm", "1")):
        essence.fold(fact)
    essence.reconcile(Identity(press_number=1, calm=True, owed=press), lambda told: told)
    assert [press.number for press in essence.remembered().owed] == [1]
    assert essence.calm


def test_a_settled_press_is_not_raised_again() -> None:
    """A stale tiny file (its disk was full) must not summon help once more; a number alone is no proof that it is the same press."""
    stale = Identity(press_number=5, owed=Press(5, 9.0, WALL + 9, "cli"))
    assert more_serious(stale, Identity(press_number=5, settled=5, settled_wall=WALL + 20)).owed is None
    assert more_serious(stale, Identity(press_number=5, settled=5, settled_wall=WALL - 20)).owed == stale.owed
    assert more_serious(stale, Identity(press_number=4, settled=4, settled_wall=WALL + 20)).owed == stale.owed


def test_a_real_press_goes_before_a_drill() -> None:
    """Of two owed presses the one that is no drill is kept."""
    drill, real = Press(1, 1.0, WALL, "cli", drill=True), Press(2, 2.0, WALL + 1, "cli")
    assert more_serious(Identity(owed=drill, press_number=1), Identity(owed=real, press_number=2)).owed == real


# The machine


def test_the_machine_id_is_read_and_a_passing_one_is_not(tmp_path: Path) -> None:
    """What systemd mounts over the file lasts for one boot and names nobody."""
    path, mounts = tmp_path / "machine-id", tmp_path / "mountinfo"
    path.write_text("3d1219c7c4c5404aaa1f6d2a48adfda4\n")
    mounts.write_text("22 1 8:1 / / rw - ext4 /dev/x rw\n")
    assert identity.read_machine_id(path, mounts) == "3d1219c7c4c5404aaa1f6d2a48adfda4"
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/x rw\n23 22 0:25 /machine-id {path} ro - tmpfs tmpfs rw\n")
    assert identity.read_machine_id(path, mounts) is None


@pytest.mark.parametrize("content", [None, b"", b"uninitialized\n", b"\xff" * 32])
def test_without_a_machine_id_there_is_none(tmp_path: Path, content: bytes | None) -> None:
    """Absent, empty, not yet set up or damaged."""
    if content is not None:
        (tmp_path / "machine-id").write_bytes(content)
    assert identity.read_machine_id(tmp_path / "machine-id", tmp_path / "none") is None
