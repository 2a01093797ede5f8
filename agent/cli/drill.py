"""`callout-agent drill --open S`: for so long, the next gesture at a button is a drill.

Asks; the daemon decides whether a drill may start. A gesture during the drill is a real emergency, and it says so.
"""

from __future__ import annotations

import argparse

from agent.cli import talk
from agent.requests import DRILL_OPEN_S

HELP = "open the window in which a gesture at a button is a drill"
LOOK_UP_S = 60.0  # dispatch is asked for active callouts first


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--open", metavar="S", type=seconds, required=True, dest="open_s", help=f"for so long, at most {DRILL_OPEN_S:.0f} s"
    )


def seconds(text: str) -> float:
    """1 to DRILL_OPEN_S seconds, for argparse."""
    value = float(text)
    if not 1 <= value <= DRILL_OPEN_S:
        raise argparse.ArgumentTypeError(f"1 to {DRILL_OPEN_S:.0f} seconds")
    return value


def run(args: argparse.Namespace) -> int:
    """Exit 0 opened, 1 refused, 2 not running."""
    return talk.hand_over(args, {"do": "drill", "open_s": args.open_s}, "NO DRILL", timeout_s=LOOK_UP_S)
