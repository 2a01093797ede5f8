"""Fixtures of the simulator's suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.simulator.rooms import Room, furnish


@pytest.fixture
def open_room() -> Iterator[Callable[..., Room]]:
    """Opens rooms with the settings that a test chooses, and closes them."""
    rooms: list[Room] = []

    def open_one(**chosen: Any) -> Room:
        rooms.append(furnish(**chosen))
        return rooms[-1]

    yield open_one
    for room in rooms:
        room.close()


@pytest.fixture
def room(open_room: Callable[..., Room]) -> Room:
    """The newer generation with default settings."""
    return open_room()


@pytest.fixture
def old(open_room: Callable[..., Room]) -> Room:
    """The older generation."""
    return open_room(generation="old")
