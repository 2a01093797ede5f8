"""The transcript: every request with what was said in both directions, and the acts of dispatcher and scenario between them.

Keeps the newest entries in memory and, where a file was named, writes each as a line of JSON the moment it is complete. Secrets are
taken out before anything is kept (`transcript_redaction`); positions are not. A file that cannot be written any more stops the
file, never the simulator. It changes nothing of what it hears.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator.codec import iso
from simulator.transcript_redaction import Judge, Veil, veiled

VERSION = 1
KEPT = 2000

Entry = dict[str, Any]

# Where somebody means to end a callout a code may be typed, whether or not anything is served there.
_ENDING = re.compile("cancel|dismiss", re.IGNORECASE)


class Transcript:
    """One simulation's. judge: what a code typed for a callout was worth. secrets: texts that must appear nowhere, as of now.

    counts: how many requests arrived for each operation, by name. news: called after each arrival, answer and act.
    """

    def __init__(self, judge: Callable[[int | None, object], str], secrets: Callable[[], tuple[str, ...]]) -> None:
        self._judge = judge
        self._secrets = secrets
        self._began_at = time.monotonic()
        self._began_wall = time.time()
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._file: int | None = None  # a descriptor: nothing waits in a buffer when the process dies
        self._number = 0
        self.trouble: str | None = None
        self.counts: Counter[str] = Counter()
        self.news: Callable[[], None] = _nobody

    def write_to(self, path: Path) -> None:
        """Write from now on, for the owner's eyes only. Raises OSError, FileExistsError too: a transcript is never overwritten."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)
        self._write({"kind": "transcript", "version": VERSION, "began": iso(self._began_wall)})

    def tell(self, since: int = 0) -> list[Entry]:
        """The newest entries with a higher `entry`, oldest first."""
        return [entry for entry in self._entries if entry["entry"] > since]

    # --- what is heard ---

    def arrived(self, operation: str | None) -> None:
        """A request is there, not answered yet."""
        self.counts[operation or ""] += 1
        self.news()

    def answered(self, seen: Any, at: float, sent: bytes | None, told: bytes | None) -> None:
        """A request is over. seen: `traffic.Seen`. at: its arrival, monotonic s. sent, told: bodies, None where they were too long."""
        callout = _in_path(seen.path)
        body = veiled(sent, self._veil(lambda typed: self._judge(callout, typed), wary=_ENDING.search(seen.path) is not None))
        answer = veiled(told, self._veil(None))
        self._add(
            {
                "kind": "request",
                "at_s": self._since(at),
                "number": seen.number,
                "connection": seen.connection,
                "method": seen.method,
                "path": self._veil(None).text(seen.path),
                "operation": seen.operation,
                "callout": callout if callout is not None else _in_documents(seen.operation, body, answer),
                "body": body,
                "status": seen.status,
                "answer": answer,
                "took_s": round(seen.took_s or 0.0, 4),
                "fault": seen.fault,
            }
        )

    def acted(self, method: str, path: str, raw: bytes, by: str) -> None:
        """An act through the simulator's own API was carried out. by: "dispatcher" or "scenario"."""
        if method in ("GET", "HEAD"):
            return
        document = veiled(raw, self._veil(lambda _: "(left out)"))
        at = {"kind": "act", "at_s": self._since(time.monotonic()), "by": by}
        self._add({**at, "method": method, "path": path, "callout": _in_path(path), "body": document})

    def staged(self, what: dict[str, Any]) -> None:
        """A scenario began, made a step or came to its end."""
        self._add({"kind": "scenario", "at_s": self._since(time.monotonic()), **what})

    # --- keeping it ---

    def _veil(self, judge: Judge | None, *, wary: bool = False) -> Veil:
        return Veil(tuple(filter(None, self._secrets())), judge, wary)

    def _since(self, at: float) -> float:
        return round(at - self._began_at, 6)

    def _add(self, entry: Entry) -> None:
        self._number += 1
        entry = {"entry": self._number, **entry}
        self._entries.append(entry)
        self._write(entry)
        self.news()

    def _write(self, entry: Entry) -> None:
        if self._file is None:
            return
        line = json.dumps(entry).encode() + b"\n"
        try:
            trouble = None if os.write(self._file, line) == len(line) else os.strerror(errno.ENOSPC)
        except OSError as error:
            trouble = error.strerror
        if trouble is not None:
            self._file, self.trouble = None, f"the file ends before entry {entry.get('entry')}: {trouble}"


def _nobody() -> None:
    """Who hears the news while no scenario plays."""


def _in_path(path: str) -> int | None:
    found = re.search(r"/callouts/(\d{1,15})(?:/|$)", path)
    return int(found[1]) if found else None


def _in_documents(operation: str | None, body: Any, answer: Any) -> int | None:
    """The callout that a body names, or that a raise was answered with."""
    told = answer.get("callout", answer) if isinstance(answer, dict) else None
    raised = told.get("id") if isinstance(told, dict) and operation and operation.startswith("raise") else None
    named = body.get("calloutId") if isinstance(body, dict) else None
    return next((each for each in (named, raised) if isinstance(each, int) and not isinstance(each, bool)), None)
