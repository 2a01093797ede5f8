"""`callout-agent track show`: the track as a picture or a page, in a file.

Touches the output and, if asked, the desktop's browser. Without a span it shows the last day that was recorded, because a month of
ways over each other says nothing. Opens nothing unless asked.
"""

from __future__ import annotations

import argparse
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from agent import __version__
from agent.cli import talk, track_png
from agent.cli.track_export import Points, watched, write_whole
from agent.cli.track_source import TrackError, history, limits, nothing, window
from agent.tracks import page, picture, words
from agent.tracks.history import Called, History, Pressed, Window
from agent.tracks.points import walk
from agent.tracks.story import Story, tell

_DAY_S = 86_400.0
_FINEST = 2_000  # what is smaller than this part of the track's extent is not drawn
SUFFIXES = (".svg", ".html", ".htm", ".png")


def run(args: argparse.Namespace) -> int:
    """Exit 0; TrackError when there is nothing to show."""
    if args.output is not None and args.output.suffix.lower() not in SUFFIXES:
        raise TrackError(f"{args.output}: a picture ends in .svg or .png, a page in .html")
    if args.output is not None and args.output.suffix.lower() == ".png":
        track_png.find()  # before the work: there may be no renderer
    with history(args) as found:
        span = _span(args, found)
        story = _read(args, found, span)
        presses, callouts, messages = found.presses(span), found.callouts(span), found.messages(span)
    path = args.output or Path(time.strftime("track-%Y%m%dT%H%M%SZ.svg", time.gmtime(_first(story))))
    if path.suffix.lower() in (".html", ".htm"):
        write_whole(path, [page.render(story, presses, callouts, messages, _source(story))])
    elif path.suffix.lower() == ".png":
        track_png.render(picture.draw(story, presses, callouts), path)
    else:
        write_whole(path, [picture.draw(story, presses, callouts)])
    _report(path, story, presses, callouts)
    if args.open and not webbrowser.open(path.resolve().as_uri()):
        talk.complain("there is no browser to open it with: is this a desktop?")
    return 0


def _span(args: argparse.Namespace, found: History) -> Window:
    asked, newest = window(args), found.newest_wall()
    if args.since is None and args.until is None and newest is not None:
        return Window(newest - _DAY_S, newest)
    return asked


def _read(args: argparse.Namespace, found: History, span: Window) -> Story:
    count, points = found.count(span), Points()
    if not count:
        raise nothing(found, span)
    with watched(found.rows(span), count) as rows:
        story = tell(walk(points.read(rows), limits(args)), found.extent_m(span) / _FINEST)
    if story.first is None:
        raise TrackError(f"none of the {count} rows has a usable position and time", "track export --format csv shows them")
    if points.left_out:
        talk.complain(f"{points.left_out} rows have no usable position or time and are left out")
    if args.since is None and args.until is None and found.count(Window()) > count:
        talk.complain("only the last 24 hours are shown; earlier positions: --since TIME")
    return story


def _first(story: Story) -> float:
    return story.first.wall if story.first is not None else 0.0


def _source(story: Story) -> str:
    doubt = f" {story.untrusted} of them are dated by a clock that nobody vouched for." if story.untrusted else ""
    return f"{story.points} positions, drawn by callout-agent {__version__}.{doubt}"


def _report(path: Path, story: Story, presses: Sequence[Pressed], callouts: Sequence[Called]) -> None:
    print(words.title(story))
    for line in words.headlines(story, presses, callouts):
        print(f"  {line}")
    print(path)
