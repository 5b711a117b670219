"""Attempt: the one writer of a part of a run.

An attempt is a folder `attempts/0001` that appears by one rename with its claim inside; the rename fails if
another process was first, so the number is both lock and fence. A process that lost its claim can only ever
write into its own attempt, which newer ones supersede.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

from revconsole.errors import AlreadyClaimed, StoreError
from revconsole.records.files import bounded
from revconsole.records.files.bounded import LOG_BYTES, NOTE_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import create, make_folder
from revconsole.records.logs.column_cache import ColumnCacheWriter
from revconsole.records.logs.events import (
    Advised,
    Checkpointed,
    Event,
    Failed,
    Finished,
    HandedOver,
    LoggedEvent,
    encode,
)
from revconsole.records.logs.log import Log, Outage
from revconsole.records.runs.identity import UNKNOWN, Identity, mine

Outcome = Literal["completed", "stopped", "handed over", "failed", "broken", "gone"]
"""How an attempt ended, for whoever has others to train in the same process; see `revconsole.training.api`."""
NUMBER = re.compile(r"[0-9]{4}|[1-9][0-9]{4,8}")
"""The name of an attempt's folder; anything else beside them is not ours."""
TAKEN_OVER = "taken-over.json"
"""In an attempt whose process a person has declared gone."""
CHANGES = "changes.json"
"""In an attempt that was begun with changes of the plan."""
RELEASED = "released.json"
"""The claim of an attempt whose process lives, and has let go of it."""
ENDINGS = (Finished, Failed, HandedOver)
"""Events after which an attempt writes nothing more."""
DURABLE = (Checkpointed, *ENDINGS)
"""Events after which the log is forced to disk."""
LAUNCH_LOG = "launch.log"
"""What a background process said before it claimed its first run; in the run folder, then in the attempt."""
PLAN = "plan.json"
"""What a run folder has as long as the run is there."""
TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
"""How a system says that there is something of that name already."""
ENDING_PATIENCE_SECONDS = 30.0
"""How long the end of a run waits for room on a full disk."""


class Attempt:
    """Write access to one run: claims it, appends events, keeps crash reports."""

    def __init__(self, run_folder: Path, number: int, log: Log) -> None:
        """Write an attempt that `claim` made. log: open, in its folder."""
        self.run_folder, self.number = run_folder, number
        self.folder = run_folder / "attempts" / f"{number:04d}"
        self.problem = ""
        """Why the end of the attempt is not on the disk; empty if it is, or there is none yet."""
        self._successor = self.folder.with_name(f"{number + 1:04d}")
        self._lock, self._seq, self._ended = threading.Lock(), 0, False
        self._began = time.monotonic()
        self._log, self._columns = log, ColumnCacheWriter(self.folder)

    @classmethod
    def claim(cls, run_folder: Path, number: int, launcher: str = "") -> Self:
        """Become the writer of a run, as attempt `number`, with the changes it was queued with. launcher: kept.

        Raises AlreadyClaimed if that attempt exists, or the process of the one before still writes;
        StoreError if the folder cannot be written.
        """
        if number > 1:
            _refuse_if_alive(run_folder, number - 1)
        try:
            return cls._take(run_folder, number, launcher)
        except OSError as error:
            raise StoreError(f"cannot write in {run_folder}: {error.strerror}") from None

    @classmethod
    def _take(cls, run_folder: Path, number: int, launcher: str) -> Self:
        """Make the folder of the attempt with all that it needs, then give it its name: there is no half of it."""
        parent = run_folder / "attempts"
        make_folder(parent, exist_ok=True)
        hidden = parent / f".{number:04d}-{secrets.token_hex(4)}"
        make_folder(hidden)
        log = None
        try:
            claim = mine().to_dict() | {
                "launcher": launcher,
                "parent": os.getppid(),
                "time": time.time(),
            }
            write_json(hidden / "claim.json", claim)
            queued = read_queued(run_folder / "launch.json")
            if queued is not None and queued.attempt == number and queued.changes:
                body = {"changes": queued.changes}
                write_json(hidden / CHANGES, body | {"sha256": checksum(body)})
            log = Log(hidden / "events.jsonl")
            hidden.rename(parent / f"{number:04d}")
        except OSError as error:
            if log is not None:
                log.close()
            shutil.rmtree(hidden, ignore_errors=True)
            if error.errno in TAKEN:
                raise AlreadyClaimed(
                    f"run {run_folder.name}: attempt {number} was taken by another process"
                ) from None
            raise
        return cls(run_folder, number, log)

    def emit(self, event: Event) -> None:
        """Append one event as one whole line; safe from any thread.

        On a full disk the lines wait in memory, and the run goes on. What comes after the end of the attempt is
        dropped: whoever ended it may not be the thread that trains.
        Raises StoreError if the end itself finds no room for a while.
        """
        with self._lock:
            if self._ended:
                return
            self._ended = isinstance(event, ENDINGS)
            if self._ended or isinstance(event, Checkpointed):
                self._put_log_back()
            outage = self._append(event)
            if isinstance(event, DURABLE):
                outage = self._secure() or outage
            if outage is not None:
                self._append(_told(outage))

    def _append(self, event: Event) -> Outage | None:
        """Write one line, and count it into the digest unless it was lost."""
        self._seq += 1
        elapsed = time.monotonic() - self._began
        record = LoggedEvent(seq=self._seq, time=time.time(), event=event, elapsed=elapsed)
        line, lost = encode(record), self._log.lost
        outage = self._log.append(line)
        if self._log.lost == lost:
            self._columns.add(record, line)
        return outage

    def _secure(self) -> Outage | None:
        """Force the log to disk; only the end of the attempt insists on it."""
        try:
            return self._log.secure(ENDING_PATIENCE_SECONDS if self._ended else 0.0)
        except OSError as error:
            if self._ended:
                self.problem = (
                    f"cannot write {self.folder / 'events.jsonl'}: {error.strerror or error}; make room and resume "
                    "the run"
                )
                raise StoreError(self.problem) from None
            return None

    def _put_log_back(self) -> None:
        """Write the log anew where somebody deleted it, and not the run with it."""
        with contextlib.suppress(OSError):
            if self._log.deleted() and (self.run_folder / PLAN).exists():
                self._log.put_back(self.folder / "events.jsonl")
                text = (
                    "the log was deleted while the run went on, and written anew; nothing was lost"
                )
                self._append(Advised(level="warning", text=text))

    def beat(self) -> None:
        """Show that the run moves on although there is nothing to report."""
        with contextlib.suppress(OSError):
            self._log.touch()

    def newest(self) -> bool:
        """Whether there is still something to write: the run is there, and neither ended nor taken over."""
        return not self._ended and self.folder.is_dir() and not self._successor.exists()

    def fail(self, failed: Failed, report: str = "") -> None:
        """End the attempt with a failure; `problem` says so where the disk does not take it.

        report: a traceback for whoever mends the fault, kept in crash.txt.
        """
        if report:
            with contextlib.suppress(OSError):  # a full disk must not hide the reason
                create(self.folder / "crash.txt", report.encode(errors="replace"))
        with contextlib.suppress(StoreError):
            self.emit(failed)

    def close(self) -> None:
        """Close the log, and let the run go where its end could not be written; nothing may be emitted afterwards."""
        self._log.close()
        if self.problem:
            with contextlib.suppress(OSError):
                (self.folder / "claim.json").rename(self.folder / RELEASED)


def _told(outage: Outage) -> Advised:
    lost = f"{outage.lost} lines of the log were lost" if outage.lost else "nothing was lost"
    text = f"the log could not be written for {outage.seconds:.0f} s ({outage.why}); {lost}"
    return Advised(level="warning", text=text)


def numbers(run_folder: Path) -> list[int]:
    """Numbers of the attempts of a run, ascending. Raises OSError where they cannot be read."""
    try:
        names = bounded.folders(run_folder / "attempts")
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if NUMBER.fullmatch(name))


def owner(run_folder: Path, number: int) -> Identity | None:
    """Who claimed an attempt: None if nobody holds it, UNKNOWN if the claim cannot be read now."""
    try:
        claim = run_folder / "attempts" / f"{number:04d}" / "claim.json"
        return Identity.from_dict(json.loads(bounded.read(claim, NOTE_BYTES)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UNREADABLE:
        return UNKNOWN


def alive(run_folder: Path, number: int) -> bool | None:
    """Whether the process that claimed an attempt still runs; None if that cannot be told from here, or now."""
    holder = owner(run_folder, number)
    if holder is None or taken_over(run_folder, number):
        return False
    return holder.alive()


def take_over(run_folder: Path, number: int, by: str) -> None:
    """Declare that whoever claimed an attempt is gone, on the word of a person. Raises StoreError."""
    path = run_folder / "attempts" / f"{number:04d}" / TAKEN_OVER
    try:
        write_json(path, {"by": by, "time": time.time()})
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None


def taken_over(run_folder: Path, number: int) -> str:
    """Who declared that the process of an attempt is gone; empty if nobody did."""
    try:
        path = run_folder / "attempts" / f"{number:04d}" / TAKEN_OVER
        return str(json.loads(bounded.read(path, NOTE_BYTES))["by"])
    except UNREADABLE:
        return ""


def changes(run_folder: Path) -> list[dict[str, Any]]:
    """What each attempt changed of the plan, in order; see `changes`. Raises OSError, or ValueError for what was edited."""
    found = []
    try:
        made = numbers(run_folder)
    except OSError:  # which the state of the run tells
        made = []
    for number in made:
        path = run_folder / "attempts" / f"{number:04d}" / CHANGES
        try:
            body = json.loads(bounded.read(path, NOTE_BYTES))
        except FileNotFoundError:
            continue
        if body.get("sha256") != checksum({"changes": body.get("changes")}):
            raise ValueError(f"attempts/{number:04d}/{CHANGES} was changed after it was written")
        found.append(dict(body["changes"]))
    return found


def log_path(run_folder: Path, number: int) -> Path:
    """The event log of an attempt."""
    return run_folder / "attempts" / f"{number:04d}" / "events.jsonl"


def checksum(body: Any) -> str:
    """SHA-256 of what a JSON file says, however it is written."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def parent(run_folder: Path, number: int) -> int | None:
    """The pid of the process that started the one which claimed an attempt; None if that is not known."""
    try:
        claim = run_folder / "attempts" / f"{number:04d}" / "claim.json"
        return int(json.loads(bounded.read(claim, NOTE_BYTES))["parent"])
    except UNREADABLE:
        return None


def launcher(run_folder: Path, number: int) -> str:
    """The kind of place an attempt trains in; empty if that is not known."""
    try:
        claim = run_folder / "attempts" / f"{number:04d}" / "claim.json"
        return str(json.loads(bounded.read(claim, NOTE_BYTES)).get("launcher", ""))
    except UNREADABLE:
        return ""


class Queued(NamedTuple):
    """Who queued which attempt of a run. refused: why it could not begin; empty if nothing is known against it.

    changes: of the plan, that it is to begin with; see `changes`.
    """

    holder: Identity
    attempt: int
    refused: str = ""
    changes: Mapping[str, Any] = MappingProxyType({})


def read_queued(path: Path) -> Queued | None:
    """What a launch.json says; None if there is none, the first attempt by UNKNOWN if it cannot be read now."""
    try:
        body = json.loads(bounded.read(path, NOTE_BYTES))
        refused, changes = str(body.get("refused", "")), dict(body.get("changes", {}))
        return Queued(Identity.from_dict(body), int(body["attempt"]), refused, changes)
    except (FileNotFoundError, NotADirectoryError, bounded.OddFile):
        return None
    except OSError:
        return Queued(UNKNOWN, 1)
    except UNREADABLE:
        return None


def write_json(path: Path, body: dict[str, Any]) -> None:
    """Replace a JSON file in one step: readers see the old or the new one, never half."""
    hidden = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        create(hidden, json.dumps(body, indent=1).encode())
        hidden.replace(path)
    except OSError:
        hidden.unlink(missing_ok=True)
        raise


def overwrite(path: Path, content: bytes) -> None:
    """Replace the content of a small file where it lies, which asks a full disk for no new room. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.pwrite(file, content, 0)
        os.ftruncate(file, len(content))
        os.fsync(file)
    finally:
        os.close(file)


def _refuse_if_alive(run_folder: Path, number: int) -> None:
    if last_event_ends(log_path(run_folder, number)):
        return
    living, holder = alive(run_folder, number), owner(run_folder, number)
    if living is None:
        raise AlreadyClaimed(f"run {run_folder.name}: {unasked(holder or UNKNOWN)}")
    if living and holder is not None:
        raise AlreadyClaimed(
            f"run {run_folder.name} is being written by process {holder.pid} on {holder.host}; "
            "stop it first"
        )


def unasked(holder: Identity) -> str:
    """Why nobody can tell from here whether a process lives, and what is known of it."""
    if holder == UNKNOWN:
        return "its claim cannot be read now, so whether its process lives is not known"
    mine_too = holder.host == mine().host
    where = "another pid namespace of this machine" if mine_too else f"another host, {holder.host}"
    same_boot = not mine_too and holder.boot == mine().boot
    hint = ", which is this machine under another name, or a container of it" if same_boot else ""
    return f"process {holder.pid} of {where}{hint}, holds it, and cannot be asked from here"


def last_event_ends(path: Path) -> bool:
    """Whether an event log closes with the end of its attempt."""
    try:
        with bounded.opened(path, LOG_BYTES) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 65536))
            tail = file.read(65536).splitlines()
    except OSError:
        return False
    kinds = tuple(f'"kind":"{cls.kind}"'.encode() for cls in ENDINGS)
    return bool(tail) and any(kind in tail[-1][:120] for kind in kinds)
