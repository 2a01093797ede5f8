"""Fixtures of the receivers' suite; the rigs are in `rigs.py`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that gpsd, once it has given root up, can enter."""
    path = Path(tempfile.mkdtemp(prefix="callout-rig-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)
