"""Fixtures of the browser suite: one browser and one simulator for a file, the simulator emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser
from tests.simulator.rooms import Room, furnish


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as one:
        yield one


@pytest.fixture(scope="module")
def house() -> Iterator[Room]:
    """What `room` is made of."""
    one = furnish()
    yield one
    one.close()


@pytest.fixture
def room(house: Room) -> Room:
    """The newer generation with default settings, nothing in it; ids go on from test to test."""
    house.sim("POST", "/reset")
    house.as_device()
    return house
