"""Claimed: the folder of a recorded run, made or found again, and the attempt that is written in it."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revconsole.recording.handed import OfferedRun
from revconsole.records.files import bounded, clock
from revconsole.records.files.bounded import RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.given import given_plan
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.attempt import Attempt
from revconsole.records.runs.control import whoami
from revconsole.records.runs.new_folder import ENVIRONMENT, is_id, new_folder, new_id
from revconsole.records.runs.plan_file import FILE, write_plan_file

LAUNCHER = "record"
"""Name of the launcher in the claims of recorded runs."""
DEFAULT_STORE = "runs"
SILENT_SECONDS, LOOK_SECONDS = 20.0, 0.2
"""Silence after which a writer of another host is gone, which else shows every second that it lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRecord:
    """What is to be recorded: the name, the settings as they were given, the program that trains, and where the store is.

    resume: go on with the newest run of that name, if there is one. offered: a run that waits for this program, and is taken first.
    """

    name: str
    settings: Mapping[str, Any]
    program: str
    store: Path
    resume: bool = False
    offered: OfferedRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRun:
    """A run folder that this process writes. goes_on: whether an earlier attempt is continued."""

    attempt: Attempt
    goes_on: bool = False

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.attempt.run_folder.name


def store_folder(store: str | os.PathLike[str] | None) -> Path:
    """The store that is meant: that of the argument, of REVCONSOLE_STORE, else `runs` in the working folder."""
    return Path(store or os.environ.get(ENVIRONMENT, "").strip() or DEFAULT_STORE).expanduser().absolute()  # fmt: skip


def claimed(wanted: WantedRecord) -> ClaimedRun:
    """The run, new or found again, with an attempt of its own. Raises RevconsoleError and OSError."""
    if wanted.offered is not None:
        attempt = wanted.offered.taken(wanted.name, wanted.settings, LAUNCHER)
        if attempt is not None:
            return ClaimedRun(attempt=attempt, goes_on=attempt.number > 2)
    found = next(_earlier(wanted), None) if wanted.resume else None
    if found is None:
        run_id = new_id()
        fields = given_plan(wanted.name, wanted.settings, wanted.program)
        new_folder(
            wanted.store,
            run_id,
            lambda folder: write_plan_file(folder, run_id, time.time(), fields),
        )
        return ClaimedRun(attempt=Attempt.claim(wanted.store / run_id, 1, LAUNCHER))
    last = max(attempts.numbers(found), default=0)
    _await_gone(found, last)
    return ClaimedRun(attempt=Attempt.claim(found, last + 1, LAUNCHER), goes_on=last > 0)


def _await_gone(folder: Path, number: int) -> None:
    """Wait for the process of an attempt to end, and take over from one of another host that is silent: its writer never is.

    Nothing happens if it is still there after `SILENT_SECONDS`; the claim then says so.
    """
    end = time.monotonic() + 2 * SILENT_SECONDS
    while number and time.monotonic() < end:
        path = attempts.log_path(folder, number)
        alive = None if attempts.last_event_ends(path) else attempts.alive(folder, number)
        if alive is False or attempts.last_event_ends(path):
            return
        if alive is None and clock.age(path) > SILENT_SECONDS:
            attempts.take_over(folder, number, whoami("resume"))
            return
        time.sleep(LOOK_SECONDS)


def _earlier(wanted: WantedRecord) -> Iterator[Path]:
    """The recorded runs of that name and program, the newest first."""
    found = []
    with suppress(OSError):
        for entry in os.scandir(wanted.store):
            if is_id(entry.name) and entry.is_dir(follow_symlinks=False):
                with suppress(*UNREADABLE):
                    body = json.loads(bounded.read(Path(entry.path) / FILE, RECORD_BYTES))
                    plan = body["plan"]
                    if (plan["name"], plan.get("program")) == (wanted.name, wanted.program):
                        found.append((float(body["created"]), Path(entry.path)))
    yield from (path for _, path in sorted(found, reverse=True))
