"""Handed: the run that `revconsole run` has begun goes over to the first program under it that records itself, so that one run is recorded.

The command is told by a variable of its environment which run that is, and which process writes it: the variable is worth nothing once
another process writes the run, or that one has ended. The program asks for the run as the console asks for a stop; the one that
writes it ends its attempt, and the program claims the next. Of several that ask the first gets it.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import create
from revconsole.records.given import flat, given_plan
from revconsole.records.logs.events import Failed, Finished
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import control, notebook
from revconsole.records.runs.attempt import Attempt
from revconsole.records.runs.identity import Identity, mine
from revconsole.records.runs.new_folder import ENVIRONMENT
from revconsole.records.runs.plan_file import read_plan_file, write_plan_file

VARIABLE = "REVCONSOLE_RUN"
"""Environment variable by which a command knows its run."""
PATIENCE_SECONDS, LOOK_SECONDS = 10.0, 0.05
"""How long a run that was asked for is awaited."""

OBEYED = "obeyed"
"""File in an attempt whose program knows that it is to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRun:
    """A run that its writer hands over. named: whether a person has named it."""

    folder: Path
    writer: Identity
    named: bool

    def waits(self) -> bool:
        """Whether that process still writes the run."""
        number = newest(self.folder)
        return bool(
            number
            and attempts.owner(self.folder, number) == self.writer
            and self.writer.alive()
            and not attempts.last_event_ends(attempts.log_path(self.folder, number))
        )

    def taken(self, name: str, settings: Mapping[str, Any], launcher: str) -> Attempt | None:
        """The next attempt of the run, whose name and settings become these too; None if it was not handed over."""
        number = newest(self.folder)
        control.ask(self.folder, "handover", f"process {os.getpid()}")
        end = time.monotonic() + PATIENCE_SECONDS
        while not attempts.handed_over(self.folder, number):
            waits = time.monotonic() < end and self.waits()
            if not (waits or attempts.handed_over(self.folder, number)):  # or it was meanwhile
                return None
            time.sleep(LOOK_SECONDS)
        with suppress(RevconsoleError):  # another program was first
            attempt = Attempt.claim(self.folder, number + 1, launcher)
            with suppress(RevconsoleError, *UNREADABLE):  # the run is recorded all the same
                self._describe(name, settings)
            return attempt
        return None

    def _describe(self, name: str, settings: Mapping[str, Any]) -> None:
        """Add what the program says of its run to what the command line says of it."""
        before = read_plan_file(self.folder)
        plan = dict(before.settings)
        seed = {} if plan.get("seed") is None else {"seed": plan["seed"]}
        fields = given_plan(plan["name"], {**seed, **plan["given"], **flat(settings)}, plan["program"])  # fmt: skip
        write_plan_file(self.folder, self.folder.name, before.created, fields)
        if not self.named:
            notebook.change(self.folder, notebook.Edit(name=name))


def offer(folder: Path, *, named: bool) -> dict[str, str]:
    """What the environment of a command says of its run, which this process writes, and of the store, where what else it records belongs.

    named: whether a person has named the run.
    """
    body = {"folder": str(folder), "writer": mine().to_dict(), "named": named}
    return {VARIABLE: json.dumps(body), ENVIRONMENT: str(folder.parent)}


def offered(store: Path | None) -> OfferedRun | None:
    """The run that waits for this program; None if there is none, or it is of another store than the one that the program names."""
    with suppress(*UNREADABLE):
        body = json.loads(os.environ[VARIABLE])
        folder, writer = Path(body["folder"]), Identity.from_dict(body["writer"])
        run = OfferedRun(folder=folder, writer=writer, named=bool(body["named"]))
        if store in {None, folder.parent} and run.waits():
            return run
    return None


def newest(folder: Path) -> int:
    """The number of the newest attempt of a run; 0 if there is none."""
    with suppress(OSError):
        return max(attempts.numbers(folder), default=0)
    return 0


def obey(attempt: Attempt) -> None:
    """Tell whoever handed the run over that its program knows of the request to stop, and needs no signal."""
    with suppress(OSError):
        create(attempt.folder / OBEYED, b"")


def obeyed(folder: Path) -> bool:
    """Whether the program that writes a run knows that it is to stop."""
    return (folder / "attempts" / f"{newest(folder):04d}" / OBEYED).exists()


def end_for(folder: Path, end: Finished | Failed) -> None:
    """Write the end of a run that was handed over, if its program could not, or failed after it said that it was completed.

    end: how the command ended. Raises RevconsoleError and OSError.
    """
    number = newest(folder)
    said = attempts.last_event(folder, number)
    completed = isinstance(said, Finished) and said.outcome == "completed"
    if isinstance(said, attempts.ENDINGS) and not (completed and isinstance(end, Failed)):
        return
    last = Attempt.claim(folder, number + 1)
    last.emit(end)
    last.close()
