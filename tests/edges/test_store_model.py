"""The store against a plain model of it, over random operations, restarts, reboots and crashes in the middle of a commit."""

# ruff: noqa: ANN001, ANN002, ANN202, ANN204, D101 - the rules of a state machine say by their names what they do

from __future__ import annotations

import asyncio
import copy
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.kept import CalloutKept, CalloutRecord, EventKept, FixesTold, NoteKept, PressesSettled, PressMade
from agent.model import Fix, Press, Quality
from agent.retention import Limits
from agent.store import Pace, Store, peek

WALL = 1_780_000_000.0
IDS = st.sampled_from([7, "7", 12345678901234567890123, "int:7", "0012", "dé\x00j"])
eighths = st.integers(0, 10_000).map(lambda n: n / 8)
maybe = st.one_of(st.none(), eighths)
# Thousands of syncs: what they are for is shown elsewhere, on disks that lose their power.
SHELF = "/dev/shm" if Path("/dev/shm").is_dir() else None
# No routine commit by itself: each comparison commits what waits, so that kill points lie between and inside of commits.
PACE = Pace(group_s=3600.0, group_rows=10**6)


@dataclass
class Row:
    """A recorded fix. time: true s since WALL. safe, sure: the row, its mark, are on disk for certain."""

    fix: Fix
    boot: int
    time: float
    episode: int | None
    dealt: bool = False
    safe: bool = False
    sure: bool = False


def tag(fix):
    """What tells a fix from all others: its altitude is the true time, which no clock moves."""
    return fix.altitude_m, fix.receiver


class PlainModel:
    """What a store should know, without a disk, in the simplest words."""

    def __init__(self):
        self.presses = {}
        self.boots = {}
        self.settled = set()
        self.callouts = {}
        self.events = {}
        self.notes = {}
        self.calm = False
        self.rows = []
        self.episode = 0
        self.was_wanted = False

    def write(self, write, boot):
        match write:
            case PressMade(press) if press.number not in self.presses:
                self.presses[press.number] = press
                self.boots[press.number] = boot
                self.calm = False
            case PressesSettled(up_to):
                self.settled |= {n for n in self.presses if n <= up_to}
            case CalloutKept(record):
                key = (record.base_url, type(record.id), record.id)
                self.callouts.pop(key, None)
                self.callouts[key] = record
                self.calm = record.calm
            case EventKept():
                key = (type(write.callout_id), write.callout_id, write.key)
                before = self.events.get(key, write)
                self.events[key] = replace(before, told=before.told or write.told)
            case NoteKept(name, value):
                self.notes[name] = value
                self.calm = value == "true" if name == "calm" else self.calm

    def follow(self):
        self.episode += self.wanted and not self.was_wanted
        self.was_wanted = self.wanted

    def make_sure(self):
        for row in self.rows:
            row.safe, row.sure = True, row.dealt

    @property
    def owed(self):
        return [p for n, p in sorted(self.presses.items()) if n not in self.settled]

    @property
    def open(self):
        return [r for r in self.callouts.values() if r.phase != "standby" and r.closed_wall is None]

    @property
    def wanted(self):
        return bool(self.owed or self.open)

    @property
    def callout(self):
        return (([r for r in self.open if r.origin != "elsewhere"] or self.open)[-1:] or [None])[0]

    @property
    def closed(self):
        return tuple(r.id for r in reversed(self.callouts.values()) if r.closed_wall is not None)[:32]

    @property
    def untold_events(self):
        over = {(type(r.id), r.id) for r in self.callouts.values() if r not in self.open}
        return tuple(e for k, e in self.events.items() if not e.told and k[:2] not in over)

    @property
    def emergency(self):
        return [row for row in self.rows if self.wanted and row.episode == self.episode]

    @property
    def missed(self):
        return [row for row in self.emergency if not row.dealt]

    def before_press(self, number, span_s):
        press, boot = self.presses[number], self.boots[number]
        walls = (press.wall - span_s, press.wall)
        return [
            row
            for row in self.rows
            if (row.boot == boot and press.at - span_s <= row.fix.at <= press.at)
            or (row.boot < boot and press.at < span_s and walls[0] <= row.fix.wall <= walls[1])
        ]


class StoreMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=SHELF))
        self.runner = asyncio.Runner()
        self.model = PlainModel()
        self.lives = 0
        self.boot, self.began = 1, 0.0  # this boot, and when it began
        self.time = 0.0
        self.believed = True
        self.wal_bytes = 0  # what was on the disk when the last step ended

    @initialize(before_press_s=st.sampled_from([0.0, 2.0, 20.0]))
    def begin(self, before_press_s):
        self.before_press_s = before_press_s
        self.directory = self.root / "0"
        self.directory.mkdir()
        self.open()
        self.compare_memory(self.model)

    def open(self):
        zero = WALL + self.began if self.believed else 0.0
        machine = {"boot_id": f"boot-{self.boot}", "machine_id": "a" * 32}
        self.store = Store(self.directory / "agent.db", **machine, pace=PACE, wall=lambda: zero + time.monotonic())
        self.remembered = self.runner.run(self.store.open())

    def now(self):
        """Monotonic and wall time of the next moment, as the device knows them."""
        self.time += 0.5
        at = self.time - self.began
        return at, WALL + self.time if self.believed else at

    async def _step(self, *writes):
        await self.store.step(*writes)

    def step(self, *writes):
        for write in writes:
            self.model.write(write, self.boot)
        self.model.follow()
        self.runner.run(self._step(*writes))
        self.model.make_sure()
        self.wal_bytes = self.measure_wal()

    def measure_wal(self):
        wal = self.directory / "agent.db-wal"
        return wal.stat().st_size if wal.exists() else 0

    # Operations

    @rule(
        speed=maybe, accuracy=maybe, gnss=maybe, quality=st.sampled_from(Quality), receivers=st.sampled_from([["gpsd"], ["gpsd", "nmea"]])
    )
    def record(self, speed, accuracy, gnss, quality, receivers):
        """One receiver, or two at the same moment."""
        at, wall = self.now()
        more = {
            "altitude_m": self.time,
            "gnss_time": None if gnss is None else WALL + gnss,
            "wall_trusted": self.believed,
            "quality": quality,
        }
        for receiver in receivers:
            fix = Fix(at, wall, receiver, -33.5, 18.25, accuracy, speed_mps=speed, **more)
            self.store.record(fix)
            self.model.rows.append(Row(fix, self.boot, self.time, self.model.episode if self.model.wanted else None))

    @property
    def of_this_boot(self):
        return [row for row in self.model.rows if row.boot == self.boot]

    @precondition(lambda self: self.of_this_boot)
    @rule(data=st.data())
    def sent(self, data):
        row = data.draw(st.sampled_from(self.of_this_boot))
        self.store.sent(row.fix)
        row.dealt = True

    @precondition(lambda self: self.of_this_boot)
    @rule(data=st.data())
    def covered(self, data):
        ends = sorted(data.draw(st.tuples(*[st.sampled_from([row.fix.at for row in self.of_this_boot])] * 2)))
        self.store.covered(*ends)
        for row in self.model.emergency:
            row.dealt |= row.boot == self.boot and ends[0] <= row.fix.at <= ends[1]

    @precondition(lambda self: self.model.missed)
    @rule(limit=st.integers(1, 5), share=st.floats(0, 1))
    def told(self, limit, share):
        """Some of what was missed is told, oldest first; the mark goes by a time alone, also across boots."""
        missed = self.runner.run(self.store.missed(self.now()[0], limit))
        expected = self.model.missed
        prefix = missed.fixes[: 1 + int(share * (len(missed.fixes) - 1))]
        reached = [row for row in expected if (row.boot, row.fix.at) <= (expected[len(prefix) - 1].boot, expected[len(prefix) - 1].fix.at)]
        for row in reached:  # two receivers at the same moment are told as one
            row.dealt = True
        self.step(EventKept(7, f"trail {self.time}", "been there", WALL, "device", told=False), FixesTold(prefix[-1].at, WALL))

    @rule(twice=st.booleans(), drill=st.booleans(), note=st.sampled_from([None, "help", "\udcff"]))
    def press(self, twice, drill, note):
        at, wall = self.now()
        made = PressMade(Press(max(self.model.presses, default=0) + 1, at, wall, "cli", self.believed, note=note, drill=drill))
        self.step(*[made] * (1 + twice))

    @precondition(lambda self: self.model.presses)
    @rule(data=st.data(), callout_id=st.one_of(st.none(), IDS))
    def settle(self, data, callout_id):
        up_to = data.draw(st.sampled_from(sorted(self.model.presses)))
        self.step(PressesSettled(up_to, callout_id, self.now()[1]))

    @rule(callout_id=IDS, phase=st.sampled_from(["active", "cancelling", "standby"]), calm=st.booleans(), elsewhere=st.booleans())
    def callout(self, callout_id, phase, calm, elsewhere):
        wall = WALL + self.time
        closed = wall if phase == "standby" else None
        origin = "elsewhere" if elsewhere else "cli"
        record = CalloutRecord(callout_id, "https://host", 5, phase, calm, origin, drill=False, raised_wall=wall, closed_wall=closed)
        self.step(CalloutKept(record))

    @rule(callout_id=IDS, key=st.sampled_from("abc"), told=st.booleans())
    def event(self, callout_id, key, told):
        self.step(EventKept(callout_id, key, f"text {key}", WALL, "device", told))

    @rule(name=st.sampled_from(["calm", "armed_proof"]), value=st.sampled_from(["true", "false"]))
    def note(self, name, value):
        self.step(NoteKept(name, value))

    @precondition(lambda self: not self.believed)
    @rule()
    def restamp(self):
        """Somebody vouches for the time: what this boot recorded gets its own, whichever process recorded it."""
        at = self.time - self.began
        self.believed = True
        self.store.restamp(at, WALL + self.time)
        for row in self.of_this_boot:
            row.fix = row.fix if row.fix.wall_trusted else replace(row.fix, wall=WALL + row.time, wall_trusted=True)
        for number, press in self.model.presses.items():
            if self.model.boots[number] == self.boot and not press.wall_trusted:
                self.model.presses[number] = replace(press, wall=WALL + self.began + press.at, wall_trusted=True)
        self.step()

    # Retention

    @rule(keep_s=st.integers(0, 4))
    def expire(self, keep_s):
        """Old fixes go, but for those of the emergency and of the minutes before a press; nothing else does."""
        limits = Limits(before_press_s=self.before_press_s)
        cutoff = WALL + self.time - keep_s
        spared = [row for number in self.model.presses for row in self.model.before_press(number, self.before_press_s)]
        left, is_next_old = [], False
        for row in reversed(self.model.rows):
            is_next_old = row.fix.wall < cutoff if row.fix.wall_trusted else is_next_old
            if not is_next_old or row in self.model.emergency or row in spared:
                left.insert(0, row)
        gone = self.runner.run(self.store.prune(wall=WALL + self.time, keep_days=keep_s / 86400, limits=limits))
        assert gone == len(self.model.rows) - len(left)
        self.keep(left)

    @rule()
    def thin(self):
        """However little room there is, the newest fixes stay, and the minutes before a press."""
        limits = Limits(max_mb=0.001, before_press_s=self.before_press_s, newest_kept=5)
        spared = [row for number in self.model.presses for row in self.model.before_press(number, self.before_press_s)]
        self.runner.run(self.store.prune(wall=WALL, keep_days=1000, limits=limits))
        there = set(map(tag, self.read_fixes()))
        left = [row for row in self.model.rows if tag(row.fix) in there]
        assert all(row in left for row in (*spared, *self.model.rows[-5:]))
        self.keep(left)

    def keep(self, left):
        """A crash may bring deleted rows back, which harms nobody: this one comes later."""
        self.model.rows = left
        self.model.make_sure()
        self.wal_bytes = self.measure_wal()

    # Ends

    @rule(reboot=st.booleans(), believed=st.booleans())
    def restart(self, reboot, believed):
        self.runner.run(self.store.aclose())
        self.model.make_sure()
        self.come_back(self.model, reboot=reboot, believed=believed)

    @rule(reboot=st.booleans(), believed=st.booleans(), with_identity=st.booleans(), cut=st.floats(0, 1))
    def crash(self, reboot, believed, with_identity, cut):
        """The files as they are after any byte that was written since the last step are what the next life finds."""
        self.move_away(cut, self.wal_bytes, self.read_identity() if with_identity else None)
        peeked = peek(self.directory / "agent.db")[1]
        self.come_back(self.model, reboot=reboot, believed=believed)
        assert (peeked.press_number, peeked.closed) == (self.remembered.press_number, self.remembered.closed)

    @rule(reboot=st.booleans(), believed=st.booleans(), cut=st.floats(0, 1), calm=st.booleans())
    def crash_in_a_step(self, reboot, believed, cut, calm):
        """A press and a callout half written: all of it is there afterwards, or nothing."""
        self.compare_fixes()  # commits what waits
        before, wal_bytes, identity = copy.deepcopy(self.model), self.measure_wal(), self.read_identity()
        at, wall = self.now()
        press = Press(max(self.model.presses, default=0) + 1, at, wall, "cli", self.believed)
        record = CalloutRecord(99, "https://host", 5, "active", calm=calm, origin="cli", drill=False, raised_wall=WALL + self.time)
        fix = Fix(at, wall, "gpsd", 1.0, 2.0, altitude_m=self.time, wall_trusted=self.believed)
        self.store.record(fix)
        self.model.rows.append(Row(fix, self.boot, self.time, self.episode))
        self.step(PressMade(press), CalloutKept(record))
        self.move_away(cut, wal_bytes, identity)
        self.come_back(before, self.model, reboot=reboot, believed=believed)

    @property
    def episode(self):
        return self.model.episode if self.model.wanted else None

    def read_identity(self):
        path = self.directory / "agent.db.identity"
        return path.read_bytes() if path.exists() else None

    def move_away(self, cut, wal_bytes, identity):
        """The files go on elsewhere, without the -shm; of the -wal a part of what was appended after its first `wal_bytes`."""
        old, old_directory = self.store, self.directory
        self.lives += 1
        self.directory = self.root / str(self.lives)
        self.directory.mkdir()
        for name in ("agent.db", "agent.db-wal"):
            if (old_directory / name).exists():
                shutil.copyfile(old_directory / name, self.directory / name)
        if self.measure_wal() > wal_bytes:
            with (self.directory / "agent.db-wal").open("r+b") as wal:
                wal.truncate(wal_bytes + int(cut * (self.measure_wal() - wal_bytes)))
        if identity is not None:
            (self.directory / "agent.db.identity").write_bytes(identity)
        self.runner.run(old.aclose())

    def come_back(self, *models, reboot, believed):
        """The next life knows what one of these models knows."""
        if reboot:
            self.boot, self.began, self.believed = self.boot + 1, self.time, believed
        self.open()
        self.wal_bytes = self.measure_wal()
        for model in models:
            try:
                self.compare_memory(model)
            except AssertionError:
                if model is models[-1]:
                    raise
            else:
                self.model = model
                break
        kept = self.compare_fixes(whole=False)
        assert all(not row.safe for row in self.model.rows[kept:])
        del self.model.rows[kept:]
        # Which marks were still waiting is not known to the model: it asks. None may be lost that was sure, none invented.
        untold = set(map(tag, self.runner.run(self.store.missed(self.now()[0], 10_000)).fixes))
        for row in self.model.emergency:
            is_untold = tag(row.fix) in untold
            assert not (is_untold and row.sure)
            assert row.dealt or is_untold
            row.dealt = not is_untold
        self.model.make_sure()

    # Comparisons

    def compare_memory(self, model):
        remembered = self.remembered
        assert remembered.press_number == max(model.presses, default=0)
        there = [(p.number, p.wall, p.drill, p.note) for p in remembered.owed]
        assert there == [(p.number, p.wall, p.drill, "?" if p.note == "\udcff" else p.note) for p in model.owed]
        assert remembered.callout == model.callout
        assert remembered.closed == model.closed
        assert remembered.untold == model.untold_events
        assert dict(remembered.notes) == {**model.notes, "calm": str(model.calm).lower()}

    def read_fixes(self):
        return self.runner.run(self.store.fixes(0, WALL + 1e6))

    def compare_fixes(self, *, whole=True):
        there = self.read_fixes()
        kept = len(there)
        assert kept == len(self.model.rows) if whole else kept <= len(self.model.rows)
        for found, row in zip(there, self.model.rows, strict=False):
            if row.boot == self.boot:
                assert found == row.fix
            else:
                assert found.at <= 0
                assert replace(found, at=row.fix.at) == row.fix
        ats = [fix.at for fix in there]
        assert ats == sorted(ats)
        return kept

    @invariant()
    def nothing_is_missing_while_it_runs(self):
        self.compare_fixes()
        assert self.store.summary().trouble is None
        assert self.store.summary().fixes == len(self.model.rows)
        assert self.store.summary().untold == len(self.model.missed)

    @rule(limit=st.integers(1, 8))
    def what_was_missed_is_told_from_its_beginning(self, limit):
        missed = self.runner.run(self.store.missed(self.now()[0], limit))
        expected = [row.fix for row in self.model.missed]
        assert list(map(tag, missed.fixes)) == list(map(tag, expected[:limit]))
        assert missed.more == (len(expected) > limit)
        known = [row.fix for row in self.model.emergency]
        before = known[: known.index(expected[0])] if expected else []
        assert (missed.before and tag(missed.before)) == (tag(before[-1]) if before else None)

    @precondition(lambda self: self.model.presses)
    @rule(data=st.data(), span_s=st.sampled_from([2.0, 20.0]))
    def the_minutes_before_a_press_are_found(self, data, span_s):
        number = data.draw(st.sampled_from(sorted(self.model.presses)))
        there = self.runner.run(self.store.before_press(number, span_s))
        assert list(map(tag, there)) == [tag(row.fix) for row in self.model.before_press(number, span_s)]

    def teardown(self):
        self.runner.run(self.store.aclose())
        self.runner.close()
        shutil.rmtree(self.root)


StoreMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
TestStoreAgainstThePlainModel = StoreMachine.TestCase
