"""The doctor's steps for the receivers: each one live, by what it says now, or by the daemon's word where the daemon holds it.

Opens a serial line only while no daemon runs and nobody else has it open: two readers share the bytes. gpsd may be asked beside the
daemon. Prints accuracy and distance between two opinions, never a position.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hardware
from agent import aside, geo
from agent.cli import doctor_gpsd
from agent.cli.doctor_rights import held_by
from agent.cli.doctor_step import Daemon, Scene, State, Step, in_words_of_daemon, skipped
from agent.config import GpsdReceiver, Receiver, ReplayReceiver, SerialReceiver
from agent.model import Ailment, Report

LISTEN_S = 8.0  # silence is told after 3.5 s, no fix after 3 s of epochs
ENOUGH = 2  # epochs with a position
AGREE_M = 150.0  # two opinions of one receiver, a second apart, in a vehicle
NO_FIX = "a raise carries the last stored position or the site, until there is a fix"


@dataclass(slots=True)
class _Heard:
    """What a receiver said while it was listened to."""

    reports: list[Report] = field(default_factory=list)
    ailment: Ailment | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self, report: Report) -> None:
        self.reports.append(report)
        self.news.set()

    def ail(self, ailment: Ailment | None) -> None:
        self.ailment = ailment
        self.news.set()

    @property
    def placed(self) -> list[Report]:
        """Epochs with a position."""
        return [each for each in self.reports if each.mode >= 2 and each.latitude is not None]

    @property
    def enough(self) -> bool:
        return len(self.placed) >= ENOUGH or (self.ailment is not None and self.ailment.code != "receiver.silent")


async def receivers(scene: Scene) -> tuple[Step, ...]:
    """All of them, at once: each takes seconds."""
    config = scene.config
    if config is None:
        return (skipped("receiver"),)
    if not config.receivers:
        return (Step("receiver", State.OK, "none: the device stands at its [site]"),)
    steps = await asyncio.gather(*(_receiver(scene, each) for each in config.receivers))
    return (*(step for few in steps for step in few), _position(scene))


async def _receiver(scene: Scene, receiver: Receiver) -> tuple[Step, ...]:
    name = f"receiver {receiver.name}"
    if isinstance(receiver, ReplayReceiver):
        means = "its positions are not of this device"
        return (Step(name, State.WARN, "it plays a recording", means, "a device in use has receivers of kind gpsd or serial"),)
    if isinstance(receiver, GpsdReceiver):
        return await _gpsd(scene, receiver, name)
    if isinstance(receiver, SerialReceiver):
        return (await _serial(scene, receiver, name),)
    return (skipped(name, f"nothing is known of the kind {receiver.kind}"),)


async def _serial(scene: Scene, receiver: SerialReceiver, name: str) -> Step:
    path = Path(receiver.path)
    told = _daemon_says(scene, receiver.name)
    if told:
        return _with_means(in_words_of_daemon(name, told, ""))
    if not path.exists():
        do = "plug the receiver in, or correct [[receiver]] path: `ls -l /dev/serial/by-id /dev/ttyAMA* /dev/ttyUSB* /dev/ttyACM*`"
        return Step(name, State.FAIL, f"{path} does not exist", NO_FIX, do)
    if scene.daemon is Daemon.ANSWERS:
        return Step(name, State.OK, f"the daemon holds {path} and has nothing against it")
    if scene.daemon is not Daemon.DOWN:
        return skipped(name, f"a daemon may hold {path}, and it {scene.daemon}")
    others = await aside.run(lambda: held_by(path, scene.machine), name=f"holders of {path}", limit_s=LISTEN_S)
    if others:
        means = "it is not listened to here: bytes would be lost there"
        return Step(name, State.FAIL, f"{path} is open in {', '.join(others)}", means, "see the line holders' step")
    return _verdict(name, await _listen(receiver), receiver.path)


def _daemon_says(scene: Scene, name: str) -> list[dict[str, Any]]:
    """Conditions that are about this receiver: their texts name each one that has them."""
    return [each for each in scene.conditions("receiver.") if f"{name}: " in str(each.get("text"))]


async def _listen(receiver: Receiver) -> _Heard:
    """As the daemon would, until it is known how it is."""
    heard = _Heard()
    source = hardware.open_receiver(receiver.kind, name=receiver.name, clock_at=time.monotonic, **receiver.options())
    listening = asyncio.create_task(source.run(heard.report, heard.ail))
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_S):
                while not heard.enough and not listening.done():
                    heard.news.clear()
                    await asyncio.wait({asyncio.ensure_future(heard.news.wait()), listening}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return heard


def _verdict(name: str, heard: _Heard, where: str) -> Step:
    if heard.placed:
        report = heard.placed[-1]
        accuracy = "" if report.accuracy_m is None else f" within {report.accuracy_m:.0f} m"
        seen = f"{where}: {len(heard.reports)} epochs in a few seconds, a {report.mode}D fix{accuracy}"
        if report.simulated:
            return Step(name, State.FAIL, f"{seen}, and says itself that it is simulated", NO_FIX, "switch the receiver's simulation off")
        if report.gnss_time is None:
            return Step(name, State.WARN, f"{seen}, without a date", "the time of arrival is used", "let it send RMC or ZDA")
        return Step(name, State.OK, seen)
    if heard.ailment is not None:
        return Step(name, State.FAIL, heard.ailment.text, NO_FIX, heard.ailment.hint)
    if heard.reports:
        do = "wait; give the antenna a clear view of the sky"
        return Step(name, State.WARN, f"{where}: {len(heard.reports)} epochs, no fix yet", NO_FIX, do)
    return Step(name, State.FAIL, f"{where} has said nothing within {LISTEN_S:.0f} s", NO_FIX, "check cable, power and baud rate")


async def _gpsd(scene: Scene, receiver: GpsdReceiver, name: str) -> tuple[Step, ...]:
    """Live, beside the daemon; the second opinion at the same time, so that both speak of the same moment."""
    heard, opinion = await asyncio.gather(_listen(receiver), doctor_gpsd.opinion(receiver.host, receiver.port))
    where = f"gpsd at {receiver.host}:{receiver.port}"
    step = _verdict(name, heard, where)
    if step.state is State.OK and (told := _daemon_says(scene, receiver.name)):
        step = _with_means(in_words_of_daemon(name, told, ""))
    return step, _compared(f"{name}, second opinion", heard, opinion)


def _compared(name: str, heard: _Heard, opinion: doctor_gpsd.Opinion) -> Step:
    """gpsd-py3 shares nothing with our reading of gpsd but gpsd itself. It repeats the last fix for long: it never outweighs ours."""
    if opinion.trouble:
        state = State.WARN if heard.placed else State.SKIPPED
        return Step(name, state, f"gpsd-py3: {opinion.trouble}", "" if state is State.SKIPPED else "our own reading of gpsd stands")
    seen = f"gpsd-py3: mode {opinion.mode}, {opinion.used} of {opinion.seen} satellites used"
    if not heard.placed:
        if opinion.place is None:
            return Step(name, State.OK, f"{seen}, no fix: it agrees")
        return Step(name, State.WARN, f"{seen}, with a fix that we do not hear", "gpsd repeats an old one", "restart gpsd")
    ours = heard.placed[-1]
    if opinion.place is None or ours.latitude is None or ours.longitude is None:
        return Step(name, State.WARN, f"{seen}, no position", "our own reading of gpsd stands", "if it stays so, update gpsd")
    apart_m = geo.distance_m(ours.latitude, ours.longitude, *opinion.place)
    if apart_m > AGREE_M:
        do = "name one receiver: [[receiver]] device; see which devices gpsd has: `gpspipe -w -n 5`"
        return Step(name, State.WARN, f"{seen}; {apart_m:.0f} m from ours", "gpsd has several receivers, or repeats an old fix", do)
    return Step(name, State.OK, f"{seen}; {apart_m:.0f} m from ours")


def _with_means(step: Step) -> Step:
    return Step(step.name, State.FAIL if step.state is State.WARN else step.state, step.seen, NO_FIX, step.do)


def _position(scene: Scene) -> Step:
    """What a raise would carry, by the daemon's word: how old and how good, never where."""
    if not scene.told:
        return skipped("position", f"the daemon {scene.daemon}")
    fix = scene.told.get("fix") or {}
    age = f"the last fix is {fix['age_s']:.0f} s old" if isinstance(fix.get("age_s"), int | float) else "no fix since start"
    accuracy = f", within {fix['accuracy_m']:.0f} m" if isinstance(fix.get("accuracy_m"), int | float) else ""
    return in_words_of_daemon("position", scene.conditions("position."), f"{age}{accuracy}")


RECEIVERS = (receivers,)
