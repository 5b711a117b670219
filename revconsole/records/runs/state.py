"""State: what is true of a run now. The log tells how it ended, the machine tells whether it runs.

A run is alive if the process that claimed it is: same host, boot, pid namespace and start time. It is running if it
also progresses: its log is written, or touched, as the training goes from step to step. For another host or namespace
only the progress is visible. A file that cannot be read now means "unknown", never "dead".
"""

import json
import os
import signal
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from revconsole.records.files import bounded, clock
from revconsole.records.files.bounded import NOTE_BYTES, RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.logs.events import Failed, Finished, HandedOver
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs import whereabouts
from revconsole.records.runs.identity import UNKNOWN, Identity
from revconsole.records.runs.queued import read_queued
from revconsole.records.runs.running import RunningSummary
from revconsole.records.runs.standing import State

FOREIGN_SILENCE_SECONDS = 600.0
"""Seconds without progress after which a run of another host counts as lost."""
STALL_STEPS, STALL_SECONDS = 20, 20.0
"""A run is stalled after this many of its usual steps, and at least this many seconds, without progress."""
FIRST_STEP_SECONDS = 300.0
"""Seconds without progress after which a run without a timed step is stalled; the first step may compile."""
HANDED_SECONDS = 5.0
"""Grace period in which a run that a living process hands over is claimed by the next."""
QUEUED_WITHIN_SECONDS = 60.0
"""Grace period between creating a run and queueing it: a launcher creates all runs before it queues them."""
POSSIBLY = "possibly for memory: the system killed some process of the machine for it meanwhile"
GOES_ON = "`revconsole resume` goes on"
TAKEN_ON = "if it is gone, `revconsole resume --take-over` goes on"

Verdict = tuple[State, str]


@dataclass(frozen=True)
class Place:
    """The location of one attempt; number 0 stands for the time before the first."""

    run_folder: Path
    attempt: int

    @property
    def folder(self) -> Path:
        """The folder of the attempt."""
        return self.run_folder / "attempts" / f"{self.attempt:04d}"

    @cached_property
    def holder(self) -> Identity | None:
        """The process that claimed the attempt; None if there is no claim, UNKNOWN if it cannot be read now."""
        return attempts.owner(self.run_folder, self.attempt)

    @cached_property
    def alive(self) -> bool | None:
        """Whether the holder runs; None if that cannot be determined from this machine."""
        return attempts.alive(self.run_folder, self.attempt)

    def silence(self) -> float:
        """Seconds since the run last progressed, by the clock of the log's file system; 0 if that clock was set back."""
        try:
            return max(0.0, clock.age(self.folder / "events.jsonl"))
        except OSError:
            return 0.0


def judged(place: Place, running: RunningSummary) -> Verdict:
    """The state of a run, with a reason if it is not healthy."""
    if not place.attempt:
        queued = waiting(place)
        refused = queued is not None and queued[0] == "failed"
        return (None if refused else _unreadable(place)) or queued or _unclaimed(place)
    if running.ending is not None:
        return _begins_again(place, running.ending) or _ended(running.ending)
    alive = place.alive
    if alive is None:
        alive = place.holder == UNKNOWN or place.silence() < FOREIGN_SILENCE_SECONDS
    return _living(place, running) if alive else waiting(place) or _gone(place, running)


def left_behind(run_folder: Path, number: int) -> Literal["trains", "ended", "lost"]:
    """What became of an attempt: it trains, has ended, or was lost for no reason that its successor would share.

    Whoever was killed for memory, asked to stop, or declared gone by a person counts as ended.
    """
    place = Place(run_folder, number)
    if attempts.last_event_ends(attempts.log_path(run_folder, number)):
        return "ended"
    if place.alive or (place.alive is None and place.silence() < FOREIGN_SILENCE_SECONDS):
        return "trains"
    exit_record = _exit_record(place)
    memory = exit_record is not None and exit_record[1] == "memory"
    ended = memory or "stop" in _requested(run_folder) or attempts.taken_over(run_folder, number)
    return "ended" if ended else "lost"


def _unreadable(place: Place) -> Verdict | None:
    """The verdict on attempts that cannot be read; None if they can."""
    try:
        attempts.numbers(place.run_folder)
    except NotADirectoryError:
        return "damaged", "its attempts are no folder"
    except OSError as error:
        return "stalled", f"its attempts cannot be read now: {error.strerror}"
    return None


def waiting(place: Place) -> Verdict | None:
    """The verdict on a run with a queued newer attempt; None if there is none."""
    queued = read_queued(place.run_folder / "launch.json")
    if queued is None or queued.attempt <= place.attempt:
        return None
    if queued.refused:
        return "failed", queued.refused
    if queued.job:
        return "queued", whereabouts.of_queued(place.run_folder, queued.job)
    if queued.holder == UNKNOWN:
        return "queued", "its launch.json cannot be read now"
    if queued.holder.alive() is not False:
        return "queued", queued.lacks
    dead = f"its launcher ended before the run began{_launch_output(place)}; `revconsole resume` starts it"
    return None if place.attempt else ("lost", dead)


def _launch_output(place: Place) -> str:
    """The last line, in brackets, that the background process wrote before it claimed the run; empty if none."""
    try:
        output = bounded.read(place.run_folder / attempts.LAUNCH_LOG, RECORD_BYTES).decode(
            errors="replace"
        )
    except OSError:
        return ""
    lines = output.split("\n")
    return next((f" ({line.strip()[:300]})" for line in reversed(lines) if line.strip()), "")


def _unclaimed(place: Place) -> Verdict:
    """The verdict on a run that was never queued: its launcher is about to queue it, or died first."""
    try:
        age = clock.age(place.run_folder / "plan.json")
    except OSError:
        return "queued", ""
    if age < QUEUED_WITHIN_SECONDS:
        return "queued", ""
    return "lost", "its launcher ended before it queued the run; `revconsole resume` starts it"


def _begins_again(place: Place, ending: Finished | Failed | HandedOver) -> Verdict | None:
    """The verdict on an ended run with a queued attempt, or one to come; a run that is handed over is "starting", not "queued"."""
    verdict = waiting(place)
    if not isinstance(ending, HandedOver):
        return verdict
    comes = place.alive and place.silence() < HANDED_SECONDS  # whoever asked for it claims it next
    return ("starting", "") if comes or (verdict and verdict[0] == "queued") else verdict


def _ended(ending: Finished | Failed | HandedOver) -> Verdict:
    match ending:
        case Finished(outcome="completed"):
            return "finished", ""
        case Finished(outcome="pruned", by=why):
            return "pruned", why
        case Finished(by=by, step=step):
            return "stopped", f"at step {step} by {by}"
        case Failed(cause="memory", reason=reason):
            return "out of memory", reason
        case Failed(reason=reason):
            return "failed", reason
        case HandedOver(to=to, step=step):
            return "lost", f"handed over to {to} at step {step}, which never began; {GOES_ON}"


def _living(place: Place, running: RunningSummary) -> Verdict:
    """The verdict on a run whose process is alive."""
    if place.holder is not None and place.holder.held():
        pid = place.holder.pid
        return "stalled", f"process {pid} is held by a signal; `kill -CONT {pid}` lets it go on"
    asked = _requested(place.run_folder)
    if "stop" in asked:
        return "stopping", ""
    if running.paused:
        return "paused", ""
    silence, usual = place.silence(), running.step_seconds()
    limit = FIRST_STEP_SECONDS if usual is None else max(STALL_SECONDS, STALL_STEPS * usual)
    doubt = "its claim cannot be read now" if place.holder == UNKNOWN else ""
    disk = _disk(place.folder)
    if silence > limit:
        silent = f"nothing has moved for {silence:.0f} s after step {running.step}"
        return "stalled", "; ".join(part for part in (silent, disk or doubt) if part)
    if not running.started:
        return "starting", doubt
    return ("pausing" if "pause" in asked else "running"), disk or doubt


def _disk(folder: Path) -> str:
    """A warning about the disk of a folder; empty if there is none."""
    try:
        return disk_warning(os.statvfs(folder))
    except OSError:
        return ""


def disk_warning(disk: os.statvfs_result) -> str:
    """A warning that explains why a run is not recorded; empty if the disk is writable and has space."""
    if disk.f_flag & os.ST_RDONLY:
        return "the file system of the store is read-only: nothing can be seen of the run, or kept"
    if disk.f_bavail or not disk.f_blocks:  # some network file systems count nothing
        return ""
    return "the disk of the store is full: make room, what is measured waits in memory"


def _gone(place: Place, running: RunningSummary) -> Verdict:
    """The verdict on a run whose process ended without an event."""
    after = f"after step {running.step}"
    exit_record = _exit_record(place)
    if exit_record is None:
        return "lost", _why_lost(place, after)
    number, memory, slurm = exit_record
    if slurm:
        state: State = "out of memory" if memory else "killed"
        return state, f"{slurm} {after}; {GOES_ON}"
    if memory == "memory":
        return "out of memory", f"the system killed it for memory {after}; {GOES_ON}"
    suspicion = f", {POSSIBLY}" if memory else ""
    return "killed", f"by {_name(number)} {after}{suspicion}; {GOES_ON}"


def _why_lost(place: Place, after: str) -> str:
    """What is known about a process whose exit was not observed, or that gave up its run."""
    holder = place.holder
    if not place.run_folder.is_dir():
        return f"its folder was deleted {after}"
    if by := attempts.taken_over(place.run_folder, place.attempt):
        return f"declared gone {after} by {by}; {GOES_ON}"
    if holder is None and (place.folder / attempts.RELEASED).exists():
        return f"its end could not be written {after}; {GOES_ON}"
    if holder is not None and place.alive is None:
        return f"nothing has been heard from {_whence(holder)} {after}; {TAKEN_ON}"
    if holder is not None and holder.of_earlier_boot():
        return f"{holder.host} was restarted {after}; {GOES_ON}"
    return f"its process is gone {after}; {GOES_ON}"


def _whence(holder: Identity) -> str:
    here = holder.host == socket.gethostname()
    return f"another pid namespace of {holder.host}" if here else holder.host


def _exit_record(place: Place) -> tuple[int, str, str] | None:
    """(signal, cause, sentence) from exit.json; None if the exit was not observed.

    The cause is "memory", "possibly" or ""; the sentence is what Slurm said of the job, else empty.
    """
    try:
        body = json.loads(bounded.read(place.folder / "exit.json", NOTE_BYTES))
        possibly = "possibly" if body.get("possibly_memory") else ""
        cause = "memory" if body["memory"] else possibly
        return int(body["signal"]), cause, str(body.get("slurm", ""))
    except UNREADABLE:
        return None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _requested(run_folder: Path) -> set[str]:
    """Verbs of requests to the run that are not yet answered."""
    try:
        names = bounded.files(run_folder / "control")
    except OSError:
        return set()
    return {name.split("-")[1] for name in names if name.endswith(".json") and name.count("-") == 2}
