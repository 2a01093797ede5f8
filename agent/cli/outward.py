"""Whether a device must look as if nothing went on (law 5), by what lies on its disk and in its runtime directory.

For commands that answer without the daemon. Reads; must not tell more than yes or no.
"""

from __future__ import annotations

from pathlib import Path

from agent.kept import Remembered
from agent.resume import was_calm


def is_calm(kept: Remembered, presses: Path) -> bool:
    """Of several records the more serious wins. presses: the runtime directory of presses."""
    noted = dict(kept.notes).get("calm") == "true" or (kept.callout is not None and kept.callout.calm)
    return noted or was_calm(presses)
