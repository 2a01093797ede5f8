"""The daemon: raises callouts, streams positions to them, and keeps its promise while everything around it fails.

This package decides and acts. It never touches a pin or a port itself: that is `hardware`.
"""

from typing import Final

__version__: Final = "0.1.0"

# Earliest moment this software can possibly run: a clock that shows less is wrong. UTC seconds since 1970;
# moved forward at every release (2026-11-24T00:00:00Z).
BUILT_AT_WALL: Final = 1_795_478_400.0
