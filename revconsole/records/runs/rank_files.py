"""Rank files: what the processes that train one run together write of themselves into the folder of its attempt.

attempts/0001/ranks/1.json      written by rank 1 while it takes part: which process it is; touched every second
                    1.log       its output
"""

import json
from dataclasses import dataclass
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.files.bounded import NOTE_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs.identity import Identity

FOLDER = "ranks"
"""Folder of an attempt with what its ranks write."""
NOTE, LOG = ".json", ".log"
MOST_RANKS = 4096
"""Ranks from which on a number is no rank's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankProcess:
    """The process of a rank that takes part. moved: when it last showed that it moves, by the clock of the file."""

    rank: int
    process: Identity
    moved: float


def processes(attempt: Path) -> tuple[RankProcess, ...]:
    """The processes of the ranks that take part, by rank; none for a run of one process. A note that cannot be read is left out."""
    found = []
    for rank, path in numbered(attempt / FOLDER, NOTE):
        try:
            process = Identity.from_dict(json.loads(bounded.read(path, NOTE_BYTES)))
            found.append(RankProcess(rank=rank, process=process, moved=path.stat().st_mtime))
        except UNREADABLE:
            continue
    return tuple(found)


def numbered(folder: Path, suffix: str) -> list[tuple[int, Path]]:
    """The files with that ending in the folder of the ranks, each with its rank, in order."""
    try:
        names = bounded.files(folder)
    except OSError:
        return []
    stems = (name.removesuffix(suffix) for name in names if name.endswith(suffix))
    ranks = sorted(
        int(stem) for stem in stems if stem.isascii() and stem.isdecimal() and len(stem) < 5
    )
    return [(rank, folder / f"{rank}{suffix}") for rank in ranks if rank < MOST_RANKS]
