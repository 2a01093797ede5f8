"""Everything that touches a pin, a port or gpsd, opened by the kind named in the configuration.

Knows the kinds and nothing else: options are checked by the adapters. It must not import the agent's decisions or edges.

To add a kind of receiver: write a FixSource (`agent.ports`) in a module of its own that takes `name`, `clock_at` and its options as
keywords, enter it in RECEIVERS below, and run it through `tests/hardware/test_receivers.py`, the suite that every receiver passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from agent.ports import FixSource, Keypad
from hardware.fake import FakeReceiver
from hardware.gpsd import GpsdReceiver
from hardware.keypad import InputKeypad
from hardware.replay import ReplayReceiver
from hardware.serial_port import SerialReceiver

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
