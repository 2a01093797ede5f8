"""The installer's page, walked through: the package on a bare system, the dialogue answered as the page says, armed, a drill by the button.

What a person does with eyes and hands is done here by answers to what is read on the terminal, and by a played button; a person takes
longer to read and to type, so the time that the machine needs is held far below the ten minutes that the page promises.
"""

from __future__ import annotations

import asyncio
import os
import pty
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.appliance.appliance import BUTTON, CHIP, LAMP, Appliance, appliance, ground
from tests.appliance.container import _PATH

MACHINE_S = 150.0  # of the ten minutes; the rest is for eyes and hands
QUIET_S = 0.3  # the terminal has said all that it says before it waits
PATIENCE_S = 60.0


class Terminal:
    """A terminal in the container, and what stands on it. Each answer is given once, when its question is the last thing there."""

    def __init__(self, stage: Appliance) -> None:
        self.shown = ""
        self._stage = stage
        self._read = 0

    async def run(self, command: str, *answers: tuple[str, str | Callable[[], Awaitable[None]]]) -> int:
        """Type a command, answer its questions in their order; its exit status. Fails when a question does not come."""
        ours, theirs = pty.openpty()
        os.set_blocking(ours, False)
        asyncio.get_running_loop().add_reader(ours, self._hear, ours)
        init = self._stage.container._init
        process = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--"),
            *("env", "-i", _PATH, "LANG=C.UTF-8", "HOME=/root", "TERM=xterm", "setsid", "--ctty", "--wait", *command.split()),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        try:
            for question, answer in answers:
                await self._until(question, process)
                if isinstance(answer, str):
                    os.write(ours, answer.encode() + b"\n")
                else:
                    await answer()
            async with asyncio.timeout(PATIENCE_S):
                return await process.wait()
        finally:
            asyncio.get_running_loop().remove_reader(ours)
            self._hear(ours)
            os.close(ours)
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _hear(self, ours: int) -> None:
        try:
            while data := os.read(ours, 65_536):
                self.shown += data.decode(errors="replace").replace("\r", "")
        except OSError:  # nothing more now, or for good
            return

    async def _until(self, question: str, process: asyncio.subprocess.Process) -> None:
        end = time.monotonic() + PATIENCE_S
        while (found := re.search(question, self.shown[self._read :])) is None:
            assert time.monotonic() < end, f"never asked: {question}\n{self.shown[-2_000:]}"
            assert process.returncode is None, f"ended before: {question}\n{self.shown[-2_000:]}"
            await asyncio.sleep(0.05)
        self._read += found.end()
        heard = ""
        while heard != self.shown:  # a question is whole
            heard = self.shown
            await asyncio.sleep(QUIET_S)


@pytest.mark.timeout(300)
def test_page_leads_from_the_package_to_proven_armed(tmp_path: Path):
    """Install, setup, armed, a drill at the button that a safe code calls off; and a page to be photographed at the end."""

    async def story() -> None:
        there = ground("bookworm")
        async with appliance(tmp_path, there.root) as stage:
            await stage.boot()
            began = time.monotonic()
            assert (await stage.install(there.package)).status == 0
            await stage.put("/etc/callout-agent/ca.pem", Path(str(stage.simulator.ca_file)).read_text(), "root:root", "0644")
            terminal = Terminal(stage)
            code = await terminal.run("callout-agent setup --ca-file /etc/callout-agent/ca.pem", *answers(stage))
            took_s = time.monotonic() - began
            assert code == 0, terminal.shown
            last = terminal.shown.rpartition("ARMED: a press would be sent now")
            assert last[1], terminal.shown
            assert "accepted by dispatch, callout" in last[2]
            settings = stage.simulator.settings
            for secret in (settings.device_key, f" {settings.customer_mobile[-4:]}\n"):
                assert secret not in terminal.shown
            assert took_s < MACHINE_S
            (callout,) = await stage.callouts()
            assert callout["test"]
            assert callout["cancels"], callout
            assert any(lit for _, lit in stage.chip.history(LAMP))
            assert (await stage.unit())["ActiveState"] == "active"

    asyncio.run(story())


def answers(stage: Appliance) -> tuple[tuple[str, str | Callable[[], Awaitable[None]]], ...]:
    """What the page says, question by question. The chip is a played one, and dispatch is the stand-in: both are named."""
    settings = stage.simulator.settings
    token_url = stage.base_url.replace("/panic-api/v2", "/backend/token")

    async def push() -> None:
        stage.chip.press(BUTTON)

    async def hold() -> None:
        await stage.press()

    async def let_go() -> None:
        stage.chip.release(BUTTON)

    return (
        (r"Which one \(1", ""),
        (r"A fixed site .*:", ""),
        (r"Which line is the button on", f"{CHIP}:{BUTTON}"),
        (r"Leave the button alone, and press Enter", ""),
        (r"Now press it, and keep it pressed", push),
        (r"Let go\.", let_go),
        (r"How many seconds must it be held", ""),
        (r"Now hold it for 1\.5 s", hold),
        (r"Which line is the lamp on", f"{CHIP}:{LAMP}"),
        (r"What may it show", ""),
        (r"Which line is the buzzer on", ""),
        (r"Which line is the lamp on that is lit", ""),
        (r"Look at it, then press Enter", ""),
        (r"Did it blink", ""),
        (r"Which keypad", ""),
        (r"Which dispatch", "2"),
        (r"The address of the Panic API", stage.base_url),
        (r"Customer id of this device", str(settings.customer_id)),
        (r"Where do this device's tokens come from", ""),
        (r"The address that gives out tokens", token_url),
        (r"The device key, not shown", settings.device_key),
        (r"Response type that a press asks for", "1"),
        (r"Classification of a drill", "2"),
        (r"Write the config|Write /etc", ""),
        (r"Make a drill now", ""),
        (r"Now hold it for 1\.5 s, ONCE", hold),
        (r"safe code ends it", settings.customer_mobile[-4:]),
    )
