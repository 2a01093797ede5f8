"""What `simulator` and `demo` share about scenarios: finding one, starting and watching it, printing it, comparing transcripts.

Prints and asks; what a scenario is and whether it went well the simulator decides. Imported only where the simulator is.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.cli import talk
from simulator import compare
from simulator.scenario import Scenario
from simulator.scenario_reading import ScenarioError, read, shipped, shipped_text
from simulator.scenario_values import nearest

SAME, DIFFERENT, UNREADABLE = 0, 1, 2
SIGNS = {"done": "ok", "failed": "!!"}


def find(wanted: str) -> Scenario | None:
    """The shipped scenario of this name, else the one in this file; None after saying what is wrong with it."""
    try:
        return read(shipped_text(wanted) if wanted in shipped() else _file_text(wanted))
    except ScenarioError as error:
        for problem in error.problems:
            talk.complain(f"{wanted}: {problem}")
    except (OSError, UnicodeDecodeError) as error:
        hint = f"{nearest(wanted, shipped()).removeprefix('; ')} scenarios that come with it: {', '.join(shipped())}".strip()
        talk.complain(f"{wanted}: {getattr(error, 'strerror', None) or error}", hint)
    return None


def _file_text(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


class Desk:
    """The simulator's own API, asked from outside of its thread. Raises OSError where it does not answer."""

    def __init__(self, root_url: str, ca_file: Path | None) -> None:
        context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        handlers: list[Any] = [urllib.request.ProxyHandler({}), *([urllib.request.HTTPSHandler(context=context)] if context else [])]
        self._opener = urllib.request.build_opener(*handlers)
        # Whoever listens everywhere is asked here, where the certificate has a name for.
        self._root_url = root_url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")

    def start(self, scenario: Scenario) -> dict[str, Any]:
        """Play it; how far it is. Raises RefusedError."""
        return self._ask("POST", {"toml": scenario.text})

    def progress(self) -> dict[str, Any]:
        """How far it is."""
        return self._ask("GET")

    def stop(self) -> dict[str, Any]:
        """End it."""
        return self._ask("DELETE")

    def _ask(self, method: str, body: Any = None) -> dict[str, Any]:
        raw = None if body is None else json.dumps(body).encode()
        # The address is the simulator's own, which is http or https.
        request = urllib.request.Request(  # noqa: S310
            self._root_url + "/sim/scenario", raw, {"Content-Type": "application/json"}, method=method
        )
        try:
            with self._opener.open(request, timeout=10) as reply:
                told: dict[str, Any] = json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(str(json.load(error).get("message"))) from None
        return told


class RefusedError(Exception):
    """The simulator does not play it. The text says why."""


class Telling:
    """Puts progress into lines, each step once when it is on and once when it is over."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[str, bool]] = {}
        self._ended = False

    def print(self, progress: dict[str, Any]) -> None:
        """What is new, line by line."""
        for line in self.lines(progress):
            print(printable(line), flush=True)

    def lines(self, progress: dict[str, Any]) -> Iterator[str]:
        """What is new since the last call."""
        for step in progress["steps"]:
            now = step["state"], step["due"]
            if now == self._told.get(step["number"], ("waiting", False)):
                continue
            self._told[step["number"]] = now
            yield f"{progress['seconds']:6.1f} s {_line(step, progress)}"
        if progress["state"] != "playing" and not self._ended:
            self._ended = True
            yield f"{progress['seconds']:6.1f} s    {_end(progress)}"


def _line(step: dict[str, Any], progress: dict[str, Any]) -> str:
    number = f"{step['number']:2}."
    if step["state"] == "now":
        return f".. {number} {progress['now']}" if step["due"] else f"   {number} waits: {step['text']}"
    took = "" if step["seconds"] is None else f" ({step['seconds']:.1f} s)"
    return f"{SIGNS.get(step['state'], '--')} {number} {step['text']}{took}"


def _end(progress: dict[str, Any]) -> str:
    done = sum(step["state"] == "done" for step in progress["steps"])
    what = {"ended": "ran to its end", "failed": "FAILED", "stopped": "was stopped"}[progress["state"]]
    why = f": {progress['why']}" if progress["why"] else ""
    return f'"{progress["title"]}" {what} after {done} of {len(progress["steps"])} steps{why}'


def describe(scenario: Scenario) -> str:
    """What a person reads before it begins."""
    return "\n".join(map(printable, (f"Scenario: {scenario.title}", *scenario.description.split("\n"), "")))


def printable(line: str) -> str:
    """The line without what would drive a terminal: it may come from a file or a device of somebody else."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def compared(left: Path, right: Path) -> int:
    """Print how two transcripts differ: exit 0 the same, 1 different, 2 unreadable."""
    canons = []
    for path in (left, right):
        try:
            canons.append(compare.canonical(compare.read(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # what a foreign file can hold
            print(f"callout-agent: {path}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
            return UNREADABLE
    lines = compare.differences(*canons)
    if not lines:
        print(f"The same: {len(canons[0].milestones)} milestones, {len(canons[0].operations)} kinds of request.")
        return SAME
    print(f"- only in {left}\n+ only in {right}\n")
    print("\n".join(map(printable, lines)).rstrip())
    return DIFFERENT
