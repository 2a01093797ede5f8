"""Certificates that must not be accepted, under a raise and under the stream."""

from __future__ import annotations

from pathlib import Path

import pytest
from enduring import Fault, endure_all


def certificate(what: str, code: str) -> Fault:
    """One thing wrong with it."""
    return Fault(f"certificate {what}", {"action": "certificate", "certificate": what}, code, code)


CLOCK, OTHER = "clock.tls", "dispatch.tls"
EXPIRED, NOT_YET = certificate("expired", CLOCK), certificate("not_yet", CLOCK)
OTHER_NAME, UNKNOWN_AUTHORITY = certificate("other_name", OTHER), certificate("unknown_authority", OTHER)
FAULTS = (EXPIRED, NOT_YET, OTHER_NAME, UNKNOWN_AUTHORITY)


@pytest.mark.timeout(150)
def test_wrong_certificates_end_no_callout_and_are_never_accepted(tmp_path: Path):
    """Dates make one doubt the clock, all else the other side."""
    endure_all(tmp_path, (EXPIRED, OTHER_NAME), (NOT_YET, UNKNOWN_AUTHORITY))
