"""Part: one file of a run of another tool, and how its content is taken."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from revconsole.records.foreign.gathered import Gathered

Kind = Literal["log", "settings", "table"]
"""log: only ever grows. settings: small, replaced as a whole. table: replaced as a whole, with all its points."""


@dataclass(slots=True)
class Reach:
    """How far a log has been taken.

    at: bytes from the beginning of the file to those that are taken next. memory: what its parser has to remember, of JSON.
    doubt: why it cannot go on here; empty if it can.
    """

    at: int = 0
    memory: dict[str, Any] = field(default_factory=dict)
    doubt: str = ""


Take = Callable[[bytes, Reach, Gathered], int]
"""Takes the whole records at the beginning of the bytes; returns how many bytes they are. Raises one of UNREADABLE."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file, its kind, and what takes its content."""

    path: Path
    kind: Kind
    take: Take
