"""Plays a scenario: waits for each step's moment and does what it says through the simulator's own API, as a dispatcher would.

So an act of a scenario can do nothing that a person at the desk could not, and is refused in the same words. Lives on the server's
loop; time is monotonic. What the wearer does it cannot do: it says so, and goes on when it sees the effect. However it ends, the
faults that it switched on are over then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message

from simulator import scenario_values, settings
from simulator.player_progress import Progress
from simulator.player_sight import Sight
from simulator.scenario import Scenario, Step
from simulator.simulation import Simulation
from simulator.state import Refusal, Refused

FOR_S = 5.0  # of a device act that only time tells: long enough to see that nothing came of it


class _Failed(Exception):  # noqa: N818 - it says why a step could not be done
    """A step that ends the scenario. The text is for a person."""


class Player:
    """One per simulation. desk: the simulator's own API as an application."""

    def __init__(self, sim: Simulation, desk: ASGIApp) -> None:
        self._sim = sim
        self._desk = desk
        self._task: asyncio.Task[None] | None = None
        self._faults: dict[str, list[int]] = {}  # by name: a scenario may give one to several
        self.progress: Progress | None = None

    def start(self, scenario: Scenario) -> None:
        """Begin at once. Raises Refused: another one plays, or its settings cannot be had while the simulator runs."""
        if self._task and not self._task.done():
            raise Refused(Refusal.CONFLICT, "A scenario is playing; stop it first")
        free = settings.tell(self._sim.settings).keys()
        try:
            wanted = scenario_values.with_settings(self._sim.settings, scenario.settings)
        except ValueError as error:
            raise Refused(Refusal.BAD, f"settings: {error}") from None
        for key in scenario.settings.keys() - free:
            if getattr(wanted, key) != getattr(self._sim.settings, key):
                raise Refused(Refusal.CONFLICT, f"settings: {key} is fixed while the simulator runs; start it with this scenario")
        self._sim.apply(wanted)
        self.progress = Progress(scenario, time.monotonic())
        self._task = asyncio.ensure_future(self._play(self.progress))

    async def stop(self) -> None:
        """End it where it is; harmless when none plays."""
        if self._task and not self._task.done():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self._mend("*")

    async def _play(self, progress: Progress) -> None:
        self._note(progress, "began")
        try:
            sight = Sight(self._sim)
            since = sight.tally()
            for step in progress.scenario.steps:
                progress.enter(step, time.monotonic())
                await self._wait(step, sight, since)
                progress.come(step)
                since = sight.tally()
                await self._do(step, sight)
                if step.effect:
                    since = sight.tally()
                self._note(progress, "did", step)
                progress.leave(step, time.monotonic())
            await self._mend("*")
            progress.end("ended", time.monotonic())
        except _Failed as failure:
            await self._mend("*")
            progress.end("failed", time.monotonic(), str(failure))
        except asyncio.CancelledError:
            progress.end("stopped", time.monotonic())
            raise
        except BaseException as defect:
            progress.end("failed", time.monotonic(), f"a defect of the simulator: {defect!r}")
            with contextlib.suppress(Exception):  # it may be the desk that fails
                await self._mend("*")
            raise
        finally:
            self._note(progress, progress.state)

    # --- moments ---

    async def _wait(self, step: Step, sight: Sight, since: Any) -> None:
        if step.after_s:
            await asyncio.sleep(step.after_s)
        condition = step.when
        if condition is not None:
            await self._until(lambda: sight.holds(condition, since), step, condition.words)

    async def _until(self, holds: Callable[[], bool], step: Step, words: str) -> None:
        """Look again whenever there is news. Raises _Failed at the step's limit."""
        rung = asyncio.Event()
        self._sim.transcript.news = rung.set
        try:
            async with asyncio.timeout(step.within_s):
                while not holds():
                    await rung.wait()
                    rung.clear()
        except TimeoutError:
            raise _Failed(f"step {step.number} timed out: it waited {step.within_s:g} s for this: {words}") from None

    # --- acts ---

    async def _do(self, step: Step, sight: Sight) -> None:
        if step.act is None:
            return
        if effect := step.effect:
            before = sight.tally()
            if effect.operations or effect.anything:
                await self._until(lambda: sight.felt(effect, before), step, f"somebody to {step.doing}")
            else:
                await asyncio.sleep(step.companions.get("for_s") or FOR_S)
        elif step.act == "mend":
            await self._mend(step.value)
        elif step.act == "fault":
            (rule,) = await self._ask(step, "POST", "/faults", step.value)
            self._faults.setdefault(step.value["name"], []).append(rule["id"])
        else:
            await self._ask(step, *self._request(step, sight))

    def _request(self, step: Step, sight: Sight) -> tuple[str, str, Any]:
        """Method, path below /sim and body of an act."""
        if step.act in ("responder", "say"):
            if (callout := sight.callout()) is None:
                raise _Failed(f"step {step.number} ({step.words}): there is no callout yet")
            body = {"message": step.value} if step.act == "say" else dict(step.companions)
            return "POST", f"/callouts/{callout.id}/{'say' if step.act == 'say' else step.value}", body or None
        customer_id = self._sim.settings.customer_id
        if step.act == "raise_elsewhere":
            return "POST", "/callouts", {"customerId": customer_id, **step.value}
        if step.act == "subscribed":
            return "PATCH", f"/customers/{customer_id}", {"subscribed": step.value}
        return ("PATCH", "/settings", step.value) if step.act == "set" else ("POST", "/tokens/expire", {})

    async def _mend(self, name: str) -> None:
        for each in list(self._faults) if name == "*" else [name]:
            for number in self._faults.pop(each, []):
                # 404: a person at the desk was faster.
                await _ask(self._desk, "DELETE", f"/sim/faults/{number}", None)

    async def _ask(self, step: Step, method: str, path: str, body: Any) -> Any:
        status, answer = await _ask(self._desk, method, "/sim" + path, body)
        if status >= 400:
            raise _Failed(f"step {step.number} ({step.words}): {answer.get('message')}")
        return answer

    def _note(self, progress: Progress, state: str, step: Step | None = None) -> None:
        which = {"step": step.number, "words": step.words} if step else {"title": progress.scenario.title}
        self._sim.transcript.staged({"state": state, **which, **({"why": progress.why} if progress.why else {})})


async def _ask(app: ASGIApp, method: str, path: str, body: Any) -> tuple[int, Any]:
    """One request to an application of this process: status and the answer's JSON."""
    raw = b"" if body is None else json.dumps(body).encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("scenario", 0),
        "server": ("scenario", 0),
        "simulator.by": "scenario",
    }
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": raw}

    async def send(message: Message) -> None:
        told.append(message)

    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in told)
    return told[0]["status"], json.loads(content) if content else None
