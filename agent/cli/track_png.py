"""An SVG as a PNG, by a Chromium that is installed: the agent itself has nothing that draws pixels.

Starts one process and waits for it, at most a minute. Must say plainly when there is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from agent.cli.track_export import replacing
from agent.cli.track_source import TrackError

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_LIMIT_S = 60.0


def find() -> str:
    """The program. Raises TrackError."""
    for name in _NAMES:
        if program := shutil.which(name):
            return program
    raise TrackError("a PNG needs Chromium, and none is installed", "an .svg or .html needs nothing: any browser shows it")


def render(svg: str, path: Path) -> None:
    """Make the picture. Raises TrackError or OSError."""
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    width, height = (size[1], size[2]) if size else ("1160", "1000")
    with tempfile.TemporaryDirectory(prefix="callout-agent-") as folder:
        page, made = Path(folder, "track.html"), Path(folder, "track.png")
        page.write_text(f'<!doctype html><meta charset="utf-8"><style>body{{margin:0}}</style>{svg}', encoding="utf-8")
        _shoot(page, made, f"{width},{height}")
        if not made.exists():
            raise TrackError("Chromium made no picture", "an .svg needs no Chromium")
        with replacing(path) as name:
            shutil.copyfile(made, name)


def _shoot(page: Path, made: Path, size: str) -> None:
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise; the page is ours and has no script
    line = [find(), "--headless", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", *root]
    line += [f"--user-data-dir={page.parent / 'profile'}", f"--window-size={size}", "--force-device-scale-factor=2"]
    try:
        subprocess.run([*line, f"--screenshot={made}", page.as_uri()], capture_output=True, timeout=_LIMIT_S, check=False)  # noqa: S603 - no shell, our own words
    except subprocess.TimeoutExpired as late:
        raise TrackError("Chromium did not answer within a minute", "an .svg needs no Chromium") from late
