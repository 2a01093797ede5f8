"""`callout-agent track export`: rows from the database through a format into a file or a pipe, a few at a time.

Touches the output. Must not hold the track in memory, must not leave half a file under the name asked for, and must not make a file
that others may read: positions are private.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from agent import __version__
from agent.cli import talk
from agent.cli.track_source import TrackError, history, limits, nothing, window
from agent.tracks import geojson, gpx, sheet
from agent.tracks.history import History, Window
from agent.tracks.marks import marks
from agent.tracks.points import Limits, Point, read_point, walk

FORMATS = {".gpx": "gpx", ".geojson": "geojson", ".json": "geojson", ".csv": "csv"}
_LONG = 20_000  # rows that take long enough for a progress bar
_BATCH = 500  # rows between two looks at the progress bar


class Points:
    """The rows that can be drawn; `left_out` counts the others."""

    def __init__(self) -> None:
        self.left_out = 0

    def read(self, rows: Iterable[dict[str, Any]]) -> Iterator[Point]:
        """In the same order."""
        for row in rows:
            point = read_point(row)
            if point is None:
                self.left_out += 1
            else:
                yield point


def run(args: argparse.Namespace) -> int:
    """Exit 0; TrackError when there is nothing to export."""
    kind = args.format or FORMATS.get(args.output.suffix.lower() if args.output else "")
    if kind is None:
        raise TrackError("which format?", "--format gpx, geojson or csv; or --output with such an end")
    span, points = window(args), Points()
    with history(args) as found:
        count = found.count(span)
        if not count:
            raise nothing(found, span)
        with watched(found.rows(span), count) as rows:
            _write(args.output, _pieces(kind, rows, points, found, span, limits(args)))
    if points.left_out:
        talk.complain(f"{points.left_out} rows have no usable position or time and are left out; CSV has them all")
    if args.output is not None:
        print(f"{args.output}: {count - points.left_out} positions", file=sys.stderr)
    return 0


def _pieces(kind: str, rows: Iterable[dict[str, Any]], points: Points, found: History, span: Window, bounds: Limits) -> Iterator[str]:
    if kind == "csv":
        return sheet.pieces(rows)
    moments = [mark for mark in marks(found.presses(span), found.callouts(span)) if span.since_wall <= mark.wall <= span.until_wall]
    steps = walk(points.read(rows), bounds)
    if kind == "gpx":
        return gpx.pieces(steps, moments, f"callout-agent {__version__}")
    return geojson.pieces(steps, moments)


@contextlib.contextmanager
def watched(rows: Iterator[dict[str, Any]], count: int) -> Iterator[Iterator[dict[str, Any]]]:
    """The rows, with a progress bar on standard error where somebody watches and it takes a while."""
    if count < _LONG or not sys.stderr.isatty():
        yield rows
        return
    with click.progressbar(length=count, label="reading", file=sys.stderr) as bar:
        yield _counted(rows, bar.update)


def _counted(rows: Iterator[dict[str, Any]], done: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    while batch := list(itertools.islice(rows, _BATCH)):
        yield from batch
        done(len(batch))


def _write(path: Path | None, pieces: Iterator[str]) -> None:
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        sys.stdout.writelines(pieces)
        return
    write_whole(path, pieces)


def write_whole(path: Path, pieces: Iterable[str]) -> None:
    """Write a file that appears only when it is complete, readable by its owner alone. Raises OSError.

    With sudo it belongs to whoever called sudo, who asked for it and is to open it.
    """
    if path.exists() and not path.is_file():  # /dev/stdout, a pipe: nothing to replace
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        return
    with replacing(path) as name, name.open("w", encoding="utf-8", newline="") as file:
        file.writelines(pieces)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place when all went well."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as trouble:  # of the name asked for, not of one that nobody knows
        raise OSError(trouble.errno, trouble.strerror, str(path)) from trouble
    try:
        _give_to_caller(handle)
        os.close(handle)
        yield Path(name)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _give_to_caller(handle: int) -> None:
    """Under sudo: to the user behind it."""
    user, group = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.geteuid() == 0 and user.isdigit() and group.isdigit():
        os.fchown(handle, int(user), int(group))
