"""A played chip obeys the kernel's rules, also the unpleasant ones; and who plays it must be one of us."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from agent.model import Act
from hardware import gpio, played_lines
from hardware.gpio import request
from hardware.lines import Edge, Gone, Lines, Wish
from hardware.played_chip import PlayedChip
from tests.hardware.gpio_rigs import ABORT, BUTTON, LAMP, button_on, eventually, felt, indicator_on, lit

T, R, G, A = Act.TOUCHED, Act.RELEASED, Act.GESTURE, Act.ABORT
DEBOUNCE_S = 0.02


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "chip"


def wish(path: Path, *lines: int, **changed: object) -> Wish:
    options: dict[str, object] = {"active_low": True, "bias": "pull-up", "debounce_s": DEBOUNCE_S, **changed}
    return Wish(chip=str(path), lines=lines or (BUTTON,), **options)  # type: ignore[arg-type]


async def heard(lines: Lines, count: int) -> list[Edge]:
    """Wait for so many edges."""
    edges: list[Edge] = []
    await eventually(lambda: len(edges.extend(lines.edges()) or edges) >= count)
    return edges


@pytest.mark.parametrize(
    ("bias", "driven", "high"),
    [
        ("pull-up", None, True),
        ("pull-down", None, False),
        ("disabled", None, False),
        ("as-is", None, False),
        ("pull-up", False, False),
        ("pull-down", True, True),
    ],
)
@pytest.mark.parametrize("active_low", [True, False])
def test_the_world_outside_wins_over_the_bias_and_active_is_a_matter_of_asking(
    path: Path, *, bias: str, driven: bool | None, high: bool, active_low: bool
):
    """Physical and logical level."""

    async def scenario() -> None:
        async with PlayedChip(path) as chip:
            chip.drive(BUTTON, driven)
            lines = await request(wish(path, bias=bias, active_low=active_low))
            assert chip.levels[BUTTON] == high
            assert lines.active(BUTTON) == (high != active_low)
            lines.close()

    asyncio.run(scenario())


def test_an_edge_is_told_and_stamped_once_the_level_has_lasted(path: Path):
    """Shorter changes are not told at all."""

    async def scenario() -> None:
        async with PlayedChip(path) as chip:
            lines = await request(wish(path))
            chip.bounce(BUTTON, [0, 5, 100, 105, 110])
            began = time.monotonic()
            (edge,) = await heard(lines, 1)
            assert (edge.line, edge.active, edge.lost) == (BUTTON, True, 0)
            assert 0.11 + DEBOUNCE_S - 0.01 < edge.at - began < 0.11 + DEBOUNCE_S + 0.1
            assert lines.active(BUTTON)
            lines.close()

    asyncio.run(scenario())


def test_a_queue_that_is_full_drops_the_oldest_and_counts_on(path: Path):
    """Sixteen a line, as the kernel's: what is missing can be told from the count."""

    async def scenario() -> None:
        async with PlayedChip(path) as chip:
            lines = await request(wish(path, debounce_s=0.0))
            for _ in range(2):
                chip.press(BUTTON)
                chip.release(BUTTON)
            assert [edge.lost for edge in await heard(lines, 4)] == [0, 0, 0, 0]
            await eventually(lambda: chip._do(lambda: len(chip._holders[0].queue)) == 0)
            for _ in range(10):
                chip.press(BUTTON)
                chip.release(BUTTON)
            edges = await heard(lines, 16)
            assert [(edge.active, edge.lost) for edge in edges] == [(True, 4), (False, 0), *[(True, 0), (False, 0)] * 7]
            lines.close()

    asyncio.run(scenario())


def test_lines_are_held_by_one_and_freed_when_it_goes(path: Path):
    """EBUSY for any line of a request; none of the others is taken."""

    async def scenario() -> None:
        async with PlayedChip(path) as chip:
            first = await request(wish(path))
            with pytest.raises(OSError, match="busy"):
                await request(wish(path, ABORT, BUTTON))
            assert chip.holder(ABORT) is None
            first.close()
            await eventually(lambda: chip.holder(BUTTON) is None)
            second = await request(wish(path, ABORT, BUTTON))
            second.close()

    asyncio.run(scenario())


def test_a_pulled_chip_hangs_up_and_what_was_felt_before_counts(path: Path):
    """Then every call says that it is gone, and so does the path."""

    async def scenario() -> None:
        async with PlayedChip(path) as chip:
            lines = await request(wish(path, debounce_s=0.0))
            chip.press(BUTTON)
            chip.unplug()
            assert [edge.active for edge in lines.edges()] == [True]
            for call in (lines.edges, lambda: lines.drive({BUTTON: True})):
                with pytest.raises(Gone):
                    call()
            lines.close()
            with pytest.raises(FileNotFoundError):
                await request(wish(path))
            chip.replug()
            lines = await request(wish(path))
            assert lines.active(BUTTON)
            lines.close()

    asyncio.run(scenario())


def test_a_button_whose_chip_cannot_debounce_debounces_itself(folder: Path, path: Path):
    """A driver may refuse: one touch, one release all the same, a tap is felt, and several taps are counted right."""

    async def scenario() -> None:
        async with PlayedChip(path, refuses=["debounce"]) as chip, felt(button_on(folder, "played", presses=3)) as finger:
            chip.bounce(BUTTON, [0, 2, 4, 6, 8, 60, 62, 64, 200, 201, 202])
            await finger.does(T, R, T)
            assert finger.told == []

    asyncio.run(scenario())


def test_a_chip_without_bias_is_told_and_used(folder: Path, path: Path):
    """With a resistor at the button it works; without one somebody must know."""

    async def scenario() -> None:
        async with PlayedChip(path, refuses=["bias", "debounce"]) as chip:
            chip.drive(BUTTON, level=True)
            async with felt(button_on(folder, "played")) as finger:
                await finger.until(lambda: finger.ailment == "button.bias")
                chip.press(BUTTON)
                await finger.does(T, G)

    asyncio.run(scenario())


def test_a_line_without_an_interrupt_is_no_button(folder: Path, path: Path):
    """Nothing would be felt: it is said, and the daemon lives."""

    async def scenario() -> None:
        async with PlayedChip(path, refuses=["edges"]), felt(button_on(folder, "played"), ready=False) as finger:
            await finger.until(lambda: finger.ailment == "button.unusable")

    asyncio.run(scenario())


def test_a_level_whose_edge_was_lost_is_believed(folder: Path, path: Path):
    """Pressed and released without an interrupt."""

    async def scenario() -> None:
        async with PlayedChip(path) as chip, felt(button_on(folder, "played")) as finger:
            chip.deafen(BUTTON)
            chip.press(BUTTON)
            await finger.does(T, G)
            chip.release(BUTTON)
            await finger.does(T, G, R)

    asyncio.run(scenario())


@pytest.mark.parametrize(("edges", "last"), [(60, False), (61, True)])
def test_lost_edges_are_judged_for_the_wearer(folder: Path, path: Path, *, edges: int, last: bool):
    """Chatter while the process stood still: in the end the level is right, and someone who holds on is heard."""

    async def scenario() -> None:
        async with PlayedChip(path, refuses=["debounce"]) as chip, felt(button_on(folder, "played")) as finger:
            chip.bounce(BUTTON, range(0, 2 * edges, 2))
            time.sleep(0.3)  # noqa: ASYNC251 - the process stands still
            await eventually(lambda: chip._do(lambda: len(chip._holders[0].queue)) == 0)
            if last:
                await finger.does(T, G)
            chip.press(BUTTON)
            await finger.does(T, G)
            chip.release(BUTTON)
            await finger.does(T, G, R)

    asyncio.run(scenario())


def test_several_presses_are_counted_although_the_first_are_lost(folder: Path, path: Path):
    """Ten quick presses of which the queue keeps eight: enough for two gestures of four."""

    async def scenario() -> None:
        async with PlayedChip(path) as chip, felt(button_on(folder, "played", presses=4)) as finger:
            chip.bounce(BUTTON, range(0, 20 * 30, 30))
            time.sleep(0.8)  # noqa: ASYNC251 - the process stands still
            await finger.until(lambda: finger.words().count(G) == 2)
            assert finger.words() == [T, R, T, R, T, R, T, G, R] * 2

    asyncio.run(scenario())


def test_a_press_is_counted_although_the_release_before_it_is_lost(folder: Path, path: Path):
    """Nine presses; of seventeen edges after the first the queue keeps sixteen. A line cannot become active twice without letting go."""

    async def scenario() -> None:
        async with PlayedChip(path) as chip, felt(button_on(folder, "played", presses=9)) as finger:
            chip.press(BUTTON)
            await finger.does(T)
            chip.bounce(BUTTON, range(30, 30 + 17 * 30, 30))
            time.sleep(0.7)  # noqa: ASYNC251 - the process stands still
            await finger.does(*[T, R] * 8, T, G, R)

    asyncio.run(scenario())


def test_a_wire_that_falls_off_an_opening_contact_raises_and_is_named(folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch):
    """A contact that is closed at rest: cut, it is a press that never ends."""
    monkeypatch.setattr("hardware.press.STUCK_S", 0.6)

    async def scenario() -> None:
        async with PlayedChip(path) as chip:
            chip.drive(BUTTON, level=False)
            async with felt(button_on(folder, "played", active="high")) as finger:
                assert finger.levels == [False]
                chip.drive(BUTTON, None)
                await finger.does(T, G)
                await finger.until(lambda: finger.ailment == "button.stuck")

    asyncio.run(scenario())


def test_a_line_that_its_bias_has_only_begun_to_pull_is_no_touch(folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch):
    """A long wire takes its time: a little later it reads as released, and nothing was pressed."""
    monkeypatch.setattr("hardware.button._SETTLE_S", 0.5)

    async def scenario() -> None:
        async with PlayedChip(path) as chip:
            chip.press(BUTTON)
            button = felt(button_on(folder, "played", hold_s=0.0), ready=False)
            finger = await button.__aenter__()
            await eventually(lambda: chip.holder(BUTTON) is not None)
            chip.release(BUTTON)
            await finger.until(lambda: finger.levels == [False])
            chip.press(BUTTON)
            await finger.does(T, G)
            await button.__aexit__(None, None, None)

    asyncio.run(scenario())


@asynccontextmanager
async def answering(path: Path, answer: bytes):
    """Something else than a chip on the socket."""

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        with suppress(ConnectionError):
            await writer.drain()
        await over.wait()
        writer.close()

    over = asyncio.Event()
    server = await asyncio.start_unix_server(talk, path)
    try:
        yield
    finally:
        over.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"[1]\n", b"{}\n"])
def test_a_socket_that_is_no_chip_is_unusable_and_costs_no_one_anything(
    folder: Path, path: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch
):
    """Mute or babbling; it is asked again."""
    monkeypatch.setattr(played_lines, "_ANSWER_S", 0.2)

    async def scenario() -> None:
        async with answering(path, answer), felt(button_on(folder, "played"), ready=False) as finger:
            await finger.until(lambda: finger.ailment == "button.unusable")
        path.unlink()
        async with PlayedChip(path), felt(button_on(folder, "played")) as finger:
            assert finger.ailment is None

    asyncio.run(scenario())


@pytest.mark.parametrize("babble", [b"nonsense\n", b"{}\n", b'{"line": 99, "active": true}\n'])
def test_a_chip_that_begins_to_babble_is_gone(folder: Path, path: Path, babble: bytes):
    """Its lines are given back and asked for again."""

    async def scenario() -> None:
        granted = b'{"levels": {"%d": false}}\n' % BUTTON
        async with answering(path, granted + babble), felt(button_on(folder, "played")) as finger:
            await finger.until(lambda: finger.ailment == "button.missing")

    asyncio.run(scenario())


def test_a_chip_that_stops_listening_holds_nobody_up(folder: Path, path: Path):
    """Its process is stopped: the lamp's writes are dropped with the chip, not waited for."""

    async def scenario() -> None:
        process = elsewhere(path)
        try:
            await eventually(path.is_socket)
            indicator = indicator_on(folder)
            async with lit(indicator) as told:
                await eventually(lambda: indicator.played)
                process.send_signal(signal.SIGSTOP)
                slowest = 0.0
                async with asyncio.timeout(20):
                    while told.ailment is None:
                        began = time.monotonic()
                        for _ in range(50):
                            indicator.tick()
                            indicator._waking.call()
                            await asyncio.sleep(0)
                            indicator._ticked_at = float("-inf")
                            indicator._waking.call()
                            await asyncio.sleep(0)
                        slowest = max(slowest, time.monotonic() - began)
                assert told.ailment == "indicator.missing"
                assert slowest < 0.5
        finally:
            process.kill()
            process.wait()

    asyncio.run(scenario())


def elsewhere(path: Path) -> subprocess.Popen[bytes]:
    """A chip in a process of its own, whose button is pressed as soon as someone holds it."""
    script = (
        "import sys, time\n"
        "from hardware.played_chip import PlayedChip\n"
        "with PlayedChip(sys.argv[1]) as chip:\n"
        "    while not chip.holder(17): time.sleep(0.01)\n"
        "    time.sleep(0.1)\n"
        "    chip.press(17)\n"
        "    time.sleep(60)\n"
    )
    return subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=Path(__file__).parents[2])


def test_chip_and_button_need_not_share_a_process(folder: Path, path: Path):
    """Their clocks are one; a chip whose process dies is pulled, and its socket without a listener is no chip."""

    async def scenario() -> None:
        process = elsewhere(path)
        try:
            await eventually(path.is_socket)
            async with felt(button_on(folder, "played")) as finger:
                await finger.does(T, G)
                assert 0 <= time.monotonic() - finger.at(G) < 0.2
                process.kill()
                await finger.until(lambda: finger.ailment == "button.missing")
                await asyncio.sleep(gpio.RETRY_S + 0.1)
                assert finger.ailment == "button.missing"
        finally:
            process.kill()
            process.wait()

    asyncio.run(scenario())


def as_nobody(act: Callable[[], None]) -> int:
    """Do something in a process of another user; returns its pid once it has begun."""
    ready, begun = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            act()
            os.write(begun, b".")
            signal.pause()
        finally:
            os._exit(0)
    os.close(begun)
    os.read(ready, 1)
    os.close(ready)
    return pid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_a_chip_that_another_user_serves_is_refused(folder: Path, path: Path):
    """Who plays a button can raise a callout: owning a folder on the way to the socket must not be enough."""
    import socket

    folder.chmod(0o777)
    listener = socket.socket(socket.AF_UNIX)

    def serve() -> None:
        listener.bind(str(path))
        listener.listen()

    pid = as_nobody(serve)
    try:

        async def scenario() -> None:
            async with felt(button_on(folder, "played"), ready=False) as finger:
                await finger.until(lambda: finger.ailment == "button.permission")

        asyncio.run(scenario())
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        listener.close()


@pytest.mark.parametrize(("node", "code"), [("/dev/null", "button.unusable"), ("/dev/nothing/here", "button.missing")])
def test_a_path_that_is_no_chip(folder: Path, node: str, code: str):
    """The daemon goes on without a button, and says so."""

    async def scenario() -> None:
        async with felt(button_on(folder, "played", chip=node), ready=False) as finger:
            await finger.until(lambda: finger.ailment == code)

    asyncio.run(scenario())


def test_without_the_library_there_is_no_button_and_a_daemon_all_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A device may have been installed without it."""
    monkeypatch.setitem(sys.modules, "gpiod", None)

    async def scenario() -> None:
        async with felt(button_on(folder, "played", chip="/dev/null"), ready=False) as finger:
            await finger.until(lambda: finger.ailment == "button.unusable")
            assert finger.told[-1] is not None
            assert "gpiod" in finger.told[-1].hint

    asyncio.run(scenario())


def test_a_socket_is_ours_alone(path: Path):
    """Nobody else may hold its lines."""
    with PlayedChip(path) as chip:
        assert path.stat().st_mode & 0o777 == 0o600
        assert chip.holder(LAMP) is None
    assert not path.exists()
