"""What the self-test looks at beside the proofs: database, disk, certificates, config as the file stands now, what was left lying about.

Each examination is one coroutine that ends within its limit, whatever the disk and the network do, and tells what is wrong as findings.
Touches files, in threads, and dispatch's host without a token. Must not write, but for leftovers of our own, and must not be noticed by a
raise. No coordinate and no secret is in a text: a config's value is not repeated.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from agent import aside, certificates, quick_check
from agent.certificates import Validity
from agent.config import Config, ConfigError, load
from agent.findings import Finding
from agent.line import Line
from agent.model import Severity
from agent.ports import Clock

LIMIT_S: Final = 20.0
CHECK_LIMIT_S: Final = 600.0
LOW_BYTES, LOW_PART, LOW_FILES = 64 * 2**20, 0.05, 1_000
LEFT_S: Final = 86_400.0  # what is older belongs to nobody any more
MIB: Final = 2**20

Examination = Callable[[], Awaitable[tuple[Finding, ...] | None]]  # None: it could not be found out, and what was known stands


class Examinations:
    """line: to dispatch's host. owed: whether a press is not settled, for everybody to know. turn: held while a connection is opened.

    on_disk: whether there is a database.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        line: Callable[[], Line],
        *,
        owed: Callable[[], bool],
        turn: Callable[[], AbstractAsyncContextManager[object]],
        on_disk: Callable[[], bool],
    ) -> None:
        self._config, self._clock, self._line, self._owed, self._turn, self._on_disk = config, clock, line, owed, turn, on_disk
        self._store = Path(config.store.path)

    def often(self) -> dict[tuple[str, ...], Examination]:
        """What costs nothing, by the codes that it may find."""
        return {("disk.low",): self.disk, ("config.file_broken", "config.edited"): self.file}

    def seldom(self) -> dict[tuple[str, ...], Examination]:
        """What costs little."""
        return {
            ("dispatch.certificate",): self.certificate,
            ("token.certificate",): self.own_certificate,
            ("store.asides",): self.leftovers,
        }

    def daily(self) -> dict[tuple[str, ...], Examination]:
        """What reads the whole disk."""
        return {("store.damaged",): self.database}

    async def disk(self) -> tuple[Finding, ...] | None:
        """Room for the store. A disk that does not answer is another room's matter."""
        try:
            found = await aside.run(lambda: os.statvfs(self._store.parent), name="disk free", limit_s=LIMIT_S)
        except OSError:
            return None
        free = found.f_bavail * found.f_frsize
        few = found.f_files > 0 and found.f_favail < LOW_FILES
        if free >= min(LOW_BYTES, LOW_PART * found.f_blocks * found.f_frsize) and not few:
            return ()
        text = "hardly a file can be made any more" if few else f"{free // MIB} MiB are free on the disk of the store"
        return (Finding("disk.low", Severity.DEGRADED, text, "free space on the disk of store.path"),)

    async def file(self) -> tuple[Finding, ...] | None:
        """The config as its file stands now: whether the next start would take it, and whether it is the one that is used."""
        try:
            now = await aside.run(lambda: load(self._config.where), name="config file", limit_s=LIMIT_S)
        except ConfigError as error:
            first = error.errors[0]
            text = f"the config was edited and would not start as it is: {first.key} {first.rule}"
            hint = "mend it before the next start: `callout-agent check` names every problem"
            return (Finding("config.file_broken", Severity.DEGRADED, text, hint),)
        except TimeoutError:
            return None
        if now.text == self._config.text:
            return ()
        hint = "systemctl restart callout-agent"
        return (Finding("config.edited", Severity.NOTE, "the config was edited and is not used yet", hint),)

    async def certificate(self) -> tuple[Finding, ...] | None:
        """Dispatch's, as it is shown to whoever asks. Only by a clock that somebody vouches for; no answer is another room's matter."""
        if self._owed():
            return None
        url, line = self._config.panic_api.base_url, self._line()
        try:
            async with self._turn(), asyncio.timeout(LIMIT_S):
                await line.exchange("HEAD", url)
        except TimeoutError:
            return None
        finally:
            await line.aclose()
        validity = None if line.peer is None else certificates.of_der(line.peer)
        if validity is None:
            return None
        if not self._ends_soon(validity):
            return ()
        text, hint = f"dispatch's certificate {self._end(validity)}", "tell dispatch: once it has ended nothing can be raised"
        return (Finding("dispatch.certificate", Severity.DEGRADED, text, hint),)

    async def own_certificate(self) -> tuple[Finding, ...] | None:
        """Ours, by which the backend knows this device."""
        name = self._config.credentials.client_cert_file
        if name is None:
            return ()
        path = self._config.secret_path(name)
        try:
            read = await aside.run(lambda: path.read_text(encoding="ascii", errors="replace"), name="own certificate", limit_s=LIMIT_S)
        except OSError:
            read = ""
        validity, hint = certificates.of_pem(read), f"put a new certificate and its key where client_cert_file ({path.name}) is"
        if validity is None:
            return (Finding("token.certificate", Severity.DEGRADED, "the device's own certificate cannot be read", hint),)
        if not self._ends_soon(validity):
            return ()
        return (Finding("token.certificate", Severity.DEGRADED, f"the device's own certificate {self._end(validity)}", hint),)

    async def leftovers(self) -> tuple[Finding, ...] | None:
        """What was kept aside for a person, and what a crash left of our own: that goes."""
        try:
            count, size = await aside.run(self._tidy, name="leftovers", limit_s=LIMIT_S)
        except OSError:
            return None
        if not count:
            return ()
        text = f"{count} files that were moved aside lie beside the store, {size // MIB} MiB"
        return (Finding("store.asides", Severity.NOTE, text, f"copy {self._store.name}.aside-* elsewhere, then delete them"),)

    async def database(self) -> tuple[Finding, ...] | None:
        """Every page of it, by a process that gives way to everybody. What is damaged is seen twice."""
        if not self._on_disk():
            return ()
        for _ in range(2):
            try:
                found = await aside.run(self._check, name="database check", limit_s=CHECK_LIMIT_S)
            except (OSError, subprocess.SubprocessError):
                return None
            if found != "damaged":
                return () if found == "ok" else None
        hint = "while no callout is on stop the daemon, move the database away, start it: a new one is begun; see dmesg for the card"
        return (Finding("store.damaged", Severity.DEGRADED, "the database is damaged", hint),)

    def _check(self) -> str:
        """Blocks."""
        command = (sys.executable, "-I", "-S", quick_check.__file__, str(self._store))
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=CHECK_LIMIT_S, cwd="/").stdout  # noqa: S603 - our own

    def _tidy(self) -> tuple[int, int]:
        """Blocks. How many were moved aside, and their bytes. Raises OSError."""
        asides = [path for path in self._store.parent.glob(f"{self._store.name}*.aside-*") if path.is_file()]
        for path in self._left():
            path.unlink(missing_ok=True)
        return len(asides), sum(path.stat().st_size for path in asides)

    def _left(self) -> Iterator[Path]:
        """Half-made copies of the config, by the names that `config.keep_good_copy` gives them."""
        for folder in {self._store.parent, self._config.where.absolute().parent}:
            for path in folder.glob(".*.last-good.????????"):
                if time.time() - path.lstat().st_mtime > LEFT_S:
                    yield path

    def _ends_soon(self, validity: Validity) -> bool:
        return self._clock.trusted() and validity.ends_soon(self._clock.wall())

    def _end(self, validity: Validity) -> str:
        days = (validity.ends_wall - self._clock.wall()) / 86_400
        return f"ends in {days:.0f} days" if days > 0 else f"ended {-days:.0f} days ago"
