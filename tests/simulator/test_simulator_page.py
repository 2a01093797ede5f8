"""docs/SIMULATOR.md names everything that can be set, called and typed."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path

from agent.cli import simulator
from simulator import control
from simulator.settings import Settings
from simulator.simulation import Simulation
from simulator.webhooks import Patience

PAGE = (Path(__file__).parents[2] / "docs" / "SIMULATOR.md").read_text(encoding="utf-8")


def test_every_setting_is_explained() -> None:
    """By its name, in the table."""
    rows = " ".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert [field.name for field in dataclasses.fields(Settings) if f"`{field.name}`" not in rows] == []


def test_every_call_below_sim_is_listed_and_no_other() -> None:
    """With its method."""
    served = {
        f"{method} {re.sub('{.*?}', 'ID', route.path)}"
        for route in control.routes(Simulation(Settings(), "http://x"))
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /sim[^` ?]*)`", PAGE)) == served


def test_every_option_is_listed() -> None:
    """As one would type it."""
    parser = argparse.ArgumentParser(add_help=False)
    simulator.add(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    assert [option for option in sorted(options) if f"`{option}" not in PAGE] == []


def test_the_patience_with_receivers_is_told_as_it_is() -> None:
    """Numbers in prose grow old unseen."""
    patience = Patience()
    waits = [patience.wait_s(tries) for tries in (1, 2, 3, 100)]
    assert f"a 2xx within {patience.deadline_s:g} s" in PAGE
    assert (
        f"after {waits[0]:g} s, {waits[1]:g} s, {waits[2]:g} s and so on up to {waits[3]:g} s; after {patience.tries} tries"
        in PAGE.replace("\n", " ")
    )
