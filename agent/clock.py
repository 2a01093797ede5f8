"""The system's clocks. The only place of the daemon that asks what time it is; `timescale` decides which of the answers is believed.

Touches the kernel's clocks, its word whether the network keeps them, and battery clocks in sysfs. Sets the system clock when it is
told to (`set_system`), and never by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Iterator
from pathlib import Path

from agent import BUILT_AT_WALL, timescale
from agent.model import Report
from agent.timescale import Belief, Floor, Standing, System, Timescale, Witness

STEP_S = 1.0  # a system clock that ran this much differently from the kernel's own s was set
BATTERY_S = 5.0  # a battery clock shows whole s, and a kernel takes a while to read it
BATTERY_EVERY_S = 60.0  # while nobody better is believed: reading one goes over a slow bus
RTC = Path("/sys/class/rtc")
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")  # touched by systemd-timesyncd whenever it has set or confirmed the clock
SYNCHRONISED_S = 32_000.0  # after so long without a word the kernel itself no longer calls its clock kept: 16 s of error at 500 ppm


class _Timex(ctypes.Structure):
    """`struct timex`, and room for what kernels append to it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance", "seconds", "fraction")),
        ("more", ctypes.c_char * 256),
    )


class Timesyncd:
    """The word of systemd's keeper of the clock, for a process that may not ask the kernel: the unit's filter of calls knows no reading.

    Another keeper (chrony, ntpd) leaves no such file: for these docs/SECURITY.md has a drop-in that lets the agent ask the kernel.
    """

    def __init__(self, path: Path = SYNCHRONISED) -> None:
        self._path = path
        self._touched_wall, self._zero = 0.0, 0.0

    def keeps(self, *, wall: float, boot_at: float) -> bool:
        """Whether it confirmed this clock lately, and nobody has set it since. Both in s, as in `Kernel`."""
        try:
            touched_wall = self._path.stat().st_mtime
        except OSError:
            return False
        zero = wall - boot_at
        if touched_wall != self._touched_wall:
            self._touched_wall, self._zero = touched_wall, zero
        return -STEP_S <= wall - touched_wall <= SYNCHRONISED_S and abs(zero - self._zero) <= STEP_S


class Kernel:
    """The clocks of this machine. All in s."""

    def __init__(self, timesyncd: Timesyncd | None = None) -> None:
        self._timesyncd = timesyncd or Timesyncd()

    def at(self) -> float:
        """Since boot, without those of a suspend."""
        return time.monotonic()

    def boot_at(self) -> float:
        """Since boot, with those of a suspend."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> float:
        """UTC since 1970 as the system clock has it."""
        return time.time()

    def network(self) -> tuple[bool, float]:
        """Whether the network keeps the system clock, and what the kernel itself says that it shows, by adjtimex(2).

        Where that is forbidden, by the unit or a container, `Timesyncd` is asked, and the clock taken as it is.
        """
        told = _Timex()
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(told))
        if state < 0:  # 0 s would be a clock of 1970, which is to be set
            wall = self.wall()
            return self._timesyncd.keeps(wall=wall, boot_at=self.boot_at()), wall
        return state <= 4, float(told.seconds)  # 5: nobody keeps it

    def batteries(self) -> Iterator[float]:
        """UTC since 1970 of each clock that runs on without power."""
        for clock in sorted(RTC.glob("rtc*")):
            with contextlib.suppress(OSError, ValueError):  # one whose battery was changed tells an error instead of a time
                yield float((clock / "since_epoch").read_text())

    def set(self, wall: float) -> None:
        """Set the system clock. Raises OSError: PermissionError without CAP_SYS_TIME."""
        time.clock_settime(time.CLOCK_REALTIME, wall)


class SystemClock:
    """Monotonic time, and the believed wall time: see `ports.Clock`.

    steps: how often the system clock was set since the start, by whomever.
    """

    def __init__(self, kernel: Kernel | None = None) -> None:
        self.steps = 0
        self._kernel = kernel or Kernel()
        self._battery_zeros: tuple[float, ...] = ()
        self._battery_due_at = 0.0
        self._scale = Timescale()
        self._system = System(self._zero())
        self.look()

    def at(self) -> float:
        """Monotonic s of this boot."""
        return self._kernel.at()

    def wall(self) -> float:
        """UTC s since 1970, the best that is known. A step of the system clock is noticed here, not a second later."""
        belief = self.belief()
        return self._kernel.wall() if belief is None else belief.zero + self._kernel.boot_at()

    def trusted(self) -> bool:
        """Whether somebody vouches for `wall`."""
        return self.belief() is not None

    def system_wall(self) -> float:
        """UTC s since 1970 as the system clock has it, which TLS goes by."""
        return self._kernel.wall()

    def asleep_s(self) -> float:
        """How long this boot has been suspended in all: `at` stood still meanwhile."""
        return max(0.0, self._kernel.boot_at() - self._kernel.at())

    def belief(self) -> Belief | None:
        """What is believed, its zero in s of CLOCK_BOOTTIME; None while nobody vouches."""
        if abs(self._zero() - self._system.zero) > STEP_S:
            self.look()
        return self._scale.belief

    def standing(self) -> Standing:
        """For `status`."""
        return timescale.standing(self._scale, self._system)

    def hear(self, report: Report) -> None:
        """An epoch of a receiver, before the gate. One without a position tells the time of a chip's own clock, which may be any."""
        if report.mode >= 2:
            at = report.at + self._kernel.boot_at() - self._kernel.at()
            self._scale = timescale.hear(self._scale, report.receiver, at, report.gnss_time, played=report.simulated)
            self.look()

    def look(self) -> None:
        """Ask all witnesses. Call it every second."""
        at, zero, wall = self._kernel.boot_at(), self._zero(), self._kernel.wall()
        self.steps += abs(zero - self._system.zero) > STEP_S
        kept, shown = self._kernel.network()
        network = kept and abs(shown - wall) <= BATTERY_S  # or something shows us another clock than the kernel's
        self._read_batteries(at)
        battery = any(abs(each - zero) <= BATTERY_S for each in self._battery_zeros)
        self._system = System(zero, network=network, battery=battery)
        self._scale = timescale.weigh(self._scale, at, self._system)

    def recall(self, *, floor: Floor | None, belief: Belief | None) -> None:
        """What earlier processes believed."""
        self._scale = timescale.recall(self._scale, self._kernel.boot_at(), floor=floor, belief=belief)
        self.look()

    def wants_setting(self) -> bool:
        """Whether the system clock, as the kernel itself has it, is earlier than the build, and a receiver knows better."""
        belief = self._scale.belief
        return belief is not None and belief.witness is Witness.RECEIVER and self._kernel.network()[1] < BUILT_AT_WALL

    def set_system(self) -> None:
        """Set the system clock to the believed time. Raises OSError: PermissionError without CAP_SYS_TIME."""
        self._kernel.set(self.wall())
        self.look()

    def _zero(self) -> float:
        """When this boot began, by the system clock."""
        return self._kernel.wall() - self._kernel.boot_at()

    def _read_batteries(self, at: float) -> None:
        """Only while nobody better is believed."""
        belief = self._scale.belief
        if at >= self._battery_due_at and (belief is None or belief.best is Witness.BATTERY):
            self._battery_due_at = at + BATTERY_EVERY_S
            self._battery_zeros = tuple(shown - at for shown in self._kernel.batteries())
