"""Control: requests to a run as files in its folder, so that a console on any host can send them.

A request is published by one rename; the trainer answers it with an `Answered` event and removes the file.
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
    """A request to a run, and who made it."""

    verb: Verb
    by: str
    path: Path


_UNWRITTEN: dict[Path, list[Request]] = {}
"""Requests to trainers of this process that could not be written to disk, by control folder."""


class Control:
    """The trainer's view of the requests in one run folder. attempt: the attempt it writes; None in a dry run."""

    def __init__(self, folder: Path, attempt: Attempt | None = None) -> None:
        self._folder, self._attempt = folder / "control", attempt
        self._done: set[Path] = set()

    def heartbeat(self) -> bool:
        """Show that the run is alive. Returns whether this trainer still owns the run."""
        if self._attempt is None:
            return True
        self._attempt.beat()
        return self._attempt.newest()

    def pending(self) -> tuple[Request, ...]:
        """Requests not yet answered, oldest first; none while the folder cannot be read. Costs one directory listing."""
        unwritten = tuple(_UNWRITTEN.get(self._folder, ()))
        try:
            names = sorted(bounded.files(self._folder))
        except OSError:  # there are no requests, or the folder cannot be read now
            return unwritten
        paths = (self._folder / name for name in names if name.endswith(".json"))
        requests = (_read(path) for path in paths if path not in self._done)
        return (*unwritten, *(request for request in requests if request is not None))

    def answered(self, request: Request) -> None:
        """Remove a request that has been carried out, and remember it in case its file cannot be removed."""
        self._done.add(request.path)
        _UNWRITTEN.pop(self._folder, None)
        with suppress(OSError):
            request.path.unlink(missing_ok=True)


def ask(folder: Path, verb: Verb, why: str = "") -> None:
    """Publish a request in a run folder. why: its cause, such as "SIGTERM". Raises StoreError if the folder cannot be written."""
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
    """Pass a request in memory to a trainer of this process, for a run folder that cannot be written."""
    control = folder / "control"
    request = Request(verb=verb, by=whoami(why), path=control / f"told-{verb}")
    _UNWRITTEN.setdefault(control, []).append(request)


def forget(folder: Path) -> None:
    """Drop the in-memory requests for a run that is over."""
    _UNWRITTEN.pop(folder / "control", None)


def whoami(why: str = "") -> str:
    """`user@host`, recorded as the author of a request; `why` follows in brackets."""
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
