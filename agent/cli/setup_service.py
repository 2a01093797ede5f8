"""The daemon from outside, for setup: whether it runs, whether a callout is on, stopping it for a while, starting it, waiting for armed.

Touches systemd through `systemctl`, and the control socket. Outwardly only: what a cancel hides is not seen here either (law 5). Must not
leave a device without its daemon: whoever stops it has it started again when this process ends, in whatever way.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent import control
from agent.cli import DEFAULT_CONFIG, status, talk

UNIT = "callout-agent.service"
ARMED_S = 120.0  # a receiver may take so long to its first fix
_ASK_S = 5.0
_SYSTEMCTL_S = 90.0  # the unit itself gives a start 30 s
_LOOK_S = 0.5
_UP = frozenset({"active", "activating", "reloading", "deactivating"})
# Waits for the end of whoever holds the other end of the pipe: setup itself, even if it is killed.
IDLE_S = 900  # so long nobody answers, and the daemon is started again: an ssh session that is gone is not always told so
_GUARD = 'read -r _; exec "$0" --no-ask-password --no-block start "$1"'


class Daemon:
    """The daemon of one config. unit: of systemd, None where it has none."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._systemctl = shutil.which("systemctl")
        self._guard: subprocess.Popen[bytes] | None = None
        named = args.unit or (UNIT if Path(args.config) == Path(DEFAULT_CONFIG) else None)
        self.unit = named if named is not None and self._says("show", "-p", "LoadState", "--value", named) == "loaded" else None

    @property
    def paused(self) -> bool:
        """Whether it was stopped here, and will be started again."""
        return self._guard is not None

    def runs(self) -> bool:
        """Whether it does, or is about to."""
        return self._answers() or (self.unit is not None and self._says("is-active", self.unit) in _UP)

    def busy(self) -> str | None:
        """Why nothing may be changed now, in words: a callout is on, or a press waits. None: standby."""
        document = self.status() or status.from_store(self._args)
        if document["callout"]["state"] != "standby":
            return "a callout is on"
        if any(each["code"] == "press.waiting" for each in document["conditions"]):
            return "a press waits to be sent"
        return None

    def status(self) -> dict[str, Any]:
        """The status document, outward; empty where nobody answers."""
        try:
            reply = talk.ask(self._args, {"do": "status"}, timeout_s=_ASK_S)
        except (control.NotRunningError, control.NotAllowedError, TimeoutError):
            return {}
        document: dict[str, Any] = reply.get("status", {})
        return document

    def ask(self, request: dict[str, Any], *, timeout_s: float = _ASK_S) -> dict[str, Any]:
        """One question; a refusal in its words where nobody answers."""
        try:
            return talk.ask(self._args, request, timeout_s=timeout_s)
        except (control.NotRunningError, control.NotAllowedError, TimeoutError) as error:
            return control.refusal(str(error))

    def stop(self) -> str | None:
        """Stop it until `start`, or until this process ends. In words why not; None: it is stopped.

        The guard is there before it is stopped, so there is no moment at which nobody would start it again.
        """
        if self.unit is None or self._systemctl is None:
            return "it was not started by systemd: stop it where it was started, then run this again"
        busy = self.busy()
        if busy is not None:
            return busy
        words = ["/bin/sh", "-c", _GUARD, self._systemctl, self.unit]
        self._guard = subprocess.Popen(  # noqa: S603 - fixed words
            words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        failed = self._does("stop", self.unit)
        if failed is not None:
            self.release()
        else:
            signal.alarm(IDLE_S)
        return failed

    def start(self) -> str | None:
        """Start it, or start it anew with the config as it is now. In words why not."""
        if self.unit is None:
            return "no systemd unit belongs to this config"
        self._does("reset-failed", self.unit)
        failed = self._does("restart", self.unit)
        self.release()
        return failed

    def release(self) -> None:
        """Let the guard do its work, if there is one: the daemon starts, if it does not run already."""
        signal.alarm(0)
        guard, self._guard = self._guard, None
        if guard is not None and guard.stdin is not None:
            guard.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                guard.wait(_SYSTEMCTL_S)

    @staticmethod
    def answered() -> None:
        """Somebody is there: while it is stopped, the time without an answer begins anew."""
        if signal.alarm(0):
            signal.alarm(IDLE_S)

    @property
    def enabled(self) -> bool:
        """Whether it starts with the machine."""
        return self.unit is not None and self._says("is-enabled", self.unit) in ("enabled", "enabled-runtime", "alias", "linked")

    def watch(self, within_s: float, told: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Wait until it is armed, at most so long; the last status. told: hears every one."""
        document: dict[str, Any] = {}
        for document in self._documents(within_s):
            told(document)
            if document.get("armed"):
                break
        return document

    def _documents(self, within_s: float) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + within_s
        while True:
            yield self.status()
            if time.monotonic() >= end:
                return
            time.sleep(_LOOK_S)

    def _answers(self) -> bool:
        try:
            talk.ask(self._args, {"do": "status"}, timeout_s=_ASK_S)
        except control.NotRunningError:
            return False
        except (control.NotAllowedError, TimeoutError):
            pass
        return True

    def _says(self, *words: str) -> str:
        """The first line of what systemctl prints; empty where there is no systemd."""
        ran = self._run(*words)
        return "" if ran is None else ran.stdout.strip().partition("\n")[0]

    def _does(self, *words: str) -> str | None:
        ran = self._run(*words)
        if ran is None:
            return "systemctl does not answer"
        return None if ran.returncode == 0 else (ran.stderr.strip().partition("\n")[0] or f"systemctl {words[0]} failed")

    def _run(self, *words: str) -> subprocess.CompletedProcess[str] | None:
        if self._systemctl is None:
            return None
        command = [self._systemctl, "--no-ask-password", *words]
        try:
            return subprocess.run(  # noqa: S603 - fixed words
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SYSTEMCTL_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
