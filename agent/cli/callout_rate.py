"""`callout-agent callout rate`: stars and a comment for what dispatch did.

`--items` lists what may be rated beside them. Never rates twice for the sake of an item that was not taken.
"""

from __future__ import annotations

import argparse

from agent.cli import enquiry
from agent.cli.printed import plain, table

HELP = "rate what dispatch did: 1 to 5 stars"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    enquiry.declare(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--stars", metavar="N", type=int, choices=range(1, 6), help="1 to 5")
    what.add_argument("--items", action="store_true", help="list what may be rated beside the stars")
    parser.add_argument("--comment", metavar="TEXT", help="at most 1000 characters")
    parser.add_argument("--may-contact", choices=("yes", "no"), help="whether dispatch may ask back; default: nothing is said")
    parser.add_argument(
        "--item", metavar="TEXT", action="append", default=[], help="number or words of --items, or your own; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    """Exit 0 taken, 4 while none is on."""
    if args.items:
        return enquiry.finish(args, enquiry.ask(args, {"do": "rating_items"}), _listed)
    may_contact = None if args.may_contact is None else args.may_contact == "yes"
    request = {"do": "rate", "id": args.id, "stars": args.stars, "comment": args.comment, "may_contact": may_contact, "items": args.item}
    return enquiry.finish(args, enquiry.ask(args, request), _rated)


def _listed(reply: enquiry.Reply) -> str:
    if not reply["items"]:
        return "dispatch names no items"
    return table(("ID", "ITEM"), [(each["id"], each["description"]) for each in reply["items"]])


def _rated(reply: enquiry.Reply) -> str:
    items = ", ".join(plain(each["description"]) for each in reply["items"])
    return f"callout {reply['id']}: rated {reply['rating']['stars']} of 5" + (f"; {items}" if items else "")
