"""Where a track comes from: the database that an operator means, the span of time, and in sentences what stands in the way.

Opens for reading only. Must show nobody, root included, what a cancel hides (law 5): it asks every record of a cancel that there is.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from agent import dbfile
from agent.cli import outward, talk
from agent.settings import Backlog, Cadence
from agent.store import peek
from agent.tracks.history import History, Window, opened
from agent.tracks.points import Limits


class TrackError(Exception):
    """What stands in the way, and what to do about it."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def database(args: argparse.Namespace) -> Path:
    """The one that is named, else that of the config."""
    path: Path | None = args.database
    return talk.store_path(args) if path is None else path


def window(args: argparse.Namespace) -> Window:
    """The span asked for; all there is where none was."""
    whole = Window()
    since, until = args.since, args.until
    return Window(whole.since_wall if since is None else since, whole.until_wall if until is None else until)


def limits(args: argparse.Namespace) -> Limits:
    """What is a gap and what an outage, by the cadences of the config."""
    idle_s = talk.number(Path(args.config), "cadence", "record_idle_s", Cadence().record_idle_s)
    covered_s = talk.number(Path(args.config), "backlog", "trail_after_s", Backlog().trail_after_s)
    return Limits(quiet_gap_s=max(Limits().gap_s, 3 * idle_s), covered_s=covered_s)


@contextlib.contextmanager
def history(args: argparse.Namespace) -> Iterator[History]:
    """The database, as anybody may see it. Raises TrackError."""
    path = database(args)
    presses = talk.socket_path(args).parent / "presses"
    own = args.database is None  # a file from elsewhere has nothing to do with the runtime directory of this device
    try:
        calm = outward.is_calm(peek(path)[1], presses if own else Path("/nonexistent"))
        with opened(path, calm=calm) as found:
            yield found
    except FileNotFoundError as trouble:
        _expect(trouble, path)
        raise TrackError(f"there is no database at {path}", "see store.path in the config, or name one: --database FILE") from trouble
    except PermissionError as trouble:
        _expect(trouble, path)
        hint = "try again with sudo, or as the user of the service; of a copy say --database FILE"
        raise TrackError(f"{path} may not be read by this user", hint) from trouble
    except sqlite3.Error as trouble:
        raise _explain(trouble, path) from trouble


def _expect(trouble: OSError, path: Path) -> None:
    """Let pass what is not about the database: the output has its own words."""
    if trouble.filename is not None and Path(str(trouble.filename)) != path:
        raise trouble


def _explain(trouble: sqlite3.Error, path: Path) -> TrackError:
    if dbfile.is_damage(trouble):
        return TrackError(f"{path} is no database, or a damaged one", "files that the daemon moved aside lie beside it as *.aside-*")
    if "no such" in str(trouble):
        return TrackError(f"{path} holds no track: it is another database, or of a version before tracks", "")
    return TrackError(f"{path} cannot be read now: {trouble}", "try again; a copy of it and its -wal can be read anywhere")


def nothing(found: History, span: Window) -> TrackError:
    """In words: there is nothing in this span, and where there would be something."""
    newest = found.newest_wall()
    if newest is None:
        return TrackError("nothing has been recorded yet")
    since, until = span.texts
    spoken = [f"since {since}"] if span.since_wall > 0 else []
    spoken += [f"until {until}"] if span.until_wall < float("inf") else []
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest))
    return TrackError(f"nothing was recorded {' '.join(spoken)}", f"the newest position is of {text}")
