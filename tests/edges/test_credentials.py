"""Tokens: three sources, renewed ahead of time, one renewal at a time, kept across restarts, shown nowhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import ssl
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from scripted import CUSTOMER, TOKEN, Rig, Server, Wall, Wired, hang, reply, reset, server_context

from agent import credentials as module
from agent import token_sources
from agent.credentials import Credentials, Kept, revived
from agent.model import Asked, Meaning, Outcome
from agent.token_sources import ClientSecret, TokenFile, TokenService

SECRET = "device-key-0123456789"


def token_json(value: str, **more: Any) -> dict[str, Any]:
    return {"accessToken": value, "expiresIn": 3600, **more}


def renewals(at: Rig) -> int:
    return at.server.paths().count("POST /token")


async def until(true: Callable[[], bool]) -> None:
    """A fact about another task has come to hold."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - the fact rings no bell
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def fresh(at: Rig) -> AsyncIterator[asyncio.Task[None]]:
    """`keep_fresh` at work."""
    task = asyncio.ensure_future(at.credentials.keep_fresh())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# --- sources ------------------------------------------------------------------------------------------------------------


async def test_the_backend_is_asked_for_our_customer_with_the_bearer_key(rig: Wired, tmp_path: Path, trusting: ssl.SSLContext) -> None:
    """POST {"customerId": N}, authorised by the key in the file, which may be replaced while we run."""
    key = tmp_path / "device-key"
    key.write_text(SECRET + "\n")

    def source(server: Server, clock: Wall) -> TokenService:
        return TokenService(url=server.url + "/token", customer_id=CUSTOMER, clock=clock, tls=trusting, bearer_file=key)

    async with rig(source=source) as at:
        assert await at.credentials.current(urgent=True) is not None
        key.write_text("another-key")
        at.clock.ahead_s = 61
        token = await at.credentials.current(urgent=True)
        assert token is not None
        assert await at.credentials.newer(token, urgent=False) is not None
        assert [(seen.json, seen.bearer) for seen in at.server.seen] == [
            ({"customerId": CUSTOMER}, SECRET),
            ({"customerId": CUSTOMER}, "another-key"),
        ]


@pytest.mark.parametrize("content", [None, "", "\n", "two\nlines", "\udcff"])
async def test_a_key_file_that_cannot_serve_is_named(rig: Wired, tmp_path: Path, trusting: ssl.SSLContext, content: str | None) -> None:
    """Missing, empty, more than a key, not text: nothing is sent, and the file is named, its content is not."""
    key = tmp_path / "device-key"
    if content is not None:
        key.write_bytes(content.encode("utf-8", "surrogateescape"))

    def source(server: Server, clock: Wall) -> TokenService:
        return TokenService(url=server.url + "/token", customer_id=CUSTOMER, clock=clock, tls=trusting, bearer_file=key)

    async with rig(source=source) as at:
        assert await at.credentials.current(urgent=True) is None
        assert at.credentials.trouble is not None
        assert (at.credentials.trouble.asked, at.credentials.trouble.cause) == (Asked.TOKEN, "no_token")
        assert "device-key" in at.credentials.trouble.text
        assert at.server.seen == []


async def test_a_client_certificate_proves_the_device(rig: Wired, tmp_path: Path, authority: trustme.CA) -> None:
    """The backend that demands one gets it; without it the renewal fails in TLS."""
    ours = authority.issue_cert("unit-17.test")
    cert, key, ca = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    cert.write_bytes(b"".join(part.bytes() for part in ours.cert_chain_pems))
    key.write_bytes(ours.private_key_pem.bytes())
    ca.write_bytes(authority.cert_pem.bytes())
    demanding = server_context(authority)
    demanding.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(demanding)
    bare = ssl.create_default_context(cafile=str(ca))

    def with_it(server: Server, clock: Wall) -> TokenService:
        return TokenService(
            url=server.url + "/token", customer_id=CUSTOMER, clock=clock, tls=bare, client_cert_file=cert, client_key_file=key, ca_file=ca
        )

    def without(server: Server, clock: Wall) -> TokenService:
        return TokenService(url=server.url + "/token", customer_id=CUSTOMER, clock=clock, tls=bare)

    async with rig(source=with_it, context=demanding) as at:
        assert await at.credentials.current(urgent=True) is not None
    async with rig(source=without, context=demanding) as at:
        assert await at.credentials.current(urgent=True) is None
        assert at.credentials.trouble is not None
        assert at.credentials.trouble.cause in ("tls", "reset")


async def test_client_id_and_secret_take_two_steps(rig: Wired, tmp_path: Path, trusting: ssl.SSLContext) -> None:
    """Server token first, with it the callout token of our customer."""
    file = tmp_path / "client-secret"
    file.write_text(SECRET)

    def source(server: Server, clock: Wall) -> ClientSecret:
        return ClientSecret(base_url=server.url, customer_id=CUSTOMER, client_id="lab", secret_file=file, clock=clock, tls=trusting)

    async with rig(source=source) as at:
        at.server.on("POST", "/oauth/token", reply(200, token_json("server-token")))
        at.server.on(
            "POST", "/oauth/calloutToken", reply(200, {"access_token": "callout-token", "token_type": "Bearer", "expires_in": 3600})
        )
        token = await at.credentials.current(urgent=True)
        assert token is not None
        assert token.value.revealed() == "callout-token"
        assert [(seen.json, seen.bearer) for seen in at.server.seen] == [
            ({"clientId": "lab", "clientSecret": SECRET}, None),
            ({"customerId": CUSTOMER}, "server-token"),
        ]


async def test_a_token_file_is_read_again_after_a_401_and_when_it_changes(
    rig: Wired, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone else keeps it fresh: no waiting for a minute, no restart."""
    monkeypatch.setattr(module, "WATCH_EVERY_S", 0.02)
    file = tmp_path / "token"
    file.write_text("token-number-1\n")
    async with rig(source=lambda _server, clock: TokenFile(path=file, clock=clock)) as at:
        at.server.on("GET", f"/customers/{CUSTOMER}/callouts", reply(401), reply(200, []))
        first = await at.credentials.current(urgent=False)
        assert first is not None
        file.write_text("token-number-2")
        assert (await at.api.look_up(deadline_s=2)).meaning is Meaning.ACCEPTED
        assert [seen.bearer for seen in at.server.seen] == ["token-number-1", "token-number-2"]
        async with fresh(at):
            file.write_text(json.dumps({"access_token": "token-number-3"}))
            await until(lambda: "3" in (at.credentials._token.value.revealed() if at.credentials._token else ""))
        file.unlink()
        assert await at.credentials.newer(at.credentials._token, urgent=True) is None
        assert (await at.credentials.current(urgent=False)).value.revealed() == "token-number-3"


@pytest.mark.parametrize(
    ("answer", "meaning", "cause"),
    [
        (reply(401), Meaning.UNAUTHORISED, "http_401"),
        (reply(404, {"message": "unknown customer"}), Meaning.REJECTED, "http_404"),
        (reply(500), Meaning.RETRY, "http_500"),
        (reply(302, Location="/login"), Meaning.RETRY, "redirect"),
        (reply(200, body=b"<html>", kind="text/html"), Meaning.RETRY, "html"),
        (reply(200, {"expiresIn": 3600}), Meaning.RETRY, "odd"),
        (reply(200, {"accessToken": "two words"}), Meaning.RETRY, "odd"),
        (reset(), Meaning.RETRY, "reset"),
        (hang(), Meaning.RETRY, "timeout"),
    ],
)
async def test_a_failed_renewal_keeps_the_old_token_and_says_why(rig: Wired, answer: Any, meaning: Meaning, cause: str) -> None:
    """An old token may still work; why there is no new one is an outcome of its own, told once."""
    async with rig(deadline_s=1.5) as at:
        old = await at.credentials.current(urgent=True)
        assert old is not None
        at.server.on("POST", "/token", answer)
        for _ in range(2):
            assert await at.credentials.newer(old, urgent=True) is None
        assert await at.credentials.current(urgent=True) is old
        assert at.credentials.trouble is not None
        assert (at.credentials.trouble.asked, at.credentials.trouble.meaning, at.credentials.trouble.cause) == (Asked.TOKEN, meaning, cause)
        told: list[Outcome] = at.told
        assert [each.cause for each in told][:2] == ["ok", cause]


# --- when ---------------------------------------------------------------------------------------------------------------


async def test_it_is_renewed_at_three_quarters_of_its_life(rig: Wired) -> None:
    """Not before, and by itself."""
    async with rig() as at, fresh(at):
        await until(lambda: renewals(at) == 1)
        at.clock.ahead_s = 2_690
        at.credentials.hurry()
        assert await at.credentials.current(urgent=False) is not None
        assert renewals(at) == 1
        at.clock.ahead_s = 2_710
        at.credentials.hurry()
        await until(lambda: renewals(at) == 2)


async def test_a_wall_clock_step_changes_nothing(rig: Wired) -> None:
    """A relative life is monotonic: years ahead or behind neither end nor extend it."""
    async with rig() as at, fresh(at):
        await until(lambda: renewals(at) == 1)
        for step_s in (1e9, -1e9):
            at.clock.wall_ahead_s = step_s
            at.credentials.hurry()
            token = await at.credentials.current(urgent=False)
            assert token is not None
            assert token.spent(at.clock.at()) < 0.1
        assert renewals(at) == 1


async def test_an_instant_is_counted_by_the_issuers_clock(rig: Wired) -> None:
    """Our clock may be wrong: the reply's Date is what an absolute expiry is measured against."""
    async with rig() as at:
        at.clock.wall_ahead_s = -86_400
        expires = 1_772_446_272 + 600
        at.server.on(
            "POST", "/token", reply(200, {"access_token": "abcdefgh", "expires_in": expires}, Date="Mon, 02 Mar 2026 10:11:12 GMT")
        )
        token = await at.credentials.current(urgent=True)
        assert token is not None
        assert token.life_s == 600


async def test_at_most_one_renewal_a_minute_but_for_a_raise(rig: Wired) -> None:
    """Lanes that are refused do not storm the backend; someone in danger may."""
    async with rig() as at:
        at.server.on("POST", "/token", *(reply(200, token_json(f"token-number-{n}")) for n in range(9)))
        token = await at.credentials.current(urgent=False)
        assert token is not None
        assert await at.credentials.newer(token, urgent=False) is None
        assert await at.credentials.newer(token, urgent=True) is not None
        assert renewals(at) == 2
        at.clock.ahead_s = 61
        assert await at.credentials.newer(at.credentials._token, urgent=False) is not None
        assert renewals(at) == 3


@pytest.mark.parametrize(("life_s", "again_s"), [(20, 15), (3600, 60), (1, 60)])
async def test_a_token_that_lives_shorter_than_a_minute_may_be_renewed_sooner(rig: Wired, life_s: int, again_s: int) -> None:
    """Else a device with such tokens would be without one for most of the time; a token that was dead on arrival begins no storm."""
    async with rig() as at:
        at.server.on("POST", "/token", *(reply(200, token_json(f"token-number-{n}", expiresIn=life_s)) for n in range(9)))
        first = await at.credentials.current(urgent=False)
        assert first is not None
        at.clock.ahead_s = again_s - 2
        assert await at.credentials.newer(first, urgent=False) is None
        at.clock.ahead_s = again_s + 1
        assert await at.credentials.newer(first, urgent=False) is not None


async def test_a_try_that_reached_no_one_does_not_count(rig: Wired, trusting: ssl.SSLContext) -> None:
    """At boot without a link the first renewal after it comes up must not wait for a minute."""
    async with rig() as at:
        source = at.credentials._source
        at.credentials._source = TokenService(url="https://dispatch.test:1/token", customer_id=CUSTOMER, clock=at.clock, tls=trusting)
        assert await at.credentials.current(urgent=False) is None
        assert at.credentials.trouble is not None
        assert at.credentials.trouble.cause == "connect"
        at.credentials._source = source
        assert await at.credentials.current(urgent=False) is not None


async def test_concurrent_callers_share_a_renewal_and_outlive_a_cancelled_one(rig: Wired) -> None:
    """Whoever started it may go away: the others get their token."""
    async with rig() as at:
        gate = asyncio.Event()

        async def slowly(seen: Any, writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            await reply(200, TOKEN)(seen, writer)

        at.server.on("POST", "/token", slowly)
        callers = [asyncio.ensure_future(at.credentials.current(urgent=True)) for _ in range(5)]
        await at.server.until(1)
        callers[0].cancel()
        gate.set()
        tokens = await asyncio.gather(*callers, return_exceptions=True)
        assert isinstance(tokens[0], asyncio.CancelledError)
        assert {token.value.revealed() for token in tokens[1:]} == {"first-token-value"}
        assert renewals(at) == 1


async def test_a_raise_does_not_wait_for_a_renewal_that_hangs(rig: Wired) -> None:
    """Without any token there is nothing else to do than to ask again, over another connection, while the first may still finish."""
    async with rig(deadline_s=20.0) as at:
        at.server.on("POST", "/token", hang(), hang(), reply(200, TOKEN))
        waiting = [asyncio.create_task(at.credentials.current(urgent=True))]
        for tens in (1, 2):
            await at.server.until(tens)
            at.clock.ahead_s = 10 * tens - 5
            waiting += [asyncio.create_task(at.credentials.current(urgent=urgent)) for urgent in (True, False)]
            await asyncio.sleep(0)
            at.clock.ahead_s = 10 * tens + 1
            waiting.append(asyncio.create_task(at.credentials.current(urgent=False)))
            await asyncio.sleep(0)
            assert len(at.credentials._renewals) == tens, "neither sooner, nor for what is not a raise"
            waiting.append(asyncio.create_task(at.credentials.current(urgent=True)))
        tokens = await asyncio.gather(*waiting)
        assert {token.value.revealed() for token in tokens if token} == {TOKEN["accessToken"]}, "all have it, whichever they waited for"
        assert None not in tokens
        assert renewals(at) == 3


async def test_a_raise_without_a_token_asks_again_when_a_renewal_has_timed_out(rig: Wired) -> None:
    """For as long as it waits; anything else gets its answer: there is none."""
    async with rig(deadline_s=0.2) as at:
        at.server.on("POST", "/token", hang(), hang(), reply(200, TOKEN))
        raising = asyncio.create_task(at.credentials.current(urgent=True))
        assert await at.credentials.current(urgent=False) is None
        token = await raising
        assert token is not None
        assert renewals(at) == 3


async def test_the_deadline_of_a_renewal_grows_while_it_times_out(rig: Wired) -> None:
    """A handshake that takes 12 s on a poor link would never succeed in 10."""
    async with rig(deadline_s=0.1) as at:
        at.server.on("POST", "/token", hang())
        took = []
        for minute in range(3):
            at.clock.ahead_s = 61 * minute
            began = time.monotonic()
            await at.credentials.current(urgent=False)
            took.append(time.monotonic() - began)
        assert all(least <= each for least, each in zip((0.1, 0.2, 0.4), took, strict=True))


async def test_a_failure_is_tried_again_by_itself(rig: Wired) -> None:
    """After the minute, or as soon as the link is back."""
    async with rig() as at:
        at.server.on("POST", "/token", reply(503), reply(200, TOKEN))
        async with fresh(at):
            await until(lambda: at.credentials.trouble is not None)
            at.clock.ahead_s = 61
            at.credentials.hurry()
            await until(lambda: at.credentials.trouble is None and renewals(at) == 2)


# --- across restarts ----------------------------------------------------------------------------------------------------


async def test_whoever_only_uses_a_kept_token_writes_none(rig: Wired, tmp_path: Path) -> None:
    """A command beside the daemon has what the daemon kept; what it fetched itself is not the daemon's."""
    keep = tmp_path / "state" / "token.json"
    async with rig() as at:
        for keeps, there, fetched in ((False, False, 1), (True, True, 2), (False, True, 2)):
            credentials = Credentials(at.credentials._source, at.clock, keep=keep, keeps=keeps)
            assert await credentials.current(urgent=True) is not None
            await credentials.aclose()
            assert (keep.exists(), renewals(at)) == (there, fetched)


async def test_a_raise_after_a_restart_needs_no_token_service(rig: Wired, tmp_path: Path) -> None:
    """The kept token is used at once, with its true age; the file is for us alone."""
    keep = tmp_path / "state" / "token.json"
    async with rig(keep=keep) as at:
        await at.credentials.current(urgent=True)
    assert stat.S_IMODE(keep.stat().st_mode) == 0o600
    async with rig(keep=keep) as at:
        at.server.on("POST", "/token", hang())
        at.clock.ahead_s = 1_800
        token = await at.credentials.current(urgent=True)
        assert token is not None
        assert token.value.revealed() == "first-token-value"
        assert 0.5 <= token.spent(at.clock.at()) < 0.51
        assert renewals(at) == 0


async def test_a_kept_token_of_another_customer_is_not_used(rig: Wired, tmp_path: Path) -> None:
    """A raise with it would open a callout for someone else."""
    keep = tmp_path / "token.json"
    async with rig(keep=keep) as at:
        await at.credentials.current(urgent=True)
        await at.credentials.aclose()
        other = Credentials(at.credentials._source, at.clock, keep=keep, audience="another")
        at.clock.ahead_s = 61
        token = await other.current(urgent=False)
        assert token is not None
        assert token.value.revealed() == "second-token-value"
        await other.aclose()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"token": 5}', b'{"audience": "4711", "token": "x y"}', b"\xff" * 100, None]
)
async def test_a_damaged_file_costs_a_renewal_and_no_more(rig: Wired, tmp_path: Path, content: bytes | None) -> None:
    """Cut short, edited, of another version, or a directory."""
    keep = tmp_path / "token.json"
    keep.mkdir() if content is None else keep.write_bytes(content)
    async with rig(keep=keep) as at:
        assert await at.credentials.current(urgent=False) is not None
        assert renewals(at) == 1


async def test_a_disk_that_hangs_delays_a_raise_by_half_a_second_at_most(rig: Wired, tmp_path: Path) -> None:
    """Opening the kept token never returns: go on without it."""
    keep = tmp_path / "token.json"
    os.mkfifo(keep)
    async with rig(keep=keep) as at:
        began = time.monotonic()
        assert await at.credentials.current(urgent=True) is not None
        assert 0.4 < time.monotonic() - began < 1.5
        assert await at.credentials.current(urgent=True) is not None
        with keep.open("wb"):
            pass  # lets the thread end


async def test_a_secret_on_a_disk_that_hangs_costs_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked for: the first read hangs, the others are told at once that it does."""
    monkeypatch.setattr(token_sources, "FILE_LIMIT_S", 0.05)
    file = tmp_path / "token"
    os.mkfifo(file)
    source = TokenFile(path=file, clock=Wall())
    for _ in range(20):
        trouble = await source.fetch()
        assert isinstance(trouble, Outcome)
        assert "does not answer" in trouble.text
    hanging = [each for each in threading.enumerate() if each.name == f"read {file}"]
    assert len(hanging) == 1
    file.write_text("abcdefgh")
    hanging[0].join(5)


def test_after_another_boot_the_wall_clock_tells_the_age() -> None:
    """If it can be believed; else the token is used and renewed at once."""
    kept = Kept("4711", "abcdefgh", "boot-1", at=1_000.0, life_s=3_600.0, expires_wall=50_000.0, kept_wall=46_400.0)
    same = revived(kept, at=2_800.0, wall=None, boot="boot-1")
    assert (same.at, same.life_s) == (1_000.0, 3_600.0)
    assert revived(kept, at=5.0, wall=49_100.0, boot="boot-1").spent(5.0) == pytest.approx(0.75)  # another clock under the same name
    later = revived(kept, at=5.0, wall=49_100.0, boot="boot-2")
    assert later.spent(5.0) == pytest.approx(0.75)
    for wall in (None, 46_000.0):
        doubtful = revived(kept, at=5.0, wall=wall, boot="boot-2")
        assert doubtful.value.revealed() == "abcdefgh"
        assert doubtful.at + module.RENEW_AT * module.UNKNOWN_LIFE_S <= 5.0
    nameless = Kept("4711", "abcdefgh", "", 1.0, 60.0, None, 0.0)
    assert revived(nameless, at=5.0, wall=1.0, boot="").life_s is None


# --- secrets ------------------------------------------------------------------------------------------------------------


async def test_no_secret_is_shown_anywhere(rig: Wired, tmp_path: Path, trusting: ssl.SSLContext, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a repr, a log, an outcome or an exception, whatever goes wrong and whatever is echoed."""
    caplog.set_level(logging.DEBUG)
    key = tmp_path / "device-key"
    key.write_text(SECRET)

    def source(server: Server, clock: Wall) -> TokenService:
        return TokenService(url=server.url + "/token", customer_id=CUSTOMER, clock=clock, tls=trusting, bearer_file=key)

    async with rig(source=source, keep=tmp_path / "nowhere" / ("x" * 300)) as at:
        token = await at.credentials.current(urgent=True)
        assert token is not None
        for status in (400, 401, 403, 500):
            at.server.on("POST", "/token", reply(status, {"message": f"{SECRET} first-token-value"}))
            await at.credentials.newer(token, urgent=True)
        await until(lambda: "cannot be kept" in caplog.text)
        shown = [repr(at.credentials), repr(at.credentials.__dict__), repr(token), str(token), repr(at.told), caplog.text]
        shown.append(repr(Kept("a", "first-token-value", "b", 0.0, None, None, 0.0)))
        for each in shown:
            assert SECRET not in each
            assert "first-token-value" not in each
