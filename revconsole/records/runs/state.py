"""State: what is true of a run now. The log is believed for how it ended, the machine for whether it lives.

A run is alive if the very process that claimed it is: same host, boot, pid namespace and start. It runs if it also
moves: its log is written, or touched, as the training goes from step to step. On another host, or in another namespace,
only the moving can be seen. What cannot be read now is not known, which is never taken for a death.
"""

import json
import os
import signal
import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from revconsole.records.files import bounded, clock
from revconsole.records.files.bounded import NOTE_BYTES, RECORD_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.logs.events import Failed, Finished, HandedOver
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.history import RunningSummary
from revconsole.records.runs.identity import UNKNOWN, Identity
from revconsole.records.runs.run import State

FOREIGN_SILENCE_SECONDS = 600.0
"""A run of another host that has not moved for so long is taken for lost."""
STALL_STEPS, STALL_SECONDS = 20, 20.0
"""A run stalls if it has not moved for so many of its usual steps, and for so many seconds."""
FIRST_STEP_SECONDS = 300.0
"""The same before any step is known: a first one may compile, or fill caches."""
QUEUED_WITHIN_SECONDS = 60.0
"""A launcher makes all its runs and then queues them: longer than this takes nobody."""
POSSIBLY = "possibly for memory: the system killed some process of the machine for it meanwhile"
GOES_ON = "`revconsole resume` goes on"
TAKEN_ON = "if it is gone, `revconsole resume --take-over` goes on"

Verdict = tuple[State, str]


@dataclass(frozen=True)
class Place:
    """Where one attempt of a run is kept; attempt 0 is before the first."""

    run_folder: Path
    attempt: int

    @property
    def folder(self) -> Path:
        """The folder of the attempt."""
        return self.run_folder / "attempts" / f"{self.attempt:04d}"

    @cached_property
    def holder(self) -> Identity | None:
        """Who claimed it; None if nobody holds it, UNKNOWN if the claim cannot be read now."""
        return attempts.owner(self.run_folder, self.attempt)

    @cached_property
    def alive(self) -> bool | None:
        """Whether that process runs; None if it cannot be told from here, or now."""
        return attempts.alive(self.run_folder, self.attempt)

    def silence(self) -> float:
        """Seconds since the run last moved, by the clock that its log is stamped by; 0 if that was set back since."""
        try:
            return max(0.0, clock.age(self.folder / "events.jsonl"))
        except OSError:
            return 0.0


def judged(place: Place, tally: RunningSummary) -> Verdict:
    """The state of a run, and why if it is not what everybody hopes for."""
    if not place.attempt:
        waits = waiting(place)
        refused = waits is not None and waits[0] == "failed"
        return (None if refused else _unread(place)) or waits or _unclaimed(place)
    if tally.ending is not None:
        return _begins_again(place, tally.ending) or _ended(tally.ending)
    alive = place.alive
    if alive is None:
        alive = place.holder == UNKNOWN or place.silence() < FOREIGN_SILENCE_SECONDS
    return _living(place, tally) if alive else waiting(place) or _gone(place, tally)


def _unread(place: Place) -> Verdict | None:
    """What is to be said of attempts that cannot be read now."""
    try:
        attempts.numbers(place.run_folder)
    except NotADirectoryError:
        return "damaged", "its attempts are no folder"
    except OSError as error:
        return "stalled", f"its attempts cannot be read now: {error.strerror}"
    return None


def waiting(place: Place) -> Verdict | None:
    """What the launcher that queued an attempt after this one makes of the run; None if none did."""
    queued = attempts.read_queued(place.run_folder / "launch.json")
    if queued is None or queued.attempt <= place.attempt:
        return None
    if queued.refused:
        return "failed", queued.refused
    if queued.holder == UNKNOWN:
        return "queued", "its launch.json cannot be read now"
    if queued.holder.alive() is not False:
        return "queued", ""
    dead = f"its launcher ended before the run began{_said(place)}; `revconsole resume` starts it"
    return None if place.attempt else ("lost", dead)


def _said(place: Place) -> str:
    """The last line of what the background process said that was to train the run, in brackets."""
    try:
        said = bounded.read(place.run_folder / attempts.LAUNCH_LOG, RECORD_BYTES).decode(
            errors="replace"
        )
    except OSError:
        return ""
    lines = said.split("\n")
    return next((f" ({line.strip()[:300]})" for line in reversed(lines) if line.strip()), "")


def _unclaimed(place: Place) -> Verdict:
    """The state of a run that nobody has queued: its launcher is about to, or was killed before it could."""
    try:
        age = clock.age(place.run_folder / "plan.json")
    except OSError:
        return "queued", ""
    if age < QUEUED_WITHIN_SECONDS:
        return "queued", ""
    return "lost", "its launcher ended before it queued the run; `revconsole resume` starts it"


def _begins_again(place: Place, ending: Finished | Failed | HandedOver) -> Verdict | None:
    """The state of a run that waits for another attempt; one that is handed over does not wait in a queue."""
    found = waiting(place)
    moves = found is not None and found[0] == "queued" and isinstance(ending, HandedOver)
    return ("starting", "") if moves else found


def _ended(ending: Finished | Failed | HandedOver) -> Verdict:
    match ending:
        case Finished(outcome="completed"):
            return "finished", ""
        case Finished(by=by, step=step):
            return "stopped", f"at step {step} by {by}"
        case Failed(cause="memory", reason=reason):
            return "out of memory", reason
        case Failed(reason=reason):
            return "failed", reason
        case HandedOver(to=to, step=step):
            return "lost", f"handed over to {to} at step {step}, which never began; {GOES_ON}"


def _living(place: Place, tally: RunningSummary) -> Verdict:
    if place.holder is not None and place.holder.held():
        pid = place.holder.pid
        return "stalled", f"process {pid} is held by a signal; `kill -CONT {pid}` lets it go on"
    asked = _asked(place.run_folder)
    if "stop" in asked:
        return "stopping", ""
    if tally.paused:
        return "paused", ""
    silence, usual = place.silence(), tally.step_seconds()
    limit = FIRST_STEP_SECONDS if usual is None else max(STALL_SECONDS, STALL_STEPS * usual)
    doubt = "its claim cannot be read now" if place.holder == UNKNOWN else ""
    disk = _disk(place.folder)
    if silence > limit:
        still = f"nothing has moved for {silence:.0f} s after step {tally.step}"
        return "stalled", "; ".join(each for each in (still, disk or doubt) if each)
    if not tally.started:
        return "starting", doubt
    return ("pausing" if "pause" in asked else "running"), disk or doubt


def _disk(folder: Path) -> str:
    """What is to be said of the disk that a folder is on."""
    try:
        return said_of_disk(os.statvfs(folder))
    except OSError:
        return ""


def said_of_disk(disk: os.statvfs_result) -> str:
    """What keeps a run from being recorded: it goes on when the disk is full, and its measurements wait in memory."""
    if disk.f_flag & os.ST_RDONLY:
        return "the file system of the store is read-only: nothing can be seen of the run, or kept"
    if disk.f_bavail or not disk.f_blocks:  # some network file systems count nothing
        return ""
    return "the disk of the store is full: make room, what is measured waits in memory"


def _gone(place: Place, tally: RunningSummary) -> Verdict:
    """The process went without a word: who knows why."""
    after = f"after step {tally.step}"
    seen = _seen(place)
    if seen is None:
        return "lost", _why_lost(place, after)
    number, memory = seen
    if memory == "memory":
        return "out of memory", f"the system killed it for memory {after}; {GOES_ON}"
    perhaps = f", {POSSIBLY}" if memory else ""
    return "killed", f"by {_name(number)} {after}{perhaps}; {GOES_ON}"


def _why_lost(place: Place, after: str) -> str:
    """What is known of a process that nobody saw go, or that does not hold its run any more."""
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


def _seen(place: Place) -> tuple[int, str] | None:
    """The signal that ended the attempt, and whether for want of memory ("memory", "possibly", ""), if somebody saw it."""
    try:
        body = json.loads(bounded.read(place.folder / "exit.json", NOTE_BYTES))
        possibly = "possibly" if body.get("possibly_memory") else ""
        return int(body["signal"]), "memory" if body["memory"] else possibly
    except UNREADABLE:
        return None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _asked(run_folder: Path) -> set[str]:
    """What has been asked of the run and not been answered yet."""
    try:
        names = bounded.files(run_folder / "control")
    except OSError:
        return set()
    return {name.split("-")[1] for name in names if name.endswith(".json") and name.count("-") == 2}
