"""A keypad on one of the kernel's input devices: a matrix of keys, a USB number pad, a keyboard.

Touches the device through `hardware.input_device`, on the event loop. It must not log or keep what is typed, must not look at a code,
must not spin on a dead device, and does the same for every key: one tick, at once. It reads only what it alone gets (the grab): digits
that a console sees too are no secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from agent.model import Ailment, SafeCode
from hardware import ailments
from hardware.entry import Entry, Key
from hardware.input_device import (
    EV_KEY,
    EV_SYN,
    SYN_DROPPED,
    Device,
    Input,
    grab,
    inputs,
    keys_of,
    name_of,
    open_device,
)

_RETRY_S = 0.5
_UNFIT_RETRY_S = 5.0  # opening a USB device holds the loop up for some 50 ms: what is no keypad is not asked twice a second
_READS_AT_ONCE = 16
_PRESSED = 1  # 0: released, 2: repeated by the kernel while held

# linux/input-event-codes.h: the upper row, the number pad, the keys of phones and keypads. NumLock does not change these codes.
_ROWS = ((11, *range(2, 11)), (82, 79, 80, 81, 75, 76, 77, 71, 72, 73), tuple(range(0x200, 0x20A)))
_ENTERS = (28, 96, 0x20B, 0x160, 0x161)  # enter, enter of the number pad, #, ok, select
_CLEARS = (0x163, 1, 14, 111, 83, 0x20A, 223)  # clear, escape, backspace, delete, point of the number pad, *, cancel
KEYS: Mapping[int, Key] = MappingProxyType(
    {code: Key(str(digit)) for row in _ROWS for digit, code in enumerate(row)}
    | dict.fromkeys(_ENTERS, Key.ENTER)
    | dict.fromkeys(_CLEARS, Key.CLEAR)
)


class InputKeypad:
    """A Keypad (see `agent.ports`) at `path`. clock_at: monotonic s. played: the device opened last is one of a test or a trial."""

    def __init__(self, *, name: str, clock_at: Callable[[], float], path: str) -> None:
        self.name = name
        self.played = False
        self._path = path
        self._clock_at = clock_at
        self._entry = Entry()
        self._been_open = False
        self._told: Ailment | None = None

    async def run(self, typed: Callable[[SafeCode], None], ticked: Callable[[], None], ailing: Callable[[Ailment | None], None]) -> None:
        """Open, grab, read, lose and reopen the device until cancelled; see `Keypad.run`."""
        while True:
            device = await self._open(ailing)
            if device is not None:
                try:
                    await self._read(device, typed, ticked)
                finally:
                    device.close()
                self._tell(ailments.keypad_unplugged(self._path), ailing)
            unfit = self._told is not None and self._told.code == "keypad.unusable"
            await asyncio.sleep(_UNFIT_RETRY_S if unfit else _RETRY_S)

    async def _open(self, ailing: Callable[[Ailment | None], None]) -> Device | None:
        """The device, grabbed; None (and an ailment) if it cannot be had."""
        try:
            device = await open_device(self._path)
            try:
                await _require_keys(device)
                await grab(device)
            except BaseException:
                device.close()
                raise
        except OSError as error:
            ailment = ailments.of_opening_keypad(self._path, error.errno, error.strerror or str(error))
            if ailment.code == "keypad.missing" and self._been_open:
                ailment = ailments.keypad_unplugged(self._path)
            self._tell(ailment, ailing)
            return None
        self.played = device.played
        self._been_open = True
        self._tell(None, ailing)
        return device

    async def _read(self, device: Device, typed: Callable[[SafeCode], None], ticked: Callable[[], None]) -> None:
        """Read until the device is gone."""
        reading = _Reading(device, self._entry, self._clock_at, typed, ticked)
        try:
            await reading.gone
        finally:
            reading.close()
            if self._entry.ends_at is not None:
                self._entry.missed(self._clock_at())

    def _tell(self, ailment: Ailment | None, ailing: Callable[[Ailment | None], None]) -> None:
        if ailment != self._told:
            self._told = ailment
            ailing(ailment)


async def _require_keys(device: Device) -> None:
    """Raise OSError for a device on which no code can be typed: a mouse, a power button, the volume keys of a headset."""
    known = {KEYS.get(code) for code in await keys_of(device)}
    lacking = [key.value for key in Key if key not in known | {Key.CLEAR, Key.OTHER}]
    if lacking:
        raise OSError(None, f"{await name_of(device)!r} is no keypad, it lacks {' '.join(lacking)}")


class _Reading:
    """The reading end of a grabbed device on the event loop. `gone` ends when the device is gone, or with a defect."""

    def __init__(
        self, device: Device, entry: Entry, clock_at: Callable[[], float], typed: Callable[[SafeCode], None], ticked: Callable[[], None]
    ) -> None:
        self._device = device
        self._entry = entry
        self._clock_at = clock_at
        self._typed = typed
        self._ticked = ticked
        self._forgetting: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(device.fileno(), self._ready)
        self._ready()

    def close(self) -> None:
        """Leave the loop."""
        self._loop.remove_reader(self._device.fileno())
        if self._forgetting is not None:
            self._forgetting.cancel()

    def _ready(self) -> None:
        """Read what is queued; from a device that never stops at most so much, and then it is the others' turn."""
        try:
            for _ in range(_READS_AT_ONCE):
                if (data := self._read()) is None:
                    break
                for each in inputs(data):
                    self._take(each)
            self._forget_in_time()
        except Exception as error:  # noqa: BLE001 - carried to `run`, where a defect ends the process instead of a log line
            self._end(error)

    def _read(self) -> bytes | None:
        """What is queued; None when there is nothing, or the device is gone."""
        if self.gone.done():
            return None
        try:
            return self._device.read()
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:  # ENODEV and others: unplugged, or taken away from us
            self._end(None)
            return None

    def _end(self, error: Exception | None) -> None:
        # After a hang-up the descriptor is readable for ever: leave at once, or the loop spins.
        self._loop.remove_reader(self._device.fileno())
        if self.gone.done():
            return
        if error is None:
            self.gone.set_result(None)
        else:
            self.gone.set_exception(error)

    def _take(self, each: Input) -> None:
        if each.type == EV_SYN and each.code == SYN_DROPPED:  # the kernel's queue overflowed
            self._entry.missed(each.at)
        elif each.type == EV_KEY and each.value == _PRESSED:
            self._ticked()
            code = self._entry.take(KEYS.get(each.code, Key.OTHER), each.at)
            if code is not None:
                self._typed(code)

    def _forget_in_time(self) -> None:
        """A half-typed code does not stay in memory for longer than it counts."""
        if self._forgetting is not None or (ends_at := self._entry.ends_at) is None:
            return
        self._forgetting = self._loop.call_later(max(ends_at - self._clock_at(), 0.05), self._forget)

    def _forget(self) -> None:
        self._forgetting = None
        self._ready()  # keys of before that wait to be read are judged by their own times
        self._entry.look(self._clock_at())
        self._forget_in_time()
