"""What a receiver, a button or a lamp can suffer from: stable codes, a text, a hint that says what to do.

Words only. Decides nothing: `hardware.pulse` and the adapters decide which one it is.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

from agent.model import Ailment


def missing(path: str) -> Ailment:
    """No such device node or file."""
    return Ailment("receiver.missing", f"{path} does not exist", "Plug the receiver in, or correct its path in the configuration.")


def unplugged(path: str) -> Ailment:
    """It was there and is gone."""
    return Ailment("receiver.unplugged", f"{path} was unplugged", "Plug the receiver in again; it is picked up by itself.")


def permission(path: str) -> Ailment:
    """The node may not be opened."""
    return Ailment(
        "receiver.permission",
        f"{path} may not be opened",
        "Let the agent's user into the device's group (dialout), see `ls -l` of the node.",
    )


def busy(path: str) -> Ailment:
    """Another process holds it exclusively."""
    return Ailment(
        "receiver.busy", f"{path} is held by another program", "Stop the other program (gpsd?), or let the agent read from gpsd instead."
    )


def unusable(path: str, why: str) -> Ailment:
    """It is there but is no serial line, or refuses its settings."""
    return Ailment(
        "receiver.unusable",
        f"{path} cannot be used as a serial line: {why}",
        "Check path and baud rate of the receiver in the configuration.",
    )


def unreachable(where: str, why: str) -> Ailment:
    """Nothing answers where gpsd should be."""
    return Ailment("receiver.unreachable", f"gpsd at {where} cannot be reached: {why}", "Start gpsd, or correct its host and port.")


def silent(where: str, seconds: float) -> Ailment:
    """No epoch for longer than it should take."""
    return Ailment(
        "receiver.silent",
        f"{where} has told no epoch for more than {seconds:.0f} s",
        "Check cable and power of the receiver, and that it sends RMC, GGA, GNS or GLL.",
    )


def silent_gpsd(where: str, seconds: float) -> Ailment:
    """Connected, but nothing comes: gpsd does not notice that its receiver was unplugged."""
    return Ailment(
        "receiver.silent",
        f"gpsd at {where} has told no epoch for more than {seconds:.0f} s",
        "Check the receiver behind gpsd; after it was unplugged gpsd needs a restart or `gpsdctl add` to take it back.",
    )


def ended(path: str) -> Ailment:
    """A replayed log is over."""
    return Ailment(
        "receiver.silent", f"{path} has been replayed to its end", "A replay is for trials: configure a real receiver, or loop = true."
    )


def garbage(where: str, *, unchecked: bool) -> Ailment:
    """Bytes, but no valid sentence."""
    if unchecked:
        return Ailment(
            "receiver.garbage",
            f"{where} sends sentences without checksums",
            "Turn checksums on in the receiver: without them nothing is believed.",
        )
    return Ailment(
        "receiver.garbage", f"{where} sends bytes that are no NMEA sentences", "Check the baud rate, and that the receiver speaks NMEA."
    )


def no_device(where: str, device: str | None) -> Ailment:
    """There is a gpsd, without (this) receiver."""
    which = f"no receiver {device}" if device else "no receiver"
    return Ailment("receiver.no_device", f"gpsd at {where} has {which}", "Name the receiver in gpsd's configuration, or run `gpsdctl add`.")


def no_position(where: str, *, hears: bool | None = None) -> Ailment:
    """Epochs arrive, without a fix. hears: whether any satellite is heard; None: the receiver does not tell."""
    if hears is False:
        return Ailment(
            "receiver.no_position",
            f"{where} has no fix: it hears no satellite at all",
            "Check the antenna: its plug, its cable, and that nothing of metal is above it. Indoors none may be heard.",
        )
    if hears:
        return Ailment(
            "receiver.no_position",
            f"{where} has no fix, though it hears satellites",
            "Give the antenna a clear view of the sky, and wait: a cold start takes minutes.",
        )
    return Ailment("receiver.no_position", f"{where} has no fix", "Give the antenna a clear view of the sky; a cold start takes minutes.")


def of_opening(path: str, number: int | None, why: str) -> Ailment:
    """Which ailment an error number of opening `path` means."""
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR}:
        return missing(path)
    if number in {errno.EACCES, errno.EPERM}:
        return permission(path)
    if number in {errno.EBUSY, errno.EAGAIN}:
        return busy(path)
    return unusable(path, why)


def keypad_missing(path: str) -> Ailment:
    """No such input device."""
    return Ailment("keypad.missing", f"{path} does not exist", "Plug the keypad in, or correct its path in the configuration.")


def keypad_unplugged(path: str) -> Ailment:
    """It was there and is gone."""
    return Ailment("keypad.unplugged", f"{path} was unplugged", "Plug the keypad in again; it is picked up by itself.")


def keypad_permission(path: str) -> Ailment:
    """The node may not be opened."""
    return Ailment(
        "keypad.permission", f"{path} may not be opened", "Let the agent's user into the device's group (input), see `ls -l` of the node."
    )


def keypad_busy(path: str) -> Ailment:
    """Another program has grabbed it: the digits would go there."""
    return Ailment(
        "keypad.busy",
        f"{path} is grabbed by another program",
        "Stop the other program: a keypad for safe codes belongs to the agent alone.",
    )


def keypad_unusable(path: str, why: str) -> Ailment:
    """It is there and no code can be typed on it."""
    return Ailment(
        "keypad.unusable",
        f"{path} cannot be used as a keypad: {why}",
        "Name a device with digits and enter; those in /dev/input/by-id that end in `-event-kbd` are keyboards.",
    )


def of_opening_keypad(path: str, number: int | None, why: str) -> Ailment:
    """Which ailment an error number of opening, asking or grabbing the keypad at `path` means."""
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR}:
        return keypad_missing(path)
    if number in {errno.EACCES, errno.EPERM}:
        return keypad_permission(path)
    if number == errno.EBUSY:
        return keypad_busy(path)
    return keypad_unusable(path, why)


# What GPIO lines can suffer from. kind: "button" or "indicator", the first part of the code and the word of the text.


def of_lines(kind: str, chip: str, lines: Sequence[int], error: Exception, *, been_held: bool) -> Ailment:
    """Which ailment an error of asking for lines of a chip means. been_held: they were held before."""
    named = f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))} of {chip}"
    number = error.errno if isinstance(error, OSError) else None
    if number in {errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED} or (number == errno.ENODEV and been_held):
        return chip_unplugged(kind, chip) if been_held else _chip_missing(kind, chip)
    if number in {errno.EACCES, errno.EPERM}:
        return Ailment(
            f"{kind}.permission",
            f"{chip} may not be used for the {kind}",
            "Let the agent's user into the chip's group (gpio), see `ls -l` of the node; a played chip must be that user's or root's.",
        )
    if number == errno.EBUSY:
        return Ailment(
            f"{kind}.busy",
            f"{named} for the {kind}: held by another program, driver or button",
            "`gpioinfo` names the holder. Free the line, or correct the line's number in the configuration.",
        )
    if isinstance(error, ImportError):
        return Ailment(f"{kind}.unusable", f"no library for GPIO: {error}", "Install gpiod for Python, version 2.2 or newer.")
    return Ailment(
        f"{kind}.unusable",
        f"{named} cannot be used for the {kind}: {error}",
        "Check chip and line in the configuration; the line must be able to tell edges (have an interrupt) to be a button.",
    )


def _chip_missing(kind: str, chip: str) -> Ailment:
    return Ailment(
        f"{kind}.missing",
        f"{chip} of the {kind} does not exist",
        "Enable or plug in the GPIO chip, or correct its path in the configuration.",
    )


def chip_unplugged(kind: str, chip: str) -> Ailment:
    """It was there and is gone."""
    return Ailment(f"{kind}.missing", f"{chip} of the {kind} is gone", "Plug the GPIO chip in again; it is picked up by itself.")


def unbiased(chip: str, line: int, bias: str) -> Ailment:
    """The chip cannot pull the line as configured: without a resistor it may float."""
    return Ailment(
        "button.bias",
        f"{chip} has no {bias} for line {line}",
        'Fit a resistor at the button, and set its bias to "as-is".',
    )


def stuck(name: str) -> Ailment:
    """Pressed for too long, or since before the start."""
    return Ailment(
        "button.stuck",
        f"button {name!r} does not let go: no further press can be felt",
        "Free a jammed button; on an opening contact look for a wire that fell off. It heals when the button is seen released.",
    )
