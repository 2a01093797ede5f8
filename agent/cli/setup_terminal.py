"""Asking a person at a plain terminal: lines of at most 78 characters, no colours, no cursor tricks; a serial console shows it right.

Touches standard input and output. Every question takes `b` (back), `s` (skip) and `?`. Must not show what is typed as a secret, and must
not take the end of the input for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import termios
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_WIDEST = 78
_HELP = "Enter: what stands in [brackets].  b: a step back.  s: skip this step, its answers stay.  Ctrl-C: end."
_LONGEST = 4096
_ROOM = 16  # characters for an answer on the line of its question


def hush() -> None:
    """The terminal is gone: what is still printed goes nowhere, instead of ending everything that is to be done yet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class BackError(Exception):
    """The person wants the step before."""


class SkipError(Exception):
    """The person wants the next step, with the answers as they are."""


class EndedError(Exception):
    """Nobody is at the terminal any more."""


class Terminal:
    """Standard input and output. answered: hears of every line that somebody typed."""

    def __init__(self, answered: Callable[[], None] = lambda: None) -> None:
        self._answered = answered
        self._fd = sys.stdin.fileno()
        self._rest = b""

    @property
    def width(self) -> int:
        """Of a line, in characters."""
        return min(_WIDEST, max(40, shutil.get_terminal_size((80, 25)).columns - 2))

    def say(self, text: str = "", *, margin: str = "") -> None:
        """Paragraphs, wrapped; a line that begins with blanks is left as it is."""
        for line in text.split("\n"):
            told = line if line.startswith("  ") or not line else textwrap.fill(line, self.width, break_long_words=False)
            print(textwrap.indent(told, margin) if line else "")
        sys.stdout.flush()

    def item(self, sign: str, text: str) -> None:
        """`sign text`, with its further lines below the text."""
        hang = " " * (len(sign) + 1)
        print(textwrap.fill(f"{sign} {text}", self.width, subsequent_indent=hang, break_long_words=False), flush=True)

    def title(self, text: str) -> None:
        """The beginning of a step."""
        print(f"\n{text} ".ljust(self.width + 1, "-"), flush=True)

    def ask(self, question: str, read: Callable[[str], T], default: str | None = None, more: str = "") -> T:
        """Until `read` takes the answer; it raises ValueError with words for the person. more: what `?` says."""
        while True:
            answer = self._answer(question, default, more)
            if not answer and default is None:
                self.say("An answer is needed here; ? says more.")
                continue
            try:
                return read(answer or default or "")
            except ValueError as error:
                self.say(f"{error}.")

    def yes(self, question: str, *, default: bool, more: str = "") -> bool:
        """Yes or no."""

        def read(answer: str) -> bool:
            words = {"y": True, "yes": True, "n": False, "no": False}
            if answer.lower() not in words:
                raise ValueError("Type y or n")
            return words[answer.lower()]

        return self.ask(question, read, "y" if default else "n", more)

    def choose(self, question: str, options: Sequence[str], default: int = 0, more: str = "") -> int:
        """One of these, by its number; its place in `options`."""
        for number, option in enumerate(options, 1):
            self.item(f"  {number})", option)

        def read(answer: str) -> int:
            if not answer.isdecimal() or not 1 <= int(answer) <= len(options):
                raise ValueError(f"Type a number from 1 to {len(options)}")
            return int(answer) - 1

        return self.ask(question, read, str(default + 1), more)

    def forget_typed(self) -> None:
        """What was typed ahead, while nothing was asked, answers nothing."""
        self._rest = b""
        termios.tcflush(self._fd, termios.TCIFLUSH)

    def secret(self, question: str) -> str:
        """Without echo; empty if nothing was typed. What was typed ahead counts for nothing."""
        with self._silent():
            self._prompt(question)
            answer = self._line()
        print(flush=True)
        return answer

    def pause(self, text: str) -> None:
        """Until Enter."""
        self._answer(text, None, "")

    def _answer(self, question: str, default: str | None, more: str) -> str:
        while True:
            self._prompt(question + (f" [{default}]" if default is not None else ""))
            answer = self._line()
            if answer in ("b", "B"):
                raise BackError
            if answer in ("s", "S"):
                raise SkipError
            if answer == "?":
                self.say(f"{more}\n{_HELP}" if more else _HELP)
            elif not answer.isprintable():
                self.say("That held keys that are no letters: type it again.")
            else:
                return answer

    def _prompt(self, text: str) -> None:
        """Room for an answer of some length, below the question if need be."""
        if len(text) > self.width - _ROOM:
            print(textwrap.fill(text, self.width, break_long_words=False, break_on_hyphens=False))
            text = "  >"
        print(text + (" " if text.endswith(">") else ": "), end="", flush=True)

    def _line(self) -> str:
        """Raises EndedError at the end of the input."""
        while b"\n" not in self._rest:
            try:
                more = os.read(self._fd, _LONGEST)
            except OSError:  # EIO: hung up
                hush()
                more = b""
            if not more:
                print(flush=True)
                raise EndedError
            self._rest = (self._rest + more)[-_LONGEST:]
        line, self._rest = self._rest.split(b"\n", 1)
        self._answered()
        return line.decode(errors="replace").strip()

    @contextlib.contextmanager
    def _silent(self) -> Iterator[None]:
        before = termios.tcgetattr(self._fd)
        silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        self._rest = b""
        termios.tcsetattr(self._fd, termios.TCSAFLUSH, silent)
        try:
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSANOW, before)

    @contextlib.asynccontextmanager
    async def enter(self) -> AsyncIterator[asyncio.Event]:
        """While it lasts, Enter sets the event: the person has seen enough. The end of the input does, too."""
        pressed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def ready() -> None:
            try:
                data = os.read(self._fd, _LONGEST)
            except OSError:  # EIO: hung up
                hush()
                data = b""
            if not data:
                loop.remove_reader(self._fd)
            if not data or b"\n" in data:
                self._answered()
                pressed.set()

        loop.add_reader(self._fd, ready)
        try:
            yield pressed
        finally:
            loop.remove_reader(self._fd)
