"""What a person can use is documented: every command, every key of the config, every link leads somewhere."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from agent import config
from agent.cli import COMMANDS

REPO = Path(__file__).parents[1]
PAGES = [*sorted(REPO.glob("*.md")), *sorted((REPO / "docs").rglob("*.md"))]
EXAMPLE = REPO / "config.example.toml"


def prose() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str):
    """In README or docs, as one would type it."""
    assert re.search(rf"callout-agent {command}\b|`{command}[` ]", prose()), f"no page says what `callout-agent {command}` does"


def keys() -> list[tuple[str, str]]:
    forms = [
        *config.ALWAYS.items(),
        *config.IF_WRITTEN.items(),
        ("button", config.Button),
        *(("receiver", form) for form in config.RECEIVERS.values()),
    ]
    return sorted({(table, key.name) for table, form in forms for key in dataclasses.fields(form)})


@pytest.mark.parametrize(("table", "key"), keys())
def test_every_key_is_documented(table: str, key: str):
    """In the example, inside its own table, on or off."""
    section = re.split(rf"^(?:# )?\[\[?{table}\]\]?", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert any(re.search(rf"^(?:# )?{key} = ", re.split(r"^(?:# )?\[", each, flags=re.MULTILINE)[0], re.MULTILINE) for each in section)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_lead_somewhere(page: Path):
    """A relative link names a file that is there."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [
        target for target in targets if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert missing == []


def test_every_make_target_explains_itself():
    """`make help` lists all that a person may type."""
    text = (REPO / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()) - {"system"}
    assert phony == set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
