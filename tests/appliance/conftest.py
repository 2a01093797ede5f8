"""Tests that boot containers. They exist only where tools/appliance-guest says that there are roots and packages to install on them."""

from __future__ import annotations

import os

if not {"CALLOUT_AGENT_PACKAGES", "CALLOUT_AGENT_CGROUP"} <= os.environ.keys():
    collect_ignore_glob = ["test_*.py"]
