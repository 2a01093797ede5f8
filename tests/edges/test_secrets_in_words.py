"""What is secret, and where somebody is, turns up in no text by accident: by its type, not by who remembers to leave it out (law 11)."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import re
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.credentials import Kept
from agent.model import SafeCode, Secret
from agent.wire import Token

PLANTED = "s3cr3t-Pl4nted-v4lue"
HOLDERS: tuple[Any, ...] = (
    Secret(PLANTED),
    SafeCode(PLANTED[:16]),
    Token(Secret(PLANTED), at=1.0),
    Kept("a", PLANTED, "b", 0.0, None, None, 0.0),
)


def raised(holder: Any) -> str:
    """A traceback that shows the locals of each frame, as a debugger's or a crash reporter's does."""
    try:
        {}[holder]
    except (KeyError, TypeError) as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def logged(holder: Any) -> str:
    return logging.Formatter().format(logging.LogRecord("x", logging.ERROR, "f", 1, "holds %s, %r", (holder, holder), None))


WAYS: tuple[Callable[[Any], str], ...] = (
    str,
    repr,
    lambda holder: f"{holder}",
    lambda holder: f"{holder!r:>40}",
    lambda holder: f"{[holder]} { ({'key': holder}) }",
    lambda holder: "%s %r" % (holder, holder),  # noqa: UP031 - a way that logging takes
    raised,
    logged,
    lambda holder: json.dumps({"holder": holder}, default=str),
)


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda each: type(each).__name__)
def test_no_text_of_a_value_holds_what_is_secret(holder: Any):
    """However somebody prints it."""
    for way in WAYS:
        assert PLANTED[:8] not in way(holder)


@pytest.mark.parametrize("holder", HOLDERS[:3], ids=lambda each: type(each).__name__)
def test_no_copy_of_a_value_leaves_by_accident(holder: Any):
    """Neither pickled for another process nor taken apart into a dictionary that somebody writes down."""
    for way in (pickle.dumps, copy.deepcopy, lambda each: dataclasses.asdict(dataclasses.make_dataclass("Box", ["it"])(each))):
        with pytest.raises(TypeError):
            way(holder)
    with pytest.raises(TypeError):
        json.dumps(holder)


def test_secrets_are_compared_and_revealed_on_purpose():
    """What a renewal needs to know of two."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert (len({Secret("a"), Secret("a")}), Secret("a").revealed()) == (1, "a")


SPEAKER = """
import asyncio, logging, sys, threading
from agent.cli import run
finish = run.listen_to_logs(debug=sys.argv[1] == "debug")

def fail(*_):
    raise ValueError("latitude -33.924870")

async def live():
    asyncio.get_running_loop().set_exception_handler(run.forgotten)
    asyncio.get_running_loop().call_soon(fail, "the position is -33.924870")
    asyncio.get_running_loop().create_task(later())
    await asyncio.sleep(0.05)

async def later():
    fail()

asyncio.run(live())
try:
    fail()
except ValueError:
    logging.getLogger("apscheduler").exception("a job raised an exception")
class Dying:
    __del__ = fail

Dying()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
finish()
"""


@pytest.mark.parametrize("level", ["info", "debug"])
def test_log_above_debug_holds_no_text_of_an_exception(level: str, tmp_path: Path):
    """Of a task that nobody waits for, a callback, a library's job, a thread, a destructor: which kind and where, never its text."""
    (tmp_path / "speaker.py").write_text(textwrap.dedent(SPEAKER))
    done = subprocess.run([sys.executable, tmp_path / "speaker.py", level], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert len(re.findall(r"ValueError at \S*speaker\.py:\d+ in fail", done.stderr)) == (5 if level == "info" else 4), done.stderr
    assert ("-33.9" in done.stderr) == (level == "debug")
