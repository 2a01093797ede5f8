"""What was told of a callout, in one note of the store: by it a restart tells nothing twice, and knows our own words again.

Pure: a note in, what it says out, and back. Bounded: the oldest is forgotten first. It must believe nothing that is not of the callout
in question, and nothing that is damaged.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Final

from agent.conversation import Claim, Conversation, Responder, digest, resumed
from agent.model import CalloutId

NOTE: Final = "heard"  # its name in the store
MOST_TOLD: Final = 600  # keys; a little more than there are entries of dispatch in a conversation
MOST_OURS: Final = 1_000  # digests of what we said
MOST_KEPT: Final = 2_000  # entries of dispatch in the store: rows of fixes would make room for more, and theirs are kept by dispatch
MAX_STATUS: Final = 100


class Hearsay:
    """Of one callout. said: how far the owner's program was last told that help has come."""

    def __init__(self, callout_id: CalloutId, note: str | None = None) -> None:
        """note: as the store has it, of whichever callout."""
        self.callout_id = callout_id
        self.said = Responder.NONE
        self._told: dict[str, None] = {}
        self._ours: dict[str, None] = {}
        self._claim = Claim()
        self._kept = 0
        self._status: str | None = None
        self._take(_parsed(note))

    def _take(self, kept: dict[str, Any]) -> None:
        if kept.get("of") != self.callout_id:
            return
        self._told = dict.fromkeys(_texts(kept.get("told")))
        self._ours = dict.fromkeys(_texts(kept.get("ours")))
        wall, status, count = kept.get("wall"), kept.get("status"), kept.get("kept")
        self._kept = count if isinstance(count, int) else 0
        self._status = status if isinstance(status, str) else None
        known = resumed(str(kept.get("stage")), wall if isinstance(wall, int | float) else None, self._status)
        self._claim, self.said = known.claim, resumed(str(kept.get("said")), None, None).stage

    def begin(self) -> Conversation:
        """The conversation as far as it was known."""
        return resumed(self._claim.stage.value, self._claim.wall if math.isfinite(self._claim.wall) else None, self._status)

    def remember(self, conversation: Conversation) -> None:
        """How far help has come."""
        self._claim = conversation.claim
        self._status = None if conversation.status is None else conversation.status[:MAX_STATUS]

    def is_told(self, key: str) -> bool:
        """Whether this needs no telling any more."""
        return key in self._told

    def tell(self, *keys: str) -> None:
        """These need no telling any more."""
        _add(self._told, keys, MOST_TOLD)

    def say(self, texts: Iterable[str]) -> bool:
        """These are our own words. Whether that was news."""
        new = [each for each in map(digest, texts) if each not in self._ours]
        _add(self._ours, new, MOST_OURS)
        return bool(new)

    def take_room(self, wanted: int) -> int:
        """How many more entries the store keeps of this callout; they are counted as kept."""
        given = max(0, min(wanted, MOST_KEPT - self._kept))
        self._kept += given
        return given

    @property
    def ours(self) -> frozenset[str]:
        """Digests of what we said."""
        return frozenset(self._ours)

    def note(self) -> str:
        """For the store."""
        wall = self._claim.wall
        return json.dumps(
            {
                "of": self.callout_id,
                "stage": self._claim.stage.value,
                "wall": wall if math.isfinite(wall) else None,
                "status": self._status,
                "said": self.said.value,
                "kept": self._kept,
                "told": list(self._told),
                "ours": list(self._ours),
            },
            separators=(",", ":"),
        )


def _add(kept: dict[str, None], keys: Iterable[str], most: int) -> None:
    for key in keys:
        kept.pop(key, None)
        kept[key] = None
    for old in list(kept)[: max(0, len(kept) - most)]:
        del kept[old]


def _parsed(note: str | None) -> dict[str, Any]:
    try:
        kept = json.loads(note or "{}")
    except (ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
