"""The tiny file beside the database: enough to go on with an emergency when the database is lost.

Decides which of two records of the same device is the more serious one, and whether a record belongs to this machine.
Touches its one file and /etc/machine-id. Must not know the database, and never holds a code or a position. `load` and `save`
block: call them from the store's thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from agent.kept import CalloutRecord
from agent.model import Press
from agent.signals import Phase

_T = TypeVar("_T")

_FORMAT = 1
# A longer file is not ours.
_LONGEST_BYTES = 65536


class IdentityError(ValueError):
    """The file is there but cannot be believed: cut short, edited, or of an unknown format."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The emergency of a device in a few words.

    machine_id: of /etc/machine-id; None when it was unknown. press_number: the highest ever given out.
    settled: presses up to this number have their callout, as of settled_wall (UTC s). calm: since a cancel after that press.
    owed: a press without a callout (one, without its note). callout: the open one.
    """

    machine_id: str | None = None
    press_number: int = 0
    settled: int = 0
    settled_wall: float = 0.0
    calm: bool = False
    owed: Press | None = None
    callout: CalloutRecord | None = None

    @property
    def phase(self) -> str:
        """The lifecycle phase to go on with."""
        if self.callout is not None:
            return self.callout.phase
        return "raising" if self.owed is not None else "standby"


def more_serious(a: Identity, b: Identity) -> Identity:
    """What to go on with when two records of one device disagree (a crash between two writes, a lost or an older file).

    A press that either owes stays owed, unless the other shows it settled after it was made; a callout that either holds open is
    open; the higher press number wins. Calm lasts from a cancel to the next press: the record that saw more presses knows, and
    of two that saw as many the calm one is the later. Pure and commutative, but for two open callouts that are equal in all of this.
    """
    calm = (a.calm or b.calm) if a.press_number == b.press_number else max(a, b, key=lambda i: i.press_number).calm
    settled, settled_wall = max((a.settled, a.settled_wall), (b.settled, b.settled_wall))
    return Identity(
        machine_id=a.machine_id or b.machine_id,
        press_number=max(a.press_number, b.press_number),
        settled=settled,
        settled_wall=settled_wall,
        calm=calm,
        owed=_still_owed(a, b),
        callout=_more_serious_callout(a, b, calm=calm),
    )


def _still_owed(a: Identity, b: Identity) -> Press | None:
    owed = [one.owed for one, other in ((a, b), (b, a)) if one.owed is not None and not _shows_settled(other, one.owed)]
    # A real press before a drill, the older before the newer.
    return min(owed, key=lambda press: (press.drill, press.number), default=None)


def _shows_settled(record: Identity, press: Press) -> bool:
    # The number alone is no proof: numbers start again when both files were out of reach.
    return (
        record.settled >= press.number and record.settled_wall >= press.wall and (record.owed is None or record.owed.number != press.number)
    )


def _more_serious_callout(a: Identity, b: Identity, *, calm: bool) -> CalloutRecord | None:
    held = [(one, one.callout) for one in (a, b) if one.callout is not None]
    if not held:
        return None
    holder, best = max(held, key=lambda h: (h[0].press_number, h[1].origin != "elsewhere", h[1].phase == "cancelling", h[1].raised_wall))
    if calm == holder.calm:
        return best
    if calm:
        return replace(best, calm=True)
    # A press after the cancel made it active again.
    return replace(best, calm=False, phase="active" if best.phase == "cancelling" else best.phase)


def save(path: Path, identity: Identity) -> None:
    """Replace the file atomically and durably, readable by its owner only. Raises OSError; the old file is then still whole."""
    body = json.dumps({"format": _FORMAT, "phase": identity.phase, **asdict(identity)}, sort_keys=True)
    document = json.dumps({"sha256": _checksum(body), "record": json.loads(body)}, sort_keys=True, indent=1)
    fresh = path.with_name(f"{path.name}.new")
    try:
        _write_durably(fresh, document.encode())
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    _sync_directory(path.parent)


def _write_durably(path: Path, document: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)
        file.write(document)
        file.flush()
        os.fsync(handle)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(path: Path) -> Identity | None:
    """The record, None where there is no file. Raises IdentityError for a damaged one, OSError when it cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_BYTES)
    except FileNotFoundError:
        return None
    try:
        document = json.loads(raw)
        record = document["record"]
        if document["sha256"] != _checksum(json.dumps(record, sort_keys=True)) or record["format"] != _FORMAT:
            raise IdentityError("checksum or format does not match")
        return _parse(record)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as trouble:
        raise IdentityError(f"{path.name}: {trouble}") from trouble


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _parse(record: dict[str, Any]) -> Identity:
    callout = None if record["callout"] is None else _typed(CalloutRecord, record["callout"])
    owed = None if record["owed"] is None else _typed(Press, record["owed"])
    if callout is not None:
        Phase(callout.phase)  # ValueError for a word that is none
    names = ("machine_id", "press_number", "settled", "settled_wall", "calm")
    return _typed(Identity, {**{name: record[name] for name in names}, "owed": owed, "callout": callout})


def _typed(form: Callable[..., _T], record: dict[str, Any]) -> _T:
    """An instance whose fields are what they are declared as: what a start counts with must not end it. Raises TypeError."""
    made = form(**record)
    for name, kind in get_type_hints(form).items():
        value, kinds = getattr(made, name), get_args(kind) or (kind,)
        number = isinstance(value, int | float) and float in kinds and math.isfinite(value)
        if not (number or isinstance(value, kinds)) or (isinstance(value, bool) and bool not in kinds):
            raise TypeError(f"{name} is of the wrong kind")
        if isinstance(value, float) and not number:
            raise TypeError(f"{name} is no number")
    return made


def read_boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """The kernel's id of this boot; "unknown" without /proc."""
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"


def read_machine_id(path: Path = Path("/etc/machine-id"), mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The id of this machine; None when it has none or one for this boot only (systemd mounts such a one over the file).

    A passing id must not count: every boot would look like a cloned card and lose sight of an owed press.
    """
    try:
        if any(line.split()[4] == str(path) for line in mounts.read_text().splitlines()):
            return None
    except (OSError, IndexError):
        pass  # without /proc there is no such mount either
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if len(text) == 32 and text.isalnum() else None
