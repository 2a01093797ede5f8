"""`callout-agent callout say TEXT`: a message into the event stream of the callout that is on.

The daemon queues it, and it waits through a dead zone. With `--inner` dispatch is told at once, about the last callout known.
"""

from __future__ import annotations

import argparse

from agent.cli import enquiry
from agent.documents import REFUSED, failure

HELP = "tell dispatch something about the callout that is on"


def add(parser: argparse.ArgumentParser, *, nested: bool = True) -> None:
    """Declare the options. nested: see `enquiry.declare`."""
    parser.add_argument("text", nargs="+", metavar="TEXT", help="at most 1000 characters")
    parser.add_argument("--id", metavar="ID", type=enquiry.callout_id, help="with --inner: of another callout than the last one known")
    enquiry.declare(parser, subject=False, nested=nested)


def run(args: argparse.Namespace) -> int:
    """Exit 0 queued, 4 while none is on."""
    if args.id is not None and not args.inner:
        reply = failure(REFUSED, "--id goes with --inner", "without it the message goes to the callout that is on")
    else:
        reply = enquiry.ask(args, {"do": "say", "text": " ".join(args.text), "id": args.id})
    return enquiry.finish(args, reply, lambda told: str(told["text"]), failed="NOT SENT")
