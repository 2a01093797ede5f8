"""How a button is wired is found out by feeling it: every way there is, on a chip that pulls and on one that cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hardware.played_chip import PlayedChip
from hardware.wiring import Level, changed, chips, feel, judge, keypads, lines_of, place_of

LINE = 17
# What the line is connected to, untouched and pressed (None: nothing), and how it is to be read then.
WIRINGS = {
    "closes to ground": (None, False, ("low", "pull-up")),
    "closes to 3.3 V": (None, True, ("high", "pull-down")),
    "opens from ground": (False, None, ("high", "pull-up")),
    "opens from 3.3 V": (True, None, ("low", "pull-down")),
    "pulled up, closes to ground": (True, False, ("low", "pull-up")),
    "pulled down, closes to 3.3 V": (False, True, ("high", "pull-down")),
}


async def told(chip: PlayedChip, path: Path, idle: bool | None, pressed: bool | None):  # noqa: FBT001 - voltages
    chip.drive(LINE, idle)
    before = await feel(str(path), LINE)
    chip.drive(LINE, pressed)
    after = await changed(str(path), LINE, before, lambda: False)
    assert after is not None
    async with asyncio.timeout(5):
        while chip.holder(LINE) is not None or chip._connections:  # noqa: ASYNC110 - a chip has no way to call us; the line is given back
            await asyncio.sleep(0.005)
    return judge(before, after)


@pytest.mark.parametrize("name", WIRINGS)
def test_every_wiring_is_found(tmp_path: Path, name: str):
    """Inverted ones too; an opening contact is named as one."""
    idle, pressed, wanted = WIRINGS[name]
    with PlayedChip(tmp_path / "chip") as chip:
        wiring = asyncio.run(told(chip, tmp_path / "chip", idle, pressed))
    assert (wiring.active, wiring.bias) == wanted
    assert ("opening" in wiring.doubt) == name.startswith("opens")


@pytest.mark.parametrize("name", ["pulled up, closes to ground", "pulled down, closes to 3.3 V"])
def test_a_chip_that_cannot_pull(tmp_path: Path, name: str):
    """Then a resistor must, and a person is told."""
    idle, pressed, (active, _) = WIRINGS[name]
    with PlayedChip(tmp_path / "chip", refuses=("bias",)) as chip:
        wiring = asyncio.run(told(chip, tmp_path / "chip", idle, pressed))
    assert (wiring.active, wiring.bias) == (active, "as-is")
    assert "resistor" in wiring.doubt


def test_nothing_felt_is_no_wiring():
    """The same twice is no press."""
    assert judge(Level(up=True, down=False), Level(up=True, down=False)) is None


def test_a_bouncing_contact_is_waited_for(tmp_path: Path):
    """Only what is the same several times in a row counts."""
    with PlayedChip(tmp_path / "chip") as chip:
        idle = asyncio.run(feel(str(tmp_path / "chip"), LINE))
        chip.bounce(LINE, [0, 7, 19, 32, 45, 61, 80])
        level = asyncio.run(changed(str(tmp_path / "chip"), LINE, idle, lambda: False))
    assert level is not None
    assert (level.decided_by, idle.decided_by) == ("ground", "nothing")


def test_giving_up_is_heeded(tmp_path: Path):
    """Nobody presses for ever."""
    with PlayedChip(tmp_path / "chip"):
        idle = asyncio.run(feel(str(tmp_path / "chip"), LINE))
        looks = iter([False, False, True])
        assert asyncio.run(changed(str(tmp_path / "chip"), LINE, idle, lambda: next(looks))) is None


def test_a_machine_without_chips_has_none(tmp_path: Path):
    """And no line of any name; a file of that name is no chip, a played one has no names."""
    (tmp_path / "gpiochip0").write_text("")
    assert (chips(tmp_path), place_of("GPIO17", tmp_path), asyncio.run(keypads(tmp_path))) == ([], None, [])
    with PlayedChip(tmp_path / "gpiochip1"):
        assert (chips(tmp_path), lines_of(str(tmp_path / "gpiochip1"))) == ([], [])
