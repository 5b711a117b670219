"""State: what is true of a run now. The log is believed for how it ended, the machine for whether it lives.

A run is alive if the very process that claimed it is: same host, boot and start. It runs if it also moves: its log
is written, or touched, as the training goes from step to step. On another host only the moving can be seen.
"""

import json
import os
import signal
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from revconsole.records import attempt as attempts
from revconsole.records import bounded
from revconsole.records.bounded import NOTE_BYTES, RECORD_BYTES
from revconsole.records.damage import UNREADABLE
from revconsole.records.events import Failed, Finished, HandedOver
from revconsole.records.fold import Tally
from revconsole.records.identity import Identity
from revconsole.records.run import State

FOREIGN_SILENCE_SECONDS = 600.0
"""A run of another host that has not moved for so long is taken for lost."""
STALL_STEPS, STALL_SECONDS = 20, 20.0
"""A run stalls if it has not moved for so many of its usual steps, and for so many seconds."""
FIRST_STEP_SECONDS = 300.0
"""The same before any step is known: a first one may compile, or fill caches."""
QUEUED_WITHIN_SECONDS = 60.0
"""A launcher makes all its runs and then queues them: longer than this takes nobody."""
GOES_ON = "`revconsole resume` goes on"

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
        """Who claimed it; None if that cannot be read."""
        return attempts.owner(self.run_folder, self.attempt)

    def silence(self) -> float:
        """Seconds since the run last moved; 0 if the clock has been set back since."""
        try:
            moved = (self.folder / "events.jsonl").stat().st_mtime
        except OSError:
            return 0.0
        return max(0.0, time.time() - moved)


def judged(place: Place, tally: Tally) -> Verdict:
    """The state of a run, and why if it is not what everybody hopes for."""
    if not place.attempt:
        return waiting(place) or _unclaimed(place)
    if tally.ending is not None:
        return _begins_again(place, tally.ending) or _ended(tally.ending)
    alive = place.holder.alive() if place.holder else False
    if alive is None:
        alive = place.silence() < FOREIGN_SILENCE_SECONDS
    return _living(place, tally) if alive else waiting(place) or _gone(place, tally)


def waiting(place: Place) -> Verdict | None:
    """What the launcher that queued an attempt after this one makes of the run; None if none did."""
    queued = attempts.read_queued(place.run_folder / "launch.json")
    if queued is None or queued[1] <= place.attempt:
        return None
    if queued[0].alive() is not False:
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
        age = time.time() - (place.run_folder / "plan.json").stat().st_mtime
    except OSError:
        return "queued", ""
    if age < QUEUED_WITHIN_SECONDS:
        return "queued", ""
    return "lost", "its launcher ended before it queued the run; `revconsole resume` starts it"


def _begins_again(place: Place, ending: Finished | Failed | HandedOver) -> Verdict | None:
    """The state of a run that waits for another attempt; one that is handed over does not wait in a queue."""
    found = waiting(place)
    return ("starting", "") if found and isinstance(ending, HandedOver) else found


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


def _living(place: Place, tally: Tally) -> Verdict:
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
    if silence > limit:
        return "stalled", f"nothing has moved for {silence:.0f} s after step {tally.step}"
    if not tally.started:
        return "starting", ""
    return ("pausing" if "pause" in asked else "running"), _disk(place)


def _disk(place: Place) -> str:
    """What is to be said of the disk: a run goes on when it is full, and its measurements wait in memory."""
    try:
        disk = os.statvfs(place.folder)
    except OSError:
        return ""
    if disk.f_bavail or not disk.f_blocks:  # some network file systems count nothing
        return ""
    return "the disk of the store is full: make room, what is measured waits in memory"


def _gone(place: Place, tally: Tally) -> Verdict:
    """The process went without a word: who knows why."""
    after = f"after step {tally.step}"
    holder, seen = place.holder, _seen(place)
    if seen is not None:
        number, for_memory = seen
        if for_memory:
            return "out of memory", f"the system killed it for memory {after}; {GOES_ON}"
        return "killed", f"by {_name(number)} {after}; {GOES_ON}"
    if holder is not None and holder.alive() is None:
        return "lost", f"nothing has been heard from {holder.host} {after}; {GOES_ON}"
    if holder is not None and holder.of_earlier_boot():
        return "lost", f"{holder.host} was restarted {after}; {GOES_ON}"
    return "lost", f"its process is gone {after}; {GOES_ON}"


def _seen(place: Place) -> tuple[int, bool] | None:
    """The signal that ended the attempt, and whether for want of memory, if somebody saw it."""
    try:
        body = json.loads(bounded.read(place.folder / "exit.json", NOTE_BYTES))
        return int(body["signal"]), bool(body["memory"])
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
