"""The token of this device: renewed ahead of its end, one renewal at a time unless it hangs, kept across restarts.

Decides when to renew and who may ask for it. Touches one 0600 file of its own (in a thread) and whatever its source touches.
Must not judge a token by its believed expiry (dispatch does: a token is handed out whatever we think of it), must not make
a request wait for a renewal while any token might still work, and lets no token into a repr, a log or an exception.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from agent import aside, wire
from agent.delivery import FRESH_AFTER_S, attempt_deadline_s, backoff_s, lost
from agent.model import Asked, Meaning, Outcome, Secret
from agent.ports import Clock
from agent.token_sources import Source
from agent.wire import Token

log = logging.getLogger("callout-agent")

RENEW_AT: Final = 0.75  # of its life
UNKNOWN_LIFE_S: Final = 3_600.0  # the life in the documents' example, for a token that tells none
RENEWAL_EVERY_S: Final = 60.0  # DESIGN section 6: at most one a minute, except for a raise and for tokens that live shorter
SHORTEST_S: Final = 5.0  # a token that is told to live shorter was dead on arrival, or a clock is wrong: no reason to ask more often
WATCH_EVERY_S: Final = 5.0  # a file that someone else keeps fresh
LOAD_S: Final = 0.5  # a raise after boot does not wait longer than this for the disk
MAX_ALIVE: Final = 3  # renewals at once
NOT_REACHED: Final = frozenset({"dns", "connect", "tls", "tls.clock", "no_token"})  # the token service saw nothing of such a try
MAX_FILE_BYTES: Final = 65_536
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Kept:
    """The file: a token and when it ends, by the monotonic clock of one boot and by the wall clock for any other.

    audience: for whom it is; a token of another dispatch or customer is not used.
    """

    audience: str
    token: str = field(repr=False)
    boot: str
    at: float
    life_s: float | None
    expires_wall: float | None
    kept_wall: float


class Credentials:
    """One per daemon, shared by all lanes.

    keep: the file across restarts (not used for a local source). keeps: whether it is written, too, and not only read.
    audience: base_url and customer_id, in any form.
    told: hears what a renewal came to, whenever that changes. deadline_s: of one renewal; grows while they time out.
    """

    def __init__(
        self,
        source: Source,
        clock: Clock,
        *,
        keep: Path | None = None,
        keeps: bool = True,
        audience: str = "",
        deadline_s: float = 10.0,
        told: Callable[[Outcome], None] | None = None,
    ) -> None:
        self.trouble: Outcome | None = None
        self._source = source
        self._clock = clock
        self._keep = None if source.local else keep
        self._keeps = keeps
        self._audience = audience
        self._deadline_s = deadline_s
        self._told = told
        self._token: Token | None = None
        self._loading: asyncio.Future[Kept | None] | None = None
        self._renewals: list[asyncio.Task[None]] = []  # under way, oldest first
        self._began_at = float("-inf")  # when the last one began
        self._reached_at = float("-inf")  # when the token service last saw us
        self._failures = 0
        self._timeouts = 0
        self._hurry = asyncio.Event()
        self._saving: asyncio.Future[None] | None = None
        self._unsaved: Token | None = None

    def __repr__(self) -> str:
        return f"Credentials({self._token!r})"  # the token's own repr hides its value

    async def current(self, *, urgent: bool) -> Token | None:
        """The newest token, at once if there is any; else after one renewal. None: there is none, and `trouble` tells why.

        urgent: for a raise: a renewal may start whenever the last one was, and another one when it has timed out. Bounded by the caller.
        """
        await self._load()
        if self._token is None:
            await self._renewed(urgent=urgent)
            while urgent and self._token is None and self.trouble is not None and self.trouble.cause == "timeout":
                await self._renewed(urgent=True)  # a raise can do nothing else with the time it has left
        elif self._token.spent(self._clock.at()) >= 1:
            self._start(urgent=urgent)  # on its way, in case dispatch thinks so too
        return self._token

    async def newer(self, than: Token, *, urgent: bool) -> Token | None:
        """Another token than this one, which was refused. None if none is to be had now: `trouble` tells why, if there is any."""
        if self._token is None or self._token.value == than.value:
            await self._renewed(urgent=urgent)
        return self._token if self._token is not None and self._token.value != than.value else None

    async def keep_fresh(self) -> None:
        """Renew ahead of the end, for ever. A failure is tried again in a minute or two, at once after `hurry`."""
        await self._load()
        while True:
            due_in_s = self._due_in_s()
            if due_in_s > 0:
                await self._wait(due_in_s)
                continue
            await self._renewed(urgent=False)
            if self.trouble is not None:
                roll = random.random()  # noqa: S311 - jitter, no secret
                await self._wait(backoff_s(self._failures, roll=roll, retry_after_s=self.trouble.retry_after_s, cap_s=RENEWAL_EVERY_S))

    def hurry(self) -> None:
        """The link came back: whatever waits to try again may try."""
        self._hurry.set()

    async def aclose(self) -> None:
        """End a renewal, and wait a moment for the file."""
        for renewal in self._renewals:
            renewal.cancel()
        await asyncio.gather(*self._renewals, return_exceptions=True)
        if self._saving is not None:
            await asyncio.wait({self._saving}, timeout=LOAD_S)

    # --- renewal --------------------------------------------------------------------------------------------------------

    async def _renewed(self, *, urgent: bool) -> None:
        """Wait for the renewal under way, or for a new one if one may start. A caller that goes away does not end it."""
        renewal = self._start(urgent=urgent)
        if renewal is None:
            return
        await asyncio.wait({renewal})
        if not renewal.cancelled():
            renewal.result()

    def _start(self, *, urgent: bool) -> asyncio.Task[None] | None:
        """The renewal to wait for. A raise does not wait for one that hangs: another one starts beside it."""
        self._renewals = [renewal for renewal in self._renewals if not renewal.done()]
        hangs = self._clock.at() - self._began_at >= FRESH_AFTER_S and len(self._renewals) < MAX_ALIVE
        if self._renewals and not (urgent and hangs):
            return self._renewals[-1]
        if not urgent and self._allowed_in_s() > 0:
            return None
        self._began_at = self._clock.at()
        self._renewals.append(asyncio.get_running_loop().create_task(self._renew(), name="renewal"))
        return self._renewals[-1]

    def _allowed_in_s(self) -> float:
        if self._source.local:
            return 0.0
        life_s = None if self._token is None else self._token.life_s
        known_s = life_s if life_s is not None and life_s >= SHORTEST_S else UNKNOWN_LIFE_S
        every_s = min(RENEWAL_EVERY_S, RENEW_AT * known_s)
        return self._reached_at + every_s - self._clock.at()

    async def _renew(self) -> None:
        began_at = self._clock.at()
        deadline_s = attempt_deadline_s(self._timeouts, self._deadline_s)
        try:
            async with asyncio.timeout(deadline_s):
                got = await self._source.fetch()
        except TimeoutError:
            got = lost(Asked.TOKEN, None, "timeout", f"token service: no answer within {deadline_s:g} s")
        if isinstance(got, Token):
            self._failures = self._timeouts = 0
            changed = self._adopt(got)
            for other in self._renewals:
                if other is not asyncio.current_task():
                    other.cancel()  # whoever waits for one that hangs has what it waits for
            self._tell(None, again=changed)
        else:
            self._failures += 1
            self._timeouts += got.cause == "timeout"
            self._tell(got)
        if self._source.local or isinstance(got, Token) or got.cause not in NOT_REACHED:
            self._reached_at = began_at

    def _adopt(self, token: Token) -> bool:
        """Whether it is another one than before. A file's token that has not changed keeps its age."""
        changed = self._token is None or self._token.value != token.value
        if changed or not self._source.local:
            self._token = token
            self._save(token)
        return changed

    def _tell(self, trouble: Outcome | None, *, again: bool = False) -> None:
        changed, self.trouble = trouble != self.trouble, trouble
        if self._told is not None and (changed or again):
            self._told(trouble or Outcome(Asked.TOKEN, Meaning.ACCEPTED, "ok", "there is a new token"))

    def _due_in_s(self) -> float:
        token = self._token
        if self._source.local:
            return max(0.0, self._reached_at + WATCH_EVERY_S - self._clock.at())
        if token is None or self.trouble is not None:
            return max(0.0, self._allowed_in_s())
        life_s = UNKNOWN_LIFE_S if token.life_s is None else token.life_s
        return max(0.0, token.at + RENEW_AT * life_s - self._clock.at(), self._allowed_in_s())

    async def _wait(self, seconds: float) -> None:
        """So long, or until hurried."""
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return
        finally:
            self._hurry.clear()

    # --- the file -------------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        """Once. A disk that does not answer soon is gone on without: what it knew is taken when it comes, if still of use."""
        if self._keep is None:
            return
        if self._loading is None:
            path = self._keep
            self._loading = aside.start(lambda: _read(path), name="read token")
            self._loading.add_done_callback(self._loaded)
            await asyncio.wait({self._loading}, timeout=LOAD_S)
        elif not self._loading.done() and self._token is None:
            await asyncio.wait({self._loading}, timeout=LOAD_S)

    def _loaded(self, loading: asyncio.Future[Kept | None]) -> None:
        kept = None if loading.cancelled() or loading.exception() is not None else loading.result()
        if kept is not None and kept.audience == self._audience and self._token is None:
            self._token = revived(kept, at=self._clock.at(), wall=self._clock.wall() if self._clock.trusted() else None, boot=_boot())

    def _save(self, token: Token) -> None:
        """In a thread, one at a time; the newest wins. Failing costs a renewal after the next restart, no more."""
        if self._keep is None or not self._keeps:
            return
        if self._saving is not None and not self._saving.done():
            self._unsaved = token
            return
        kept = Kept(self._audience, token.value.revealed(), _boot(), token.at, token.life_s, token.expires_wall, self._clock.wall())
        path = self._keep
        self._saving = aside.start(lambda: _write(path, kept), name="keep token")
        self._saving.add_done_callback(self._saved)

    def _saved(self, saving: asyncio.Future[None]) -> None:
        if not saving.cancelled() and isinstance(error := saving.exception(), OSError):
            log.warning("the token cannot be kept across a restart: %s", error.strerror)
        token, self._unsaved = self._unsaved, None
        if token is not None:
            self._save(token)


def revived(kept: Kept, *, at: float, wall: float | None, boot: str) -> Token:
    """A kept token with its age: exact within one boot; after another by the wall clock; renewed at once if that is doubtful."""
    if boot and kept.boot == boot and kept.at <= at:
        return Token(Secret(kept.token), kept.at, kept.life_s, kept.expires_wall)
    if wall is None or kept.expires_wall is None or wall < kept.kept_wall:
        return Token(Secret(kept.token), at - UNKNOWN_LIFE_S, None, kept.expires_wall)
    left_s = kept.expires_wall - wall
    life_s = left_s if kept.life_s is None else max(kept.life_s, left_s)
    return Token(Secret(kept.token), at + left_s - life_s, life_s, kept.expires_wall)


def _boot() -> str:
    """The kernel's name of this boot; empty where it has none (then no two boots are taken for one)."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _read(path: Path) -> Kept | None:
    """Blocks. None for a file that is missing or not ours."""
    try:
        with path.open("rb") as file:
            raw = wire.document_of(file.read(MAX_FILE_BYTES))
        kept = Kept(**raw) if isinstance(raw, dict) else None
    except (OSError, TypeError):
        return None
    return kept if kept is not None and _sound(asdict(kept)) else None


def _sound(kept: dict[str, Any]) -> bool:
    """Whether every value is of its kind: the file may have been cut short, edited or written by another version."""
    texts = all(isinstance(kept[name], str) for name in ("audience", "token", "boot"))
    numbers = all(isinstance(kept[name], int | float) for name in ("at", "kept_wall"))
    maybe = all(kept[name] is None or isinstance(kept[name], int | float) for name in ("life_s", "expires_wall"))
    return texts and numbers and maybe and wire.TOKEN_TEXT.fullmatch(kept["token"]) is not None


def _write(path: Path, kept: Kept) -> None:
    """Blocks. Replaces the file atomically; nobody else can read it at any moment. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor, not a path
        json.dump(asdict(kept), file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
