"""An exception in words that hold no value: of which kind it is and where it was raised, never its text.

Pure. A text may hold a position, a token or a code, and a log is read by many (law 11): who needs it asks for the log at debug.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

DEEPEST = 8  # frames of each: the innermost say it


def brief(error: BaseException) -> str:
    """One line: each kind with its innermost place."""
    return "; ".join(_line(each) for each in _leaves(error))


def whole(error: BaseException) -> str:
    """Several lines: each with the way there, the innermost frame first."""
    return "\n".join("\n".join((_line(each), *(f"  from {frame}" for frame in _frames(each)[1:DEEPEST]))) for each in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
        return
    yield error
    if error.__cause__ is not None:
        yield from _leaves(error.__cause__)


def _line(error: BaseException) -> str:
    return " at ".join((type(error).__name__, *_frames(error)[:1]))


def _frames(error: BaseException) -> list[str]:
    """Innermost first."""
    # Not `extract_tb`: it reads the sources, from a disk that may hang.
    told = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return [f"{'/'.join(code.co_filename.split('/')[-2:])}:{line} in {code.co_name}" for code, line in reversed(told)]
