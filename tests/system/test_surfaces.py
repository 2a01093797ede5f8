"""What operators and bystanders meet: armed or not, secrets, signals, a second daemon, a broken config, bad words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from pathlib import Path

import pytest
from stage import CODE_RIGHT, CODE_WRONG, INNER, codes, driving, staged


def test_device_is_not_armed_while_a_raise_would_fail_and_says_why(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.desk("POST", "faults", {"on": ["mint"], "action": "status", "status": 503})
            await stage.start()
            status = await stage.until_status(lambda told: "token.none" in codes(told))
            assert not status["armed"]
            assert (await stage.command("status"))[0] == 1
            await stage.desk("DELETE", "faults")
            assert (await stage.command("raise", "--wait", "10"))[0] == 0, "a raise may ask for a token at any time"
            await stage.until_armed()
            assert (await stage.command("status"))[0] == 0
            await stage.desk("POST", f"callouts/{(await stage.callouts())[-1]['id']}/close")
            await stage.until_status(lambda told: told["callout"]["state"] == "standby")
            await stage.link.cut()
            await stage.until_status(lambda told: not told["armed"] and "dispatch.unreachable" in codes(told), 10)
            await stage.link.mend()
            await stage.until_armed()

    asyncio.run(story())


def test_secrets_and_coordinates_are_in_no_log_and_no_world_readable_file(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            os.umask(0o022)
            await stage.start()
            fix = (await stage.until_armed())["fix"]
            await stage.command("raise", "--wait", "10")
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 2)
            arguments = Path(f"/proc/{stage.agent.pid}/cmdline").read_bytes()  # type: ignore[union-attr]
            await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG + "\n")
            await stage.until_callout(lambda seen: seen["duress"])
            log = (tmp_path / "agent.log").read_text()
            token = (tmp_path / "token.json").read_text()
            for secret in (stage.simulator.settings.device_key, CODE_WRONG, str(fix["latitude"])[:7], str(fix["longitude"])[:6]):
                assert secret not in log
                assert secret.encode() not in arguments
            assert "eyJ" in token
            assert "eyJ" not in log
            mine = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("agent.log", "config.toml")]
            assert not [path.name for path in mine if path.stat().st_mode & stat.S_IROTH]

    asyncio.run(story())


def test_two_signals_end_it_at_once(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.signal(signal.SIGTERM)
            await stage.signal(signal.SIGINT)
            assert await stage.ended(2) in (0, 1)

    asyncio.run(story())


def test_broken_config_runs_on_the_last_good_copy_and_is_critical(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.signal(signal.SIGTERM)
            await stage.ended()
            stage.more = "[cadense]\nx = 1\n"
            await stage.start()
            status = await stage.until_status(lambda told: "config.last_good" in codes(told))
            assert not status["armed"]
            (condition,) = [each for each in status["conditions"] if each["code"] == "config.last_good"]
            assert "cadense" in condition["text"]
            assert (await stage.command("raise", "--wait", "10"))[0] == 0, "a typo must not silence a panic button"
            code, _, err = await stage.command("check")
            assert code == 1
            assert "cadense" in err or "cadense" in _

    asyncio.run(story())


def test_broken_config_without_a_copy_is_refused_with_every_problem(tmp_path: Path):
    async def story() -> None:
        async with staged(tmp_path) as stage:
            stage.more = "[cadense]\nx = 1\n"
            await stage.start()
            assert await stage.ended() == 1
            assert "cadense" in (tmp_path / "agent.log").read_text()

    asyncio.run(story())


def test_second_daemon_does_not_take_the_socket_of_the_first(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            first = stage.agent
            await stage.start()
            await stage.until(lambda: asyncio.to_thread((tmp_path / "agent.log").read_text), lambda log: "another daemon" in log)
            assert await stage.ended() == 1
            assert (await stage.status())["version"]
            stage.agent = first

    asyncio.run(story())


@pytest.mark.parametrize("typed", ["", "   ", "\n", "12345678901234567"])
def test_blank_or_overlong_code_is_asked_for_again_and_never_becomes_the_unconditional_cancel(tmp_path: Path, typed: str):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.command("raise", "--wait", "10")
            assert (await stage.command("cancel", "--safe-code-stdin", typed=typed))[0] == 1
            assert (await stage.ask(do="cancel"))["ok"] is False
            assert (await stage.ask(do="cancel", code=None))["ok"] is False
            assert (await stage.ask(do="cancel", unconditional=True))["ok"] is False, "not allowed by this config, root or not"
            callout = (await stage.callouts())[-1]
            assert callout["cancels"] == []
            assert (await stage.status())["callout"]["state"] == "active"

    asyncio.run(story())


def test_cancel_in_standby_says_the_same_words_in_about_the_same_time(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            loop = asyncio.get_running_loop()
            took, said = [], []
            for round_ in range(3):
                began = loop.time()
                said.append(await stage.ask(do="cancel", code=CODE_RIGHT if round_ != 1 else CODE_WRONG))
                took.append(loop.time() - began)
                if round_ == 0:
                    await stage.command("raise", "--wait", "10")
            assert said[0] == said[1] == said[2]
            assert max(took) - min(took) < 0.15
            assert len((await stage.callouts())[-1]["cancels"]) in (1, 2)

    asyncio.run(story())


def test_press_that_found_no_socket_is_taken_up_by_the_daemon_that_runs(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            stage.socket.unlink()
            assert (await stage.command("raise"))[0] == 3
            await stage.until_callout(lambda seen: seen["positions"], 5)

    asyncio.run(story())


def test_button_without_its_chip_is_no_armed_device(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.more = f'[[button]]\nchip = "{tmp_path}/gpiochip"\n'
            await stage.start()
            status = await stage.until_status(lambda told: told["fix"] and "dispatch.unproven" not in codes(told))
            assert "button.missing" in codes(status)
            assert not status["armed"]

    asyncio.run(story())


@pytest.mark.skipif(not INNER, reason="only root may forget a callout")
def test_callout_of_another_dispatch_is_left_alone_and_can_be_forgotten(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.command("raise", "--wait", "10")
            callout = await stage.until_callout(lambda seen: seen["positions"])
            code, out, err = await stage.command("callout", "forget", str(callout["id"]))
            assert (code, "dispatch has not lost" in out + err) == (1, True), "only dispatch ends a callout that it knows"
            assert (await stage.status())["callout"]["state"] == "active"
            await stage.signal(signal.SIGTERM)
            await stage.ended()
            stage.base_url = stage.base_url.replace("127.0.0.1", "localhost")
            stage.more = ""
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await stage.start()
            status = await stage.until_status(lambda told: "callout.foreign" in codes(told))
            assert not status["armed"]
            assert status["callout"]["state"] == "standby"
            code, out, err = await stage.command("callout", "forget", str(callout["id"]))
            assert code == 0, out + err
            await stage.until_status(lambda told: "callout.foreign" not in codes(told))

    asyncio.run(story())


def test_journal_that_takes_no_line_holds_up_no_raise_and_no_end(tmp_path: Path):
    """Stderr is a pipe that nobody reads and that is full from the start on."""

    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.write_config()
            unread, full = os.pipe()
            os.set_blocking(full, False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(full, b"x" * 4096)
            os.set_blocking(full, True)
            stage.agent = await asyncio.create_subprocess_exec(*stage.command_line("run", "--debug"), stdout=full, stderr=full)
            os.close(full)
            await stage.until_armed()
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3)
            await stage.signal(signal.SIGTERM)
            assert await stage.ended(6) == 0
            os.close(unread)

    asyncio.run(story())
