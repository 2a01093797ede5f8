"""The suite that every receiver passes: fake, replayed log, pty, and a real gpsd over a pty."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

import hardware
from agent.model import Report
from hardware import open_receiver
from hardware.feeder import FakePort
from tests.hardware.rigs import STEP_S, Gpsd, Listener, generated_log, listening, needs_gpsd, open_rig, place_of

GPSD_KIND = pytest.param("gpsd", marks=needs_gpsd)
ALL = ["fake", "replay", "serial", GPSD_KIND]
LIVE = ["fake", "serial", GPSD_KIND]
TOLD_WITHIN_S = 5.0  # status must know by then
HEALED_WITHIN_S = 8.0
TPV = b'{"class":"TPV","device":"/dev/x","mode":3,"lat":1.0,"lon":2.0,"time":"2024-01-01T00:00:00.000Z"}\n'


def places(reports: list[Report]) -> list[tuple[float, float]]:
    return [(round(each.latitude or 0.0, 7), round(each.longitude or 0.0, 7)) for each in reports if each.mode >= 2]


def consecutive(reports: list[Report]) -> bool:
    """Whether the places are those of the generated log, in order, none twice, none left out."""
    told = places(reports)
    known = [(round(lat, 7), round(lon, 7)) for lat, lon in map(place_of, range(600))]
    start = known.index(told[0])
    return told == known[start : start + len(told)]


@pytest.mark.parametrize("kind", ALL)
def test_every_receiver_tells_the_same_epochs_each_once(kind: str, folder: Path):
    """The same log gives the same places, 0.2 s apart, in order, without gaps or repeats, whatever the adapter."""

    async def scenario() -> None:
        async with open_rig(kind, folder) as rig, listening(rig.receiver) as listener:
            reports = await listener.epochs(15, within_s=10)
            reports = [each for each in reports if each.mode >= 2]
            assert len(reports) >= 14
            assert consecutive(reports)
            times = [each.gnss_time or 0.0 for each in reports]
            assert [round(b - a, 3) for a, b in pairwise(times)] == [STEP_S] * (len(times) - 1)
            if kind != "replay":
                assert abs(times[-1] - time.time()) < 2
            assert all(each.time_of_day_s == round((each.gnss_time or 0.0) % 86400, 3) for each in reports)
            assert all(b.at > a.at for a, b in pairwise(reports))
            assert 0 <= time.monotonic() - reports[-1].at < 2
            assert {each.receiver for each in reports} == {"r"}
            assert listener.ailment is None

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", LIVE)
def test_a_silent_receiver_is_told_and_heals_by_itself(kind: str, folder: Path):
    """Silence is an ailment within 5 s of the last epoch; the first epoch afterwards ends it."""

    async def scenario() -> None:
        async with open_rig(kind, folder) as rig, listening(rig.receiver) as listener:
            await listener.epochs(5, within_s=10)
            rig.pause()
            await listener.until(lambda: listener.ailment == "receiver.silent", TOLD_WITHIN_S)
            assert time.monotonic() - listener.reports[-1].at <= 4.0
            rig.resume()
            await listener.epochs(3, within_s=HEALED_WITHIN_S)
            assert listener.ailment is None

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", LIVE)
def test_an_unplugged_receiver_is_told_and_taken_back(kind: str, folder: Path):
    """A pulled plug is an ailment within 5 s; a new device under the same name is picked up without help from us."""

    async def scenario() -> None:
        async with open_rig(kind, folder) as rig, listening(rig.receiver) as listener:
            await listener.epochs(5, within_s=10)
            rig.unplug()
            # gpsd says nothing of it: there it looks like silence
            expected = "receiver.silent" if kind == "gpsd" else "receiver.unplugged"
            await listener.until(lambda: listener.ailment == expected, TOLD_WITHIN_S)
            count = len(listener.reports)
            await rig.replug()
            await listener.until(lambda: len(listener.reports) > count + 2, HEALED_WITHIN_S)
            assert listener.ailment is None

    asyncio.run(scenario())


@needs_gpsd
def test_gpsd_killed_and_restarted(folder: Path):
    """A dead gpsd is unreachable within 5 s; a new one on the same port is used by itself."""

    async def scenario() -> None:
        async with open_rig("gpsd", folder) as rig, listening(rig.receiver) as listener:
            assert rig.gpsd is not None
            await listener.epochs(5, within_s=10)
            await rig.gpsd.kill()
            await listener.until(lambda: listener.ailment == "receiver.unreachable", TOLD_WITHIN_S)
            await rig.gpsd.start()
            await listener.epochs(3, within_s=HEALED_WITHIN_S)
            assert listener.ailment is None

    asyncio.run(scenario())


@needs_gpsd
def test_gpsd_stopped_and_continued(folder: Path):
    """A gpsd that hangs with its connection standing is silent within 5 s; it is used again when it goes on."""

    async def scenario() -> None:
        async with open_rig("gpsd", folder) as rig, listening(rig.receiver) as listener:
            assert rig.gpsd is not None
            await listener.epochs(5, within_s=10)
            rig.gpsd.signal(signal.SIGSTOP)
            await listener.until(lambda: listener.ailment == "receiver.silent", TOLD_WITHIN_S)
            rig.gpsd.signal(signal.SIGCONT)
            # past what was buffered meanwhile: epochs of now again
            await listener.until(lambda: abs((listener.reports[-1].gnss_time or 0.0) - time.time()) < 1.5, HEALED_WITHIN_S)
            assert listener.ailment is None

    asyncio.run(scenario())


@needs_gpsd
def test_a_gpsd_without_receivers_is_told_as_such(folder: Path):
    """With no device behind gpsd the ailment says so; nobody looks for a broken cable."""

    async def scenario() -> None:
        gpsd = Gpsd(folder, None)
        await gpsd.start()
        try:
            async with listening(open_receiver("gpsd", name="r", clock_at=time.monotonic, host="localhost", port=gpsd.port)) as listener:
                await listener.until(lambda: listener.ailment == "receiver.no_device", TOLD_WITHIN_S)
        finally:
            await gpsd.kill()

    asyncio.run(scenario())


@needs_gpsd
def test_one_device_of_gpsd_can_be_chosen(folder: Path):
    """With `device` only that receiver is heard; a name gpsd does not know is told as a missing device."""

    async def scenario() -> None:
        async with open_rig("gpsd", folder) as rig:
            assert rig.gpsd is not None
            at, port = time.monotonic, rig.gpsd.port
            right = open_receiver("gpsd", name="r", clock_at=at, port=port, device=str(folder / "gps"))
            wrong = open_receiver("gpsd", name="r", clock_at=at, port=port, device="/dev/other")
            async with listening(right) as heard, listening(wrong) as unheard:
                await heard.epochs(3, within_s=10)
                await unheard.until(lambda: unheard.ailment == "receiver.no_device", TOLD_WITHIN_S)
                assert not unheard.reports

    asyncio.run(scenario())


def test_no_gpsd_at_all_is_unreachable(folder: Path):
    """A refused connection is told within 5 s, and a gpsd that starts later would be found: the attempts go on."""

    async def scenario() -> None:
        port = Gpsd(folder, None).port
        async with listening(open_receiver("gpsd", name="r", clock_at=time.monotonic, port=port)) as listener:
            await listener.until(lambda: listener.ailment == "receiver.unreachable", TOLD_WITHIN_S)
            called = asyncio.Event()
            server = await asyncio.start_server(lambda _r, w: (called.set(), w.close())[0], "127.0.0.1", port)
            await asyncio.wait_for(called.wait(), 5)
            server.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_gpsd_is_found_by_address_and_by_name(host: str, folder: Path):
    """IPv4, IPv6 and host names connect."""

    async def scenario() -> None:
        def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(TPV)
            writer.close()

        port = Gpsd(folder, None).port
        server = await asyncio.start_server(serve, host, port)
        async with listening(open_receiver("gpsd", name="r", clock_at=time.monotonic, host=host, port=port)) as listener:
            await listener.epochs(1, within_s=5)
        server.close()

    asyncio.run(scenario())


def test_a_host_name_that_does_not_exist_is_unreachable():
    """A look-up that fails is told like a connection that does, and tried again."""

    async def scenario() -> None:
        async with listening(open_receiver("gpsd", name="r", clock_at=time.monotonic, host="nowhere.invalid")) as listener:
            await listener.until(lambda: listener.ailment == "receiver.unreachable", TOLD_WITHIN_S)

    asyncio.run(scenario())


def test_a_gpsd_that_repeats_itself_is_silent_and_is_asked_again(folder: Path):
    """Chatter without new epochs is silence within 5 s; then WATCH is sent again, then the connection is made anew."""

    async def scenario() -> None:
        port = Gpsd(folder, None).port
        asked: list[tuple[int, float]] = []
        connections = 0
        again = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            mine = connections

            async def chatter() -> None:
                while not writer.is_closing():
                    writer.write(TPV)
                    await asyncio.sleep(0.1)

            task = asyncio.create_task(chatter())
            try:
                while line := await reader.readline():
                    assert line == b'?WATCH={"enable": true, "json": true};\n'
                    asked.append((mine, time.monotonic()))
                    if mine == 2:
                        again.set()
            except OSError:
                pass  # aborted by the receiver: it connects anew
            finally:
                task.cancel()
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", port)
        async with listening(open_receiver("gpsd", name="r", clock_at=time.monotonic, port=port)) as listener:
            await listener.until(lambda: listener.ailment == "receiver.silent", TOLD_WITHIN_S)
            await asyncio.wait_for(again.wait(), 15)
            assert len(listener.reports) == 1
            assert sum(1 for connection, _ in asked if connection == 1) >= 2
        server.close()

    asyncio.run(scenario())


async def _worst_lag_s(until: asyncio.Task[float]) -> float:
    """How late the loop was at worst while the task ran."""
    worst = 0.0
    while not until.done():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        worst = max(worst, time.monotonic() - began - 0.01)
    until.result()
    return worst


@pytest.mark.parametrize(
    "noise", [os.urandom(4000), b"$" * 4000, b"$GPRMC,1,A,22.5" * 260, b"\x00" * 4000], ids=["random", "dollars", "cut", "zero"]
)
def test_garbage_at_full_speed_is_told_and_starves_nobody(noise: bytes, folder: Path):
    """A line that pours out garbage as fast as it can is `receiver.garbage` within 5 s, holds the loop for less than 0.2 s, and heals."""

    async def scenario() -> None:
        async with open_rig("serial", folder) as rig, listening(rig.receiver) as listener:
            assert rig.feeder is not None
            await listener.epochs(3, within_s=10)
            rig.feeder.garbage(noise)
            told = asyncio.create_task(listener.until(lambda: listener.ailment == "receiver.garbage", TOLD_WITHIN_S))
            assert await _worst_lag_s(told) < 0.2
            rig.feeder.resume()
            await listener.epochs(3, within_s=HEALED_WITHIN_S)
            assert listener.ailment is None

    asyncio.run(scenario())


def test_sentences_without_checksums_are_told_as_such(folder: Path):
    """A receiver whose checksums are off is not believed, and the hint says what to turn on."""

    async def scenario() -> None:
        port = FakePort(folder / "gps")
        async with listening(open_receiver("serial", name="r", clock_at=time.monotonic, path=str(port.path))) as listener:

            async def play() -> None:
                for line in generated_log(200):
                    port.write(line.partition(b"*")[0] + b"\r\n")
                    await asyncio.sleep(0.05)

            player = asyncio.create_task(play())
            await listener.until(lambda: listener.ailment == "receiver.garbage", TOLD_WITHIN_S)
            assert listener.told[-1] is not None
            assert "checksum" in listener.told[-1].hint
            assert not listener.reports
            player.cancel()
        port.close()

    asyncio.run(scenario())


def test_a_missing_device_is_told_and_found_when_it_comes(folder: Path):
    """A path that does not exist yet is `receiver.missing`; the device is opened when it appears."""

    async def scenario() -> None:
        path = folder / "gps"
        async with listening(open_receiver("serial", name="r", clock_at=time.monotonic, path=str(path))) as listener:
            await listener.until(lambda: listener.ailment == "receiver.missing", TOLD_WITHIN_S)
            async with open_rig("serial", folder):
                await listener.epochs(3, within_s=HEALED_WITHIN_S)
                assert listener.ailment is None

    asyncio.run(scenario())


def test_a_link_pointed_to_another_device_is_followed(folder: Path):
    """A by-id link that moves while the old line neither speaks nor hangs up is noticed, and the new device is read."""

    async def scenario() -> None:
        old = FakePort(folder / "gps")
        async with listening(open_receiver("serial", name="r", clock_at=time.monotonic, path=str(folder / "gps"))) as listener:
            await listener.until(lambda: listener.ailment == "receiver.silent", TOLD_WITHIN_S)
            async with open_rig("serial", folder):
                await listener.epochs(3, within_s=HEALED_WITHIN_S)
                assert listener.ailment is None
        old.close()

    asyncio.run(scenario())


def test_a_line_held_by_another_program_is_busy(folder: Path):
    """Two readers on one line would each get half of it: the second says busy, and takes over when the first goes."""

    async def scenario() -> None:
        async with open_rig("serial", folder) as rig:
            second = open_receiver("serial", name="r", clock_at=time.monotonic, path=str(folder / "gps"))
            first_heard = Listener()
            first = asyncio.create_task(rig.receiver.run(first_heard.heard, first_heard.ailing))
            await first_heard.epochs(2, within_s=10)
            async with listening(second) as listener:
                await listener.until(lambda: listener.ailment == "receiver.busy", TOLD_WITHIN_S)
                first.cancel()
                await listener.epochs(3, within_s=HEALED_WITHIN_S)
                assert listener.ailment is None

    asyncio.run(scenario())


def test_what_is_no_serial_line_is_unusable(folder: Path):
    """A regular file in the place of a device is told, with its reason, and does not end the receiver."""

    async def scenario() -> None:
        (folder / "gps").write_bytes(b"x")
        async with listening(open_receiver("serial", name="r", clock_at=time.monotonic, path=str(folder / "gps"))) as listener:
            await listener.until(lambda: listener.ailment == "receiver.unusable", TOLD_WITHIN_S)

    asyncio.run(scenario())


def test_a_receiver_without_a_fix_is_told(folder: Path):
    """Epochs without a position are no silence: the ailment is `receiver.no_position`."""

    async def scenario() -> None:
        async with open_rig("serial", folder) as rig, listening(rig.receiver) as listener:
            assert rig.feeder is not None
            await listener.epochs(2, within_s=10)
            rig.feeder.pause()

            async def play() -> None:
                while True:
                    assert rig.feeder is not None
                    rig.feeder.port.write(b"$GPRMC,,V,,,,,,,,,,N*53\r\n$GPGGA,,,,,,0,00,99.99,,,,,,*48\r\n")
                    await asyncio.sleep(0.5)

            player = asyncio.create_task(play())
            await listener.until(lambda: listener.ailment == "receiver.no_position", TOLD_WITHIN_S)
            player.cancel()
            rig.resume()
            await listener.until(lambda: listener.ailment is None, HEALED_WITHIN_S)

    asyncio.run(scenario())


def test_a_replay_that_is_over_is_silent_and_says_why(folder: Path):
    """After its last epoch a replay is silent within 5 s; with `loop` it begins again."""

    async def scenario() -> None:
        path = folder / "log"
        path.write_bytes(b"".join(generated_log(3)))
        at = time.monotonic
        once = open_receiver("replay", name="r", clock_at=at, path=str(path), speed=10.0)
        again = open_receiver("replay", name="r", clock_at=at, path=str(path), speed=10.0, loop=True)
        async with listening(once) as first, listening(again) as second:
            await first.until(lambda: first.ailment == "receiver.silent", TOLD_WITHIN_S)
            assert len(first.reports) == 3
            assert first.told[-1] is not None
            assert "end" in first.told[-1].text
            await second.until(lambda: len(second.reports) >= 7, TOLD_WITHIN_S)

    asyncio.run(scenario())


def test_an_unknown_kind_names_the_known_ones():
    """A typo in the configuration is answered with the words that would work."""
    with pytest.raises(ValueError, match=r"gpsd.*replay.*serial"):
        open_receiver("gpds", name="r", clock_at=time.monotonic)


def test_options_of_another_kind_are_refused():
    """A baud rate for gpsd is an error that names the receiver and the option."""
    with pytest.raises(ValueError, match=r"'r'.*baud"):
        open_receiver("gpsd", name="r", clock_at=time.monotonic, baud=9600)


def test_every_kind_is_what_it_is_called():
    """The table of kinds and the adapters' own word for themselves agree."""
    assert all(getattr(bring(), "kind", None) == kind for kind, bring in hardware.RECEIVERS.items())
