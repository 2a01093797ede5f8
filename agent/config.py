"""The configuration: one TOML file into frozen dataclasses, and the last good copy of it.

Touches the file it is told to read and the copy it is told to keep. Must not read a secret, must not look at devices (that is
`check`), must not stop at the first problem. The tables themselves are in `settings`, the rules in `rules`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from agent.settings import (
    Backlog,
    Button,
    Cadence,
    Clock,
    Control,
    Credentials,
    Device,
    Drill,
    GpsdReceiver,
    Heartbeat,
    Hooks,
    Indicator,
    Keypad,
    PanicApi,
    Power,
    Receiver,
    ReplayReceiver,
    SerialReceiver,
    Site,
    Store,
)
from agent.tables import Problem, Reader

__all__ = [
    "Backlog",
    "Button",
    "Cadence",
    "Clock",
    "Config",
    "ConfigError",
    "Control",
    "Credentials",
    "Device",
    "Drill",
    "GpsdReceiver",
    "Heartbeat",
    "Hooks",
    "Indicator",
    "Keypad",
    "PanicApi",
    "Power",
    "Problem",
    "Receiver",
    "ReplayReceiver",
    "SerialReceiver",
    "Site",
    "Store",
    "keep_good_copy",
    "load",
    "load_or_last_good",
    "parse",
]

HANDED = ("device-key", "device.pem", "device-key.pem", "client-secret")  # secrets that the unit hands over: LoadCredential=
_LONGEST_BYTES = 1 << 18  # a larger file is something else
_LONGEST_LINE = 8192  # characters; a path may have half of it. tomllib takes minutes over a key of a hundred thousand parts

RECEIVERS: Mapping[str, type[Receiver]] = {"gpsd": GpsdReceiver, "serial": SerialReceiver, "replay": ReplayReceiver}
# Tables that are there with their defaults when nobody writes them, and tables that stand for something that is there or is not.
ALWAYS: Mapping[str, type] = {
    "panic_api": PanicApi,
    "credentials": Credentials,
    "cadence": Cadence,
    "store": Store,
    "backlog": Backlog,
    "clock": Clock,
    "drill": Drill,
    "hooks": Hooks,
    "power": Power,
    "control": Control,
}
IF_WRITTEN: Mapping[str, type] = {"indicator": Indicator, "site": Site, "keypad": Keypad, "device": Device, "heartbeat": Heartbeat}


class ConfigError(Exception):
    """The file cannot be used. errors: everything that is wrong with it."""

    def __init__(self, errors: tuple[Problem, ...]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything. A table that is None or empty is not there: no lamp, no keypad, no site.

    where: the file it was read from, or a name for it. text: as read, for `keep_good_copy`.
    """

    panic_api: PanicApi
    credentials: Credentials
    receivers: tuple[Receiver, ...] = ()
    buttons: tuple[Button, ...] = ()
    indicator: Indicator | None = None
    cadence: Cadence = field(default_factory=Cadence)
    store: Store = field(default_factory=Store)
    backlog: Backlog = field(default_factory=Backlog)
    site: Site | None = None
    clock: Clock = field(default_factory=Clock)
    drill: Drill = field(default_factory=Drill)
    hooks: Hooks = field(default_factory=Hooks)
    power: Power = field(default_factory=Power)
    keypad: Keypad | None = None
    device: Device | None = None
    heartbeat: Heartbeat | None = None
    control: Control = field(default_factory=Control)
    where: Path = field(default=Path("config.toml"), compare=False)
    text: str = field(default="", repr=False, compare=False)

    @property
    def is_production_host(self) -> bool:
        """Whether base_url leads to the service that sends real responders."""
        return self.panic_api.is_production_host

    def secret_path(self, name: str) -> Path:
        """Where the file of this name is: as it stands if absolute, else what systemd handed over, else beside the config.

        Beside the config, `credentials/` comes first: from there the unit hands over what is called as in `HANDED`.
        """
        beside = self.where.absolute().parent
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        if directory is not None and _holds(Path(directory, name)):
            return Path(directory, name)
        kept = beside / "credentials" / name
        # Not Path.exists(): that raises where the service may not look, and `credentials/` is root's.
        return kept if os.path.exists(kept) else beside / name  # noqa: PTH110


def _holds(path: Path) -> bool:
    """Whether more was handed over than the blank by which the unit stands in for a secret that is not there."""
    try:
        return path.stat().st_size > 1
    except OSError:
        return False


def load(path: Path) -> Config:
    """Read the file. Raises ConfigError, also for one that is missing or unreadable."""
    return parse(_read(path), path)


def parse(text: str, where: Path | str = "config.toml") -> Config:
    """Read a text. where: the file it is from, for messages and relative names. Raises ConfigError with all problems at once."""
    where = Path(where)
    long = next((number for number, line in enumerate(text.split("\n"), 1) if len(line) > _LONGEST_LINE), None)
    if long is not None:
        raise ConfigError((Problem(str(where), f"has a line of more than {_LONGEST_LINE} characters", line=long),))
    try:
        reader = Reader(text)
    except RecursionError:
        raise ConfigError((Problem(str(where), "is no TOML: nested too deeply"),)) from None
    except ValueError as error:
        raise ConfigError((Problem(str(where), f"is no TOML: {error}"),)) from None
    tables = _read_tables(reader)
    if reader.problems:
        raise ConfigError(tuple(reader.problems))
    return Config(**tables, where=where, text=text)


def load_or_last_good(path: Path, copy_path: Path) -> tuple[Config, tuple[Problem, ...]]:
    """The file or, if it is broken, the last good copy of it; then with what is wrong with the file, else without problems.

    A typo must not silence a panic button. Raises ConfigError, with the file's problems first, if the copy is of no use either.
    """
    try:
        return load(path), ()
    except ConfigError as broken:
        problems = broken.errors
    try:
        return parse(_read(copy_path), path), problems
    except ConfigError as error:
        why = error.errors[0]
        hint = why.rule if why.key == str(copy_path) else str(why)
        copy = Problem(str(copy_path), "the last good copy cannot be used either", hint=hint)
        raise ConfigError((*problems, copy)) from None


def keep_good_copy(config: Config, copy_path: Path) -> bool:
    """Keep the text of this config for the day that the file is broken. False if that failed; never raises for the disk.

    Replaced atomically, readable by its owner only, and left alone if it is the same, to spare the card.
    """
    kept = config.text.encode()
    partial: Path | None = None
    try:
        if copy_path.exists() and copy_path.read_bytes() == kept:
            return True
        with tempfile.NamedTemporaryFile(dir=copy_path.parent, prefix=f".{copy_path.name}.", delete=False) as file:
            partial = Path(file.name)
            file.write(kept)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(copy_path)
    except OSError:
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.unlink()
        return False
    return True


def _read(path: Path) -> str:
    try:
        if path.is_fifo():  # who opens it waits for whoever writes, and a button waits with it
            raise ConfigError((Problem(str(path), "is a pipe, and no file"),))
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            (Problem(str(path), "does not exist", hint="copy config.example.toml there, or name another with --config"),)
        ) from None
    except OSError as error:
        raise ConfigError((Problem(str(path), f"cannot be read: {error.strerror}"),)) from None
    if len(content) > _LONGEST_BYTES:
        raise ConfigError((Problem(str(path), "is larger than any config: more than 256 KiB"),))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError((Problem(str(path), "must be UTF-8", line=line, hint="save it as UTF-8"),)) from None


def _read_tables(reader: Reader) -> dict[str, Any]:
    reader.refuse_unknown(reader.document, "", (*ALWAYS, *IF_WRITTEN, "receiver", "button"))
    tables: dict[str, Any] = {}
    for name, form in ALWAYS.items():
        written = reader.table(name)
        if written is not None or name not in reader.document:
            tables[name] = reader.read(form, written or {}, name)
    for name, form in IF_WRITTEN.items():
        written = reader.table(name)
        tables[name] = None if written is None else reader.read(form, written, name)
    tables["receivers"] = _read_receivers(reader)
    tables["buttons"] = _read_buttons(reader, tables["indicator"])
    if not reader.document.get("receiver") and "site" not in reader.document:
        reader.problem("receiver", "at least one [[receiver]] or a [site] is required")
    return tables


def _read_receivers(reader: Reader) -> tuple[Receiver, ...]:
    tables = reader.tables("receiver")
    _refuse_same_names(reader, tables)
    read = [reader.read(RECEIVERS[kind], table, at) for at, table in tables if (kind := _kind(reader, table, at)) is not None]
    return _name(tuple(each for each in read if each is not None))


def _kind(reader: Reader, table: Mapping[str, Any], at: str) -> str | None:
    """The kind, if it is one. Without it nothing is known of the other keys."""
    kind = table.get("kind")
    if isinstance(kind, str) and kind in RECEIVERS:
        return kind
    reader.problem(f"{at}.kind", "must be one of " + ", ".join(f'"{each}"' for each in RECEIVERS), kind)
    return None


def _name(receivers: tuple[Receiver, ...]) -> tuple[Receiver, ...]:
    """Each with a name of its own: the kind, then kind#2 and so on, past those that are taken."""
    taken = {each.name for each in receivers}
    named = []
    for each in receivers:
        names = chain((each.name or each.kind,), (f"{each.kind}#{number}" for number in count(2)))
        name = each.name or next(free for free in names if free not in taken)
        taken.add(name)
        named.append(replace(each, name=name))
    return tuple(named)


def _read_buttons(reader: Reader, indicator: Indicator | None) -> tuple[Button, ...]:
    tables = reader.tables("button")
    _refuse_same_names(reader, tables, default=Button().name)
    read = {at: reader.read(Button, table, at) for at, table in tables}
    buttons = {at: button for at, button in read.items() if button is not None}
    _refuse_shared_lines(reader, buttons, indicator)
    _refuse_unseen_windows(reader, buttons, indicator)
    return tuple(buttons.values())


def _refuse_same_names(reader: Reader, tables: Iterable[tuple[str, Mapping[str, Any]]], default: str | None = None) -> None:
    """The name tells them apart in `status` and in the origin of a press."""
    first: dict[str, str] = {}
    for at, table in tables:
        name = table.get("name", default)
        if isinstance(name, str) and first.setdefault(name, at) != at:
            reader.problem(f"{at}.name", f"is already the name of {first[name]}", name)


def _refuse_shared_lines(reader: Reader, buttons: Mapping[str, Button], indicator: Indicator | None) -> None:
    """One GPIO line does one thing."""
    wanted = [(f"{at}.line", each.chip, each.line) for at, each in buttons.items()]
    wanted += [(f"{at}.abort_line", each.chip, each.abort_line) for at, each in buttons.items() if each.abort_line is not None]
    if indicator is not None:
        wanted.append(("indicator.lamp_line", indicator.chip, indicator.lamp_line))
        others = (("indicator.buzzer_line", indicator.buzzer_line), ("indicator.armed_line", indicator.armed_line))
        wanted += [(key, indicator.chip, line) for key, line in others if line is not None]
    first: dict[tuple[str, int], str] = {}
    for key, chip, line in wanted:
        if first.setdefault((chip, line), key) != key:
            reader.problem(key, f"is already used by {first[chip, line]} on {chip}", line)


def _refuse_unseen_windows(reader: Reader, buttons: Mapping[str, Button], indicator: Indicator | None) -> None:
    """An abort window that nobody sees or hears is only a delay; and a silent device shows nothing, whatever happens."""
    for at, each in buttons.items():
        if each.abort_window_s and indicator is None:
            hint = "add an [indicator], or set abort_window_s = 0"
            reader.problem(f"{at}.abort_window_s", "needs an [indicator] that shows the window", each.abort_window_s, hint=hint)
        elif each.abort_window_s and indicator is not None and indicator.profile == "silent":
            hint = "set abort_window_s = 0: a silent device raises at once"
            reader.problem(f"{at}.abort_window_s", 'cannot be used with profile = "silent"', each.abort_window_s, hint=hint)
