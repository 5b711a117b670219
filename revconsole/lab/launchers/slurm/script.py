"""The script that sbatch runs: for one run, for an array with one run per task, or for the workers of a search."""

import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from revconsole.lab.launchers.slurm.place import SlurmPlace
from revconsole.records import child
from revconsole.records.runs.attempt import LAUNCH_LOG
from revconsole.records.runs.new_folder import ENVIRONMENT, SHARE
from revconsole.records.runs.submission import (
    FOLDER,
    LIMIT_SIGNAL,
    MARK,
    NODES,
    SUBMITTED_WITH,
    versions,
)
from revconsole.records.settings.plan import Plan

FILE = "slurm.sh"
"""Name of the script in the folder of each run."""
KEPT = ("REVCONSOLE_DATA", "REVCONSOLE_CONFIG", "REVCONSOLE_STATE", SHARE, child.WORKING_FOLDER, child.SAFE_PATH, "PYTHONPATH")  # fmt: skip
"""Environment variables that the script sets itself, for clusters whose jobs do not get those of the submission.

No other ones: addresses of notices are secrets, and the script is in the store.
"""


def job_name(first: Plan, count: int) -> str:
    """What the job is called: as its run, or as the study or profile of its runs. first: the plan of the first run."""
    return first.name if count == 1 else first.study or Path(first.profile).stem


def script(place: SlurmPlace, root: Path, runs: Path, *, name: str, count: int) -> str:
    """The text of the script. root: the store. runs: the file with the id of a run on each line. name: of the job."""
    first = [
        f'run=$(sed -n "$((${{SLURM_ARRAY_TASK_ID:-0}} + 1))p" {shlex.quote(str(runs))}) || exit 1',
        f'exec >> {shlex.quote(str(root))}/"$run"/{LAUNCH_LOG} 2>&1 || exit 1',
    ]
    return _text(place, root, first, '"$run"', name=name, count=count)


def search_script(place: SlurmPlace, root: Path, address: str, *, name: str, count: int) -> str:
    """The text of the script for so many workers of a search. address: of its launch."""
    return _text(place, root, [], f"--search {shlex.quote(address)}", name=name, count=count)


def _text(
    place: SlurmPlace, root: Path, first: Sequence[str], wanted: str, *, name: str, count: int
) -> str:
    """A script. first: its first lines. wanted: what the trainer is told to train."""
    output = str(root / FOLDER / ("%A_%a.out" if count > 1 else "%j.out")).replace("\\", "\\\\")
    store = str(root)
    output = output.replace(store, store.replace("%", "%%"))
    head = ["#!/bin/bash", *(f"#SBATCH {each}" for each in _options(place, output, name, count))]
    return "\n".join([*head, *_body(place, root, first, wanted), ""])


def _options(place: SlurmPlace, output: str, name: str, count: int) -> Iterator[str]:
    yield f"--job-name={re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:60] or 'revconsole'}"
    yield "--requeue"
    yield "--open-mode=append"
    yield f"--signal={LIMIT_SIGNAL.removeprefix('SIG')}@{place.signal_seconds}"
    yield f'--output="{output}"'
    yield from (f"--{n}={v}" for n, v in (("partition", place.partition), ("account", place.account), ("time", place.time)) if v)  # fmt: skip
    if place.gpus.rpartition(":")[2] != "0":
        yield f"--gres=gpu:{place.gpus}"
    if place.cpus:
        yield f"--cpus-per-task={place.cpus}"
    yield f"--nodes={place.nodes}"
    yield "--ntasks-per-node=1"
    if count > 1:
        yield f"--array=0-{count - 1}{f'%{place.at_once}' if place.at_once else ''}"
    yield from place.options


def _body(place: SlurmPlace, root: Path, first: Sequence[str], wanted: str) -> Iterator[str]:
    """The lines after the options: the first ones, the environment, and the training."""
    numbers = versions()
    yield f"# Written by revconsole {numbers['revconsole']}."
    yield from first
    variables = child.environment() | {ENVIRONMENT: str(root)}
    for key in (ENVIRONMENT, *KEPT):
        if variables.get(key):
            yield f"export {key}={shlex.quote(variables[key])}"
    yield f"export {MARK}=1 {SUBMITTED_WITH}={shlex.quote(' '.join(f'{n}={v}' for n, v in numbers.items() if v))}"
    if place.nodes > 1:
        yield f"export {NODES}={place.nodes}"
    yield from place.setup
    yield f"cd {shlex.quote(str(root))} || exit 1"
    # Since Slurm 22.05 srun does not take the number by itself.
    yield '[ -z "$SLURM_CPUS_PER_TASK" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"'
    yield "trap : TERM"  # the shell waits for the training, which saves itself and ends
    command = child.command("revconsole.training", str(root))
    python = shlex.quote(os.path.expanduser(place.python) if place.python else sys.executable)  # noqa: PTH111
    alone = "--nodes=1 --ntasks=1 --overlap " if place.nodes > 1 else ""
    yield f"srun {alone}--export=ALL --kill-on-bad-exit=1 {python} {shlex.join(command[1:])} {wanted}"
