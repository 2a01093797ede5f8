"""What the commands that talk to the daemon share: where its socket is, and what to say when nobody answers.

Asks; never decides what an answer means. Must work with a broken config: an operator asks for status just then.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

from agent import control
from agent.settings import Control, Store


def setting(config: Path, table: str, key: str, default: str) -> str:
    """One text of the config file, whatever else is wrong with the file."""
    value = _value(config, table, key)
    return value if isinstance(value, str) else default


def number(config: Path, table: str, key: str, default: float) -> float:
    """One number above zero, likewise."""
    value = _value(config, table, key)
    return value if isinstance(value, int | float) and 0 < value < float("inf") else default


def _value(config: Path, table: str, key: str) -> object:
    try:
        if config.is_fifo():  # a raise waits for nobody who may write into it
            return None
        with config.open("rb") as file:
            return tomllib.load(file).get(table, {}).get(key)
    except (OSError, ValueError, AttributeError):
        return None


def socket_path(args: argparse.Namespace) -> Path:
    """The daemon's control socket."""
    return Path(setting(Path(args.config), "control", "socket", Control().socket))


def store_path(args: argparse.Namespace) -> Path:
    """The daemon's database."""
    return Path(setting(Path(args.config), "store", "path", Store().path))


def unconfigured(args: argparse.Namespace) -> bool:
    """The unit starts with a config, or with the good copy that a lost one has left: without either, to start it would do nothing."""
    config = Path(args.config)
    return _is_absent(config) and _is_absent(store_path(args).parent / f"{config.name}.last-good")


def _is_absent(path: Path) -> bool:
    """Where this user may look and there is nothing."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def ask(args: argparse.Namespace, request: dict[str, Any], *, timeout_s: float = 5.0) -> dict[str, Any]:
    """One question to the daemon. Raises as `control.ask` does."""
    return control.ask(socket_path(args), request, timeout_s=timeout_s)


def complain(text: str, hint: str = "") -> None:
    """An error for a person, on stderr."""
    print(f"callout-agent: {text}" + (f"\n  {hint}" if hint else ""), file=sys.stderr)


def hand_over(args: argparse.Namespace, request: dict[str, Any], failed: str, *, timeout_s: float = 5.0) -> int:
    """Ask, and print the answer's text: exit 0, 1 refused, 2 not running. failed: how a failure begins."""
    try:
        reply = ask(args, request, timeout_s=timeout_s)
    except (control.NotRunningError, TimeoutError) as error:
        complain(f"{failed}: {error}")
        return 2
    except control.NotAllowedError as error:
        complain(f"{failed}: {error}")
        return 1
    if not reply.get("ok"):
        complain(f"{failed}: {reply.get('error')}", str(reply.get("hint", "")))
        return 1
    print(reply["text"])
    return 0
