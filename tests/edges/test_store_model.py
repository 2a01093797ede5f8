"""The store against a plain model of it, over random operations, restarts, reboots and crashes."""

# ruff: noqa: ANN001, ANN002, ANN202, ANN204, D101 - the rules of a state machine say by their names what they do

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.kept import CalloutKept, CalloutRecord, EventKept, NoteKept, PressesSettled, PressMade
from agent.model import Fix, Press, Quality
from agent.store import Pace, Store, peek

WALL = 1_780_000_000.0
IDS = st.sampled_from([7, "7", 12345678901234567890123, "int:7", "0012", "dé\x00j"])
eighths = st.integers(0, 10_000).map(lambda n: n / 8)
maybe = st.one_of(st.none(), eighths)


class PlainModel:
    """What a store should know, without a disk, in the simplest words."""

    def __init__(self):
        self.presses = {}
        self.settled = set()
        self.callouts = {}
        self.events = {}
        self.notes = {}
        self.calm = False
        self.fixes = []
        self.episodes = []
        self.dealt_with = set()
        self.episode = 0
        self.was_wanted = False

    def write(self, write):
        match write:
            case PressMade(press) if press.number not in self.presses:
                self.presses[press.number] = press
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
    def untold_fixes(self):
        if not self.wanted:
            return []
        return [f for f, e in zip(self.fixes, self.episodes, strict=True) if e == self.episode and f.at not in self.dealt_with]


class StoreMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.model = PlainModel()
        self.lives = 0
        self.boot = 1
        self.at = 0.0
        self.safe = 0  # how many fixes were recorded when the last step ended
        self.of_this_boot = 0

    @initialize()
    def begin(self):
        self.directory = self.root / "0"
        self.directory.mkdir()
        self.open()

    def open(self):
        pace = Pace(group_s=30.0, group_rows=5)
        self.store = Store(self.directory / "agent.db", boot_id=f"boot-{self.boot}", machine_id="a" * 32, pace=pace)
        self.remembered = self.runner.run(self.store.open())
        self.compare_memory(self.remembered)

    def now(self):
        self.at += 0.5
        return self.at

    async def _step(self, *writes):
        await self.store.step(*writes)

    def step(self, *writes):
        for write in writes:
            self.model.write(write)
        self.model.follow()
        self.runner.run(self._step(*writes))
        self.safe = len(self.model.fixes)

    # Operations

    @rule(speed=maybe, accuracy=maybe, gnss=maybe, trusted=st.booleans(), quality=st.sampled_from(Quality))
    def record(self, speed, accuracy, gnss, trusted, quality):
        at = self.now()
        more = {"gnss_time": None if gnss is None else WALL + gnss, "wall_trusted": trusted, "quality": quality}
        fix = Fix(at, WALL + at, "gpsd", -33.5, 18.25, accuracy, speed_mps=speed, **more)
        self.store.record(fix)
        self.model.fixes.append(fix)
        self.model.episodes.append(self.model.episode if self.model.wanted else None)

    @precondition(lambda self: self.of_this_boot < len(self.model.fixes))
    @rule(data=st.data())
    def sent(self, data):
        fix = data.draw(st.sampled_from(self.model.fixes[self.of_this_boot :]))
        self.store.sent(fix)
        self.model.dealt_with.add(fix.at)

    @precondition(lambda self: self.model.fixes)
    @rule(data=st.data())
    def told(self, data):
        ends = sorted(data.draw(st.tuples(*[st.sampled_from(self.model.fixes)] * 2)), key=lambda f: f.wall)
        self.store.told(ends[0].wall, ends[1].wall)
        self.model.dealt_with |= {f.at for f in self.model.fixes if ends[0].wall <= f.wall <= ends[1].wall}

    @rule(twice=st.booleans(), drill=st.booleans(), note=st.sampled_from([None, "help", "\udcff"]))
    def press(self, twice, drill, note):
        at = self.now()
        made = PressMade(Press(max(self.model.presses, default=0) + 1, at, WALL + at, "cli", note=note, drill=drill))
        self.step(*[made] * (1 + twice))

    @precondition(lambda self: self.model.presses)
    @rule(data=st.data(), callout_id=st.one_of(st.none(), IDS))
    def settle(self, data, callout_id):
        up_to = data.draw(st.sampled_from(sorted(self.model.presses)))
        self.step(PressesSettled(up_to, callout_id, WALL + self.now()))

    @rule(callout_id=IDS, phase=st.sampled_from(["active", "cancelling", "standby"]), calm=st.booleans(), elsewhere=st.booleans())
    def callout(self, callout_id, phase, calm, elsewhere):
        wall = WALL + self.now()
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

    # Ends

    @rule(reboot=st.booleans())
    def restart(self, reboot):
        self.runner.run(self.store.aclose())
        self.safe = len(self.model.fixes)
        self.come_back(reboot)

    @rule(reboot=st.booleans(), with_identity=st.booleans())
    def crash(self, reboot, with_identity):
        """The files as they are at this moment, without the -shm, are what the next life finds."""
        old, old_directory = self.store, self.directory
        self.lives += 1
        self.directory = self.root / str(self.lives)
        self.directory.mkdir()
        for name in ("agent.db", "agent.db-wal", *(["agent.db.identity"] if with_identity else [])):
            if (old_directory / name).exists():
                shutil.copyfile(old_directory / name, self.directory / name)
        self.runner.run(old.aclose())
        peeked = peek(self.directory / "agent.db")[1]
        self.come_back(reboot)
        assert (peeked.press_number, peeked.closed) == (self.remembered.press_number, self.remembered.closed)

    def come_back(self, reboot):
        self.boot += reboot
        self.open()
        if reboot:
            self.of_this_boot = len(self.model.fixes)
        kept = self.compare_fixes()
        del self.model.fixes[kept:], self.model.episodes[kept:]
        self.of_this_boot = min(self.of_this_boot, kept)
        self.safe = kept
        # Which marks were still waiting is not known to the model: it asks.
        untold = {f.wall for f in self.runner.run(self.store.untold())}
        assert untold >= {f.wall for f in self.model.untold_fixes}
        self.model.dealt_with = {f.at for f in self.model.fixes if f.wall not in untold}

    # Comparisons

    def compare_memory(self, remembered):
        assert remembered.press_number == max(self.model.presses, default=0)
        there = [(p.number, p.wall, p.drill, p.note) for p in remembered.owed]
        assert there == [(p.number, p.wall, p.drill, "?" if p.note == "\udcff" else p.note) for p in self.model.owed]
        assert remembered.callout == self.model.callout
        assert remembered.closed == self.model.closed
        assert remembered.untold == self.model.untold_events
        assert dict(remembered.notes) == {**self.model.notes, "calm": str(self.model.calm).lower()}

    def compare_fixes(self):
        there = self.runner.run(self.store.fixes(WALL, WALL + 1e6))
        kept = len(there)
        assert self.safe <= kept <= len(self.model.fixes)
        for index, (found, expected) in enumerate(zip(there, self.model.fixes[:kept], strict=True)):
            if index >= self.of_this_boot:
                assert found == expected
            else:
                assert found.at <= 0
                assert replace(found, at=expected.at) == expected
        return kept

    @invariant()
    def nothing_is_missing_while_it_runs(self):
        assert self.compare_fixes() == len(self.model.fixes)
        assert [f.wall for f in self.runner.run(self.store.untold())] == [f.wall for f in self.model.untold_fixes]
        assert self.store.summary().trouble is None
        assert self.store.summary().fixes == len(self.model.fixes)
        assert self.store.summary().untold == len(self.model.untold_fixes)

    def teardown(self):
        self.runner.run(self.store.aclose())
        self.runner.close()
        shutil.rmtree(self.root)


StoreMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
TestStoreAgainstThePlainModel = StoreMachine.TestCase
