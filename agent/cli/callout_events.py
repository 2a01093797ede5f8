"""`callout-agent callout events`: what was said about a callout, both ways; `--follow` goes on until it is over.

Over is over: by the words and the moment nobody can tell whether dispatch closed it or a cancel was handed over (law 5).
"""

from __future__ import annotations

import argparse
import json
import time

from agent.cli import enquiry
from agent.cli.printed import plain
from agent.documents import UNREACHABLE

HELP = "what was said about the callout that is on, both ways"
OVER = "The callout is over."
NOTHING_SAID = "nothing was said yet"
NOTHING_HEARD = "nothing was heard yet: the device listens every 10 s or so, --follow waits for it"
WAIT_S = 30.0
INNER_EVERY_S = 5.0  # of dispatch itself, which has no way to wait for more


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    enquiry.declare(parser)
    parser.add_argument(
        "--follow", action="store_true", help="and each new one as it comes, until the callout is over; with --json one a line"
    )


def run(args: argparse.Namespace) -> int:
    """Exit 0, with --follow once the callout is over; 4 while none is on."""
    reply = enquiry.ask(args, {"do": "events", "id": args.id})
    if not args.follow or not reply.get("ok"):
        return enquiry.finish(args, reply, _words)
    enquiry.forgive()
    if not args.json:
        enquiry.say_view(reply)
    seen: set[str] = set()
    _print(args, reply["events"], seen)
    return _follow_inner(args, reply, seen) if args.inner else _follow(args, reply, seen)


def _words(reply: enquiry.Reply) -> str:
    return "\n".join(map(line, reply["events"])) or (NOTHING_SAID if reply.get("inner") else NOTHING_HEARD)


def line(event: enquiry.Reply) -> str:
    """`2026-03-02T10:11:12Z  dispatch: text`."""
    return f"{event['time'] or 'at an unknown time'}  {plain(event['source']) or 'somebody'}: {plain(event['text'])}"


def _follow(args: argparse.Namespace, reply: enquiry.Reply, seen: set[str]) -> int:
    """The daemon answers as soon as there is more."""
    followed = reply["id"]
    while not reply.get("over"):
        request = {"do": "events", "follow": followed, "mark": reply["mark"], "wait_s": WAIT_S}
        reply = enquiry.ask(args, request, timeout_s=WAIT_S + enquiry.ANSWER_S)
        if not reply.get("ok"):
            return enquiry.finish(args, reply, _words)
        _print(args, reply["events"], seen)
    return _end(args, followed)


def _follow_inner(args: argparse.Namespace, reply: enquiry.Reply, seen: set[str]) -> int:
    """Dispatch is asked now and then; what it cannot answer now it is asked again. What it refuses to tell is not over."""
    followed, goes_on = reply["id"], True
    while goes_on:
        shown = enquiry.ask(args, {"do": "show", "id": followed})
        if not shown.get("ok") and shown.get("code") != UNREACHABLE:
            return enquiry.finish(args, shown, _words)
        goes_on = not (shown.get("ok") and shown["callout"]["closed"])
        time.sleep(INNER_EVERY_S if goes_on else 0)
        _print(args, enquiry.ask(args, {"do": "events", "id": followed}).get("events", []), seen)
    return _end(args, followed)


def _print(args: argparse.Namespace, events: list[enquiry.Reply], seen: set[str]) -> None:
    """What was not printed before."""
    for each in events:
        key = json.dumps(each["id"] if each["id"] is not None else each)
        if key not in seen:
            seen.add(key)
            print(json.dumps(each) if args.json else line(each), flush=True)


def _end(args: argparse.Namespace, followed: object) -> int:
    print(json.dumps({"ok": True, "id": followed, "over": True}) if args.json else OVER, flush=True)
    return 0
