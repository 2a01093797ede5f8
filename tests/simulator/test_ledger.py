"""Records in tables: whatever becomes of records, lists inside them and lists inside those, reading back gives the same."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.ledger import Ledger, Step, read_back
from simulator.tables import Table, lay_out


class Colour(StrEnum):
    """Any choice."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Leaf:
    """Settled: plain and frozen."""

    name: str
    weight_kg: float | None
    ripe: bool


@dataclass(frozen=True, slots=True)
class Twig:
    """Frozen, and yet what it holds can change in place."""

    colour: Colour | None
    marks: dict[str, int]
    leaves: list[Leaf] = field(default_factory=list)


@dataclass(slots=True)
class Branch:
    """A list in a list, a tuple, and one alone."""

    number: int
    twigs: list[Twig] = field(default_factory=list)
    pair: tuple[Leaf, ...] = ()
    best: Leaf | None = None
    sizes: tuple[int, ...] = ()
    names: frozenset[str] = frozenset()


@dataclass(slots=True)
class Tree:
    """A record with a key."""

    id: str
    height_m: float | None
    branches: list[Branch] = field(default_factory=list)


TREES = lay_out("trees", Tree, key="id")

LEAVES = st.builds(Leaf, st.text(max_size=2), st.none() | st.floats(0, 9), st.booleans())
TWIGS = st.builds(
    Twig,
    st.none() | st.sampled_from(Colour),
    st.dictionaries(st.sampled_from("ab"), st.integers(), max_size=2),
    st.lists(LEAVES, max_size=3),
)
BRANCHES = st.builds(
    Branch,
    st.integers(-(2**70), 2**70),
    st.lists(TWIGS, max_size=3),
    st.lists(LEAVES, max_size=2).map(tuple),
    st.none() | LEAVES,
    st.lists(st.integers(0, 9), max_size=2).map(tuple),
    st.frozensets(st.text(max_size=1), max_size=2),
)
WOODS = st.dictionaries(st.text(max_size=1), st.tuples(st.none() | st.floats(0, 9), st.lists(BRANCHES, max_size=3)), max_size=3).map(
    lambda trees: {key: Tree(key, *parts) for key, parts in trees.items()}
)


class Shelf:
    """A database in memory beside a ledger."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.ledger = Ledger()
        self.connection = sqlite3.connect(":memory:")
        for below in table.within():
            self.connection.execute(below.ddl())

    def put(self, records: dict[str, Tree]) -> int:
        """Write what changed; how many rows that took."""
        step, before = Step(), self.connection.total_changes
        self.ledger.compare_keyed(step, self.table, records)
        for statement, rows in step.statements:
            self.connection.executemany(statement, rows)
        self.ledger.settle(step)
        return self.connection.total_changes - before

    def get(self) -> dict[str, Tree]:
        order = {below.name: "rowid" if below.key else ", ".join(column.name for column in below.path) for below in self.table.within()}
        rows = {name: self.connection.execute(f"SELECT * FROM {name} ORDER BY {by}").fetchall() for name, by in order.items()}  # noqa: S608 - ours
        return {tree.id: tree for trees in read_back(self.table, rows).values() for tree in trees}


@given(st.lists(WOODS, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_reading_back_gives_what_was_last_written(woods: Sequence[dict[str, Tree]]) -> None:
    """After any sequence of states, and writing the same again writes nothing."""
    shelf = Shelf(TREES)
    with contextlib.closing(shelf.connection):
        for wood in woods:
            shelf.put(wood)
            assert shelf.get() == wood
            assert shelf.put(wood) == 0
        # Who came later in one step, or in a later step, lies later.
        first = list(woods[0])
        stayed = [key for key in shelf.get() if all(key in wood for wood in woods)]
        assert stayed == [key for key in first if key in stayed]


def test_what_changes_in_place_inside_a_frozen_record_is_seen() -> None:
    """Frozen is not settled: a dict or a list in it is another one without a new record."""
    shelf = Shelf(TREES)
    twig = Twig(Colour.RED, {"a": 1}, [Leaf("x", 1.5, True)])  # noqa: FBT003 - a plain field
    wood = {"oak": Tree("oak", 3.5, [Branch(1, [twig])])}
    with contextlib.closing(shelf.connection):
        shelf.put(wood)
        twig.marks["b"] = 2
        twig.leaves.append(replace(twig.leaves[0], name="y"))
        shelf.put(wood)
        assert shelf.get() == wood


def test_one_more_at_the_end_is_one_row_more() -> None:
    """However deep it lies and whatever is beside it."""
    shelf = Shelf(TREES)
    leaves = [Leaf(str(nth), None, False) for nth in range(500)]  # noqa: FBT003 - a plain field
    wood = {key: Tree(key, 1.0, [Branch(1, [Twig(None, {}, list(leaves))])]) for key in "abc"}
    with contextlib.closing(shelf.connection):
        shelf.put(wood)
        wood["b"].branches[0].twigs[0].leaves.append(leaves[0])
        assert shelf.put(wood) == 1
        assert shelf.get() == wood


@dataclass
class Odd:
    """A field of no kind."""

    id: int
    act: object


@dataclass
class Clash:
    """A field with the name of a column that says where the row lies."""

    nth: int


@pytest.mark.parametrize(("form", "key", "words"), [(Odd, "id", r"Odd\.act"), (Clash, None, r"Clash\.nth")])
def test_a_field_without_a_place_in_a_table_is_an_error_at_once(form: type, key: str | None, words: str) -> None:
    """When the tables are laid out, not at the first row."""
    with pytest.raises(TypeError, match=words):
        lay_out("odds", form, key=key)
