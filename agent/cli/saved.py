"""A file that a person asked for: never over another one unless told so, and for nobody else to read.

What is saved shows where somebody was. Touches the one file that is named and, to replace it, one beside it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from agent.documents import REFUSED, failure


def save(path: Path, content: bytes, *, force: bool = False) -> None:
    """Write with mode 0600. Raises FileExistsError for a file that is there, unless forced; OSError."""
    place = path.with_name(f".{path.name}.{os.getpid()}.new") if force else path
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(content)
        if force:
            place.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            place.unlink()
        raise


def told(reply: dict[str, Any], path: Path, content: bytes, *, force: bool) -> dict[str, Any]:
    """The answer, with where it was saved; or why it was not."""
    try:
        save(path, content, force=force)
    except FileExistsError:
        return {**reply, **failure(REFUSED, f"{path} is there already", "another name, or --force to replace it")}
    except OSError as error:
        return {**reply, **failure(REFUSED, f"{path} cannot be written: {error.strerror}", "another place")}
    return {**reply, "saved": str(path)}
