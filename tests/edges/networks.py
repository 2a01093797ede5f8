"""Whether this machine lets a test have a network of its own."""

from __future__ import annotations

import shutil
import subprocess

NO_NETWORK = "no user and network namespaces here (unshare -rn, ip)"


def namespaces() -> bool:
    """A process may be alone in a network, and change it."""
    tools = shutil.which("unshare"), shutil.which("ip")
    return all(tools) and subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
