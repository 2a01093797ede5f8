"""The tiny file beside the database, as the store's thread keeps it: read at the start, replaced whenever it would change.

Touches that file, and the reserve of the database where there is no other room. Decides nothing about its content: `identity` does.
Must not raise for the state of the disk: `ailment` tells it. Blocks.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from agent import dbfile, identity
from agent.identity import Identity, IdentityError
from agent.model import Ailment


class Keepsake:
    """database: the path of the database that it lies beside. machine_id: None when unknown; then no file is foreign.

    foreign: what lay here was of another machine. moved: that something was moved aside, None if not.
    """

    def __init__(self, database: Path, machine_id: str | None) -> None:
        self._database = database
        self._path = database.with_name(f"{database.name}.identity")
        self._machine_id = machine_id
        self._saved: Identity | None = None
        self.foreign = False
        self.ailment: Ailment | None = None
        self.moved: Ailment | None = None

    def load(self) -> Identity | None:
        """What it knows; None where there is nothing that can be believed, or nothing of this machine."""
        self.ailment = None
        try:
            told = identity.load(self._path)
        except IdentityError:
            self._set_aside("corrupt")
            return None
        except OSError as trouble:
            self.ailment = dbfile.diagnose(trouble, self._path.parent)
            return None
        if told is not None and self.is_foreign(told.machine_id):
            self.foreign = True
            self._set_aside("other_machine")
            return None
        return told

    def is_foreign(self, machine_id: str | None) -> bool:
        """Whether what bears this id is another machine's."""
        return None not in (machine_id, self._machine_id) and machine_id != self._machine_id

    def save(self, record: Identity) -> bool:
        """Replace it if it would change; False when that failed."""
        record = replace(record, machine_id=self._machine_id)
        if record == self._saved:
            return True
        try:
            self._save(record)
        except OSError as trouble:
            self.ailment = dbfile.diagnose(trouble, self._path.parent)
            return False
        self._saved, self.ailment = record, None
        return True

    def _save(self, record: Identity) -> None:
        try:
            identity.save(self._path, record)
        except OSError as trouble:
            if not (dbfile.is_full(trouble, self._path.parent) and dbfile.drop_reserve(self._database)):
                raise
            identity.save(self._path, record)

    def _set_aside(self, word: str) -> None:
        with contextlib.suppress(OSError):
            aside = dbfile.set_aside(self._path, word)
            self.moved = Ailment(f"store.identity_{word}", f"the record beside it: {dbfile.WORDS[word]}", f"kept as {aside.name}")
