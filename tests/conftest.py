"""For all tests: Hypothesis draws the same examples every time, so that a build does not fail by chance.

To look for what nobody has seen yet: `HYPOTHESIS_PROFILE=explore make test`.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
