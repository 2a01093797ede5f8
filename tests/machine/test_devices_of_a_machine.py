"""Which devices the unit lets the daemon have, under a kernel that enforces it: also a receiver's that is plugged in later."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.machine.machine import booted

GROUP = "/sys/fs/cgroup/system.slice/callout-agent.service/cgroup.procs"
# Nodes of drivers that this kernel has not got: whether one may open them is asked first, so that the answer tells.
NO_DRIVER, FORBIDDEN = "No such device or address", "Operation not permitted"
ALLOWED = {"ttyACM0": 166, "ttyUSB0": 188, "ttyAMA0": 204, "ttymxc0": 207, "rfcomm0": 216}
REFUSED = {"sound": 116, "video": 81, "mem": 1, "kvm": 10}
# As root, among the processes of the unit: nothing but the unit's own rule is in the way.
TRY = """
for each in {nodes}; do
    name=${{each%:*}} number=${{each#*:}}
    mknod /dev/try-$name c $number 1 2>/dev/null # there already, if the question had to be asked again
    sh -c "echo \\$\\$ >{group} && exec 3<>/dev/try-$name" 2>&1 | sed "s/^/$name: /"
done
sh -c "echo \\$\\$ >{group} && exec 3<>/dev/gpiochip0 && echo gpio: opened"
sh -c "echo \\$\\$ >{group} && exec 3<>/dev/ubda" 2>&1 | sed "s/^/disk: /"
exit 0
"""


@pytest.mark.timeout(120)
def test_unit_lets_the_daemon_have_lines_and_receivers_and_no_other_device(tmp_path: Path):
    """GPIO chips, and serial lines by number before their driver is there; no disk, no sound, no memory."""

    async def story() -> None:
        async with booted(tmp_path) as machine:
            if not await machine.stage.run("sh", "-c", "cat /proc/sys/kernel/unprivileged_bpf_disabled 2>/dev/null || true"):
                pytest.skip("this kernel enforces no rule for devices: tools/device-kernel builds one that does")
            nodes = " ".join(f"{name}:{number}" for name, number in (ALLOWED | REFUSED).items())
            out = await machine.stage.run("sh", "-c", TRY.format(nodes=nodes, group=GROUP))
            told = dict(re.findall(rf"^(\w+): .*({NO_DRIVER}|{FORBIDDEN})", out, re.MULTILINE))
            assert told == dict.fromkeys(ALLOWED, NO_DRIVER) | dict.fromkeys((*REFUSED, "disk"), FORBIDDEN), out
            assert "gpio: opened" in out

    asyncio.run(story())
