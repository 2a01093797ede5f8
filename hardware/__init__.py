"""Everything that touches a pin, a port or gpsd, opened by the kind named in the configuration.

Knows the kinds and nothing else: options are checked by the adapters. It must not import the agent's decisions or edges.

To add a kind of receiver: write a FixSource (`agent.ports`) in a module of its own that takes `name`, `clock_at` and its options as
keywords, enter it in RECEIVERS below, and run it through `tests/hardware/test_receivers.py`, the suite that every receiver passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from agent.ports import FixSource, Keypad, Supply
from hardware.button import GpioButton
from hardware.fake import FakeReceiver
from hardware.gpsd import GpsdReceiver
from hardware.indicator import GpioIndicator
from hardware.keypad import InputKeypad
from hardware.replay import ReplayReceiver
from hardware.serial_port import SerialReceiver
from hardware.supply import Beside, KernelSupply

RECEIVERS: Mapping[str, Callable[..., FixSource]] = MappingProxyType(
    {
        "gpsd": GpsdReceiver,  # host, port, device
        "serial": SerialReceiver,  # path, baud
        "replay": ReplayReceiver,  # path, speed, loop
        "fake": FakeReceiver,
    }
)


def open_receiver(kind: str, *, name: str, clock_at: Callable[[], float], **options: object) -> FixSource:
    """Return the receiver of this kind, not yet running. clock_at: monotonic s. options: as beside RECEIVERS.

    Raises ValueError for an unknown kind, naming the known ones, and for options that the kind does not take.
    """
    if kind not in RECEIVERS:
        raise ValueError(f"unknown kind of receiver {kind!r}; known are {', '.join(sorted(RECEIVERS))}")
    try:
        return RECEIVERS[kind](name=name, clock_at=clock_at, **options)
    except TypeError as error:
        raise ValueError(f"receiver {name!r} of kind {kind!r}: {error}") from error


def open_keypad(*, name: str, clock_at: Callable[[], float], path: str) -> Keypad:
    """Return the keypad at `path` (an input device of the kernel, or the socket of a played one), not yet running."""
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
    *, clock_at: Callable[[], float], chip: str, lamp_line: int, buzzer_line: int | None = None, profile: str = "visible"
) -> GpioIndicator:
    """Return an Indicator on lines of a GPIO chip, not yet running. The options are those of `[indicator]` in the configuration."""
    return GpioIndicator(clock_at=clock_at, chip=chip, lamp_line=lamp_line, buzzer_line=buzzer_line, profile=profile)


def open_supply(directory: str, *, low_percent: float, clock_at: Callable[[], float], beside: Beside) -> Supply:
    """Return what watches the kernel's supplies in `directory`, not yet running. beside: runs blocking work in a thread."""
    return KernelSupply(directory, low_percent=low_percent, clock_at=clock_at, beside=beside)
