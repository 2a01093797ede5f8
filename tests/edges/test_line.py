"""A connection on an ill disk: a request that was made once needs no file any more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest


class Watching:
    """Finds no module, and knows which were looked for."""

    def __init__(self) -> None:
        self.sought: list[str] = []

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Python asks every finder in turn; the next ones ask the disk."""
        self.sought.append(name)
        return None


async def test_requests_look_for_no_module_on_the_disk(rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch):
    """Everything is imported with the first one; a press must not find the event loop waiting for a folder."""
    async with rig() as at:
        await at.api.look_up(deadline_s=2)
        watching = Watching()
        monkeypatch.setattr(sys, "meta_path", [watching, *sys.meta_path])
        for _ in range(2):  # over the connection that is there, and over a new one
            assert (await at.api.look_up(deadline_s=2)).http_status == 404
            await at.api.aclose()
        assert watching.sought == []
