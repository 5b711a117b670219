"""Attempt: the only writer of one part of a run.

An attempt is a folder `attempts/0001` that appears by one rename with its claim inside. The rename fails if another
process was first, so the number is both lock and fence. A process that lost its claim can only write into its own
attempt, which newer attempts supersede.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any, Literal, Self

from revconsole.errors import AlreadyClaimed, StoreError
from revconsole.records.files import bounded
from revconsole.records.files.bounded import LOG_BYTES, NOTE_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.files.shared import create, force, make_folder
from revconsole.records.logs.column_cache import ColumnCacheWriter
from revconsole.records.logs.events import (
    KIND_OF,
    Advised,
    Checkpointed,
    DamagedLine,
    Event,
    Failed,
    Finished,
    HandedOver,
    LoggedEvent,
    decode,
    encode,
)
from revconsole.records.logs.log import Log, Outage
from revconsole.records.runs.identity import UNKNOWN, Identity, mine
from revconsole.records.runs.queued import read_queued

Outcome = Literal["completed", "stopped", "pruned", "handed over", "failed", "broken", "gone"]
"""How an attempt ended; `revconsole.training.api` decides by it whether to train the next run in the same process."""
NUMBER = re.compile(r"[0-9]{4}|[1-9][0-9]{4,8}")
"""Name of an attempt's folder; any other name beside them is ignored."""
TAKEN_OVER = "taken-over.json"
"""File in an attempt whose process a person has declared dead."""
CHANGES = "changes.json"
"""File in an attempt that began with changes to the plan."""
RELEASED = "released.json"
"""Name of the claim after a living process has given it up."""
ENDINGS = (Finished, Failed, HandedOver)
"""Events after which an attempt writes nothing."""
DURABLE = (Checkpointed, *ENDINGS)
"""Events after which the log is forced to disk."""
LAUNCH_LOG = "launch.log"
"""Output of a background process before it claimed its first run; in the run folder, then in the attempt."""
PLAN = "plan.json"
"""A file that every existing run folder has."""
TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
"""Error numbers that mean that the name exists already."""
ENDING_PATIENCE_SECONDS = 30.0
"""Seconds for which the last event of a run waits for space on a full disk."""


class Attempt:
    """Write access to one run: claims it, appends events, writes crash reports."""

    def __init__(self, run_folder: Path, number: int, log: Log) -> None:
        """Write an attempt made by `claim`. log: the open log in its folder."""
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
        """Become the writer of a run as attempt `number`, with the plan changes it was queued with.

        launcher: recorded in the claim. Raises AlreadyClaimed if the attempt exists or the process of the previous
        one still writes, and StoreError if the folder cannot be written.
        """
        if number > 1:
            _require_dead(run_folder, number - 1)
        try:
            return cls._take(run_folder, number, launcher)
        except OSError as error:
            raise StoreError(f"cannot write in {run_folder}: {error.strerror}") from None

    @classmethod
    def _take(cls, run_folder: Path, number: int, launcher: str) -> Self:
        """Fill a hidden folder with everything an attempt needs, then rename it, so that no partial attempt ever exists."""
        parent = run_folder / "attempts"
        make_folder(parent, exist_ok=True)
        hidden = parent / f".{number:04d}-{os.urandom(4).hex()}"
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

    def emit(self, *events: Event) -> None:
        """Append events as one line each, by one write; only the last may be durable. Thread-safe.

        On a full disk the lines wait in memory and the run continues. Events after the end of the attempt are
        dropped, because a thread other than the training thread may have ended it. Raises StoreError if the last
        event cannot be written within `ENDING_PATIENCE_SECONDS`.
        """
        with self._lock:
            if self._ended:
                return
            durable = isinstance(events[-1], DURABLE)
            self._ended = isinstance(events[-1], ENDINGS)
            if durable:
                self._put_log_back()
            outage = self._append(*events)
            if durable:
                outage = self._secure() or outage
            if outage is not None:
                self._append(_outage_warning(outage))

    def _append(self, *events: Event) -> Outage | None:
        """Write a line for each event and add it to the column cache, unless a line was lost."""
        now, elapsed, lost = time.time(), time.monotonic() - self._began, self._log.lost
        written = []
        for seq, event in enumerate(events, self._seq + 1):
            record = LoggedEvent(seq=seq, time=now, event=event, elapsed=elapsed)
            written.append((record, encode(record)))
        self._seq += len(events)
        outage = self._log.append(*(line for _, line in written))
        if self._log.lost == lost:
            self._columns.add(*written)
        return outage

    def _secure(self) -> Outage | None:
        """Force the log to disk. Only the last event of the attempt insists on success."""
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
        """Recreate the log if it was deleted while the run folder still exists."""
        with contextlib.suppress(OSError):
            if self._log.deleted() and (self.run_folder / PLAN).exists():
                self._log.put_back(self.folder / "events.jsonl")
                text = (
                    "the log was deleted while the run went on, and written anew; nothing was lost"
                )
                self._append(Advised(level="warning", text=text))

    def beat(self) -> None:
        """Update the log's modification time, which shows that the run is alive."""
        with contextlib.suppress(OSError):
            self._log.touch()

    def newest(self) -> bool:
        """Whether this attempt may still write: its folder exists, it has not ended, and no newer attempt exists."""
        return not self._ended and self.folder.is_dir() and not self._successor.exists()

    def fail(self, failed: Failed, report: str = "") -> None:
        """End the attempt with a failure; `problem` is set if the disk does not accept it.

        report: a traceback, written to crash.txt.
        """
        if report:
            with contextlib.suppress(OSError):  # a full disk must not hide the reason
                create(self.folder / "crash.txt", report.encode(errors="replace"))
        with contextlib.suppress(StoreError):
            self.emit(failed)

    def close(self) -> None:
        """Close the log, and give up the claim if the end could not be written. Nothing may be emitted afterwards."""
        self._log.close()
        if self.problem:
            with contextlib.suppress(OSError):
                (self.folder / "claim.json").rename(self.folder / RELEASED)


def _outage_warning(outage: Outage) -> Advised:
    """The warning that reports an outage of the log."""
    lost = f"{outage.lost} lines of the log were lost" if outage.lost else "nothing was lost"
    text = f"the log could not be written for {outage.seconds:.0f} s ({outage.why}); {lost}"
    return Advised(level="warning", text=text)


def numbers(run_folder: Path) -> list[int]:
    """Numbers of the attempts of a run, ascending. Raises OSError if they cannot be read."""
    try:
        names = bounded.folders(run_folder / "attempts")
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in names if NUMBER.fullmatch(name))


def owner(run_folder: Path, number: int) -> Identity | None:
    """The process that claimed an attempt: None if there is no claim, UNKNOWN if the claim cannot be read."""
    try:
        return Identity.from_dict(_claim(run_folder, number))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UNREADABLE:
        return UNKNOWN


def alive(run_folder: Path, number: int) -> bool | None:
    """Whether the process that claimed an attempt runs; None if that cannot be determined from this machine."""
    holder = owner(run_folder, number)
    if holder is None or taken_over(run_folder, number):
        return False
    return holder.alive()


def take_over(run_folder: Path, number: int, by: str) -> None:
    """Record that a person declared the process of an attempt dead. Raises StoreError."""
    path = run_folder / "attempts" / f"{number:04d}" / TAKEN_OVER
    try:
        write_json(path, {"by": by, "time": time.time()})
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None


def taken_over(run_folder: Path, number: int) -> str:
    """The entry "by" of the note that declares the attempt's process dead; empty without such a note."""
    try:
        path = run_folder / "attempts" / f"{number:04d}" / TAKEN_OVER
        return str(json.loads(bounded.read(path, NOTE_BYTES))["by"])
    except UNREADABLE:
        return ""


def changes(run_folder: Path) -> list[dict[str, Any]]:
    """The plan changes of each attempt, in order; see `settings.changes`. Raises OSError, and ValueError for an edited file."""
    changes_by_attempt = []
    try:
        existing = numbers(run_folder)
    except OSError:  # the state of the run reports this
        existing = []
    for number in existing:
        path = run_folder / "attempts" / f"{number:04d}" / CHANGES
        try:
            body = json.loads(bounded.read(path, NOTE_BYTES))
        except FileNotFoundError:
            continue
        if body.get("sha256") != checksum({"changes": body.get("changes")}):
            raise ValueError(f"attempts/{number:04d}/{CHANGES} was changed after it was written")
        changes_by_attempt.append(dict(body["changes"]))
    return changes_by_attempt


def log_path(run_folder: Path, number: int) -> Path:
    """Path of the event log of an attempt."""
    return run_folder / "attempts" / f"{number:04d}" / "events.jsonl"


def checksum(body: Any) -> str:
    """SHA-256 of a JSON value, independent of its formatting."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def parent(run_folder: Path, number: int) -> int | None:
    """Process id of the parent of the process that claimed an attempt; None if unknown."""
    try:
        return int(_claim(run_folder, number)["parent"])
    except UNREADABLE:
        return None


def launcher(run_folder: Path, number: int) -> str:
    """Name of the launcher of an attempt ("thread", "process"); empty if unknown."""
    try:
        return str(_claim(run_folder, number).get("launcher", ""))
    except UNREADABLE:
        return ""


def _claim(run_folder: Path, number: int) -> dict[str, Any]:
    claim = run_folder / "attempts" / f"{number:04d}" / "claim.json"
    return dict(json.loads(bounded.read(claim, NOTE_BYTES)))


def write_json(path: Path, body: dict[str, Any], *, forced: bool = True) -> None:
    """Replace a JSON file by one rename, so that readers see the old or the new content. Raises OSError.

    forced: to disk, so that it outlasts a loss of power.
    """
    hidden = path.with_name(f".{path.name}-{os.urandom(4).hex()}")
    try:
        create(hidden, json.dumps(body, indent=1).encode(), forced=forced)
        hidden.replace(path)
    except OSError:
        hidden.unlink(missing_ok=True)
        raise


def overwrite(path: Path, content: bytes) -> None:
    """Replace the content of a small file in place, which needs no space on a full disk. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.pwrite(file, content, 0)
        os.ftruncate(file, len(content))
        force(file)
    finally:
        os.close(file)


def _require_dead(run_folder: Path, number: int) -> None:
    if last_event_ends(log_path(run_folder, number)):
        return
    running, holder = alive(run_folder, number), owner(run_folder, number)
    if running is None:
        raise AlreadyClaimed(f"run {run_folder.name}: {why_unknown(holder or UNKNOWN)}")
    if running and holder is not None:
        raise AlreadyClaimed(
            f"run {run_folder.name} is being written by process {holder.pid} on {holder.host}; "
            "stop it first"
        )


def why_unknown(holder: Identity) -> str:
    """Why this machine cannot determine whether a process runs, with what is known about it."""
    if holder == UNKNOWN:
        return "its claim cannot be read now, so whether its process lives is not known"
    same_host = holder.host == mine().host
    where = "another pid namespace of this machine" if same_host else f"another host, {holder.host}"
    same_boot = not same_host and holder.boot == mine().boot
    hint = ", which is this machine under another name, or a container of it" if same_boot else ""
    return f"process {holder.pid} of {where}{hint}, holds it, and cannot be asked from here"


def handed_over(run_folder: Path, number: int) -> bool:
    """Whether an attempt ended because another process was to continue."""
    return last_event_ends(log_path(run_folder, number), (HandedOver,))


def last_event_ends(path: Path, kinds: tuple[type[Event], ...] = ENDINGS) -> bool:
    """Whether the last event of a log ends its attempt. kinds: the endings that count."""
    words = tuple(f'"kind":"{KIND_OF[cls]}"'.encode() for cls in kinds)
    return any(word in _last_line(path)[:120] for word in words)


def last_step(run_folder: Path, number: int) -> int | None:
    """The step at which an attempt ended; None if it has no recorded end."""
    event = last_event(run_folder, number)
    return event.step if isinstance(event, Finished | HandedOver) else None


def last_event(run_folder: Path, number: int) -> Event | None:
    """The last event of an attempt; None if it has none, or its line is cut."""
    try:
        return decode(_last_line(log_path(run_folder, number))).event
    except DamagedLine:
        return None


def _last_line(path: Path) -> bytes:
    """The last line of a log; empty if there is none."""
    try:
        with bounded.opened(path, LOG_BYTES) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 65536))
            tail = file.read(65536).splitlines()
    except OSError:
        return b""
    return tail[-1] if tail else b""
