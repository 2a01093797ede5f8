"""Names what the agent needs at run time on a given Python and machine: one distribution a line, as requirements.lock spells it.

Reads the metadata of the environment that runs it. Must not look at a registry, and must not choose versions: the lock has them.
Usage: runtime.py 3.13 aarch64
"""

from __future__ import annotations

import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# pip is there for sqlite-utils' command that installs plug-ins; nothing is fetched on a device.
LEFT_OUT = frozenset({"pip"})


def needed(name: str, python: str, machine: str) -> set[str]:
    """The distributions that one needs there, and those that these need. Raises PackageNotFoundError for one that is not installed here."""
    there = {
        "extra": "",
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for text in metadata.requires(waiting.pop()) or ():
            wanted = Requirement(text)
            key = canonicalize_name(wanted.name)
            if key not in found | LEFT_OUT and (wanted.marker is None or wanted.marker.evaluate(there)):
                found.add(key)
                waiting.append(key)
    return found


if __name__ == "__main__":
    sys.stdout.writelines(f"{each}\n" for each in sorted(needed("callout-agent", *sys.argv[1:])))
