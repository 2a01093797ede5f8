"""The installer's page and its drawings: a stranger types what stands there and wires what is drawn, so all of it must be so."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

from agent import __version__
from agent.cli import COMMANDS, setup_flags, setup_pins
from agent.settings import Button, Indicator
from hardware.patterns import LAMP

REPO = Path(__file__).parents[1]
PAGE = REPO / "docs" / "INSTALL.md"
WIRING = REPO / "docs" / "wiring"
SVG = "{http://www.w3.org/2000/svg}"


def drawing_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_wiring", REPO / "tools" / "draw_wiring.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses ask for it
    spec.loader.exec_module(module)
    return module


DRAW = drawing_program()
DRAWINGS = sorted(DRAW.DRAWINGS)


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def typed() -> list[str]:
    """What stands in boxes and between backticks, with lines that go on joined."""
    text = page()
    boxes = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for box in boxes for line in box.replace("\\\n", " ").splitlines() if line.strip()]
    outside = re.sub(r"^```\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return lines + re.findall(r"`([^`\n]+)`", outside)


def ours() -> list[str]:
    return sorted({each for each in typed() if re.match(r"(sudo )?callout-agent(-rollback)?( |$)", each)})


@pytest.mark.parametrize("line", ours())
def test_commands_on_the_page_exist_with_their_flags(line: str):
    """As one would type them."""
    program, *words = line.removeprefix("sudo ").split()
    if program == "callout-agent-rollback":
        assert (REPO / "packaging" / "callout-agent-rollback.sh").exists()
        assert all(word in (REPO / "packaging" / "callout-agent-rollback.sh").read_text(encoding="utf-8") for word in words)
        return
    assert not words or words[0] in COMMANDS
    known = help_of(words[0]) if words else ""
    assert [word for word in words if word.startswith("--") and word not in (*re.findall(r"--[a-z-]+", known), "--help")] == []


def help_of(command: str) -> str:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"agent.cli.{command}").add(parser)
    return parser.format_help()


def test_unattended_setup_as_it_stands_there_is_understood():
    """The whole line: one flag that is not taken would stop a fleet."""
    (line,) = (each for each in typed() if "--unattended" in each)
    parser = argparse.ArgumentParser()
    setup_flags.declare(parser)
    args = parser.parse_args(line.removeprefix("sudo callout-agent setup").split())
    assert args.unattended
    assert [args.button.line, args.lamp.line, args.buzzer.line] == [17, 27, 22]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?<![/\w])(?:systemd|packaging)/[a-z.-]+", PAGE.read_text(encoding="utf-8")))))
def test_files_of_the_project_on_the_page_are_there(name: str):
    """For those who build from source."""
    assert (REPO / name).exists()


INSTALLED = {
    "/etc/callout-agent": "packaging/postinst.sh",
    "/etc/callout-agent/config.toml": "packaging/postinst.sh",
    "/etc/callout-agent/credentials": "packaging/postinst.sh",
    "/usr/share/doc/callout-agent/examples/config.toml": "tools/build-deb",
    "/usr/share/doc/callout-agent/examples/callout-agent-clock.conf": "tools/build-deb",
    "/var/lib/callout-agent": "systemd/callout-agent.service",
    "/usr/lib/sysusers.d/callout-agent.conf": "tools/build-deb",
    "/usr/lib/tmpfiles.d/callout-agent.conf": "tools/build-deb",
}
OTHERS = re.compile(r"/(boot|dev|opt|run/device-key|etc/fstab|etc/machine-id|etc/systemd/system|etc/udev|usr/bin)(/|$)?")


def test_paths_on_the_page_are_made_by_the_package():
    """Each is named, whole or by its last part under /usr/share/doc, in the file that makes it."""
    told = {each.rstrip("/.") for line in typed() for each in re.findall(r"(?<![\w.:/-])/[\w./-]+", line)}
    for path in sorted(told):
        if OTHERS.match(path):
            continue
        assert path in INSTALLED, f"{path}: who makes it?"
        maker = (REPO / INSTALLED[path]).read_text(encoding="utf-8")
        assert path in maker or path.replace("/usr/share/doc/callout-agent", "$doc") in maker or path.endswith("/callout-agent"), path


def test_package_on_the_page_is_named_as_it_is_built():
    """Version, release and architecture in their order."""
    names = set(re.findall(r"callout-agent_[\w.~]+\.deb", page()))
    assert f"callout-agent_{__version__}~bookworm1_arm64.deb" in names
    assert all(
        re.fullmatch(rf"callout-agent_({re.escape(__version__)}~(bookworm|trixie)1_(arm64|amd64)|\.\.\._arm64)\.deb", each)
        for each in names
    )


def test_every_sign_of_the_lamp_is_explained():
    """One row for each, and none for what it never shows."""
    rows = re.findall(r"^\| (.+?) \|", re.split(r"\| the lamp \| says \|\n", page())[1].split("\n\n")[0], re.MULTILINE)
    assert len([row for row in rows if not row.startswith("---")]) == len(LAMP)


# --- the drawings -----------------------------------------------------------------------------------------------------------


def test_header_is_that_of_setup():
    """Two tables, written apart, that must not differ: setup's, and that of the drawings."""
    assert sorted(DRAW.HEADER) == list(range(1, 41))
    gpio = {pin: int(match[1]) for pin, name in DRAW.HEADER.items() if (match := re.match(r"GPIO(\d+)", name))}
    assert gpio == dict(setup_pins.HEADER)
    assert {pin for pin, name in DRAW.HEADER.items() if name == "GND"} == setup_pins.GROUND
    assert {pin: name for pin, name in DRAW.HEADER.items() if name.endswith(" V")} == dict(setup_pins.SUPPLY)


def test_pins_are_those_of_the_example_config():
    """Who wires as drawn and takes every default has what works."""
    text = (REPO / "config.example.toml").read_text(encoding="utf-8")
    example = tomllib.loads(re.sub(r"^# (\w+_line = )", r"\1", text, flags=re.MULTILINE))
    lines = {
        "button.line": example["button"][0]["line"],
        **{f"indicator.{key}": value for key, value in example["indicator"].items() if key.endswith("_line")},
    }
    assert {key: setup_pins.HEADER[pin] for pin, key in DRAW.CONFIGURED.items()} == lines
    assert (Button().line, Indicator().lamp_line) == (setup_pins.HEADER[11], setup_pins.HEADER[13])


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_is_what_its_program_draws(name: str):
    """Nobody mends a drawing by hand, to lose it with the next."""
    assert WIRING.joinpath(f"{name}.svg").read_text(encoding="utf-8") == DRAW.DRAWINGS[name]().whole()


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_stands_alone(name: str):
    """Well-formed; nothing from outside, no script; white behind it in a dark page; told in words to those who do not see it."""
    text = WIRING.joinpath(f"{name}.svg").read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314 - our own file
    assert root.tag == f"{SVG}svg"
    assert not re.search(r"href|url\(|<script|<image|<style|@import|on[a-z]+=|<!", text)
    assert re.findall(r"https?://[^\"\s]+", text) == ["http://www.w3.org/2000/svg"]
    first = next(each for each in root if each.tag == f"{SVG}rect")
    assert (first.get("fill"), first.get("width"), first.get("height")) == ("#fff", root.get("width"), root.get("height"))
    told = " ".join(each.text or "" for each in root if each.tag in {f"{SVG}title", f"{SVG}desc"})
    assert len(told) > 100


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_keeps_its_words_on_the_sheet(name: str):
    """A letter is at most some two thirds of its size wide, on average less: what would run over the edge is seen here."""
    root = ET.fromstring(WIRING.joinpath(f"{name}.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own file
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for each in root.iter(f"{SVG}text"):
        long = len(each.text or "") * float(each.get("font-size", 0)) * (0.62 if each.get("font-weight") else 0.56)
        x = float(each.get("x", 0)) - {"start": 0.0, "middle": long / 2, "end": long}[each.get("text-anchor", "start")]
        assert x >= 0, each.text
        assert x + long <= width, each.text
        assert 0 < float(each.get("y", 0)) < height, each.text


def test_wires_without_colours_are_told_apart():
    """By their dashes: no two kinds have the same."""
    dashes = [look.dash for look in DRAW.LOOKS.values()]
    assert len(set(dashes)) == len(dashes)


def wires_on_the_page() -> dict[int, str]:
    """Pin and colour of the table of all wires."""
    return {int(pin): colour for pin, colour in re.findall(r"^\| pin (\d+), [^|]*\| (\w+) \|", page(), re.MULTILINE)}


def test_table_of_wires_is_what_is_drawn():
    """Each pin that is used, by its name, in the colour in which it is drawn."""
    table = wires_on_the_page()
    assert set(table) == set(DRAW.USES)
    for pin, name in re.findall(r"^\| pin (\d+), ([^|]*?) \|", page(), re.MULTILINE):
        assert DRAW.HEADER[int(pin)] == name
    colours = {look.colour: name for name, look in DRAW.LOOKS.items()}
    drawn = ends_of_wires(colours)
    assert {pin: colour for pin, colour in drawn["everything"].items() if pin in table} == table
    for name in ("button", "lamp", "buzzer", "receiver"):
        assert drawn[name], name
        assert drawn[name].items() <= table.items(), name


def ends_of_wires(colours: dict[str, str]) -> dict[str, dict[int, str]]:
    """Of each drawing: which pin has a wire of which colour at its place on the header."""
    places = {DRAW.edge(pin): pin for pin in DRAW.HEADER}
    found: dict[str, dict[int, str]] = {}
    for name in DRAWINGS:
        root = ET.fromstring(WIRING.joinpath(f"{name}.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own file
        dots = (each for each in root.iter(f"{SVG}circle") if each.get("r") == "5" and each.get("fill") in colours)
        spots = (((float(each.get("cx", 0)), float(each.get("cy", 0))), colours[each.get("fill", "")]) for each in dots)
        found[name] = {places[spot]: colour for spot, colour in spots if spot in places}
    return found


def test_every_drawing_is_on_the_page():
    """And none that there is not."""
    assert sorted(re.findall(r"\]\(wiring/([\w-]+)\.svg\)", page())) == sorted(DRAWINGS)
    assert sorted(path.stem for path in WIRING.iterdir()) == DRAWINGS
