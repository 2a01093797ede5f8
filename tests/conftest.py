"""For all tests: Hypothesis draws the same examples every time, so that a build does not fail by chance.

To look for what nobody has seen yet: `HYPOTHESIS_PROFILE=explore make test`.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files whose tests wait longest begin first: else one worker is still at them when the others have nothing left."""
    rank = {"system": 0, "browser": 1, "simulator": 2, "edges": 3}
    items.sort(key=lambda item: rank.get(item.path.parent.name, 9))
