"""One operation's row in the contract. Plain data; see `contract`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.schemas import Schema


@dataclass(frozen=True, slots=True)
class Row:
    """One operation. body None: takes none. answers: the schema by status; None: no body. kind: of a body that is answered.

    leads: where the answer names what the path of another operation needs: the parameter's name -> a JSON pointer.
    """

    body: Schema | None = None
    answers: Mapping[int, Any] = field(default_factory=dict)
    refusals: tuple[int, ...] = (401,)
    body_optional: bool = False
    kind: str = "application/json"
    leads: Mapping[str, str] = field(default_factory=dict)
