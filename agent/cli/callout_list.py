"""`callout-agent callout list`: the customer's active callouts, asked of dispatch now.

A device that shows standby lists nothing. `--inner --all` lists the whole source, which takes a server token.
"""

from __future__ import annotations

import argparse

from agent.cli import enquiry
from agent.cli.printed import plain, table

HELP = "the active callouts of this customer, asked of dispatch now"
HEAD = ("ID", "STATUS", "CREATED", "POSITION")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    enquiry.declare(parser, subject=False)
    parser.add_argument("--all", action="store_true", help="with --inner: of the whole source, not only of this customer")


def run(args: argparse.Namespace) -> int:
    """Exit 0 also where there are none."""
    return enquiry.finish(args, enquiry.ask(args, {"do": "list", "all": args.all}), _words)


def _words(reply: enquiry.Reply) -> str:
    if not reply["callouts"]:
        return "no active callout"
    return table(HEAD, [(each["id"], each["status"], each["created"], place(each)) for each in reply["callouts"]])


def place(callout: enquiry.Reply) -> str | None:
    """Where it is, for a person; None if dispatch does not say."""
    if callout["latitude"] is None or callout["longitude"] is None:
        return None
    accuracy = "" if callout["accuracy_m"] is None else f" within {callout['accuracy_m']:.0f} m"
    return plain(f"{callout['latitude']:.6f}, {callout['longitude']:.6f}{accuracy}")
