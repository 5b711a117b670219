"""Submission: what the lab that submits a run to Slurm and the trainer in the job agree upon. Torch-free."""

from importlib.metadata import PackageNotFoundError, version

import revconsole
from revconsole.records.runs.identity import Identity

NAME = "slurm"
"""Name of the launcher."""
MARK, SUBMITTED_WITH = "REVCONSOLE_SLURM", "REVCONSOLE_SUBMITTED_WITH"
"""Environment variables of a submission's script: that it is one, and the versions that submitted it."""
NODES = "REVCONSOLE_NODES"
"""Environment variable of a job with several nodes: how many."""
FOLDER, LISTS = ".slurm", ".runs"
"""Folder of the store for what belongs to submissions, and the ending of the names of the lists there of runs with jobs."""
LIMIT_SIGNAL = "SIGUSR2"
"""The signal before the time limit; NCCL takes SIGUSR1 for itself."""


def holder(job: str) -> Identity:
    """Who holds a run that waits for a job of Slurm, alike for all of an array; no process can be asked about it."""
    return Identity(host=f"Slurm job {job.partition('_')[0]}", boot="", pid=0, start=0)


def versions() -> dict[str, str]:
    """The versions of revconsole and torch here; empty for a torch that is not installed."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    return {"revconsole": revconsole.__version__, "torch": torch}
