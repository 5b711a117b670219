"""`trainer_state.json` of Hugging Face's Trainer, in its output folder or in its newest checkpoint.

The file has the whole history of the run, and is written anew with each checkpoint.
"""

import json
import re
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.foreign.gathered import Gathered, number
from revconsole.records.foreign.part import Part, Reach

TOOL = "Hugging Face"
RECORDS_ENDS = True
FILE = "trainer_state.json"
CHECKPOINT = re.compile(r"checkpoint-(\d{1,12})")
SETTINGS = (
    "train_batch_size",
    "num_train_epochs",
    "max_steps",
    "logging_steps",
    "eval_steps",
    "save_steps",
)
SUMMARY = (
    "train_runtime",
    "train_samples_per_second",
    "train_steps_per_second",
    "total_flos",
    "train_loss",
)
"""What the last entry says of the whole run, which is no measurement of a step."""


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """A folder with the file, or with checkpoints that have it, is a run; a checkpoint itself is not."""
    if CHECKPOINT.fullmatch(folder.name):
        return ()
    return ("",) if FILE in files or _checkpoints(folder) else ()


def owns(folder: str) -> bool:
    """Whether a folder inside of a run's belongs to that run."""
    return CHECKPOINT.fullmatch(folder) is not None


def parts(folder: Path, name: str) -> list[Part]:
    """The newest of the files."""
    del name
    inner = _checkpoints(folder)
    top = folder / FILE
    newest = folder / inner[-1] / FILE if inner else top
    return [Part(top if _is_newer(top, newest) else newest, "table", take)]


def take(data: bytes, reach: Reach, into: Gathered) -> int:
    """Take the history and the settings."""
    del reach
    state = json.loads(data)
    for name in SETTINGS:
        if name in state:
            into.setting(name, state[name])
    for entry in state["log_history"]:
        step = number(entry.get("step")) or 0.0
        whole = "train_runtime" in entry
        for name, value in entry.items():
            size = number(value) if name != "step" and not (whole and name in SUMMARY) else None
            if size is not None:
                into.point(name, step, size)
    into.epoch = int(number(state.get("epoch")) or 0)
    into.steps = int(state.get("max_steps") or 0) or None
    if into.steps and int(state.get("global_step") or 0) >= into.steps:
        into.end("finished")
    return len(data)


def _checkpoints(folder: Path) -> list[str]:
    """Names of the checkpoints that have the file, oldest first."""
    found = [
        (int(match[1]), name)
        for name in bounded.folders(folder)
        if (match := CHECKPOINT.fullmatch(name))
    ]
    return [name for _, name in sorted(found) if (folder / name / FILE).is_file()]


def _is_newer(path: Path, than: Path) -> bool:
    try:
        return path == than or path.stat().st_mtime_ns >= than.stat().st_mtime_ns
    except OSError:
        return False
