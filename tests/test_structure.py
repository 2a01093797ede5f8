"""The house plan, kept: who may import whom, which libraries live where, how large a module may be, what no file may name.

Reads the sources; imports none of them. A new module needs a row below: a room, or the reasons for what else it imports.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PACKAGES = ("agent", "hardware", "simulator")

LEAF = {"agent", "agent.model", "agent.paperwork", "agent.kept"}  # `kept` may use the words of `model`, and `model` those of `paperwork`

# Decisions, lowest first: each may import the leaf and those above it in this list.
DECISIONS = (
    "agent.geo",
    "agent.redaction",
    "agent.progress",
    "agent.columns",
    "agent.signals",
    "agent.wording",
    "agent.scalars",
    "agent.help_wire",
    "agent.wire",
    "agent.paper_wire",
    "agent.bodies",
    "agent.delivery",
    "agent.adoption",
    "agent.raising",
    "agent.streaming",
    "agent.lifecycle",
    "agent.records",
    "agent.acts",
    "agent.conversation",
    "agent.hearsay",
    "agent.signs",
    "agent.timescale",
    "agent.gate",
    "agent.outage",
    "agent.positions",
    "agent.cadence",
    "agent.codes",
    "agent.proofs",
    "agent.certificates",
    "agent.health",
    "agent.findings",
    "agent.notices",
    "agent.thinning",
    "agent.journey",
    "agent.particulars",
    "agent.trail",
    "agent.documents",
)

# The config is read before anything else is there: it knows nobody, and its parts know only each other.
CONFIG = {
    "agent.rules": set(),
    "agent.tables": {"agent.rules"},
    "agent.settings": {"agent.rules", "agent.tables"},
    "agent.config": {"agent.settings", "agent.tables"},
}

# Edges may import leaf, ports and decisions. What else, and why.
EDGES = {
    "agent.ports": (set(), "the edges' Protocols"),
    "agent.aside": (set(), "threads beside the loop"),
    "agent.clock": (set(), "the system's clock"),
    "agent.control": (set(), "the socket, both ends"),
    "agent.journal": (set(), "conditions in the log"),
    "agent.links": (set(), "netlink"),
    "agent.notify": (set(), "systemd"),
    "agent.identity": (set(), "the tiny file beside the database"),
    "agent.spool": ({"agent.identity"}, "a press is of a boot, and identity knows which boot this is"),
    "agent.lookup": ({"agent.aside"}, "a name look-up blocks"),
    "agent.line": ({"agent.lookup"}, "a connection begins with a look-up"),
    # the store, from the outside in
    "agent.deeds": (set(), "what is to be written"),
    "agent.schema": (set(), "tables and migrations"),
    "agent.boots": (set(), "moments of earlier boots"),
    "agent.fix_rows": ({"agent.boots", "agent.deeds"}, "the rows of fixes"),
    "agent.rows": ({"agent.boots", "agent.deeds", "agent.fix_rows"}, "all other rows"),
    "agent.retention": ({"agent.fix_rows"}, "deletes rows"),
    "agent.essence": ({"agent.deeds", "agent.identity"}, "what outlives the file is written to the identity file"),
    "agent.dbfile": ({"agent.schema"}, "opens and migrates; the schema is imported only when it does"),
    "agent.keepsake": ({"agent.dbfile", "agent.identity"}, "the identity file may use the database's reserve"),
    "agent.upkeep": ({"agent.dbfile", "agent.retention", "agent.rows"}, "checkpoints and thinning of the open file"),
    "agent.waiting": ({"agent.deeds"}, "deeds that wait"),
    "agent.keeper": (
        {f"agent.{room}" for room in ("dbfile", "deeds", "identity", "keepsake", "retention", "rows", "upkeep")},
        "the store's thread",
    ),
    "agent.pocket": ({"agent.deeds", "agent.identity", "agent.keeper"}, "a keeper without a database"),
    "agent.retrieval": (
        {f"agent.{room}" for room in ("deeds", "fix_rows", "keeper", "waiting")},
        "reads what is committed or waits",
    ),
    "agent.store": (
        {
            "agent.aside",
            *(
                f"agent.{room}"
                for room in ("dbfile", "deeds", "essence", "identity", "keeper", "retention", "retrieval", "rows", "waiting")
            ),
        },
        "the door of the store's rooms",
    ),
    # dispatch, likewise
    "agent.token_sources": ({"agent.aside", "agent.line"}, "a secret file may hang, a token comes over a line"),
    "agent.credentials": ({"agent.aside", "agent.token_sources"}, "renews what the sources give"),
    "agent.caller": ({"agent.credentials", "agent.line"}, "a request needs a token and a line"),
    "agent.panic_api": ({"agent.caller", "agent.credentials"}, "operations are requests"),
    "agent.connections": (
        {"agent.config", "agent.credentials", "agent.line", "agent.lookup", "agent.panic_api", "agent.rules", "agent.token_sources"},
        "builds the way to dispatch from the config",
    ),
    # the daemon's own parts
    "agent.autopsy": (set(), "exceptions in words"),
    "agent.starts": ({"agent.identity", "agent.spool"}, "starts are counted beside the presses"),
    "agent.safe_mode": ({"agent.autopsy", "agent.starts"}, "a careful start"),
    "agent.first": (
        {"agent.clock", "agent.config", "agent.notify", "agent.panel", "agent.presses", "agent.safe_mode", "agent.starts", "hardware"},
        "opens what a hand touches, before anything else is there",
    ),
    "agent.decider": (set(), "the inbox"),
    "agent.checkup": (set(), "facts to conditions, every second"),
    "agent.tracking": (set(), "reports to the track"),
    "agent.comforts": (
        {
            "agent.arming",
            "agent.autopsy",
            "agent.config",
            "agent.connections",
            "agent.control",
            "agent.device_report",
            "agent.farewell",
            "agent.file_modes",
            "agent.heartbeat",
            "agent.hooks",
            "agent.housekeeping",
            "agent.panel",
            "agent.proving",
            "agent.selftest",
            "agent.store",
            "agent.timekeeping",
        },
        "what no emergency waits for, restarted when it fails",
    ),
    "agent.ticking": (
        {
            f"agent.{room}"
            for room in ("connections", "decider", "farewell", "journal", "notify", "panel", "presses", "store", "timekeeping", "tracking")
        }
        | {"agent.last_fix", "agent.unreachable"},
        "every second, each room looks again",
    ),
    "agent.housekeeping": ({"agent.aside"}, "jobs by the hour of the day; its library is brought along in a thread"),
    "agent.file_modes": ({"agent.aside", "agent.config"}, "modes of the files that the config names; a disk may hang"),
    "agent.timekeeping": (
        {"agent.clock", "agent.identity", "agent.store"},
        "what follows from knowing the time, in this boot and the next",
    ),
    # the track read back for people, from the rows outwards
    "agent.tracks": (set(), "the package"),
    "agent.tracks.xmltext": (set(), "any text in XML"),
    "agent.tracks.points": (set(), "what rows say"),
    "agent.tracks.history": ({"agent.dbfile", "agent.tracks.points"}, "reads the database"),
    "agent.tracks.marks": ({"agent.tracks.history", "agent.tracks.points"}, "presses and callouts as moments"),
    "agent.tracks.gpx": ({"agent.tracks.marks", "agent.tracks.points", "agent.tracks.xmltext"}, "a format"),
    "agent.tracks.geojson": ({"agent.tracks.marks", "agent.tracks.points"}, "a format"),
    "agent.tracks.sheet": ({"agent.tracks.history"}, "a format: its columns"),
    "agent.tracks.story": ({"agent.tracks.points"}, "what a track tells"),
    "agent.tracks.words": ({"agent.tracks.history", "agent.tracks.points", "agent.tracks.story"}, "that in sentences"),
    "agent.tracks.frame": ({"agent.tracks.points"}, "degrees to pixels"),
    "agent.tracks.labels": ({"agent.tracks.frame"}, "room for words"),
    "agent.tracks.ink": ({"agent.tracks.labels", "agent.tracks.points", "agent.tracks.xmltext"}, "how a picture looks"),
    "agent.tracks.chart": (
        {f"agent.tracks.{part}" for part in ("frame", "ink", "labels", "marks", "points", "story", "words")},
        "the map",
    ),
    "agent.tracks.strip": (
        {f"agent.tracks.{part}" for part in ("chart", "frame", "history", "ink", "labels", "marks", "points", "story", "words")},
        "the strip of time",
    ),
    "agent.tracks.picture": (
        {
            f"agent.tracks.{part}"
            for part in ("chart", "frame", "history", "ink", "labels", "marks", "points", "story", "strip", "words", "xmltext")
        },
        "the picture of all parts",
    ),
    "agent.tracks.page": (
        {f"agent.tracks.{part}" for part in ("history", "ink", "marks", "picture", "points", "story", "words", "xmltext")},
        "the picture with its tables",
    ),
    "agent.operations": (set(), "what an operator asks of dispatch, over a connection that it is given"),
    "agent.enquiries": ({"agent.control", "agent.operations"}, "who may ask which of these"),
    "agent.requests": (
        {"agent.control", "agent.enquiries", "agent.presses"},
        "answers what comes over the socket, about presses it made and callouts",
    ),
    "agent.bindings": (
        {"agent.config", "agent.device_report", "agent.lanes.desk", "agent.retention", "agent.trails"},
        "the config's tables to the rooms' values",
    ),
    "agent.recovery": (
        {"agent.identity", "agent.lanes.event", "agent.last_fix", "agent.presses", "agent.resume", "agent.store", "agent.timekeeping"},
        "the start: everything that was kept goes back to its room",
    ),
    "agent.last_fix": ({"agent.identity", "agent.resume", "agent.spool"}, "a position beside the presses"),
    "agent.resume": ({"agent.identity", "agent.spool"}, "what the last process left behind"),
    "agent.presses": (
        {"agent.identity", "agent.resume", "agent.spool"},
        "a press lies in the runtime directory until the store has it",
    ),
    "agent.hooks": ({"agent.aside"}, "programs of the owner, read from a disk that may hang"),
    "agent.device_report": ({"agent.yielding"}, "tells dispatch of the device"),
    "agent.unreachable": ({"agent.hooks"}, "tells the owner's program"),
    "agent.conversing": (set(), "what dispatch says, to the wearer and the owner's program"),
    "agent.panel": ({"agent.presses", "agent.spool"}, "buttons make presses; their last levels lie in the runtime directory and the store"),
    "agent.yielding": (set(), "how a comfort gives way to a raise"),
    "agent.heartbeat": ({"agent.yielding"}, "tells the fleet's server that the device lives"),
    "agent.arming": ({"agent.hooks"}, "tells lamp and program that it is not armed"),
    "agent.quick_check": (set(), "a process of its own"),
    "agent.examinations": (
        {"agent.aside", "agent.config", "agent.line", "agent.quick_check"},
        "files that may hang, the config as it stands now, dispatch's certificate",
    ),
    "agent.selftest": ({"agent.examinations"}, "says when"),
    "agent.proving": ({"agent.lookup", "agent.panel", "agent.store"}, "exercises what a raise needs"),
    "agent.overview": (
        {
            f"agent.{room}"
            for room in ("checkup", "conversing", "panel", "proving", "recovery", "selftest", "store", "timekeeping", "tracking")
        },
        "the status document is of all rooms",
    ),
    "agent.farewell": ({"agent.lanes.board"}, "last words go past the lanes' waits"),
    "agent.telling": ({"agent.lanes.board", "agent.lanes.event"}, "messages, from the store to the lanes"),
    "agent.trails": ({"agent.aside", "agent.telling"}, "a trail is put into words in a thread, and told"),
    "agent.lanes": (set(), "the lanes' package"),
    "agent.lanes.turns": (set(), "who opens a connection now"),
    "agent.lanes.desk": ({"agent.lanes.turns"}, "what every lane sees"),
    "agent.lanes.alert": ({"agent.lanes.desk", "agent.lanes.turns"}, "a lane"),
    "agent.lanes.cancel": ({"agent.lanes.desk", "agent.lanes.turns"}, "a lane"),
    "agent.lanes.event": ({"agent.lanes.desk", "agent.lanes.turns"}, "a lane"),
    "agent.lanes.location": ({"agent.lanes.desk", "agent.lanes.turns"}, "a lane"),
    "agent.lanes.watch": ({"agent.lanes.desk", "agent.lanes.turns"}, "a lane"),
    "agent.lanes.board": (
        {f"agent.lanes.{lane}" for lane in ("alert", "cancel", "desk", "event", "location", "turns", "watch")},
        "all lanes as one",
    ),
}

# What commands may import beyond the agent's own rooms: they start the stand-in, and play or replay logs; setup opens devices
# where no daemon holds them (decision 24).
COMMANDS = {
    "agent.cli.demo": {"simulator.scenario", "simulator.scenario_reading", "simulator.server"},
    "agent.cli.stage": {"hardware.feeder", "hardware.played_chip", "hardware.played_keypad", "simulator.server"},
    "agent.cli.replay": {"hardware.replay"},
    "agent.cli.doctor_panel": {"hardware"},
    "agent.cli.doctor_receiver": {"hardware"},
    "agent.cli.setup_button": {"hardware", "hardware.ailments", "hardware.lines", "hardware.wiring"},
    "agent.cli.setup_flags": {"hardware.wiring"},
    "agent.cli.setup_keypad": {"hardware", "hardware.wiring"},
    "agent.cli.setup_lamp": {"hardware"},
    "agent.cli.setup_position": {"hardware.discovery", "hardware.earshot"},
    "agent.cli.setup_receivers": {"hardware.discovery", "hardware.earshot"},
    "agent.cli.simulator": {"simulator.scenario", "simulator.scenario_reading", "simulator.server"},
    "agent.cli.rehearsal": {"simulator.compare", "simulator.scenario", "simulator.scenario_reading", "simulator.scenario_values"},
    "agent.cli.wearer": {"simulator.scenario"},
}

# A library lives in one room, so that it can be replaced there.
LIBRARIES = {
    "apscheduler": {"agent.housekeeping"},
    "certifi": {"agent.line"},
    "click": {"agent.cli.track_export"},  # a progress bar; it comes with sqlite-utils
    "gpiod": {"hardware.gpio", "hardware.wiring"},
    "gpsd": {"agent.cli.doctor_gpsd"},
    "httpx": {"agent.line", "agent.cli.stage", "simulator.webhooks"},
    "pynmeagps": {"hardware.sentence"},
    "serial": {"hardware.discovery", "hardware.serial_port"},
    "sqlite_utils": {"agent.schema", "agent.tracks.history"},
    "starlette": {"simulator.*"},
    "trustme": {"simulator.tls"},
    "uvicorn": {"simulator.server"},
}

# No decision has a clock, a disk, a network, chance or a log.
IMPURE = {
    "asyncio",
    "concurrent",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "uuid",
}
NOW = {"now", "today", "utcnow"}

BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|commons?|managers?|misc|base)(_|$)")


def path_of(module: str) -> Path:
    path = REPO.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def is_module(name: str) -> bool:
    return path_of(name).exists()


@cache
def modules() -> tuple[str, ...]:
    paths = (path.relative_to(REPO).with_suffix("") for package in PACKAGES for path in (REPO / package).rglob("*.py"))
    return tuple(sorted(".".join(path.parts).removesuffix(".__init__") for path in paths))


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def imported(module: str) -> Iterator[str]:
    """Every module that is imported anywhere in this one, by its full name."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            base = node.module or ""
            yield from (f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base for alias in node.names)


def ours(module: str) -> set[str]:
    return {name for name in imported(module) if name.split(".")[0] in PACKAGES}


def whole(package: str) -> set[str]:
    return {name for name in modules() if name.split(".")[0] == package}


@cache
def allowed() -> dict[str, set[str]]:
    """What each module with a room may import of ours."""
    below = LEAF | set(DECISIONS)
    rooms: dict[str, set[str]] = {name: set() for name in LEAF} | {"agent.kept": {"agent.model"}, "agent.model": {"agent.paperwork"}}
    rooms |= {name: LEAF | set(DECISIONS[:place]) for place, name in enumerate(DECISIONS)}
    rooms |= {name: LEAF | parts for name, parts in CONFIG.items()}
    rooms |= {name: below | {"agent.ports"} | extra for name, (extra, _) in EDGES.items()}
    rooms |= {"agent.daemon": below | set(EDGES) | set(CONFIG) | {"hardware"}}
    commands = [name for name in modules() if name == "agent.__main__" or name.startswith("agent.cli")]
    rooms |= {name: whole("agent") | COMMANDS.get(name, set()) for name in commands}
    rooms |= {name: {"agent.model", "agent.ports"} | whole("hardware") for name in whole("hardware")}
    rooms |= {name: whole("simulator") for name in whole("simulator")}
    return rooms


@pytest.mark.parametrize("module", modules())
def test_imports_only_what_its_room_allows(module: str):
    """The arrows of DESIGN section 2: a wrong one is a decision that someone did not notice."""
    assert module in allowed(), f"{module} has no room: give it one in this file"
    wrong = ours(module) - allowed()[module]
    assert not wrong, f"{module} must not import {', '.join(sorted(wrong))}"


def test_no_room_stands_empty():
    """A module that went takes its row along."""
    rows = LEAF | set(DECISIONS) | set(CONFIG) | set(EDGES) | set(COMMANDS)
    assert sorted(rows - set(modules())) == []


def test_imports_form_no_circle():
    """Also not among edges that are allowed to know each other."""
    remaining = {module: ours(module) - {module} for module in modules()}
    while free := [module for module, needs in remaining.items() if not needs & remaining.keys()]:
        for module in free:
            del remaining[module]
    assert not remaining, f"in or behind a circle: {', '.join(remaining)}"


# Beside the daemon, and only while no daemon holds it: decision 24.
OPENS_HARDWARE = re.compile(r"agent\.(daemon|first|cli\.(doctor|setup)_\w+)")


def test_only_the_command_line_imports_the_daemon_and_only_few_open_hardware():
    """One composition root; the doctor and the installer's dialogue beside it."""
    assert {module for module in modules() if "agent.daemon" in ours(module)} <= {"agent.cli.run"}
    assert [module for module in modules() if "hardware" in ours(module) and not OPENS_HARDWARE.fullmatch(module)] == []


@pytest.mark.parametrize("module", modules())
def test_libraries_live_in_their_rooms(module: str):
    """What is not Python's own or ours is imported only where the table says."""
    foreign = {name.split(".")[0] for name in imported(module)} - set(PACKAGES) - set(sys.stdlib_module_names)
    for library in foreign:
        rooms = LIBRARIES.get(library, set())
        assert module in rooms or f"{module.split('.', maxsplit=1)[0]}.*" in rooms, f"{module} must not import {library}"


def pure() -> list[str]:
    """The decisions, and what says of itself that it is pure."""
    return [*sorted(LEAF), *DECISIONS, *(name for name in modules() if "\nPure" in (ast.get_docstring(tree(name)) or ""))]


@pytest.mark.parametrize("module", pure())
def test_decisions_are_pure(module: str):
    """No IO, no clock, no chance, no logging, no await: time is data."""
    assert not {name.split(".")[0] for name in imported(module)} & IMPURE
    for node in ast.walk(tree(module)):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith), f"{module}:{node.lineno} awaits"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            assert name not in NOW | {"open", "print"}, f"{module}:{node.lineno} calls {name}()"


@pytest.mark.parametrize("module", modules())
def test_modules_are_small_and_say_what_they_are_for(module: str):
    """400 lines, 300 for decisions; a docstring; a name that is a noun of the house."""
    lines = path_of(module).read_text(encoding="utf-8").count("\n")
    # The model is a list of words, not a decision: it may be as long as any other module.
    limit = 300 if module in DECISIONS else 400
    assert lines <= limit, f"{module} has {lines} lines, {limit} are allowed"
    docstring = ast.get_docstring(tree(module))
    assert docstring is not None, f"{module} has no docstring"
    assert len(docstring.split()) >= 4, f"{module}: what does it decide or touch, and what must it not do?"
    assert not any(BANNED_NAMES.search(part) for part in module.split(".")), f"{module} has a name that says nothing"


def functions() -> Iterator[tuple[str, int]]:
    for module in modules():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}.{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_are_short():
    """10 lines at the median, 40 at most."""
    lengths = dict(functions())
    assert {name: lines for name, lines in lengths.items() if lines > 40} == {}
    assert sorted(lengths.values())[len(lengths) // 2] <= 10


def committed() -> list[Path]:
    """Every file that git knows, or would take with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=REPO, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this is no git repository: nothing to tell committed files by")
    return [path for name in listed.stdout.split("\0") if name and (path := REPO / name).is_file()]


# In pieces, or this file would be the first to break its own rule.
NEVER_NAMED = {
    "a package registry's host": re.compile(
        "|".join(
            re.escape(first + last)
            for first, last in (("pypi", ".org"), ("python", "hosted.org"), ("registry.", "npmjs"), ("deb.", "debian.org"))
        )
        + r"|--(extra-)?index"
        + r"-url[ =]"
    ),
    "a path of one machine": re.compile("|".join(("/wo" + r"rk/", "/ro" + r"ot/[.a-z]", r"/ho" + r"me/[a-z]+/", "file" + ":///"))),
    "a private key": re.compile("-----BEGIN [A-Z ]*" + "PRIVATE KEY-----"),
}


def test_no_file_names_a_registry_a_machine_or_a_key():
    """What is committed works anywhere and gives nothing away."""
    found = []
    for path in committed():
        text = path.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{path.relative_to(REPO)}:{number} names {what}" for what, pattern in NEVER_NAMED.items() if pattern.search(line)]
    assert found == []
