"""What time it is goes by witnesses, and what follows from knowing it (law 9)."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest
import time_machine

from agent import BUILT_AT_WALL
from agent.clock import RTC, SYNCHRONISED_S, Kernel, SystemClock, Timesyncd
from agent.identity import read_boot_id
from agent.kept import NoteKept, Write
from agent.model import Report
from agent.timekeeping import (
    BOOT_NOTE,
    FLOOR_EVERY_S,
    FLOOR_NOTE,
    SET_EVERY_S,
    WOKEN_S,
    Timekeeping,
    read_belief,
    read_floor,
    write_belief,
    write_floor,
)
from agent.timescale import Belief, Floor, Witness

DAY_S = 86_400.0
NOW_WALL = BUILT_AT_WALL + 100 * DAY_S  # the truth at boot


class Machine(Kernel):
    """A kernel's clocks, the truth, and what becomes of both. Time passes when a test says so."""

    def __init__(self, *, off_s: float = 0.0, synchronised: bool = False) -> None:
        super().__init__()
        self.passed_s, self.slept_s, self.off_s = 100.0, 0.0, off_s
        self.synchronised, self.may_set = synchronised, True
        self.battery_off_s: float | None = None

    def at(self) -> float:
        """Without a suspend."""
        return self.passed_s

    def boot_at(self) -> float:
        """With it."""
        return self.passed_s + self.slept_s

    def truth(self) -> float:
        """What the time really is."""
        return NOW_WALL + self.boot_at()

    def wall(self) -> float:
        """As it was set."""
        return self.truth() + self.off_s

    def network(self) -> tuple[bool, float]:
        """Whoever sets the clock ends the kernel's belief that it is synchronised."""
        return self.synchronised, self.wall()

    def batteries(self) -> Iterator[float]:
        """One at most."""
        if self.battery_off_s is not None:
            yield self.truth() + self.battery_off_s

    def set(self, wall: float) -> None:
        """Only who may."""
        if not self.may_set:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        self.step(wall - self.wall())

    def step(self, step_s: float) -> None:
        """Somebody sets the system clock."""
        self.off_s += step_s
        self.synchronised = False

    def go_on(self, seconds: float) -> None:
        """Time passes."""
        self.passed_s += seconds


def listen(clock: SystemClock, machine: Machine, seconds: int, *, off_s: float = 0.0, mode: int = 3, simulated: bool = False) -> None:
    """A receiver tells its time once a second."""
    for _ in range(seconds):
        machine.go_on(1.0)
        clock.hear(Report(machine.at(), "gnss", mode, gnss_time=machine.truth() + off_s, simulated=simulated))


class Done:
    """What may be awaited, and is over."""

    def __await__(self) -> Iterator[None]:
        yield from ()


class Kept:
    """A store that remembers what it was asked."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self.commits = 0
        self.restamped: list[float] = []
        self.told: list[tuple[float, float]] = []  # what others hear of it

    def step(self, *writes: Write) -> Awaitable[None]:
        """Keep."""
        self.commits += 1
        self.notes |= {write.name: write.value for write in writes if isinstance(write, NoteKept)}
        return Done()

    def restamp(self, at: float, wall: float) -> None:
        """Rows of before get their true time."""
        self.restamped.append(wall - at)


# --- what is believed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off_s", [0.0, -5 * DAY_S, 12.0 - NOW_WALL, 56 * 365 * DAY_S])
def test_system_clock_is_told_and_not_trusted_while_nobody_vouches(off_s: float):
    machine = Machine(off_s=off_s)
    clock = SystemClock(machine)
    assert not clock.trusted()
    assert clock.wall() == clock.system_wall() == machine.wall()


def test_synchronised_kernel_is_trusted_from_the_first_moment():
    machine = Machine(synchronised=True)
    clock = SystemClock(machine)
    assert (clock.trusted(), clock.wall()) == (True, machine.truth())


def test_network_vouches_for_the_kernels_clock_and_not_for_one_that_something_shows_in_its_place():
    """A library that plays another time, as for tests."""

    class Played(Machine):
        def network(self) -> tuple[bool, float]:
            return True, self.truth()

    assert not SystemClock(Played(off_s=30 * DAY_S)).trusted()
    assert SystemClock(Played()).trusted()


def test_restored_clock_gives_way_to_a_receiver_after_three_epochs():
    machine = Machine(off_s=-5 * DAY_S)
    clock = SystemClock(machine)
    listen(clock, machine, 2)
    assert not clock.trusted()
    listen(clock, machine, 1)
    assert (clock.trusted(), clock.wall()) == (True, pytest.approx(machine.truth()))
    assert clock.standing().system_off_s == pytest.approx(-5 * DAY_S)


@pytest.mark.parametrize(("mode", "simulated"), [(1, False), (0, False), (3, True)])
def test_receiver_without_a_position_or_that_plays_vouches_for_nothing(mode: int, simulated: bool):  # noqa: FBT001 - a row
    machine = Machine()
    clock = SystemClock(machine)
    listen(clock, machine, 10, mode=mode, simulated=simulated)
    assert not clock.trusted()


def test_battery_clock_vouches_where_the_system_clock_shows_the_same():
    machine = Machine(off_s=0.5)
    machine.battery_off_s = 0.0
    assert SystemClock(machine).trusted()
    machine.step(60.0)
    assert not SystemClock(machine).trusted()


def test_battery_clock_that_appears_late_is_found_and_a_step_after_it_vouched_is_not_believed():
    machine = Machine()
    clock = SystemClock(machine)
    machine.battery_off_s = 0.0
    machine.go_on(61.0)
    clock.look()
    assert clock.trusted()
    machine.step(3_600.0)
    assert clock.wall() == pytest.approx(machine.truth())


@pytest.mark.parametrize("step_s", [30 * DAY_S, 56 * 365.25 * DAY_S, -3_600.0, -10 * 365.25 * DAY_S])
@pytest.mark.parametrize("synchronised", [True, False])
def test_step_of_the_system_clock_is_not_followed_not_even_until_the_next_look(step_s: float, synchronised: bool):  # noqa: FBT001 - a row
    machine = Machine(synchronised=synchronised)
    clock = SystemClock(machine)
    listen(clock, machine, 5)
    machine.step(step_s)
    for _ in range(3):
        assert (clock.trusted(), clock.wall()) == (True, pytest.approx(machine.truth(), abs=1.0))
        machine.go_on(1.0)
        clock.look()
    assert clock.standing().system_off_s == pytest.approx(step_s)
    assert clock.steps == 1


def test_step_by_the_network_is_followed_at_the_next_question():
    machine = Machine(off_s=-40.0, synchronised=True)
    clock = SystemClock(machine)
    machine.off_s = 0.0
    assert clock.wall() == machine.truth()


def test_time_goes_on_through_a_suspend():
    """The monotonic clock stands still meanwhile, so that what it says of the wall must not be kept."""
    for synchronised in (True, False):
        machine = Machine(off_s=0.0 if synchronised else -DAY_S, synchronised=synchronised)
        clock = SystemClock(machine)
        listen(clock, machine, 3)
        machine.slept_s += 8 * 3_600
        assert (clock.trusted(), clock.wall(), clock.steps) == (True, pytest.approx(machine.truth()), 0)
        listen(clock, machine, 3)
        assert clock.wall() == pytest.approx(machine.truth())


def test_receiver_that_is_heard_after_a_suspend_tells_the_time_of_now():
    machine = Machine(off_s=-DAY_S)
    machine.slept_s = 8 * 3_600
    clock = SystemClock(machine)
    listen(clock, machine, 3)
    assert clock.wall() == pytest.approx(machine.truth())


def test_monotonic_time_does_not_follow_the_wall():
    clock = SystemClock()
    before = clock.at()
    with time_machine.travel(BUILT_AT_WALL + 1e9, tick=False):
        assert clock.at() - before < 5.0


def test_this_kernel_says_what_it_shows():
    """Read by a call of its own, past whatever plays another time to a program."""
    kernel = Kernel()
    kept, shown = kernel.network()
    assert isinstance(kept, bool)
    assert shown == pytest.approx(kernel.wall(), abs=2.0)
    assert kernel.boot_at() >= kernel.at() - 0.1
    assert len(list(kernel.batteries())) <= len(list(RTC.glob("rtc*")))
    with time_machine.travel(12.0, tick=False):
        assert kernel.network()[1] == pytest.approx(shown, abs=5.0)


# --- what follows ------------------------------------------------------------------------------------------------------------


def keeping(machine: Machine, *, set_from_gnss: bool = False) -> tuple[SystemClock, Kept, Timekeeping, list[float]]:
    clock, store, hurried = SystemClock(machine), Kept(), []
    of = Timekeeping(
        clock,
        store,  # type: ignore[arg-type]
        set_from_gnss=set_from_gnss,
        hurry=lambda: hurried.append(machine.at()),
        restamped=lambda by_s, wall: store.told.append((by_s, wall)),
    )
    return clock, store, of, hurried


def test_rows_are_restamped_once_when_somebody_vouches():
    machine = Machine(off_s=12.0 - NOW_WALL)
    clock, store, of, _ = keeping(machine)
    of.follow()
    assert (store.restamped, store.notes) == ([], {})
    listen(clock, machine, 3)
    of.follow()
    of.follow()
    assert store.restamped == [pytest.approx(NOW_WALL)]
    assert store.told == [(pytest.approx(NOW_WALL - 12.0), pytest.approx(machine.truth()))]


def test_rows_of_before_the_notes_were_read_are_restamped_when_they_vouch():
    """A press at the start of a process that has the time from the one before it."""
    machine = Machine(off_s=-5 * DAY_S)
    clock, store, of, _ = keeping(machine)
    listen(clock, machine, 3)
    of.follow()
    _, again, restarted, _ = keeping(machine)
    restarted.recall(store.notes[FLOOR_NOTE], store.notes[BOOT_NOTE])
    assert again.restamped == [pytest.approx(NOW_WALL)]
    restarted.follow()
    assert len(again.restamped) == 1


def test_what_is_believed_is_kept_at_once_and_then_now_and_then():
    machine = Machine(synchronised=True)
    _, store, of, _ = keeping(machine)
    for _ in range(5):
        of.follow()
        machine.go_on(1.0)
    assert store.commits == 1
    assert read_floor(store.notes[FLOOR_NOTE]) == Floor(pytest.approx(machine.truth() - 5.0, abs=1.0), Witness.NETWORK)
    machine.go_on(FLOOR_EVERY_S)
    of.follow()
    assert store.commits == 2


def test_what_is_put_right_or_has_one_witness_more_is_kept_at_once():
    machine = Machine(off_s=-15.0, synchronised=True)
    clock, store, of, _ = keeping(machine)
    of.follow()
    machine.off_s = 0.0
    of.follow()
    assert read_belief(store.notes[BOOT_NOTE], read_boot_id()).zero == pytest.approx(NOW_WALL)
    listen(clock, machine, 3)
    of.follow()
    assert read_belief(store.notes[BOOT_NOTE], read_boot_id()).by == {Witness.NETWORK, Witness.RECEIVER}
    assert store.commits == 3


def test_next_process_of_this_boot_knows_the_time_at_once_and_one_of_the_next_boot_does_not():
    machine = Machine(off_s=-5 * DAY_S)
    clock, store, of, _ = keeping(machine)
    listen(clock, machine, 3)
    of.follow()
    machine.go_on(60.0)
    machine.step(3_600.0)
    after, _, restarted, _ = keeping(machine)
    assert not after.trusted()
    restarted.recall(store.notes[FLOOR_NOTE], store.notes[BOOT_NOTE])
    assert (after.trusted(), after.wall()) == (True, pytest.approx(machine.truth()))
    other, _, rebooted, _ = keeping(machine)
    rebooted.recall(store.notes[FLOOR_NOTE], store.notes[BOOT_NOTE].replace(read_boot_id(), "another"))
    assert not other.trusted()


def test_floor_from_a_clock_far_ahead_does_not_make_a_right_one_untrusted_for_good():
    machine = Machine()
    clock, store, of, _ = keeping(machine)
    of.recall(write_floor(Floor(NOW_WALL + 3_000 * DAY_S, Witness.NETWORK)), None)
    listen(clock, machine, 3)
    of.follow()
    assert clock.trusted(), "the system clock says what the receiver says"
    assert read_floor(store.notes[FLOOR_NOTE]) == Floor(pytest.approx(machine.truth(), abs=1.0), Witness.RECEIVER)


def test_notes_of_an_older_version_and_broken_ones_are_read():
    assert read_floor("1800000000") == Floor(1.8e9, Witness.BATTERY)
    belief = Belief(1.8e9, Witness.RECEIVER, 50.0, frozenset({Witness.RECEIVER, Witness.NETWORK}))
    assert read_belief(write_belief(belief, "b"), "b") == belief
    assert read_belief(write_belief(belief, "unknown"), "unknown") is None
    for broken in (None, "", "x", "1 2", "b 1 2 receiver", "b 1 2 receiver nobody"):
        assert (read_floor(broken), read_belief(broken, "b")) == (None, None)


def test_lanes_are_hurried_when_the_system_clock_was_set():
    machine = Machine()
    _, _, of, hurried = keeping(machine)
    of.follow()
    machine.step(-3_600.0)
    machine.go_on(1.0)
    for _ in range(3):
        of.follow()
    assert hurried == [101.0]


@pytest.mark.parametrize("off_s", [12.0 - NOW_WALL, BUILT_AT_WALL - 1_000.0 - NOW_WALL])
def test_system_clock_of_before_the_build_is_set_from_the_receiver_and_lanes_are_hurried(off_s: float):
    machine = Machine(off_s=off_s)
    clock, _, of, hurried = keeping(machine, set_from_gnss=True)
    of.follow()
    assert machine.off_s == off_s
    listen(clock, machine, 3)
    of.follow()
    assert machine.off_s == pytest.approx(0.0, abs=0.01)
    assert len(hurried) == 1
    assert of.standing().unset is None


@pytest.mark.parametrize(
    ("off_s", "witness", "may"), [(-5 * DAY_S, "receiver", True), (12.0 - NOW_WALL, "nobody", True), (12.0 - NOW_WALL, "receiver", False)]
)
def test_system_clock_is_set_by_no_other_rule(off_s: float, witness: str, may: bool):  # noqa: FBT001 - a row
    """Not one that is merely wrong, not by nobody, not where the config forbids it."""
    machine = Machine(off_s=off_s)
    clock, _, of, hurried = keeping(machine, set_from_gnss=may)
    if witness == "receiver":
        listen(clock, machine, 5)
    for _ in range(5):
        of.follow()
    assert (machine.off_s, hurried) == (off_s, [])


def test_clock_that_somebody_sets_back_to_1970_is_not_set_where_no_receiver_tells_the_time():
    machine = Machine(synchronised=True)
    clock, _, of, _ = keeping(machine, set_from_gnss=True)
    machine.step(-NOW_WALL)
    of.follow()
    assert clock.trusted()
    assert machine.off_s == -NOW_WALL


def test_clock_that_something_plays_to_us_does_not_set_the_kernels():
    class Played(Machine):
        def network(self) -> tuple[bool, float]:
            return False, self.truth()

    machine = Played(off_s=12.0 - NOW_WALL)
    clock, _, of, _ = keeping(machine, set_from_gnss=True)
    listen(clock, machine, 5)
    of.follow()
    assert machine.off_s == 12.0 - NOW_WALL


def test_clock_that_may_not_be_set_is_said_and_set_once_it_may():
    machine = Machine(off_s=12.0 - NOW_WALL)
    machine.may_set = False
    clock, _, of, _ = keeping(machine, set_from_gnss=True)
    listen(clock, machine, 3)
    for _ in range(3):
        of.follow()
        assert of.standing().unset == "Operation not permitted"
    machine.may_set = True
    machine.go_on(SET_EVERY_S / 2)
    of.follow()
    assert of.standing().unset is not None, "it is not tried every second"
    machine.go_on(SET_EVERY_S / 2)
    of.follow()
    assert of.standing().unset is None
    assert machine.off_s == pytest.approx(0.0, abs=0.01)


def test_how_long_the_device_was_suspended_is_known_at_once():
    machine = Machine()
    clock = SystemClock(machine)
    assert clock.asleep_s() == 0.0
    machine.slept_s += 3_600.0
    assert clock.asleep_s() == pytest.approx(3_600.0)


def test_receiver_that_is_years_ahead_makes_nothing_old_enough_to_be_deleted():
    machine = Machine()
    clock, _, of, _ = keeping(machine)
    listen(clock, machine, 3, off_s=3_000 * DAY_S)
    assert clock.wall() == pytest.approx(machine.truth() + 3_000 * DAY_S), "nobody contradicts it"
    assert of.passed_wall() == pytest.approx(machine.truth())


def test_system_clock_that_is_years_ahead_makes_nothing_old_either_and_one_of_1970_says_nothing():
    for off_s in (3_000 * DAY_S, -NOW_WALL):
        machine = Machine(off_s=off_s)
        clock, _, of, _ = keeping(machine)
        listen(clock, machine, 3)
        assert of.passed_wall() == pytest.approx(machine.truth())


class Forbidden:
    """The C library under the unit's filter of calls."""

    def adjtimex(self, _told: object) -> int:
        """EPERM."""
        return -1


def test_kernel_that_may_not_be_asked_has_no_clock_of_1970_that_wants_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """What it shows is taken as it is."""
    monkeypatch.setattr("ctypes.CDLL", lambda _: Forbidden())
    kernel = Kernel(Timesyncd(tmp_path / "nobody keeps it"))
    assert kernel.network() == (False, pytest.approx(kernel.wall(), abs=2.0))


def test_kernel_that_may_not_be_asked_is_vouched_for_by_whom_systemd_lets_keep_its_clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Or a device at a desk, without a receiver, would never know the time under its own unit."""
    monkeypatch.setattr("ctypes.CDLL", lambda _: Forbidden())
    touched = tmp_path / "synchronized"
    touched.touch()
    assert Kernel(Timesyncd(touched)).network()[0]


def test_word_of_timesyncd_counts_for_the_clock_that_it_was_given_for(tmp_path: Path):
    """Not when it is old, not when it comes from the future, and not once somebody has set the clock since."""
    touched = tmp_path / "synchronized"
    keeper = Timesyncd(touched)
    assert not keeper.keeps(wall=NOW_WALL, boot_at=100.0), "it has not said anything"
    touched.touch()
    os.utime(touched, (NOW_WALL, NOW_WALL))
    assert keeper.keeps(wall=NOW_WALL, boot_at=100.0)
    assert keeper.keeps(wall=NOW_WALL + 3600.0, boot_at=3700.0)
    assert not keeper.keeps(wall=NOW_WALL + SYNCHRONISED_S + 1, boot_at=SYNCHRONISED_S + 101)
    assert not keeper.keeps(wall=NOW_WALL + 3600.0, boot_at=3600.0), "set 100 s ahead"
    assert not keeper.keeps(wall=NOW_WALL - 3600.0, boot_at=3600.0), "set back"
    os.utime(touched, (NOW_WALL + 3600.0, NOW_WALL + 3600.0))
    assert keeper.keeps(wall=NOW_WALL + 3601.0, boot_at=3601.0), "and told anew"


def test_who_wakes_up_hurries():
    """Every proof has aged, every connection may be dead, and the next look-up is due by a clock that stood still."""
    machine = Machine()
    _, _, of, hurried = keeping(machine)
    of.follow()
    assert hurried == []
    machine.slept_s += WOKEN_S / 2  # how exactly two clocks are read
    of.follow()
    assert hurried == []
    machine.slept_s += 8 * 3_600.0
    for _ in range(3):
        of.follow()
    assert len(hurried) == 1
