"""What the demo plays on: a simulator over TLS, a receiver log on a real serial line, button, lamp and keypad, a link that can be cut.

The agent is a process of its own and is asked and judged only from outside. Starts and ends things; tells no story.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agent.cli.link import Link

BUTTON_LINE, LAMP_LINE = 17, 27
CONFIG = """\
[panic_api]
environment = "staging"
base_url = "{base_url}"
customer_id = {customer_id}
response_type_id = 1
ca_file = "{ca_file}"

[credentials]
token_url = "{token_url}"
bearer_file = "device-key"

[[receiver]]
kind = "serial"
name = "demo receiver"
path = "{tty}"
baud = 9600

[cadence]
send_active_s = 2
send_min_s = 1
record_idle_s = 5

[store]
path = "{folder}/agent.db"

[backlog]
trail_after_s = {trail_after_s}

[drill]
classification_id = 2

[[button]]
chip = "{folder}/gpiochip"
line = 17

[indicator]
chip = "{folder}/gpiochip"
lamp_line = 27
buzzer_line = 22

[keypad]
path = "{folder}/keypad"

[control]
socket = "{folder}/run/control.sock"
"""


class Stage:
    """What the story plays on. chip, keypad: a played GPIO chip with button and lamp, and a played keypad."""

    def __init__(self, folder: Path, simulator: Any, link: Link, chip: Any, keypad: Any) -> None:
        import httpx  # noqa: PLC0415 - not before it is known that it is there

        self.folder, self.link = folder, link
        self._chip, self._keypad = chip, keypad
        self.page: str = simulator.root_url
        self.config = folder / "config.toml"
        self.agent: asyncio.subprocess.Process | None = None
        self._dispatcher = httpx.AsyncClient(base_url=simulator.root_url, verify=_trust(simulator.ca_file), trust_env=False, timeout=10)

    async def start_agent(self) -> None:
        """The agent as its own process; its log goes beside its database."""
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = await asyncio.create_subprocess_exec(*self._command("run"), stdout=log, stderr=log)

    async def stop_agent(self) -> int:
        """SIGTERM; its exit status."""
        if self.agent is None:
            return 0
        if self.agent.returncode is None:
            self.agent.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            return await self.agent.wait()

    async def command(self, *words: str, typed: str = "") -> tuple[int, str]:
        """Run a command as an operator would: exit status and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate(typed.encode())
        return process.returncode or 0, out.decode().strip()

    async def status(self, *, inner: bool = False) -> dict[str, Any]:
        """The status document, straight from the control socket; empty when the agent does not answer."""
        from agent import control  # noqa: PLC0415 - small, but only here

        try:
            request = {"do": "status", "inner": inner}
            reply = await asyncio.to_thread(control.ask, self.folder / "run" / "control.sock", request, timeout_s=2.0)
        except (control.NotRunningError, TimeoutError):
            return {}
        document: dict[str, Any] = reply.get("status", {})
        return document

    def press(self) -> None:
        """Put a finger on the button, and keep it there."""
        self._chip.press(BUTTON_LINE)

    def release(self) -> None:
        """Take it off."""
        self._chip.release(BUTTON_LINE)

    def type(self, code: str) -> None:
        """Type a code at the keypad, and enter."""
        self._keypad.type(code)
        self._keypad.key("enter")

    def lamp(self, for_s: float) -> bool | None:
        """Whether the lamp has been lit (True) or dark (False) for so long; None: it blinks, or nobody drives it."""
        history = self._chip.history(LAMP_LINE)
        if not history or time.monotonic() - history[-1][0] < for_s:
            return None
        lit: bool = history[-1][1]
        return lit

    async def seen(self) -> dict[str, Any]:
        """The newest callout as the dispatcher sees it; empty when there is none."""
        callouts = (await self._dispatcher.get("/sim/callouts")).json()
        newest: dict[str, Any] = max(callouts, key=lambda each: int(each["id"]), default={})
        return newest

    async def respond(self, callout_id: Any, action: str, **told: Any) -> None:
        """Press one of the dispatcher's buttons, or write something (`say`)."""
        (await self._dispatcher.post(f"/sim/callouts/{callout_id}/{action}", json=told)).raise_for_status()

    async def start_scenario(self, text: str) -> dict[str, Any]:
        """Let the simulator play this scenario; how far it is."""
        reply = (await self._dispatcher.post("/sim/scenario", json={"toml": text})).raise_for_status()
        progress: dict[str, Any] = reply.json()
        return progress

    async def scenario(self) -> dict[str, Any]:
        """How far it is."""
        progress: dict[str, Any] = (await self._dispatcher.get("/sim/scenario")).raise_for_status().json()
        return progress

    async def cut_power(self) -> None:
        """SIGKILL: what a device is told of a battery that is pulled."""
        if self.agent is not None and self.agent.returncode is None:
            self.agent.kill()
            await self.agent.wait()

    async def aclose(self) -> None:
        """End what was started."""
        await self._dispatcher.aclose()
        with contextlib.suppress(TimeoutError, ProcessLookupError):
            await self.stop_agent()

    def _command(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "agent", *words, "--config", str(self.config))


def _trust(ca_file: Path | None) -> Any:
    import ssl  # noqa: PLC0415 - only the demo's own client needs it

    return ssl.create_default_context(cafile=str(ca_file)) if ca_file else True


@contextlib.asynccontextmanager
async def staged(args: argparse.Namespace, folder: Path, lines: list[bytes], settings: Any) -> AsyncIterator[Stage]:
    """Everything up but the agent. lines: the receiver's log. settings: of the simulator."""
    from hardware.feeder import Feeder  # noqa: PLC0415 - with the rest of the demo's cast
    from hardware.played_chip import PlayedChip  # noqa: PLC0415 - likewise
    from hardware.played_keypad import PlayedKeypad  # noqa: PLC0415 - likewise
    from simulator.server import Running  # noqa: PLC0415 - likewise

    with Running(settings, port=args.port, tls=True, transcript=args.transcript) as simulator:
        link = Link(simulator.port)
        await link.mend()
        base_url = simulator.base_url.replace(f":{simulator.port}", f":{link.port}")
        tty = folder / "ttyGPS"
        (folder / "run").mkdir(mode=0o700)
        # A scenario may shorten its dead zone to be played often; the demo's own lasts 12 s.
        trail_after_s = 5 if args.scenario else 10
        _write_config(folder, base_url, simulator.ca_file, tty, settings, trail_after_s)
        chip, keypad = PlayedChip(folder / "gpiochip"), PlayedKeypad(folder / "keypad")
        async with Feeder(lines, tty, wall=time.time), chip, keypad:
            stage = Stage(folder, simulator, link, chip, keypad)
            try:
                yield stage
            finally:
                await stage.aclose()
                await link.cut()


def _write_config(folder: Path, base_url: str, ca_file: Path | None, tty: Path, settings: Any, trail_after_s: float) -> None:
    text = CONFIG.format(
        base_url=base_url,
        customer_id=settings.customer_id,
        ca_file=ca_file,
        token_url=base_url.replace("/panic-api/v2", "/backend/token"),
        tty=tty,
        folder=folder,
        trail_after_s=trail_after_s,
    )
    (folder / "config.toml").write_text(text)
    key = folder / "device-key"
    key.touch(mode=0o600)
    key.write_text(settings.device_key)
