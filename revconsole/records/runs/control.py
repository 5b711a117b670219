"""Control: requests to a run, as files in its folder, so that any console on any host can ask.

A request is published by one rename and answered by the trainer with an `Answered` event; the file is then
removed. Asking twice is harmless. The same folder shows whether the trainer is still wanted: its run may have been
deleted, or passed to a newer attempt.
"""

import getpass
import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from revconsole.errors import StoreError
from revconsole.records.files import bounded
from revconsole.records.files.bounded import NOTE_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import create, make_folder
from revconsole.records.runs.attempt import Attempt

Verb = Literal["stop", "pause", "continue", "handover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked of a run, and who."""

    verb: Verb
    by: str
    path: Path


_TOLD: dict[Path, list[Request]] = {}
"""Requests to the trainers of this process that no disk took, by the folder they would be in."""


class Control:
    """The trainer's ear: reads the requests of one run folder. attempt: what it writes; None in a dry run."""

    def __init__(self, folder: Path, attempt: Attempt | None = None) -> None:
        self._folder, self._attempt = folder / "control", attempt
        self._obeyed: set[Path] = set()

    def heartbeat(self) -> bool:
        """Show that the run moves on; returns whether it is still this trainer's to move."""
        if self._attempt is None:
            return True
        self._attempt.beat()
        return self._attempt.newest()

    def pending(self) -> tuple[Request, ...]:
        """Requests not yet answered, oldest first. Costs one directory listing.

        A folder that cannot be read now holds none: they wait.
        """
        told = tuple(_TOLD.get(self._folder, ()))
        try:
            names = sorted(bounded.files(self._folder))
        except OSError:  # nobody has asked anything, or the folder cannot be looked into just now
            return told
        paths = (self._folder / name for name in names if name.endswith(".json"))
        found = (_read(path) for path in paths if path not in self._obeyed)
        return (*told, *(request for request in found if request is not None))

    def answered(self, request: Request) -> None:
        """Remove a request that has been obeyed; one that cannot be removed is not obeyed twice."""
        self._obeyed.add(request.path)
        _TOLD.pop(self._folder, None)
        with suppress(OSError):
            request.path.unlink(missing_ok=True)


def ask(folder: Path, verb: Verb, why: str = "") -> None:
    """Publish a request in a run folder. Raises StoreError if the folder cannot be written.

    why: what made somebody ask, e.g. "SIGTERM"; it is recorded behind the name.
    """
    control = folder / "control"
    path = control / f"{time.time_ns():020d}-{verb}-{secrets.token_hex(3)}.json"
    try:
        make_folder(control, exist_ok=True)
        hidden = path.with_suffix(".tmp")
        create(hidden, json.dumps({"verb": verb, "by": whoami(why)}).encode())
        hidden.replace(path)
    except OSError as error:
        raise StoreError(f"cannot ask the run to {verb}: {control}: {error.strerror}") from None


def tell(folder: Path, verb: Verb, why: str = "") -> None:
    """Ask the same of a trainer in this very process, where the folder of its run takes no file."""
    control = folder / "control"
    request = Request(verb=verb, by=whoami(why), path=control / f"told-{verb}")
    _TOLD.setdefault(control, []).append(request)


def forget(folder: Path) -> None:
    """Drop what was told to the trainer of a run that is over."""
    _TOLD.pop(folder / "control", None)


def whoami(why: str = "") -> str:
    """`user@host`, for the record of who stopped a run; with `why` in brackets."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}" + (f" ({why})" if why else "")


def _read(path: Path) -> Request | None:
    try:
        body = json.loads(bounded.read(path, NOTE_BYTES))
        verb, by = body["verb"], str(body["by"])
    except UNREADABLE:
        return None
    return Request(verb=verb, by=by, path=path) if verb in get_args(Verb) else None
