"""What is said of an exception holds no value that it met."""

from __future__ import annotations

import asyncio

from agent import autopsy


def stumble(secret: str) -> None:
    raise ValueError(secret)


def test_kind_and_place_are_told_and_the_text_is_not():
    """Also of several at once, and of what was behind them."""

    async def failing() -> None:
        try:
            stumble("-33.924900")
        except ValueError as error:
            raise KeyError("eyJhbGci") from error

    async def story() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(failing())

    try:
        asyncio.run(story())
    except BaseExceptionGroup as error:
        brief, whole = autopsy.brief(error), autopsy.whole(error)
    assert brief.startswith("KeyError at edges/test_autopsy.py:")
    assert "; ValueError at edges/test_autopsy.py:" in brief
    assert "in stumble" in brief
    assert "  from edges/test_autopsy.py:" in whole
    assert "in failing" in whole
    for text in (brief, whole):
        assert "33.9" not in text
        assert "eyJ" not in text


def test_exception_without_a_place_has_a_kind():
    """One that was made and never raised."""
    assert autopsy.brief(KeyError("x")) == autopsy.whole(KeyError("x")) == "KeyError"
