"""`callout-agent track export` and `track show`: the recorded track as a file for other programs, and as a picture.

Declares the options and says in a sentence what stands in the way. Writes nothing but the file asked for, and needs no daemon.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from agent.cli import instants, talk
from agent.cli.track_source import TrackError, database

HELP = "the recorded track: export it, or draw it"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the two commands and their options."""
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True, parser_class=instants.InstantParser)
    export = acts.add_parser("export", help="as GPX, GeoJSON or CSV", allow_abbrev=False)
    export.add_argument("--format", choices=("gpx", "geojson", "csv"), help="default: by the end of the file's name")
    show = acts.add_parser("show", help="as a picture (SVG, PNG) or a page (HTML)", allow_abbrev=False)
    show.add_argument("--open", action="store_true", help="show it in the browser of this desktop")
    now = time.time()
    for act, place in ((export, "default: standard output"), (show, "*.svg, *.html or *.png; default: track-TIME.svg in this directory")):
        act.add_argument("--since", metavar="TIME", type=instants.argument(now, end=False), help=instants.FORMS)
        act.add_argument("--until", metavar="TIME", type=instants.argument(now, end=True), help="likewise; a whole day is meant to its end")
        act.add_argument("--output", metavar="FILE", type=Path, help=place)
        act.add_argument("--database", metavar="FILE", type=Path, help="another database than that of the config: a copy, one moved aside")
        act.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Exit 0, or 1 when there is nothing to show or something stands in the way."""
    from agent.cli import track_export, track_show  # noqa: PLC0415 - whoever exports needs nothing that draws

    if args.since is not None and args.until is not None and args.since > args.until:
        talk.complain("--since is later than --until: there is nothing between them")
        return 1
    if args.output is not None and args.output.exists() and args.output.samefile(database(args)):
        talk.complain(f"{args.output} is the database itself")
        return 1
    try:
        return track_export.run(args) if args.act == "export" else track_show.run(args)
    except TrackError as trouble:
        talk.complain(str(trouble), trouble.hint)
        return 1
