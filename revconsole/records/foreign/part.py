"""Part: one file of a run of another tool, and how its content is taken."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from revconsole.records.foreign.gathered import Gathered

Kind = Literal["log", "settings", "table", "database"]
"""log: only ever grows. settings: small, replaced as a whole. table: replaced as a whole, with all its points. database: its
taker reads it itself, rows that are new.
"""


class Replaced(Exception):  # noqa: N818  the name says what happened
    """A database has not the rows any more that were taken of it: the run has to be read anew."""


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
"""Takes the whole records at the beginning of the bytes; returns how many bytes they are. Raises one of UNREADABLE.

Of a database it is given no bytes. It raises BlockingIOError while another program keeps it, and Replaced.
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A file, its kind, and what takes its content."""

    path: Path
    kind: Kind
    take: Take
