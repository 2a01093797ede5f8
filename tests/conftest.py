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


# Files that take half a minute or more, beside those of tests/system.
LONG = frozenset(
    f"test_{name}"
    for name in (
        *("openapi", "receivers", "package", "store_any_call", "setup_dialogue", "laws", "trail", "windows", "store_model"),
        *("fuzz_dispatch", "fuzz_receivers", "fuzz_control", "fuzz_files", "lifecycle_table"),
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files whose tests wait longest begin first: else one worker is still at them when the others have nothing left."""
    rank = {"system": 0, "browser": 2, "simulator": 3, "edges": 4}
    items.sort(key=lambda item: 1 if item.path.stem in LONG else rank.get(item.path.parent.name, 9))
