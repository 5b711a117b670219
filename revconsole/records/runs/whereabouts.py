"""Whereabouts: what Slurm last said of the job of a run, as a small file that a lab writes where Slurm can be asked.

<run>/whereabouts.json    the job, its state and reason in Slurm's own words, and its node; written when one of them changes
"""

import json
from pathlib import Path
from typing import NamedTuple

from revconsole.records.files import bounded, clock
from revconsole.records.files.bounded import NOTE_BYTES
from revconsole.records.files.damage import UNREADABLE
from revconsole.records.runs.attempt import LAUNCH_LOG, write_json

FILE = "whereabouts.json"
UNHEARD_SECONDS = 60.0
"""Seconds after which a job that runs and has left no trace in the run's folder cannot see it."""
WAITS = "PENDING"
MEANINGS = {
    "Priority": "jobs with a higher priority come first",
    "Resources": "for nodes or devices to become free",
    "BeginTime": "Slurm lets a requeued job rest before it begins",
    "JobArrayTaskLimit": "as many of its array as may run at once do",
    "JobHeldUser": "it is held; `scontrol release` lets it go",
    "JobHeldAdmin": "an administrator holds it",
    "Dependency": "for another job",
    "PartitionTimeLimit": "the partition allows less time than is asked for",
    "ReqNodeNotAvail": "the nodes that it needs are down or reserved",
    "PartitionDown": "the partition is down",
}
"""What the most frequent of Slurm's reasons mean."""


class Whereabouts(NamedTuple):
    """What Slurm said of a job: its state and reason in Slurm's words, and its node; empty where there is none."""

    job: str
    state: str
    reason: str = ""
    node: str = ""

    @property
    def sentence(self) -> str:
        """The job and what it does, in words."""
        if self.state != WAITS:
            on = f" on {self.node}" if self.node else ""
            return f"Slurm job {self.job} is {self.state.lower()}{on}"
        means = f" ({MEANINGS[self.reason]})" if self.reason in MEANINGS else ""
        why = f": {self.reason}{means}" if self.reason not in {"", "None"} else ""
        return f"Slurm job {self.job} waits{why}"


def read_whereabouts(run_folder: Path) -> Whereabouts | None:
    """What is known; None if nothing is."""
    try:
        body = json.loads(bounded.read(run_folder / FILE, NOTE_BYTES))
        return Whereabouts(**{key: str(body.get(key, "")) for key in Whereabouts._fields})
    except UNREADABLE:
        return None


def write_whereabouts(run_folder: Path, found: Whereabouts) -> None:
    """Write it if it is new. Raises OSError."""
    if read_whereabouts(run_folder) != found:
        write_json(run_folder / FILE, found._asdict())


def of_queued(run_folder: Path, job: str) -> str:
    """A sentence on the job that a run waits for; if it runs and the run hears nothing of it, a doubt about the store."""
    found = read_whereabouts(run_folder)
    if found is None or found.job != job:
        return f"submitted as Slurm job {job}"
    unheard = found.state == "RUNNING" and not (run_folder / LAUNCH_LOG).exists()
    if unheard and clock.age(run_folder / FILE) > UNHEARD_SECONDS:
        return f"nothing from Slurm job {job} in {UNHEARD_SECONDS:.0f} s: is {run_folder.parent} shared with {found.node}?"
    return found.sentence
