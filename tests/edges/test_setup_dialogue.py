"""The installer's dialogue, at a real terminal: every question survives every answer, and an interruption changes nothing.

The button is on a played chip, the keypad played, dispatch a simulator over TLS. No daemon: `tests/system/test_setup.py` has one.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rigs import generated_log, with_checksum
from setup_rigs import CTRL_C, CTRL_D, ROOT, Person, command

from agent.config import load
from hardware.feeder import FakePort
from hardware.played_chip import PlayedChip
from hardware.played_keypad import PlayedKeypad
from simulator.server import Running
from simulator.settings import Settings

BUTTON, LAMP, BUZZER = 5, 6, 7
KEY = "demo-device-key"
Answer = str | Callable[["World"], None]


class World:
    """Everything but setup itself; threads play the receiver and the keypad."""

    def __init__(self, folder: Path, simulator: Running, chip: PlayedChip) -> None:
        self.folder, self.simulator, self.chip = folder, simulator, chip
        self.config = folder / "etc" / "config.toml"
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(f'[store]\npath = "{folder}/agent.db"\n\n[control]\nsocket = "{folder}/run/s"\n')
        self.token_url = simulator.base_url.replace("/panic-api/v2", "/backend/token")

    def files(self) -> dict[str, bytes]:
        """Everything in the config's folder."""
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self.config.parent.rglob("*") if path.is_file()}

    def person(self, *words: str) -> Person:
        """Somebody who runs setup."""
        return Person(command(self.config, "--port", str(self.folder / "ttyGPS"), *words))

    def press(self) -> None:
        """Put a finger on the button."""
        self.chip.press(BUTTON)

    def release(self) -> None:
        """Take it off."""
        self.chip.release(BUTTON)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Running]:
    """One for all: nothing here raises anything."""
    with Running(Settings(), tls=True) as running:
        yield running


@contextlib.contextmanager
def receiver(path: Path, said: bytes = b"".join(generated_log(6))) -> Iterator[None]:
    """A port on which one speaks."""
    port, over = FakePort(path), threading.Event()

    def speak() -> None:
        while not over.wait(0.05):
            port.write(said)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        port.close()


@pytest.fixture
def world(tmp_path: Path, simulator: Running) -> Iterator[World]:
    """With a receiver, a button and a lamp."""
    with PlayedChip(tmp_path / "chip") as chip, receiver(tmp_path / "ttyGPS"):
        yield World(tmp_path, simulator, chip)


def walk(world: World, *, chip: Path | None = None) -> list[tuple[str, Answer]]:
    """Every question of a whole dialogue with its right answer; a function is something that is done."""
    path = chip or world.folder / "chip"
    return [
        ("Which one", "1"),
        ("A fixed site", "none"),
        ("Which line is the button on", f"{path}:{BUTTON}"),
        ("Leave the button alone", ""),
        ("keep it pressed", World.press),
        ("Let go.", World.release),
        ("How many seconds", "0.3"),
        ("Now hold it", World.press),
        ("Felt. Let go", World.release),
        ("Which line is the lamp on", f"{path}:{LAMP}"),
        ("What may it show", "1"),
        ("the buzzer on", f"{path}:{BUZZER}"),
        ("lit while all is well", "none"),
        ("Look at it", ""),
        ("Did it blink", "y"),
        ("Listen, then", ""),
        ("Did it beep", "y"),
        ("Which keypad", "none"),
        ("Which dispatch", "2"),
        ("The address of the Panic API", world.simulator.base_url),
        ("Customer id", "4711"),
        ("tokens come from", "1"),
        ("The address that gives out tokens", world.token_url),
        ("The device key", KEY),
        ("What now", "5"),
        ("authority's file", str(world.simulator.ca_file)),
        ("Response type", "1"),
        ("Classification of a drill", "2"),
        ("Write the config", "y"),
    ]


def answer(person: Person, world: World, steps: list[tuple[str, Answer]]) -> None:
    """Go through these."""
    for question, told in steps:
        person.until(question)
        if callable(told):
            told(world)
        else:
            person.asked()
            person.type(told)


@contextlib.contextmanager
def at_terminal(person: Person) -> Iterator[Person]:
    """Ended in any case."""
    try:
        yield person
    finally:
        person.close()


def test_a_whole_dialogue(world: World):
    """From an empty config to one that loads; every line fits 80 columns; the key is nowhere."""
    with at_terminal(world.person()) as person:
        answer(person, world, walk(world))
        assert person.ends() == 0
    config = load(world.config)
    button = config.buttons[0]
    assert (button.line, button.active, button.bias, button.hold_s) == (BUTTON, "low", "pull-up", 0.3)
    assert config.indicator is not None
    assert (config.indicator.lamp_line, config.indicator.buzzer_line, config.keypad) == (LAMP, BUZZER, None)
    assert [(each.kind, getattr(each, "path", "")) for each in config.receivers] == [("serial", str(world.folder / "ttyGPS"))]
    assert (config.panic_api.environment, config.panic_api.customer_id, config.drill.classification_id) == ("staging", 4711, 2)
    assert (world.config.parent / "credentials" / "device-key").read_text().strip() == KEY
    assert KEY not in person.said
    printed = [line for line in person.said.splitlines() if "tmp" not in line and "127.0.0.1" not in line]
    assert [line for line in printed if len(line) > 80] == []
    assert [each for each in person.said if not each.isprintable() and each != "\n"] == []
    lamp = [level for _, level in world.chip.history(LAMP)]
    assert (True in lamp, lamp[-1], world.chip.history(BUZZER)[-1][1]) == (True, False, False)


WRONG = {
    "Which one": ["7", "0", "serial", "/dev/none", "x,y"],
    "A fixed site": ["here", "91,0", "0,0", "1,2,3,4"],
    "Which line is the button on": ["pin 9", "pin 41", "lamp", "99999"],
    "How many seconds": ["soon", "-1", "11"],
    "Which line is the lamp on": ["pin 2", ""],
    "What may it show": ["3", "visible"],
    "the buzzer on": ["/dev/gpiochip9:3", "x"],
    "Did it blink": ["perhaps"],
    "Which keypad": ["9", "pad"],
    "Which dispatch": ["3", "production"],
    "The address of the Panic API": ["dispatch.example.com", "http://dispatch.example.com/v2", "https://u:p@h/", "CHANGE-ME"],
    "Customer id": ["0", "none", "-5", "", "4711x"],
    "tokens come from": ["5"],
    "The address that gives out tokens": ["ftp://x", ""],
    "The device key": ["two words", "@/nowhere/key"],
    "authority's file": ["/nowhere/ca.pem"],
    "Response type": ["help", "0"],
    "Classification of a drill": ["two"],
    "Write the config": ["ja"],
}


def test_every_question_survives_wrong_answers(world: World):
    """It says what it wants and asks again; `?` says more; the config is the same as without them."""
    steps: list[tuple[str, Answer]] = []
    for question, told in walk(world):
        if told == "" or callable(told):
            steps.append((question, told))
            continue
        wrong = [each for each in WRONG.get(question, []) if each or question != "Which line is the lamp on"]
        steps += [(question, each) for each in (*wrong, *(["?"] if question != "The device key" else []))]
        steps.append((question, told))
    with at_terminal(world.person()) as person:
        answer(person, world, steps)
        assert person.ends() == 0
    assert "Traceback" not in person.said
    assert load(world.config).panic_api.customer_id == 4711
    assert person.said.count("Enter: what stands in [brackets]") >= 10


def interrupted(world: World, steps: list[tuple[str, Answer]], end: Callable[[Person], None]) -> tuple[int, str]:
    """Answer these but the last, where the dialogue is ended; its code and what it said."""
    with at_terminal(world.person()) as person:
        answer(person, world, steps[:-1])
        person.until(steps[-1][0])
        end(person)
        return person.ends(), person.said


FIRST = ("Which one", "Which line is the button on", "Which line is the lamp on", "Which keypad", "Which dispatch", "Write the config")


def shortest(world: World, number: int) -> list[tuple[str, Answer]]:
    """The shortest way to this question of the walk: steps before its own are skipped. What is written is asked of a whole config only."""
    steps = walk(world)
    began = max(at for at, (question, _) in enumerate(steps[: number + 1]) if question in FIRST)
    if steps[began][0] == "Write the config":
        return [*steps[:2], ("Which line is the button on", "none"), ("Which line is the lamp on", "s"), *steps[17:]]
    skipped = [(question, "s") for question in FIRST[: FIRST.index(steps[began][0])]]
    return [*skipped, *steps[began : number + 1]]


Told = tuple[str, int, str, bool]


def each_question(tmp_path: Path, simulator: Running, end: Callable[[Person], None], every: int = 1) -> Iterator[Told]:
    """One dialogue for each question, ended there; four at a time. question, code, what was said, and whether nothing was changed."""

    def story(number: int) -> Told:
        folder = tmp_path / str(number)
        folder.mkdir()
        with PlayedChip(folder / "chip") as chip, receiver(folder / "ttyGPS"):
            world = World(folder, simulator, chip)
            before = world.files()
            steps = shortest(world, number)
            code, said = interrupted(world, steps, end)
            return steps[-1][0], code, said, world.files() == before

    with ThreadPoolExecutor(4) as pool:
        yield from pool.map(story, range(0, 29, every))


def test_ctrl_c_at_any_question_changes_nothing(tmp_path: Path, simulator: Running):
    """And while it waits for a hand: the exit code of an interruption, one line, no traceback."""
    told = list(each_question(tmp_path, simulator, lambda person: person.press(CTRL_C)))
    assert len(told) == 29
    wrong = [(question, code) for question, code, said, same in told if code != 130 or not same or "Traceback" in said]
    assert wrong == []
    assert [question for question, _, said, _ in told if "nothing was changed" not in said] == []


def test_the_end_of_the_input_changes_nothing(tmp_path: Path, simulator: Running):
    """Ctrl-D: nobody is there any more. It is no answer, not even where there is one in brackets."""

    def end(person: Person) -> None:
        for _ in range(3):  # a question that waits for a hand takes the first one
            person.press(CTRL_D)

    told = list(each_question(tmp_path, simulator, end, every=4))
    assert [(question, code) for question, code, said, same in told if code != 130 or not same or "Traceback" in said] == []


def test_a_lost_terminal_changes_nothing(world: World):
    """An ssh session that breaks: SIGHUP."""
    before = world.files()
    with at_terminal(world.person()) as person:
        person.until("Which one")
        person.hang_up()
        assert person.process.wait(20) == 130
    assert world.files() == before


def test_two_at_once_are_not_in_each_other_s_way(world: World):
    """The first has receiver and button in its hands, and the daemon stopped. Another may begin once it has ended, in whatever way."""
    with at_terminal(world.person()) as first:
        first.until("Which one")
        with at_terminal(world.person()) as second:
            assert second.ends() == 1
        assert "another setup is at work" in second.said
        first.process.kill()
        first.process.wait()
    with at_terminal(world.person()) as third:
        third.until("Which one")


def test_back_and_skip(world: World):
    """A step back asks again with the answer given; a skipped step leaves its answers; what lacks is gone back to."""
    steps: list[tuple[str, Answer]] = [
        ("Step 2 of 7", lambda _: None),
        ("Which one", "b"),
        ("Step 1 of 7", lambda _: None),
        ("Which one", "s"),
        ("Step 3 of 7", lambda _: None),
        ("Which line is the button on", "none"),
        ("Which line is the lamp on", "b"),
        ("Which line is the button on", "s"),
        ("Which line is the lamp on", "none"),
        ("Which keypad", "s"),
        ("Which dispatch", "s"),
        ("Step 7 of 7", lambda _: None),
        ("at least one [[receiver]]", lambda _: None),
        ("Press Enter to go back to it", ""),
        ("Step 6 of 7", lambda _: None),
        ("Which dispatch", "s"),
        ("Press Enter to go back to it", "s"),
    ]
    before = world.files()
    with at_terminal(world.person()) as person:
        answer(person, world, steps)
        assert person.ends() == 1
    assert world.files() == before
    assert "nothing was changed" in person.said


def test_the_answers_of_the_old_config_are_the_defaults(world: World):
    """Enter all the way: the same config, and nothing is written twice."""
    with at_terminal(world.person()) as person:
        answer(person, world, walk(world))
        assert person.ends() == 0
    before = world.files()
    kept: list[tuple[str, Answer]] = []
    for question, told in walk(world):
        if question in ("What now", "authority's file"):
            continue
        kept.append((question, told if callable(told) else ""))
    with at_terminal(world.person()) as person:
        answer(person, world, kept)
        assert person.ends() == 0
    assert "it stays as it is" in person.said
    assert {name: content for name, content in world.files().items() if "credentials" not in name} == {
        name: content for name, content in before.items() if "credentials" not in name
    }


def test_an_inverted_button_is_found_out(world: World):
    """An opening contact, between line and ground: nobody has to know what active high is."""
    world.chip.drive(BUTTON, level=False)
    steps = walk(world)[:9]
    steps = [(question, (lambda w: w.chip.drive(BUTTON, None)) if told is World.press else told) for question, told in steps]
    steps = [(question, (lambda w: w.chip.drive(BUTTON, False)) if told is World.release else told) for question, told in steps]  # noqa: FBT003
    with at_terminal(world.person()) as person:
        answer(person, world, [*steps, *walk(world)[9:]])
        assert person.ends() == 0
    button = load(world.config).buttons[0]
    assert (button.active, button.bias) == ("high", "pull-up")
    assert re.search(r"opening\s+contact", person.said)


def test_a_button_that_is_not_there(world: World):
    """Nothing is felt: it says where to look, and asks for the line again. Another one that is held by somebody is told so."""
    with at_terminal(world.person()) as person:
        steps: list[tuple[str, Answer]] = [
            *walk(world)[:4],
            ("keep it pressed", lambda _: None),
        ]
        answer(person, world, steps)
        person.type("")
        person.until("Nothing was felt")
        person.until("Keep this line all the same")
        person.asked()
        person.type("n")
        person.until("Which line is the button on")
        person.asked()
        person.type("/nowhere/chip:5")
        person.until("Leave the button alone")
        person.asked()
        person.type("")
        person.until("does not exist")
        person.press(CTRL_C)
        assert person.ends() == 130


def test_a_hold_that_is_too_short(world: World):
    """It says for how long it was held, and waits for another."""
    steps = walk(world)[:6]
    with at_terminal(world.person()) as person:
        answer(person, world, [*steps, ("How many seconds", "2")])
        person.until("Now hold it for 2 s")
        world.press()
        time.sleep(0.1)  # a finger, in its own time
        world.release()
        person.until("too short")
        person.press(CTRL_C)
        assert person.ends() == 130


def test_a_lamp_is_never_tried_on_the_button_s_line(world: World):
    """It would drive the line against the button's contact. Nor have lamp, buzzer and armed lamp one line between them."""
    path = world.folder / "chip"
    lamp = next(number for number, (question, _) in enumerate(walk(world)) if "lamp on" in question)
    steps: list[tuple[str, Answer]] = [
        *walk(world)[:lamp],
        ("Which line is the lamp on", f"{path}:{BUTTON}"),
        ("that of the button", lambda _: None),
        ("Which line is the lamp on", f"{path}:{LAMP}"),
        ("What may it show", "1"),
        ("the buzzer on", str(LAMP)),
        ("that of the lamp", lambda _: None),
        ("the buzzer on", str(BUZZER)),
        ("lit while all is well", str(BUTTON)),
        ("that of the button", lambda _: None),
        ("lit while all is well", str(BUZZER)),
        ("that of the buzzer", lambda _: None),
    ]
    with at_terminal(world.person()) as person:
        answer(person, world, steps)
        person.press(CTRL_C)
        assert person.ends() == 130
    assert not any(lit for _, lit in world.chip.history(BUTTON))


def test_an_antenna_that_is_off(tmp_path: Path, simulator: Running):
    """The receiver says so, and the person learns it while looking; Enter goes on without a fix."""
    said = b"".join(with_checksum(each) for each in ("GPRMC,120000,V,,,,,,,010124,,,N", "GPGSV,1,1,00", "GNTXT,01,01,02,ANTSTATUS=OPEN"))
    with PlayedChip(tmp_path / "chip") as chip, receiver(tmp_path / "ttyGPS", said):
        world = World(tmp_path, simulator, chip)
        with at_terminal(world.person()) as person:
            answer(person, world, [("Which one", "1")])
            person.until("antenna is open")
            person.type("")
            person.until("No fix yet")
            person.until("A fixed site")
            person.press(CTRL_C)
            assert person.ends() == 130
    assert "satellites: 0 in view, 0 heard; no fix yet" in person.said


def test_a_keypad_is_tried(world: World):
    """Through the daemon's own adapter; no digit is shown."""

    async def play() -> None:
        async with PlayedKeypad(world.folder / "pad") as keypad:
            with at_terminal(world.person()) as person:
                await asyncio.to_thread(answer, person, world, walk(world)[:17])
                await asyncio.to_thread(answer, person, world, [("Which keypad", str(world.folder / "pad"))])
                await asyncio.to_thread(person.until, "Type 1 2 3")
                await keypad.until_grabbed()
                keypad.type("123")
                keypad.key("enter")
                await asyncio.to_thread(person.until, "the keypad works")
                person.press(CTRL_C)
                assert await asyncio.to_thread(person.ends) == 130

    asyncio.run(play())


def test_a_broken_config_is_begun_afresh(world: World):
    """Only if the person says so; it is kept under another name."""
    world.config.write_text("no TOML at all")
    before = world.files()
    with at_terminal(world.person()) as person:
        answer(person, world, [("Begin with an empty one", "n")])
        assert person.ends() == 1
    assert world.files() == before
    with at_terminal(world.person()) as person:
        answer(person, world, [("Begin with an empty one", "y"), *walk(world)])
        assert person.ends() == 0
    assert load(world.config).panic_api.customer_id == 4711
    assert [path.read_text() for path in world.config.parent.glob("config.toml.*")] == ["no TOML at all"]


def test_without_a_terminal_there_is_no_dialogue(world: World):
    """A script is told about the flags."""
    ran = subprocess.run(command(world.config), stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ran.returncode, "--unattended" in ran.stderr) == (2, True)
