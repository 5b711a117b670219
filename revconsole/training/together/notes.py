"""Notes: what each rank writes of itself into the attempt's folder, and what the others read from it.

Files serve ranks on several hosts as well, which share nothing but the store, and they can be read when an exchange by
network is what hangs. Whether a rank moves is judged by when its file last changed, on the clock of whoever looks.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from revconsole.records.files import bounded
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import make_folder
from revconsole.records.logs.events import Failed
from revconsole.records.runs import rank_files
from revconsole.records.runs.attempt import write_json
from revconsole.records.runs.identity import Identity, mine
from revconsole.records.runs.rank_files import FOLDER

GOES_ON = "`revconsole resume` goes on from the last checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class RankEnd:
    """Why a rank ended the run. memory: whether it lacked memory. report: its traceback."""

    rank: int
    reason: str
    memory: bool = False
    report: str = ""

    def failure(self) -> Failed:
        """The failure of the run."""
        crash = "; its traceback is in crash.txt" if self.report else ""
        cause: Literal["", "memory"] = "memory" if self.memory else ""
        return Failed(reason=f"{self.reason}{crash}; {GOES_ON}", cause=cause)


class RankNotes:
    """The notes of the ranks of one attempt, seen from one of them."""

    def __init__(self, attempt: Path, rank: int) -> None:
        self._folder, self.rank = attempt / FOLDER, rank
        self._own = self._folder / f"{rank}.json"

    def join(self) -> None:
        """Say which process this rank is. Raises OSError."""
        make_folder(self._folder, exist_ok=True)
        write_json(self._own, mine().to_dict() | {"rank": self.rank})

    def log(self) -> Path:
        """The file of this rank's output."""
        return self._folder / f"{self.rank}.log"

    def beat(self) -> None:
        """Show that this rank moves."""
        with suppress(OSError):
            os.utime(self._own)

    def leave(self) -> None:
        """Say that this rank takes part no more, as agreed."""
        with suppress(OSError):
            self._own.unlink()

    def end(self, reason: str, report: str = "", *, memory: bool = False) -> None:
        """Say why this rank ends the run, as far as the disk takes it."""
        body = {"reason": reason, "report": report, "memory": memory, "time": time.time()}
        with suppress(OSError):
            write_json(self._folder / f"{self.rank}.end.json", body)
        self.leave()

    def others(self) -> dict[int, tuple[Identity, int]]:
        """The process of every other rank that takes part, and when it last showed that it moves, in its file's time."""
        found = {}
        for rank, path in self._numbered(".json"):
            with suppress(*UNREADABLE):
                found[rank] = Identity.from_dict(_read(path)), path.stat().st_mtime_ns
        return found

    def first_end(self) -> RankEnd | None:
        """The first reason that another rank gave; None if there is none."""
        ends = []
        for rank, path in self._numbered(".end.json"):
            with suppress(*UNREADABLE):
                body = _read(path)
                end = RankEnd(
                    rank=rank,
                    reason=f"rank {rank}: {body['reason']}",
                    memory=bool(body["memory"]),
                    report=str(body["report"]),
                )
                ends.append((float(body["time"]), end))
        return min(ends, key=lambda pair: pair[0])[1] if ends else None

    def _numbered(self, suffix: str) -> list[tuple[int, Path]]:
        """The files with that ending of the other ranks, by rank."""
        return [each for each in rank_files.numbered(self._folder, suffix) if each[0] != self.rank]


def _read(path: Path) -> dict[str, Any]:
    body = json.loads(bounded.read(path, RECORD_BYTES))
    if not isinstance(body, dict):
        raise TypeError(f"{path.name} is no table")
    return body
