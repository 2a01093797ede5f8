"""From the start of the process to a button that is felt, against the start of a bare interpreter in the same run.

The real daemon with a button on a played chip, and with nothing else: no network, no receiver, no database yet. Also how long until the
process answers on its socket, for which everything has to be imported. Printed as ratios: a board is slower at both.
Usage: python benchmarks/start.py [ROUNDS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from hardware.played_chip import PlayedChip  # noqa: E402 - ours, wherever this is run

BUTTON = 5
CONFIG = """
[panic_api]
environment = "staging"
base_url = "http://127.0.0.1:9/panic-api/v2"
customer_id = 1
response_type_id = 1

[credentials]
token_file = "token"

[[receiver]]
kind = "serial"
path = "{folder}/nothing"

[[button]]
chip = "{folder}/chip"
line = {line}

[store]
path = "{folder}/agent.db"

[control]
socket = "{folder}/run/control.sock"
"""


def main(rounds: int) -> None:
    """Print the medians and their ratios."""
    bare, held, answering = [], [], []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append(time.monotonic() - began)
        with tempfile.TemporaryDirectory() as name:
            first_s, all_s = start_once(Path(name))
        held.append(first_s)
        answering.append(all_s)
    bare_s = statistics.median(bare)
    print(f"python -c pass            median {bare_s * 1e3:6.0f} ms, worst {max(bare) * 1e3:6.0f} ms ({rounds} rounds)")
    for what, seconds in (("button's line is held", held), ("answers on its socket", answering)):
        median_s = statistics.median(seconds)
        print(f"{what:25} median {median_s * 1e3:6.0f} ms, worst {max(seconds) * 1e3:6.0f} ms, ratio {median_s / bare_s:.1f}")


def start_once(folder: Path) -> tuple[float, float]:
    """Seconds from the start until the line is held, and until the socket is there. The first start of a device: its database is made."""
    config = folder / "config.toml"
    config.write_text(CONFIG.format(folder=folder, line=BUTTON))
    (folder / "token").write_text("none")
    (folder / "token").chmod(0o600)
    with PlayedChip(folder / "chip") as chip:
        began = time.monotonic()
        daemon = subprocess.Popen([sys.executable, "-m", "agent", "run", "--config", config], cwd=ROOT, stderr=subprocess.PIPE)
        try:
            first_s = until(lambda: chip.holder(BUTTON) is not None, began, daemon)
            return first_s, until((folder / "run" / "control.sock").exists, began, daemon)
        finally:
            daemon.kill()
            daemon.communicate()


def until(so: Callable[[], bool], began: float, daemon: subprocess.Popen[bytes]) -> float:
    """Seconds since `began` when it is so."""
    while not so():
        assert daemon.poll() is None, (daemon.stderr or sys.stderr).read()
        assert time.monotonic() - began < 60.0
        time.sleep(0.001)
    return time.monotonic() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
