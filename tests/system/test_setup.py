"""Setup with the real daemon: from an empty config to a drill by the button; a daemon is stopped with leave only, and never left stopped.

A played `systemctl` runs the daemon (`setup_rigs.Systemd`); everything else is real: terminal, receiver on a pty, dispatch over TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
from setup_rigs import CTRL_C, UNIT, Person, Systemd, command
from stage import CODE_RIGHT, CODE_WRONG, DRIVE

from agent import control
from hardware.feeder import Feeder
from hardware.played_chip import PlayedChip
from simulator.server import Running
from simulator.settings import Settings

BUTTON, LAMP = 5, 6
KEY = "demo-device-key"


class Garage:
    """Where somebody installs a device."""

    def __init__(self, folder: Path, simulator: Running, chip: PlayedChip) -> None:
        self.folder, self.simulator, self.chip = folder, simulator, chip
        self.config, self.socket = folder / "config.toml", folder / "run" / "s"
        (folder / "run").mkdir(mode=0o700)
        self.config.write_text(f'[store]\npath = "{folder}/agent.db"\n\n[control]\nsocket = "{self.socket}"\n')
        (folder / "key").write_text(KEY)
        self.systemd = Systemd(folder, self.config, self.socket)
        self.token_url = simulator.base_url.replace("/panic-api/v2", "/backend/token")
        self._desk = httpx.Client(
            base_url=simulator.root_url, verify=ssl.create_default_context(cafile=str(simulator.ca_file)), trust_env=False, timeout=10
        )

    def person(self, *words: str) -> Person:
        """Somebody who runs setup at a terminal."""
        flags = ("--unit", UNIT, "--port", str(self.folder / "ttyGPS"))
        return Person(command(self.config, *flags, *words), self.systemd.env)

    async def unattended(self, *words: str) -> tuple[int, str]:
        """Setup with flags: exit code and what it said."""
        answers = [
            *("--environment", "staging", "--base-url", self.simulator.base_url, "--customer-id", "4711", "--response-type-id", "1"),
            *("--token-url", self.token_url, "--key-file", str(self.folder / "key"), "--ca-file", str(self.simulator.ca_file)),
            *("--receiver", f"serial:{self.folder}/ttyGPS@9600", "--button", f"{self.folder}/chip:{BUTTON}", "--hold", "0.3"),
            *("--lamp", f"{self.folder}/chip:{LAMP}"),
        ]
        person = self.person("--unattended", *answers, *words)
        try:
            code = await asyncio.to_thread(person.ends, 60)
        finally:
            person.close()
        return code, person.said

    def status(self) -> dict[str, Any]:
        """Outward; empty where no daemon answers."""
        try:
            told: dict[str, Any] = control.ask(self.socket, {"do": "status"}, timeout_s=3)["status"]
        except (control.NotRunningError, TimeoutError):
            return {}
        return told

    def ask(self, **request: Any) -> dict[str, Any]:
        """One question to the daemon."""
        return control.ask(self.socket, request, timeout_s=10)

    def callouts(self) -> list[dict[str, Any]]:
        """As dispatch sees them, oldest first."""
        seen: list[dict[str, Any]] = self._desk.get("/sim/callouts").json()
        return sorted(seen, key=lambda each: each["id"])

    async def until(self, so: Callable[[], object], what: str, within_s: float = 30.0) -> None:
        """Wait for it, by looking."""
        end = time.monotonic() + within_s
        while not so():
            assert time.monotonic() < end, f"never: {what}; {self.status()}"
            await asyncio.sleep(0.05)

    def close(self) -> None:
        """End the daemon."""
        self.systemd.close()
        self._desk.close()


@contextlib.asynccontextmanager
async def garage(folder: Path) -> AsyncIterator[Garage]:
    """With a receiver that drives about, a button and a lamp."""
    with Running(Settings(), tls=True) as simulator, PlayedChip(folder / "chip") as chip:
        async with Feeder(DRIVE, folder / "ttyGPS", wall=time.time):
            place = Garage(folder, simulator, chip)
            try:
                yield place
            finally:
                place.close()


def test_from_nothing_to_a_drill(tmp_path: Path):
    """As an installer would: every answer by hand, a hold at the button, dispatch's answer, the safe code; and one page at the end."""
    asyncio.run(_from_nothing_to_a_drill(tmp_path))


async def _from_nothing_to_a_drill(folder: Path) -> None:
    async with garage(folder) as place:
        person = place.person()
        try:
            await asyncio.to_thread(_install, place, person)
            assert await asyncio.to_thread(person.ends, 30) == 0
        finally:
            person.close()
        (drill,) = place.callouts()
        assert drill["classificationId"] == 2
        await place.until(lambda: place.callouts()[0]["cancels"], "dispatch hears of the safe code")
        (ended,) = place.callouts()
        assert (len(ended["cancels"]), ended["duress"]) == (1, False), "what means back or help elsewhere is no code"
        page = person.said.rpartition("-" * 78)[0].rpartition("-" * 78)[2]
        assert "ARMED: a press would be sent now" in page
        assert f"accepted by dispatch, callout {drill['id']}" in page
        assert not re.search(r"-3[34]\.\d{3}|18\.\d{3}", person.said), "no place is shown"
        for secret in (KEY, CODE_RIGHT):
            assert secret not in person.said
        assert place.systemd.pid is not None
        assert "no further drill until a real press" in " ".join(person.said.split()), "said before the code is asked for"
        refused = place.ask(do="drill", open_s=60)
        assert (refused["ok"], "a press now is REAL" in refused["hint"]) == (False, True)


def test_leaving_an_open_window_says_so(tmp_path: Path):
    """Ctrl-C before the hold: the next one is a drill still, and whoever leaves is told. A press would else not be what it is taken for."""
    asyncio.run(_leaving_an_open_window(tmp_path))


async def _leaving_an_open_window(folder: Path) -> None:
    async with garage(folder) as place:
        person = place.person()
        try:
            await asyncio.to_thread(_set_up, place, person)
            person.press(CTRL_C)
            assert await asyncio.to_thread(person.ends, 30) == 130
        finally:
            person.close()
        assert "the next gesture at the button is a drill still" in " ".join(person.said.split())
        assert "drill.open" in {each["code"] for each in place.status()["conditions"]}


def _set_up(place: Garage, person: Person) -> None:
    """Up to the hold that will be a drill."""

    def says(question: str, answer: str) -> None:
        person.until(question, 60)
        person.asked()
        person.type(answer)

    says("Which one", "1")
    says("A fixed site", "none")
    says("Which line is the button on", f"{place.folder}/chip:{BUTTON}")
    says("Leave the button alone", "")
    for question, act in (("keep it pressed", place.chip.press), ("Let go.", place.chip.release)):
        person.until(question)
        act(BUTTON)
    says("How many seconds", "0.3")
    for question, act in (("Now hold it", place.chip.press), ("Felt. Let go", place.chip.release)):
        person.until(question)
        act(BUTTON)
    says("Which line is the lamp on", "none")
    says("Which keypad", "none")
    says("Which dispatch", "2")
    says("The address of the Panic API", place.simulator.base_url)
    says("Customer id", "4711")
    says("tokens come from", "1")
    says("The address that gives out tokens", place.token_url)
    says("The device key", KEY)
    says("What now", "5")
    says("authority's file", str(place.simulator.ca_file))
    says("Response type", "1")
    says("Classification of a drill", "2")
    says("Write the config", "y")
    person.until("Starting the daemon")
    person.type("n")  # ahead of the question, and no answer to it
    says("Make a drill now", "y")
    person.until("ONCE", 60)


def _install(place: Garage, person: Person) -> None:
    def says(question: str, answer: str) -> None:
        person.until(question, 60)
        person.asked()
        person.type(answer)

    _set_up(place, person)
    place.chip.press(BUTTON)
    person.until("Dispatch has it", 60)
    place.chip.release(BUTTON)
    for no_code in ("b", "?"):
        says("safe code ends it", no_code)
        person.until("That is no safe code")
    says("safe code ends it", CODE_RIGHT)
    person.until("The cancel was handed over")


def test_a_daemon_is_never_left_stopped(tmp_path: Path):
    """It is stopped with leave only, and started again after Ctrl-C, and when setup is killed with all of its terminal's processes."""
    asyncio.run(_never_left_stopped(tmp_path))


async def _never_left_stopped(folder: Path) -> None:
    async with garage(folder) as place:
        code, said = await place.unattended()
        assert code == 0, said
        first = place.systemd.pid
        assert first is not None
        code, said = await place.unattended("--no-try")
        assert (code, "--stop-daemon" in said, place.systemd.pid) == (1, True, first)
        await _leaves(place, "n", lambda person: person.press(CTRL_C))
        assert (place.systemd.pid, "stop" in " ".join(place.systemd.asked)) == (first, False)
        await _leaves(place, "y", lambda person: person.press(CTRL_C))
        await place.until(place.status, "it answers again after Ctrl-C")
        second = place.systemd.pid
        assert second not in (None, first)
        await _leaves(place, "y", lambda person: os.killpg(person.process.pid, signal.SIGKILL))
        await place.until(lambda: place.status() and place.systemd.pid != second, "it answers again after a SIGKILL of setup")


def test_a_session_that_is_gone_unnoticed_leaves_the_daemon_stopped_for_minutes_not_for_ever(tmp_path: Path):
    """A laptop that is shut hangs nothing up: nobody answers any more, and that is all."""
    asyncio.run(_gone_unnoticed(tmp_path))


async def _gone_unnoticed(folder: Path) -> None:
    async with garage(folder) as place:
        code, said = await place.unattended()
        assert code == 0, said
        first = place.systemd.pid
        hurried = "import sys; from agent.cli import main, setup_service; setup_service.IDLE_S = 3; sys.exit(main(sys.argv[1:]))"
        python, _, _, *words = command(place.config, "--unit", UNIT, "--port", str(folder / "ttyGPS"), "--stop-daemon")
        person = Person([python, "-c", hurried, *words], place.systemd.env)
        try:
            await asyncio.to_thread(person.until, "The daemon is stopped")
            assert await asyncio.to_thread(person.ends, 30) == 130
        finally:
            person.close()
        await place.until(place.status, "it answers again")
        assert place.systemd.pid not in (None, first)


async def _leaves(place: Garage, answer: str, leave: Callable[[Person], None]) -> None:
    """Come as far as the receivers, and go."""
    person = place.person()
    try:
        await asyncio.to_thread(person.until, "Stop it for now")
        await asyncio.to_thread(person.asked)
        person.type(answer)
        await asyncio.to_thread(person.until, "Looking for receivers" if answer == "y" else "Receivers are not looked for")
        await asyncio.to_thread(person.until, "Which one")
        if answer == "y":
            assert place.status() == {}, "it is stopped"
        leave(person)
        await asyncio.to_thread(person.process.wait, 60)
    finally:
        person.close()


def test_a_callout_is_not_disturbed_and_a_cancelled_one_not_betrayed(tmp_path: Path):
    """While one is on, setup refuses. Behind a cancel it does and says what it does and says in standby (law 5)."""
    asyncio.run(_not_disturbed(tmp_path))


async def _not_disturbed(folder: Path) -> None:
    async with garage(folder) as place:
        code, said = await place.unattended()
        assert code == 0, said
        code, standby = await place.unattended("--stop-daemon")
        assert code == 0, standby
        await place.until(lambda: place.status().get("armed"), "armed")
        assert place.ask(do="raise")["ok"]
        await place.until(lambda: place.callouts() and place.status()["callout"]["state"] == "active", "a callout is on")
        before = place.config.read_bytes()
        code, said = await place.unattended("--stop-daemon", "--customer-id", "4712")
        assert (code, "a callout is on" in said, place.config.read_bytes() == before) == (1, True, True)
        person = place.person()
        assert await asyncio.to_thread(person.ends) == 1
        person.close()
        assert place.ask(do="cancel", code=CODE_WRONG)["ok"]
        seen = len(place.callouts()[-1]["positions"])
        code, calm = await place.unattended("--stop-daemon")
        assert (code, _lines(calm)) == (0, _lines(standby) - _lines_of_proof(standby))
        await place.until(lambda: len(place.callouts()[-1]["positions"]) > seen + 1, "positions go on")
        assert len(place.callouts()) == 1


def _lines(said: str) -> set[str]:
    """What was said, each line once: what is waited for comes and goes with the speed of the machine."""
    lines = {line.strip() for line in said.splitlines() if line.strip()}
    return {line for line in lines if not line.startswith(("missing", "mended", "mind", "->"))}


def _lines_of_proof(said: str) -> set[str]:
    """What an accepted raise proves for good, and a device that never made one cannot say."""
    return {line for line in _lines(said) if "no raise was ever accepted" in line or "raise --drill" in line}
