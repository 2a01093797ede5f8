"""`callout-agent say TEXT`: short for `callout-agent callout say TEXT`."""

from __future__ import annotations

import argparse

from agent.cli import callout_say

HELP = callout_say.HELP
run = callout_say.run


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    callout_say.add(parser, nested=False)
