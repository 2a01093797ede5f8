"""The command line: one file per command, each with HELP, add(parser) and run(args).

Finds the command, imports only its module, and turns expected trouble (a missing file, a right one has not, Ctrl-C, a closed
pipe) into one line and an exit code. Must not decide anything and must not hide a defect: what nobody expects keeps its traceback.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

from agent import __version__
from agent.config import ConfigError

DEFAULT_CONFIG = "/etc/callout-agent/config.toml"

# Command to module; a module that cannot be imported takes no other command with it.
COMMANDS: Mapping[str, str] = {
    "run": "run",
    "setup": "setup",
    "status": "status",
    "raise": "raise_",
    "cancel": "cancel",
    "drill": "drill",
    "say": "say",
    "callout": "callout",
    "device": "device",
    "doctor": "doctor",
    "check": "check",
    "replay": "replay",
    "track": "track",
    "simulator": "simulator",
    "demo": "demo",
}

TROUBLE = 1
USAGE = 64  # EX_USAGE of sysexits.h, where 2 means that the daemon is not running
TALKERS = frozenset({"callout", "device", "doctor", "say"})
FORGIVING = frozenset({"callout", "cancel", "drill", "raise", "say", "status", "track"})  # a broken config keeps nobody from these
USUAL = "the daemon and its files are looked for where they usually are"
INTERRUPTED = 130  # 128 + SIGINT, as a shell says it
PIPE_CLOSED = 141  # 128 + SIGPIPE


class Command(Protocol):
    """What a command's module offers."""

    HELP: str

    def add(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; `args.config` is the path of the config file. Returns the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no letter for a word of dispatch still shows the rest
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a mistake
        mistaken = stop.code == 2 and _command_in(arguments) in TALKERS
        return USAGE if mistaken else stop.code if isinstance(stop.code, int) else TROUBLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Else the interpreter trips over the same pipe when it flushes on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except ConfigError as error:
        for problem in error.errors:
            _complain(str(problem))
        return TROUBLE
    except OSError as error:
        hint = "; nothing is overwritten, name another one" if isinstance(error, FileExistsError) else ""
        _complain(f"{error.filename}: {error.strerror}{hint}" if error.filename is not None else str(error.strerror or error))
        return TROUBLE
    return code


def _run(arguments: list[str]) -> int:
    name = _command_in(arguments)
    parser, commands = _build(name)
    args = parser.parse_args(_with_south(arguments))
    named = getattr(args, "config", None) or os.environ.get("CALLOUT_AGENT_CONFIG")
    args.config = Path(named or DEFAULT_CONFIG)
    if args.command is None:
        parser.print_help()
        return 2
    command = commands[args.command]
    if isinstance(command, str):
        _complain(f"{args.command}: {command}")
        return TROUBLE
    if named and args.command in FORGIVING and not os.access(named, os.R_OK):
        _complain(f"{named} cannot be read: {USUAL}")
    return command.run(args)


def _with_south(arguments: list[str]) -> list[str]:
    """`--site -33.9,18.4` as `--site=-33.9,18.4`: argparse takes a latitude of the south for an option."""
    words = iter(arguments)
    return [f"{word}={next(words, '')}" if word == "--site" else word for word in words]


def _command_in(arguments: list[str]) -> str | None:
    """The first word that is neither an option nor the value of --config."""
    words = iter(arguments)
    for word in words:
        if word == "--config":
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def _build(chosen: str | None) -> tuple[argparse.ArgumentParser, dict[str, Command | str]]:
    """The parser, and each command that it takes: its module, or in words why that cannot be had. Imports no other than the chosen."""
    parser = argparse.ArgumentParser(
        prog="callout-agent", description="Raises and streams callouts to a dispatch service.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"callout-agent {__version__}")
    _add_config(parser)
    places = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands: dict[str, Command | str] = {}
    for name in COMMANDS if chosen is None else COMMANDS.keys() & {chosen}:
        commands[name] = command = _find(name)
        text = command if isinstance(command, str) else command.HELP
        place = places.add_parser(name, help=text, description=text, allow_abbrev=False)
        _add_config(place)
        if not isinstance(command, str):
            command.add(place)
    for name in (each for each in COMMANDS if each not in commands):
        places.add_parser(name)  # only so that a mistyped command is told all names
    return parser, commands


def _add_config(parser: argparse.ArgumentParser) -> None:
    # No default here: that of the command's parser would overwrite what was given before the command.
    text = f"the config file; default $CALLOUT_AGENT_CONFIG or {DEFAULT_CONFIG}"
    parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=text)


def _find(name: str) -> Command | str:
    """The command's module, or in words why it cannot be had."""
    module = f"{__name__}.{COMMANDS[name]}"
    try:
        return cast("Command", _imported(module))
    except ModuleNotFoundError as error:
        if error.name == module:
            return "not part of this release"
        return f"needs the Python package {error.name}: pip install '.[simulator]' in the project's folder"


def _imported(module: str) -> ModuleType:
    return importlib.import_module(module)


def _complain(text: str) -> None:
    print(f"callout-agent: {text}", file=sys.stderr)
