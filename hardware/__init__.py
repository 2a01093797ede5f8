"""Everything that touches a pin, a port or gpsd, opened by the kind named in the configuration.

Knows the kinds and nothing else: options are checked by the adapters. It must not import the agent's decisions or edges. Buttons and lamp
are there at once; all else is imported when it is first asked for, because a button waits for no receiver.

To add a kind of receiver: write a FixSource (`agent.ports`) in a module of its own that takes `name`, `clock_at` and its options as
keywords, enter what brings it along in RECEIVERS below, and run it through `tests/hardware/test_receivers.py`, the suite that every
receiver passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent.ports import FixSource, Keypad, Supply
from hardware.button import GpioButton
from hardware.indicator import GpioIndicator

if TYPE_CHECKING:
    from hardware.supply import Beside


def _gpsd() -> Callable[..., FixSource]:
    from hardware.gpsd import GpsdReceiver  # noqa: PLC0415 - see the module's docstring

    return GpsdReceiver  # host, port, device


def _serial() -> Callable[..., FixSource]:
    from hardware.serial_port import SerialReceiver  # noqa: PLC0415 - likewise

    return SerialReceiver  # path, baud


def _replay() -> Callable[..., FixSource]:
    from hardware.replay import ReplayReceiver  # noqa: PLC0415 - likewise

    return ReplayReceiver  # path, speed, loop


def _fake() -> Callable[..., FixSource]:
    from hardware.fake import FakeReceiver  # noqa: PLC0415 - likewise

    return FakeReceiver


# What brings each kind along; slow the first time.
RECEIVERS: Mapping[str, Callable[[], Callable[..., FixSource]]] = MappingProxyType(
    {"gpsd": _gpsd, "serial": _serial, "replay": _replay, "fake": _fake}
)


def load(kinds: Iterable[str]) -> None:
    """Bring along what receivers of these kinds need, so that opening one takes no time. Blocks. Ignores kinds that it does not know."""
    from hardware import keypad, supply  # noqa: F401, PLC0415 - likewise

    for kind in kinds:
        if kind in RECEIVERS:
            RECEIVERS[kind]()


def open_receiver(kind: str, *, name: str, clock_at: Callable[[], float], **options: object) -> FixSource:
    """Return the receiver of this kind, not yet running. clock_at: monotonic s. options: as beside RECEIVERS.

    Raises ValueError for an unknown kind, naming the known ones, and for options that the kind does not take.
    """
    if kind not in RECEIVERS:
        raise ValueError(f"unknown kind of receiver {kind!r}; known are {', '.join(sorted(RECEIVERS))}")
    try:
        return RECEIVERS[kind]()(name=name, clock_at=clock_at, **options)
    except TypeError as error:
        raise ValueError(f"receiver {name!r} of kind {kind!r}: {error}") from error


def open_keypad(*, name: str, clock_at: Callable[[], float], path: str) -> Keypad:
    """Return the keypad at `path` (an input device of the kernel, or the socket of a played one), not yet running."""
    from hardware.keypad import InputKeypad  # noqa: PLC0415 - see the module's docstring

    return InputKeypad(name=name, clock_at=clock_at, path=path)


def open_button(
    *,
    name: str,
    clock_at: Callable[[], float],
    chip: str,
    line: int,
    active: str,
    bias: str,
    hold_s: float,
    presses: int,
    within_s: float,
    abort_line: int | None = None,
) -> GpioButton:
    """Return a Button on a line of a GPIO chip, not yet running. The options are those of `[[button]]` in the configuration."""
    return GpioButton(
        name=name,
        clock_at=clock_at,
        chip=chip,
        line=line,
        active=active,
        bias=bias,
        hold_s=hold_s,
        presses=presses,
        within_s=within_s,
        abort_line=abort_line,
    )


def open_indicator(
    *,
    clock_at: Callable[[], float],
    chip: str,
    lamp_line: int,
    buzzer_line: int | None = None,
    armed_line: int | None = None,
    profile: str = "visible",
) -> GpioIndicator:
    """Return an Indicator on lines of a GPIO chip, not yet running. The options are those of `[indicator]` in the configuration."""
    others = {"buzzer_line": buzzer_line, "armed_line": armed_line}
    return GpioIndicator(clock_at=clock_at, chip=chip, lamp_line=lamp_line, profile=profile, **others)


def open_supply(directory: str, *, low_percent: float, clock_at: Callable[[], float], beside: Beside) -> Supply:
    """Return what watches the kernel's supplies in `directory`, not yet running. beside: runs blocking work in a thread."""
    from hardware.supply import KernelSupply  # noqa: PLC0415 - see the module's docstring

    return KernelSupply(directory, low_percent=low_percent, clock_at=clock_at, beside=beside)
