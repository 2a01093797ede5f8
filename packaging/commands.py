"""The commands of callout-agent as a tree, read off its own argument parser: what the manual page and the completion are made of.

Touches nothing. Must not know any command by name.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from agent import cli


@dataclass(frozen=True, slots=True)
class Argument:
    """names: empty for one that is told by its place. shown: how its value is called, empty if it takes none."""

    names: tuple[str, ...]
    shown: str
    choices: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """words: how it is called, empty for the whole. below: commands that go on from it."""

    words: tuple[str, ...]
    text: str
    arguments: tuple[Argument, ...]
    below: tuple[Command, ...]

    def walk(self) -> Iterator[Command]:
        """This one, then everything below it, in order."""
        yield self
        for command in self.below:
            yield from command.walk()


def tree() -> Command:
    """The whole command line, as the installed libraries let it be built."""
    parser, _ = cli._build(None)  # noqa: SLF001 - what main itself reads, asked for at build time only
    return _command(parser, (), parser.description or "")


def _command(parser: argparse.ArgumentParser, words: tuple[str, ...], text: str) -> Command:
    below: list[Command] = []
    arguments: list[Argument] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - likewise
            below += [_command(place, (*words, name), place.description or "") for name, place in action.choices.items()]
        elif action.help != argparse.SUPPRESS:
            arguments.append(_argument(parser, action))
    return Command(words, text, tuple(arguments), tuple(below))


def _argument(parser: argparse.ArgumentParser, action: argparse.Action) -> Argument:
    choices = tuple(map(str, action.choices or ()))
    shown = "" if action.nargs == 0 else _metavar(action, choices)
    text = parser._get_formatter()._expand_help(action) if action.help else ""  # noqa: SLF001 - with its %(default)s filled in
    return Argument(tuple(action.option_strings), shown, choices, text)


def _metavar(action: argparse.Action, choices: tuple[str, ...]) -> str:
    name = action.metavar if isinstance(action.metavar, str) else None
    return name or ("|".join(choices) if choices else action.dest.upper() if action.option_strings else action.dest)
