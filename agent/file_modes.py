"""Who else may read or write the files that this device goes by: looked at at start, and again while it runs.

Touches modes and nothing else; reads no content and follows no link. What is ours is closed without a word but in the log; what is the
owner's is told with the command that closes it, and never changed. Must not keep a start waiting, and must not depend on a callout (law 5).
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from agent import aside
from agent.config import Config
from agent.health import Conditions
from agent.model import Severity
from agent.ports import Clock

log = logging.getLogger("callout-agent")

CODE: Final = "files.open"
EVERY_S: Final = 3600.0
AGAIN_S: Final = 60.0  # while something is open: the owner wants to see that it helped
LIMIT_S: Final = 20.0
TOLD: Final = 3  # of many files the first few; `callout-agent check` names all secrets
OTHERS, OTHERS_WRITE, ALL_BUT_OWNER, WRITE = stat.S_IRWXO, stat.S_IWOTH, stat.S_IRWXG | stat.S_IRWXO, stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Open:
    """A file that somebody else may read or write. rule: what is wrong with it. hint: the command that closes it."""

    path: Path
    rule: str
    hint: str

    @property
    def text(self) -> str:
        """In one line."""
        return f"{self.path} {self.rule}"


class FileModes:
    """A comfort. One per daemon."""

    def __init__(self, config: Config, clock: Clock, conditions: Conditions) -> None:
        self._config, self._clock, self._conditions = config, clock, conditions

    async def run(self) -> None:
        """Never returns. A disk that hangs is asked again later."""
        while True:
            try:
                found = await aside.run(lambda: look(self._config), name="file modes", limit_s=LIMIT_S)
            except TimeoutError:
                await asyncio.sleep(AGAIN_S)
                continue
            self._tell(found)
            await asyncio.sleep(AGAIN_S if found else EVERY_S)

    def _tell(self, found: tuple[Open, ...]) -> None:
        if not found:
            self._conditions.drop(CODE)
            return
        text = "; ".join(each.text for each in found[:TOLD]) + (f"; and {len(found) - TOLD} more" if len(found) > TOLD else "")
        hint = "; ".join(each.hint for each in found[:TOLD])
        self._conditions.put(CODE, Severity.DEGRADED, text, hint, wall=self._clock.wall())


def look(config: Config) -> tuple[Open, ...]:
    """Close what is ours; what of the rest is open. Blocks; never raises for a file."""
    found: list[Open] = []
    for path, beyond in _ours(config):
        if not _close(path, beyond):
            found += _open(path, beyond)
    return (*found, *owners(config))


def owners(config: Config) -> tuple[Open, ...]:
    """What is open of the owner's: the config, the places where it and the secrets lie, the secrets, the programs of `[hooks]`."""
    return tuple(each for path, beyond in _owners(config) for each in _open(path, beyond))


def _owners(config: Config) -> Iterator[tuple[Path, int]]:
    path = config.where.absolute()
    # Whoever can write it sends callouts elsewhere; and where a device without a receiver stands is nobody else's business (law 11).
    yield path, WRITE | (OTHERS if config.site is not None else 0)
    yield path.parent, WRITE  # whoever may can put another config there
    yield path.parent / "credentials", ALL_BUT_OWNER
    if config.panic_api.ca_file is not None:
        yield Path(config.panic_api.ca_file), WRITE  # whoever may can play dispatch
    given = config.credentials
    for name in filter(None, (given.bearer_file, given.client_key_file, given.token_file, given.client_secret_file)):
        secret = config.secret_path(name)
        if secret.parent != Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere")):  # systemd's own list of access shows as a group's
            yield secret, ALL_BUT_OWNER
    for each in fields(config.hooks):
        command = getattr(config.hooks, each.name)
        if isinstance(command, tuple):
            yield from dict.fromkeys((place, OTHERS_WRITE) for word in command for place in _run_by(word))


def _run_by(word: str) -> Iterator[Path]:
    """A word of a command that names a file, and the folders above it: it runs with the daemon's rights, a script as much as its shell."""
    path = Path(word)
    if path.is_absolute() and path.is_file():
        yield from (path, *path.parents)


def _ours(config: Config) -> Iterator[tuple[Path, int]]:
    """Files, and what rights nobody but we may have. A directory only if systemd made it for us: another one may be anybody's home."""
    database, socket = Path(config.store.path), Path(config.control.socket)
    for variable, beyond in (("STATE_DIRECTORY", ALL_BUT_OWNER), ("RUNTIME_DIRECTORY", OTHERS | stat.S_IWGRP)):
        given = os.environ.get(variable)
        if given:
            yield Path(given.partition(":")[0]), beyond
    yield from ((path, ALL_BUT_OWNER) for path in _listed(database.parent, f"{database.name}*"))
    yield from ((path, ALL_BUT_OWNER) for path in _listed(database.parent, "token.json"))
    yield from ((path, ALL_BUT_OWNER) for path in _listed(database.parent, "*.last-good"))
    yield socket, OTHERS
    yield socket.parent / "presses", OTHERS


def _listed(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []


def _close(path: Path, beyond: int) -> bool:
    """Take these rights from everybody, if it is ours to do. Whether nothing is open any more."""
    try:
        about = path.lstat()
        excess = about.st_mode & beyond
        if not excess or stat.S_ISLNK(about.st_mode):
            return True
        if about.st_uid != os.geteuid():
            return False
        path.chmod(stat.S_IMODE(about.st_mode) & ~beyond)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    log.info("%s was open to others, mode %04o: closed", path, stat.S_IMODE(about.st_mode))
    return True


def _open(path: Path, beyond: int) -> Iterator[Open]:
    try:
        mode = path.stat().st_mode
    except OSError:  # not there, or not to be seen: whoever needs it tells that
        return
    excess = mode & beyond
    if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
        excess &= ~WRITE  # as in /tmp, nobody can replace another's file
    if excess:
        can = "written" if excess & WRITE else "read"
        yield Open(path, f"may be {can} by others (mode {stat.S_IMODE(mode):04o})", f"chmod {_words(excess)} {path}")


def _words(excess: int) -> str:
    """As chmod(1) takes it: only what is too much goes."""
    rights = ((4, "r"), (2, "w"), (1, "x"))
    whose = (("g", excess >> 3), ("o", excess))
    taken = {who: "".join(letter for bit, letter in rights if bits & bit) for who, bits in whose}
    return ",".join(f"{who}-{letters}" for who, letters in taken.items() if letters)
