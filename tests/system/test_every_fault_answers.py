"""Answers that are not dispatch's: captive portals and bodies of a wrong shape, under a raise and under the stream."""

from __future__ import annotations

from pathlib import Path

import pytest
from enduring import Fault, endure_all

ODD = "dispatch.odd_reply"


def portal(kind: str) -> Fault:
    """A network that wants a sign-in."""
    return Fault(f"portal {kind}", {"action": "portal", "portal": kind}, ODD, ODD)


def odd(shape: str, *, taken: bool) -> Fault:
    """A 200 that was carried out. taken: nobody knows better what a position and a message are answered with."""
    return Fault(f"odd {shape}", {"action": "odd", "shape": shape}, ODD, ODD, carried_out=True, taken=taken)


PORTALS = tuple(portal(kind) for kind in ("page", "redirect", "511"))
BLANK = (odd("empty", taken=True), odd("list", taken=True), odd("null", taken=True))
BROKEN = (odd("not_json", taken=False), odd("no_id", taken=True), odd("truncated", taken=False))
TOO_MUCH = (odd("huge", taken=False), odd("nested_deep", taken=False), odd("result", taken=True))
FAULTS = (*PORTALS, *BLANK, *BROKEN, *TOO_MUCH)


@pytest.mark.timeout(150)
def test_portals_and_wrong_shapes_end_no_callout_and_count_for_nothing(tmp_path: Path):
    """No id, no callout; no redirect is followed; what is too large or too deep is given up, not read."""
    endure_all(tmp_path, PORTALS, BLANK, BROKEN, TOO_MUCH)
