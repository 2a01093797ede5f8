"""The table of operations in the docs has no empty cell, and every name in it exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.cli import main
from agent.panic_api import PanicApi
from agent.token_sources import ClientSecret, TokenService
from simulator.operations import OPERATIONS
from tests.edges import test_panic_api_generations as stories

PAGE = Path(__file__).parents[1] / "docs" / "PANIC-API.md"
CLASSES = {each.__name__: each for each in (PanicApi, ClientSecret, TokenService)}
# What the service's documentation calls a callout operation; the table has one row for each.
SEVENTEEN = 17


def rows() -> list[list[str]]:
    """The cells of both tables, heads left out."""
    text = PAGE.read_text(encoding="utf-8").partition("## The operations")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith(("| operation |", "| --- |"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def plain(cell: str) -> str:
    """A cell without its marks."""
    return cell.strip("`")


def test_the_table_has_every_operation_and_no_empty_cell():
    """Seventeen around a callout first, then the others; six cells each."""
    assert [row for row in rows() if len(row) != 6 or not all(map(plain, row))] == []
    names = [row[0] for row in rows()]
    assert len(set(names)) == len(names)
    assert names.index("Server token") == SEVENTEEN


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_names_what_is_there(row: list[str], capsys: pytest.CaptureFixture[str]):
    """A method of the client, a command with its options, a route of the simulator, and a test of each generation."""
    _, client, command, route, new, old = map(plain, row)
    owner, _, method = client.partition(".")
    assert callable(getattr(CLASSES[owner], method))
    words = command.split()
    assert main([*(word for word in words if not word.startswith("-")), "--help"]) == 0
    told = capsys.readouterr().out
    assert [word for word in words if word.startswith("-") and not re.search(rf"{word}\b", told)] == []
    assert route in {f"{each.method} {each.path}" for each in OPERATIONS}
    for test, cell in ((stories.test_new, new), (stories.test_old, old)):
        (mark,) = (each for each in test.pytestmark if each.name == "parametrize")
        function, _, story = cell.rstrip("]").partition("[")
        assert function == test.__name__
        assert story in list(mark.args[1])
