"""The store's blocking half without a database: what lies in the tiny file, and nothing else.

For a start that is careful (`starts`): whatever in the database, or in what reads and writes it, ended the last lives, is not touched.
State, owed press and callout go to the tiny file as ever; fixes, messages and notes are forgotten with the process. Blocks, like `keeper`.
"""

from __future__ import annotations

from agent.deeds import Deed
from agent.identity import Identity
from agent.keeper import Keeper, Recalled
from agent.kept import PressMade


class Pocket(Keeper):
    """A keeper that never opens its file."""

    def open(self) -> Recalled:
        """Tell what the tiny file knows."""
        self._made: dict[int, float] = {}
        self._answered: set[float] = set()
        told = self._keepsake.load()
        self._unread_note = told is None and self._keepsake.ailment is not None
        return Recalled([], told, None)

    def commit(self, deeds: list[Deed]) -> list[Deed]:
        """Forget them; what matters of them is in the tiny file with the next `save_identity`."""
        self._made |= {deed.press.number: deed.press.at for deed in deeds if isinstance(deed, PressMade)}
        return []

    def save_identity(self, record: Identity) -> bool:
        """See `Keeper.save_identity`."""
        saved = super().save_identity(record)
        if saved and not self.found:
            self._answered |= {self._made.pop(number) for number in list(self._made) if number <= record.settled}
        return saved

    def has_press(self, at: float) -> bool:
        """Whether a press of this process is answered, and the tiny file says so: until then its file in the runtime directory stays."""
        return at in self._answered
