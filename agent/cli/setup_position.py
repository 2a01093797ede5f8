"""Step 2: where positions come from: receivers that are found, watched until they see the sky, and a site.

Must not wait for a fix for ever: whoever wires in a garage has none. What a receiver says of its place is not shown.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from agent.cli import setup_flags, setup_receivers
from agent.cli.setup_loop import on_loop
from agent.cli.setup_receivers import Found, Offer
from agent.cli.setup_scene import Scene
from agent.cli.setup_summary import receiver_words
from agent.cli.setup_terminal import Terminal
from hardware.discovery import watch_gpsd, watch_serial
from hardware.earshot import Ear, GpsdEar, View

_LOOK_S = 600.0  # nobody waits longer; Enter ends it before
_EVERY_S = 2.0
_DEAF_S = 20.0  # without any satellite
_SPELT = "serial:/dev/ttyUSB0, serial:/dev/ttyUSB0@9600, gpsd or gpsd:HOST:PORT"
_SITE = (
    "A device that stays at one place (a shop, a gate) can say where that is, for the case that its receiver is silent. "
    "Type latitude,longitude in degrees, like -33.9249,18.4241; or none."
)


def choose(scene: Scene) -> None:
    """Which receivers, in which order; and the site."""
    terminal, draft = scene.terminal, scene.draft
    while True:
        receivers = _receivers(scene)
        draft.set_receivers(receivers)
        _ask_site(scene)
        if receivers or draft.keys("site"):
            return
        terminal.say("Without a receiver and without a site nobody could be sent anywhere: one of them is needed.")


def _receivers(scene: Scene) -> list[dict[str, Any]]:
    terminal = scene.terminal
    if scene.args.receiver is not None and not scene.draft.tables("receiver"):
        terminal.say("(--receiver counts with --unattended; here you choose.)")
    while True:
        found = Found() if scene.hands_off else _look(scene)
        for path, why in found.useless:
            terminal.item("  -", f"{path}: {why}.")
        chosen = _chosen(scene, found)
        if chosen is not None:
            return chosen


def _look(scene: Scene) -> Found:
    terminal = scene.terminal
    terminal.say("Looking for receivers. A port is listened to at every usual speed: up to 15 s each.")
    found = on_loop(setup_receivers.look(scene.args.port, _progress))
    print(flush=True)
    return found


def _progress(what: str) -> None:
    """One line a port; the speeds follow on it."""
    if what.startswith("  "):
        print(f" {what.split(maxsplit=1)[0]}", end="", flush=True)
    else:
        print(f"\n  {what}:" if what != "gpsd" else "  gpsd", end="", flush=True)


def _chosen(scene: Scene, found: Found) -> list[dict[str, Any]] | None:
    """The tables that were chosen; None: look again."""
    terminal, before = scene.terminal, scene.draft.tables("receiver")
    offers = list(found.offers)
    offers += [Offer(keys, f"{receiver_words(keys)}, as it is in the config") for keys in before if not _is_among(keys, offers)]
    for number, offer in enumerate(offers, 1):
        terminal.item(f"  {number})", offer.said)
    if scene.hands_off:
        terminal.say("Receivers are not looked for while the daemon runs.")
    elif not offers:
        terminal.say("No receiver was found.")
    read = _reader(offers)
    default = "1" if offers else "none"
    more = (
        "Type the number of the receiver; of several those in order of preference, like 1,2: the first that lives is used. "
        f"Or name one: {_SPELT}. a: look again. none: no receiver."
    )
    chosen = terminal.ask("Which one (1, or 1,2; a: look again; none; ? for more)", read, default, more)
    if chosen is None:
        return None
    receivers = [keys for each in chosen if (keys := _whole(scene, each)) is not None]
    if len(receivers) < len(chosen):
        return None
    for keys in receivers:
        if not scene.hands_off:
            _watch(terminal, keys)
    return receivers


def _reader(offers: list[Offer]) -> Callable[[str], list[dict[str, Any]] | None]:
    def read(answer: str) -> list[dict[str, Any]] | None:
        if answer.lower() == "a":
            return None
        if answer.lower() == setup_flags.NONE:
            return []
        if ":" in answer or answer == "gpsd" or "/" in answer:
            return [setup_flags.receiver(answer if not answer.startswith("/") else f"serial:{answer}")]
        words = answer.replace(",", " ").split()
        if not words or any(not word.isdecimal() or not 1 <= int(word) <= len(offers) for word in words):
            raise ValueError(f"Type a number from the list, a, none, or {_SPELT}" if offers else f"Type a, none, or {_SPELT}")
        return [offers[int(word) - 1].keys for word in dict.fromkeys(words)]

    return read


def _is_among(keys: dict[str, Any], offers: list[Offer]) -> bool:
    names = ("kind", "path", "host", "port")
    return any(all(keys.get(name, each.keys.get(name)) == each.keys.get(name) for name in names) for each in offers)


def _whole(scene: Scene, keys: dict[str, Any]) -> dict[str, Any] | None:
    """With its speed, which is found out where it was not named. None, told: it cannot be used."""
    if keys["kind"] != "serial" or "baud" in keys:
        return keys
    if scene.hands_off:
        baud = scene.terminal.ask("At which speed does it speak (baud)", _baud, "9600")
        return {**keys, "baud": baud}
    chosen, reasons = setup_receivers.completed([keys], automatic=False)
    for reason in reasons:
        scene.terminal.say(f"{reason.removeprefix('--receiver serial:')}.")
    return chosen[0] if chosen else None


def _baud(answer: str) -> int:
    if not answer.isdecimal() or int(answer) < 1200:
        raise ValueError("Type a speed like 9600 or 115200")
    return int(answer)


def _watch(terminal: Terminal, keys: dict[str, Any]) -> None:
    """Live, until there is a fix or the person has seen enough."""
    if keys["kind"] not in ("gpsd", "serial"):
        return
    terminal.say(f"{receiver_words(keys)}: waiting for a fix. Outdoors that takes up to some minutes. Enter: go on without waiting.")
    try:
        seen = on_loop(_watching(terminal, keys))
    except OSError as error:
        terminal.say(f"It stopped: {error.strerror or error}. Look at its plug; b goes back to look again.")
        return
    terminal.say(_verdict(seen))


async def _watching(terminal: Terminal, keys: dict[str, Any]) -> View:
    watch = _Watch(terminal)
    async with terminal.enter() as enough:
        watching: Coroutine[Any, Any, Ear | GpsdEar]
        if keys["kind"] == "gpsd":
            watching = watch_gpsd(str(keys.get("host", "127.0.0.1")), int(keys.get("port", 2947)), keys.get("device"), _LOOK_S, watch.seen)
        else:
            watching = watch_serial(str(keys["path"]), int(keys["baud"]), _LOOK_S, watch.seen)
        task, waiting = asyncio.create_task(watching), asyncio.create_task(enough.wait())
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            task.result()
        task.cancel()
        return watch.view


class _Watch:
    """Prints what a receiver sees when it changes, every two seconds at most; and once, what to do about a deaf one."""

    def __init__(self, terminal: Terminal) -> None:
        self.view = View()
        self._terminal = terminal
        self._began_at = time.monotonic()
        self._told_at = float("-inf")
        self._told = ""
        self._warned = False

    def seen(self, view: View) -> bool:
        self.view = view
        now, words = time.monotonic(), sky_words(view)
        if words != self._told and (now - self._told_at >= _EVERY_S or view.fixed):
            self._terminal.say(f"  {now - self._began_at:3.0f} s  {words}")
            self._told, self._told_at = words, now
        if not self._warned and (view.antenna or (now - self._began_at >= _DEAF_S and view.heard == 0)):
            self._warned = True
            self._terminal.say(_antenna_words(view))
        return view.fixed


def sky_words(view: View) -> str:
    """Satellites and fix on one line."""
    if view.mode is None and view.in_view is None:
        return "no word of satellites yet"
    counts = [
        f"{count} {what}" for count, what in ((view.in_view, "in view"), (view.heard, "heard"), (view.used, "used")) if count is not None
    ]
    fix = "a FIX" + (f" within {view.accuracy_m:.0f} m" if view.accuracy_m is not None else "") if view.fixed else "no fix yet"
    return f"satellites: {', '.join(counts)}; {fix}" if counts else fix


def _antenna_words(view: View) -> str:
    if view.antenna:
        return f"The receiver says that its antenna is {view.antenna}: its plug is off, or its cable is broken or squeezed."
    return "It hears no satellite at all: the antenna is unplugged, under metal, or deep indoors. Put it where it sees the sky."


def _verdict(view: View) -> str:
    if view.simulated:
        return "It says that its positions are SIMULATED: none of them will be sent. Take it out of its test mode."
    if view.fixed:
        return "It has a fix: good."
    if view.mode is None:
        return "It has said nothing of positions. It must send RMC, GGA, GNS or GLL."
    return "No fix yet: armed comes with the first one. Give the antenna a view of the sky."


def _ask_site(scene: Scene) -> None:
    old = scene.draft.keys("site")
    place = f"{old['latitude']},{old['longitude']}" if "latitude" in old and "longitude" in old else setup_flags.NONE
    default = place if not old or place != setup_flags.NONE else "as it is"

    def read(answer: str) -> dict[str, float] | str:
        return answer if answer in (setup_flags.NONE, "as it is") else _checked_site(answer)

    answer = scene.terminal.ask("A fixed site (latitude,longitude), or none", read, default, _SITE)
    if isinstance(answer, dict):
        if answer != {key: old.get(key) for key in answer}:
            scene.draft.set("site", **answer)
    elif answer == setup_flags.NONE:
        scene.draft.drop("site")


def _checked_site(answer: str) -> dict[str, float]:
    keys = setup_flags.site(answer)
    if abs(keys["latitude"]) > 90 or abs(keys["longitude"]) > 180:
        raise ValueError("Latitude is -90 to 90 degrees, longitude -180 to 180")
    if max(abs(keys["latitude"]), abs(keys["longitude"])) < 0.001:
        raise ValueError("0,0 is in the sea: type the place of this device")
    return keys
