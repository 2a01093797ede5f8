"""Tests that boot a machine. They exist only where tools/system-guest says that there is a kernel and an image to boot, and a package."""

from __future__ import annotations

import os

if not {"CALLOUT_AGENT_KERNEL", "CALLOUT_AGENT_IMAGE", "CALLOUT_AGENT_PACKAGE", "CALLOUT_AGENT_TAP"} <= os.environ.keys():
    collect_ignore_glob = ["test_*.py"]
