"""Whether a device must look as if nothing went on (law 5), by what lies on its disk and in its runtime directory.

For commands that answer without the daemon. Reads; must not tell more than yes or no and since when.
"""

from __future__ import annotations

import time
from pathlib import Path

from agent.kept import Remembered
from agent.resume import calm_since, was_calm


def is_calm(kept: Remembered, presses: Path) -> bool:
    """Of several records the more serious wins. presses: the runtime directory of presses."""
    noted = dict(kept.notes).get("calm") == "true" or (kept.callout is not None and kept.callout.calm)
    return noted or was_calm(presses)


def calm_wall(presses: Path) -> float | None:
    """UTC s of the cancel by the runtime directory and this boot's clock; None where it does not know."""
    at = calm_since(presses)
    return None if at is None else time.time() - (time.monotonic() - at)
