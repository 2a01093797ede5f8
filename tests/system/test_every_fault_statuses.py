"""Every status that a service or a gateway refuses or stumbles with, under a raise and under the stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from enduring import Fault, endure_all


def status(number: int, raising: str, streaming: str, name: str = "", **more: Any) -> Fault:
    """One status; `carried_out` goes with `processed`."""
    parked = more.pop("parked", False)
    return Fault(
        name or f"status {number}",
        {"action": "status", "status": number, **more},
        raising,
        streaming,
        carried_out=more.get("processed", False),
        parked=parked,
    )


FAILING = "dispatch.failing"
REFUSED = "dispatch.no_entitlement"
SHAPES = status(400, "dispatch.rejects_raise", "dispatch.rejects_position", parked=True)
TOKEN = status(401, "token.refused", "token.refused")
ENTITLEMENT = status(403, REFUSED, "dispatch.rejects_position")
UNKNOWN = status(404, REFUSED, "dispatch.rejects_position")
SLOW = status(408, FAILING, FAILING)
BUSY = status(429, FAILING, FAILING)
BUSY_2_S = status(429, FAILING, FAILING, "status 429, Retry-After 2", retry_after="2")
BUSY_A_DAY = status(503, FAILING, FAILING, "status 503, Retry-After a day", retry_after="86400")
DEFECT = status(500, FAILING, FAILING)
DONE_AND_DEFECT = status(500, FAILING, FAILING, "status 500, processed", processed=True)
GATEWAY = status(502, FAILING, FAILING)
DOWN = status(503, FAILING, FAILING)
TOO_LATE = status(504, FAILING, FAILING)
FAULTS = (
    *(SHAPES, TOKEN, ENTITLEMENT, UNKNOWN, SLOW, BUSY, BUSY_2_S),
    *(DEFECT, DONE_AND_DEFECT, GATEWAY, DOWN, TOO_LATE, BUSY_A_DAY),
)


@pytest.mark.timeout(150)
def test_statuses_end_no_callout_and_count_for_nothing(tmp_path: Path):
    """Named, retried, over when they are over; a day's Retry-After is 15 s at most."""
    endure_all(
        tmp_path,
        (SHAPES, TOKEN, ENTITLEMENT),
        (UNKNOWN, SLOW, BUSY, BUSY_2_S),
        (DEFECT, DONE_AND_DEFECT, GATEWAY, DOWN, TOO_LATE),
        (BUSY_A_DAY,),
        hasty=(BUSY_A_DAY,),
    )
