"""Tests on a kernel's own lines and keys. They exist only where the guest of tools/device-guest says that it has both."""

from __future__ import annotations

import os

if not {"CALLOUT_AGENT_GPIO_SIM", "CALLOUT_AGENT_UINPUT"} <= os.environ.keys():
    collect_ignore_glob = ["test_*.py"]
