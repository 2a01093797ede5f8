"""docs/SECURITY.md names tests, settings, conditions and files: each is there, and each drop-in is one that systemd takes."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from agent import codes

REPO = Path(__file__).parents[1]
PAGE = (REPO / "docs" / "SECURITY.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
NAMED = re.findall(r"`([^`\n]+)`", PROSE)
UNIT = (REPO / "systemd" / "callout-agent.service").read_text(encoding="utf-8")
SETTINGS = sorted({each for each in NAMED if re.fullmatch(r"[A-Z]\w+=\S.*", each)})
TESTS = sorted({each for each in NAMED if each.startswith("tests/") and "::" in each})
PATHS = sorted({each for each in NAMED if re.fullmatch(r"(?:tests|tools|docs|agent|hardware|systemd)/[\w./-]+|requirements\.lock", each)})
KEYS = sorted({each for each in NAMED if re.fullmatch(r"\[\w+\] \w+", each)})


def rows() -> dict[str, list[str]]:
    """The rows of each table of threats, by the heading above it."""
    found = {}
    for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        if lines and lines[0].startswith("| threat |"):
            found[title] = lines[2:] if lines[1].startswith("| ---") else lines[1:]
    return found


def test_page_names_what_this_test_looks_for():
    """Or the tests below would prove nothing."""
    assert min(len(TESTS), 40) == 40
    assert len(SETTINGS) >= 10
    assert len(PATHS) >= 5
    assert len(KEYS) >= 5
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("named", TESTS)
def test_each_named_test_exists(named: str):
    """By file and name."""
    path, _, name = named.partition("::")
    assert re.search(rf"^(?:async )?def {name}\(", (REPO / path).read_text(encoding="utf-8"), re.MULTILINE), named


@pytest.mark.parametrize("named", PATHS)
def test_each_named_file_exists(named: str):
    """In this tree."""
    assert (REPO / named).exists()


@pytest.mark.parametrize("named", SETTINGS)
def test_each_named_setting_stands_in_the_unit(named: str):
    """As it is written there."""
    assert named in UNIT.splitlines()


@pytest.mark.parametrize("named", KEYS)
def test_each_named_key_is_one_of_the_config(named: str):
    """Documented in the example, on or commented out."""
    table, key = re.fullmatch(r"\[(\w+)\] (\w+)", named).groups()
    example = (REPO / "config.example.toml").read_text(encoding="utf-8")
    part = re.search(rf"^(?:# )?\[{table}\].*?(?=^(?:# )?\[|\Z)", example, re.MULTILINE | re.DOTALL)
    assert part is not None, f"no table {table}"
    assert re.search(rf"^(?:# ?)?{key} = ", part[0], re.MULTILINE), named


def test_each_named_condition_is_in_the_table():
    """Every code that the page names."""
    named = set(re.findall(r"`((?:clock|files|dispatch|token|store|config|button|receiver)\.[a-z_]+)`", PROSE)) - {
        "config.toml",
        "token.json",
    }
    assert {"clock.wrong", "clock.tls", "clock.untrusted", "files.open"} <= named
    assert [each for each in sorted(named) if codes.row_of(each) is None] == []


def test_each_threat_is_answered_or_said_not_to_be():
    """Every row names a test, a setting, a file or a condition, or says `not answered`."""
    tables = rows()
    assert {"Stolen", "The network", "Supply chain", "A hostile user of the same machine"} <= tables.keys()
    for title, lines in tables.items():
        assert lines, title
        for line in lines:
            answer = line.strip("| ").split(" | ")[-1]
            assert "`" in answer or "not answered" in answer, f"{title}: {line}"


@pytest.mark.parametrize("threat", ["stolen", "network", "user", "receiver", "gpsd", "reply of dispatch", "supply chain", "duress"])
def test_each_kind_of_threat_has_a_heading(threat: str):
    """The list of whoever asked for it."""
    headings = " ".join(re.findall(r"^## (.*)$", PAGE, re.MULTILINE)).lower()
    assert threat in headings


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.sub(r"\W+", " ", block)[:30])
def test_each_drop_in_is_one_that_systemd_takes(block: str, tmp_path: Path):
    """With the unit that it widens."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    folder = tmp_path / "callout-agent.service.d"
    folder.mkdir()
    (folder / "more.conf").write_text(block)
    unit = tmp_path / "callout-agent.service"
    unit.write_text(UNIT.replace("/usr/bin/callout-agent", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "more.conf" in line or "callout-agent" in line]) == (0, [])


@pytest.mark.parametrize(
    ("name", "block"),
    [(None, ""), ("clock", (REPO / "systemd" / "callout-agent-clock.conf").read_text()), ("asked", BLOCKS[3])],
)
def test_exposures_are_what_the_page_says(name: str | None, block: str, tmp_path: Path):
    """1.5 for the unit; the drop-ins are said with theirs."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    folder = tmp_path / "callout-agent.service.d"
    folder.mkdir()
    (folder / "more.conf").write_text(block)
    unit = tmp_path / "callout-agent.service"
    unit.write_text(UNIT.replace("/usr/bin/callout-agent", "/bin/true"))
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    rated = re.search(r"exposure level for \S+: (\S+)", done.stdout)[1]
    said = {None: r"rates it (\S+) on Debian", "clock": r"`callout-agent-clock\.conf` (\d\.\d)", "asked": r"Exposure (\d\.\d)"}[name]
    assert re.search(said, PAGE)[1] == rated


def test_exceptions_of_the_audit_are_readable():
    """The list that the page names."""
    assert isinstance(tomllib.loads((REPO / "tools" / "audit-ignored.toml").read_text(encoding="utf-8")), dict)
