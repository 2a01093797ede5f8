"""The suite that every keypad passes: the played one, and the kernel's own where there is /dev/uinput."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from pathlib import Path

import pytest

from agent.ports import Keypad
from hardware import ailments, open_keypad
from hardware.entry import PAUSE_S, Entry, Key
from hardware.input_device import EV_KEY, RECORD, grab, inputs, name_of, open_device
from hardware.keypad import KEYS, _Reading
from hardware.played_keypad import MOUSE, NAMES, PlayedKeypad
from tests.hardware.keypad_rigs import KINDS, PlayedRig, Rig, gone, open_rig, reads, typing, until

TOLD_WITHIN_S = 5.0
each_kind = pytest.mark.parametrize("kind", KINDS)


def keypad_at(path: Path) -> Keypad:
    return open_keypad(name="keypad", clock_at=time.monotonic, path=str(path))


def keypad_of(rig: Rig) -> Keypad:
    return open_keypad(name="keypad", clock_at=rig.clock_at, path=str(rig.path))


async def free(path: Path) -> bool:
    """Whether nobody has the device for himself."""
    device = await open_device(str(path))
    try:
        await grab(device)
    except OSError:
        return False
    finally:
        device.close()
    return True


@each_kind
def test_a_code_is_handed_over_as_typed(kind: str, folder: Path):
    """Leading zeros stay; enter on nothing hands over nothing; clear forgets; the next code is a new one."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                await typist.types(rig, "enter", *"0042", "enter", "enter", *"99", "clear", *"1", "enter")
                assert typist.codes == ["0042", "1"]
                assert typist.told == []

    asyncio.run(scenario())


@each_kind
@pytest.mark.parametrize("row", ["", "pad ", "phone "])
def test_every_row_of_digits_counts(kind: str, row: str, folder: Path):
    """The upper row of a keyboard, a number pad, the keys of a phone's keypad."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                await typist.types(rig, *(f"{row}{digit}" for digit in "0123456789"), "enter")
                assert typist.codes == ["0123456789"]

    asyncio.run(scenario())


@each_kind
def test_every_enter_enters_and_every_clear_clears(kind: str, folder: Path):
    """Whatever a keypad's maker has printed on them."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                enters = ("enter", "pad enter", "#", "ok", "select")
                for count, enter in enumerate(enters, 1):
                    await typist.types(rig, "7", enter)
                    assert typist.codes == ["7"] * count
                for clear in ("clear", "escape", "backspace", "delete", "pad point", "*", "cancel"):
                    await typist.types(rig, "7", clear, "enter")
                assert typist.codes == ["7"] * len(enters)

    asyncio.run(scenario())


@each_kind
def test_every_key_ticks_once_the_same(kind: str, folder: Path):
    """Digits, enter, clear, keys that mean nothing, also where nothing comes of them: a bystander learns the number of keys at most."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                for count, name in enumerate(NAMES, 1):
                    await typist.types(rig, name)
                    assert typist.ticks == count

    asyncio.run(scenario())


@each_kind
def test_a_held_key_is_one_key(kind: str, folder: Path):
    """The kernel repeats what is held: one digit, one tick."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                rig.press("1")
                await asyncio.sleep(0.4)  # repeats begin after 0.25 s: the time itself is what is tested
                rig.release("1")
                await typist.types(rig, "2", "enter")
                assert typist.codes == ["12"]
                assert typist.ticks == 3

    asyncio.run(scenario())


@each_kind
def test_a_pause_begins_anew(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Digits before it count no longer, those after it are a code of their own."""
    monkeypatch.setattr("hardware.entry.PAUSE_S", 0.5)

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                await typist.types(rig, *"12")
                await asyncio.sleep(0.55)
                await typist.types(rig, *"34", "enter")
                assert typist.codes == ["34"]

    asyncio.run(scenario())


def test_a_pause_is_measured_by_the_times_of_the_keys(folder: Path):
    """Not by when they are read: a process that was stopped in between, or is late, neither joins nor cuts what was typed."""

    async def scenario() -> None:
        rig = PlayedRig(folder, NAMES.values())
        async with typing(keypad_of(rig)) as typist:
            await typist.types(rig, *"12")
            rig.ago_s = -PAUSE_S - 1
            await typist.types(rig, *"34", "enter")
            rig.ago_s = 0.0
            await typist.types(rig, *"56")
            rig.ago_s = 1 - PAUSE_S
            await typist.types(rig, *"78", "enter")
            assert typist.codes == ["34", "5678"]
        rig.unplug()

    asyncio.run(scenario())


def test_a_half_typed_code_leaves_the_memory(folder: Path):
    """Nobody needs to press a key for it: ten seconds after the last digit it is gone."""

    async def scenario() -> None:
        rig = PlayedRig(folder, NAMES.values())
        keypad = keypad_of(rig)
        async with typing(keypad) as typist:
            rig.ago_s = PAUSE_S - 0.5
            await typist.types(rig, *"12")
            assert bytes(keypad._entry._typed) == b"12"
            await until(lambda: not keypad._entry._typed)
        rig.unplug()

    asyncio.run(scenario())


@each_kind
def test_seventeen_digits_are_no_code(kind: str, folder: Path):
    """Sixteen are one; more are void up to enter, and the next code counts."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                await typist.types(rig, *"1234567890123456", "enter", *"12345678901234567", "enter", *"0042", "enter")
                assert typist.codes == ["1234567890123456", "0042"]

    asyncio.run(scenario())


@each_kind
def test_nobody_else_gets_the_keys(kind: str, folder: Path):
    """A reader that was there before sees keys until the keypad is grabbed, nothing while it is, and keys again afterwards."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            console = await open_device(str(rig.path))
            rig.press("5")
            rig.release("5")
            seen = await reads(console, lambda told: len(told) == 4)
            assert [(each.code, each.value) for each in seen if each.type == EV_KEY] == [(NAMES["5"], 1), (NAMES["5"], 0)]
            assert all(abs(each.at - rig.clock_at()) < 5 for each in seen)
            async with typing(keypad_of(rig)) as typist:
                await typist.types(rig, *"0042", "enter")
                assert typist.codes == ["0042"]
                with pytest.raises(BlockingIOError):
                    console.read()
            rig.press("6")
            assert [each.code for each in await reads(console, bool) if each.type == EV_KEY] == [NAMES["6"]]
            console.close()

    asyncio.run(scenario())


@each_kind
def test_a_keypad_that_another_program_has_grabbed_is_busy(kind: str, folder: Path):
    """Its keys go elsewhere: told, tried again, taken when it is free; what was typed meanwhile is no code."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            other = await open_device(str(rig.path))
            await grab(other)
            async with typing(keypad_of(rig)) as typist:
                await typist.until(lambda: typist.ailment == "keypad.busy", TOLD_WITHIN_S)
                rig.press("1")
                rig.release("1")
                await reads(other, lambda told: len(told) == 4)
                other.close()
                await typist.until(lambda: typist.told[-1] is None, TOLD_WITHIN_S)
                await typist.types(rig, *"0042", "enter")
                assert typist.codes == ["0042"]

    asyncio.run(scenario())


@each_kind
def test_unplugged_in_the_middle_of_a_code(kind: str, folder: Path):
    """Told; taken back by itself from another node; neither half reaches dispatch, for each would be a wrong code."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                await typist.types(rig, *"00")
                rig.unplug()
                await typist.until(lambda: typist.ailment == "keypad.unplugged", TOLD_WITHIN_S)
                rig.replug()
                await typist.until(lambda: typist.ailment is None, TOLD_WITHIN_S)
                await typist.types(rig, *"42", "enter")
                assert typist.codes == []
                await typist.types(rig, *"1234", "enter")
                assert typist.codes == ["1234"]
                assert [each and each.code for each in typist.told] == ["keypad.unplugged", None]

    asyncio.run(scenario())


@each_kind
def test_unplugged_between_two_codes(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing was half-typed: the first code after it counts at once. Meanwhile it stays unplugged, and is not called missing."""
    monkeypatch.setattr("hardware.keypad._RETRY_S", 0.02)

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                await typist.types(rig, *"11", "enter")
                rig.unplug()
                await typist.until(lambda: typist.ailment == "keypad.unplugged", TOLD_WITHIN_S)
                await asyncio.sleep(0.1)  # several attempts fail
                assert typist.ailment == "keypad.unplugged"
                rig.replug()
                await typist.until(lambda: typist.ailment is None, TOLD_WITHIN_S)
                await typist.types(rig, *"0042", "enter")
                assert typist.codes == ["11", "0042"]
                assert len(typist.told) == 2

    asyncio.run(scenario())


@each_kind
def test_keys_that_were_lost_void_the_code(kind: str, folder: Path):
    """When more is typed than the kernel keeps (here while the process does not read) a digit may be missing: the entry is void."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            async with typing(keypad_of(rig)) as typist:
                await typist.types(rig, *"12")
                for _ in range(200):
                    rig.press("a")
                    rig.release("a")
                await typist.types(rig, "a")
                assert 3 <= typist.ticks < 200
                await typist.types(rig, *"34", "enter")
                await typist.types(rig, *"0042", "enter")
                await typist.until(lambda: "0042" in typist.codes, TOLD_WITHIN_S)
                assert typist.codes == ["0042"]

    asyncio.run(scenario())


@each_kind
def test_what_has_no_digits_is_no_keypad(kind: str, folder: Path):
    """A mouse, a power button, a keypad without enter: told with the device's own name, and not grabbed."""

    async def scenario() -> None:
        for keys in (MOUSE, frozenset({116}), frozenset(range(2, 12))):
            with open_rig(kind, folder, keys) as rig:
                async with typing(keypad_of(rig)) as typist:
                    await typist.until(lambda: typist.ailment == "keypad.unusable", TOLD_WITHIN_S)
                    device = await open_device(str(rig.path))
                    ailment = typist.told[-1]
                    assert ailment is not None
                    assert await name_of(device) in ailment.text
                    assert "enter" in ailment.text
                    device.close()
                    assert await free(rig.path)

    asyncio.run(scenario())


@each_kind
def test_a_keypad_that_comes_later(kind: str, folder: Path):
    """A path without a device is `keypad.missing`, and used when there is one."""

    async def scenario() -> None:
        async with typing(keypad_at(folder / "pad")) as typist:
            await typist.until(lambda: typist.ailment == "keypad.missing", TOLD_WITHIN_S)
            with open_rig(kind, folder) as rig:
                await typist.until(lambda: typist.ailment is None, TOLD_WITHIN_S)
                await typist.types(rig, *"0042", "enter")
                assert typist.codes == ["0042"]

    asyncio.run(scenario())


def test_what_is_no_input_device_is_unusable(folder: Path):
    """A file, a folder, another kind of node: told, with the reason."""

    async def scenario() -> None:
        (folder / "file").write_bytes(b"x")
        for path in (folder / "file", folder, Path("/dev/null")):
            async with typing(keypad_at(path)) as typist:
                await typist.until(lambda: typist.ailment == "keypad.unusable", TOLD_WITHIN_S)
                assert typist.told[-1] is not None
                assert typist.told[-1].text.startswith(f"{path} cannot be used")

    asyncio.run(scenario())


def test_a_played_keypad_of_another_user_is_not_believed(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever else may write into the folder cannot cancel by a socket of his own."""

    async def scenario() -> None:
        folder.chmod(0o777)
        if os.geteuid() == 0:
            os.seteuid(65534)  # the kernel notes who listens
        rig = PlayedRig(folder, NAMES.values())
        if os.getuid() == 0:
            os.seteuid(0)
        else:
            monkeypatch.setattr(os, "geteuid", lambda: 12345)
        async with typing(keypad_of(rig)) as typist:
            await typist.until(lambda: typist.ailment == "keypad.permission", TOLD_WITHIN_S)
            assert not rig._keypad.grabbed
        rig.unplug()

    asyncio.run(scenario())


def test_it_says_that_it_is_played(folder: Path):
    """So that nobody takes a trial for the real thing."""

    async def scenario() -> None:
        with open_rig("played", folder) as rig:
            keypad = keypad_of(rig)
            assert not keypad.played
            async with typing(keypad):
                assert keypad.played

    asyncio.run(scenario())


def test_a_defect_is_not_swallowed(folder: Path):
    """What a callback raises ends `run`, also an OSError: it is no trouble with the device."""

    async def scenario() -> None:
        with open_rig("played", folder) as rig:

            def broken() -> None:
                raise OSError(errno.ENODEV, "a defect")

            keypad = keypad_of(rig)
            task = asyncio.create_task(keypad.run(lambda _: None, broken, lambda _: None))
            await until(lambda: keypad._been_open)
            rig.press("1")
            with pytest.raises(OSError, match="a defect"):
                await asyncio.wait_for(task, TOLD_WITHIN_S)
            assert await free(rig.path)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOENT, "keypad.missing"),
        (errno.ENODEV, "keypad.missing"),
        (errno.ENXIO, "keypad.missing"),
        (errno.EACCES, "keypad.permission"),
        (errno.EPERM, "keypad.permission"),
        (errno.EBUSY, "keypad.busy"),
        (errno.ENOTTY, "keypad.unusable"),
        (errno.EINVAL, "keypad.unusable"),
        (None, "keypad.unusable"),
    ],
)
def test_every_error_number_has_its_ailment(number: int | None, code: str):
    """And each says what to do."""
    ailment = ailments.of_opening_keypad("/dev/input/event9", number, "why")
    assert ailment.code == code
    assert ailment.hint.endswith(".")
    assert "/dev/input/event9" in ailment.text


def test_a_player_that_does_not_answer_holds_nobody_up(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A socket behind which nobody speaks is unusable after a moment, and the loop goes on meanwhile."""
    import socket

    monkeypatch.setattr("hardware.input_device._ANSWER_WITHIN_S", 0.1)

    async def scenario() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as deaf:
            deaf.bind(str(folder / "pad"))
            deaf.listen()
            async with typing(keypad_at(folder / "pad")) as typist:
                await typist.until(lambda: typist.ailment == "keypad.unusable", TOLD_WITHIN_S)
                assert typist.told[-1] is not None
                assert "does not answer" in typist.told[-1].text

    asyncio.run(scenario())


@each_kind
def test_the_rig_itself_obeys_the_kernel(kind: str, folder: Path):
    """What the suite relies on: repeats, ends of reports, one grab, a queue that says that it overflowed, a hang-up."""

    async def scenario() -> None:
        with open_rig(kind, folder) as rig:
            reader = await open_device(str(rig.path))
            rig.press("1")
            repeated = await reads(reader, lambda told: any(each.value == 2 and each.type == EV_KEY for each in told))
            rig.release("1")
            assert [each.type for each in repeated[:4]] == [1, 0, 1, 0]
            await grab(reader)
            second = await open_device(str(rig.path))
            with pytest.raises(OSError, match="busy"):
                await grab(second)
            for _ in range(200):
                rig.press("2")
                rig.release("2")
            told = await reads(reader, lambda told: any(each.type == 0 and each.code == 3 for each in told))
            assert len(told) < 400
            rig.unplug()
            assert gone(reader)
            assert gone(second)
            reader.close()
            second.close()

    asyncio.run(scenario())


def test_a_device_that_never_stops_starves_nobody():
    """Whatever pours out keys, the loop's other tasks have their turn; every key is felt."""

    class Endless:
        """A broken pad: whenever it is read there are keys."""

        played = False

        def __init__(self) -> None:
            self._ends = os.pipe()
            self.told = 0
            os.write(self._ends[1], b"x")  # always readable

        def fileno(self) -> int:
            return self._ends[0]

        def read(self) -> bytes:
            self.told += 1
            return RECORD.pack(5, 0, EV_KEY, NAMES["a"], 1)

        def close(self) -> None:
            for end in self._ends:
                os.close(end)

    async def scenario() -> None:
        device, ticks = Endless(), 0

        def ticked() -> None:
            nonlocal ticks
            ticks += 1

        reading = _Reading(device, Entry(), time.monotonic, lambda _: None, ticked)
        for _ in range(20):
            await asyncio.sleep(0)
        reading.close()
        device.close()
        assert 20 <= ticks < 1000
        assert ticks == device.told

    asyncio.run(scenario())


def test_keys_that_a_played_keypad_has_not_got_are_not_felt(folder: Path):
    """As in the kernel; neither is a key that is down already, nor any key while it is unplugged."""

    async def scenario() -> None:
        async with PlayedKeypad(folder / "pad", keys={NAMES["1"]}) as keypad:
            reader = await open_device(str(folder / "pad"))
            keypad.key("2")
            keypad.press("1")
            keypad.press("1")
            keypad.release("1")
            keypad.release("1")
            told = await reads(reader, lambda told: len(told) >= 4)
            assert [(each.code, each.value) for each in told if each.type == EV_KEY] == [(NAMES["1"], 1), (NAMES["1"], 0)]
            keypad.unplug()
            keypad.key("1")
            assert gone(reader)
            reader.close()

    asyncio.run(scenario())


def test_records_of_this_machine():
    """An input_event is two longs, 24 bytes where a long has 8, 16 where it has 4; a cut one is not read."""
    import struct

    assert RECORD.size == 2 * struct.calcsize("l") + 8
    whole = RECORD.pack(12, 500_000, 1, 28, 1)
    (read,) = inputs(whole + whole[:-1])
    assert (read.at, read.type, read.code, read.value) == (12.5, 1, 28, 1)


def test_the_names_of_the_played_keys_mean_what_they_say():
    """The table of the keypad and that of its player were written from the same header, each by itself."""
    digits = {name: KEYS[code] for name, code in NAMES.items() if name[-1].isdigit()}
    assert all(name.endswith(key.value) for name, key in digits.items())
    assert len(digits) == 30
    assert sum(1 for code in NAMES.values() if code not in KEYS) == 3
    assert set(KEYS.values()) == set(Key) - {Key.OTHER}
