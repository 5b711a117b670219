"""Recording: where a program begins a run that revconsole shows."""

import operator
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from revconsole.errors import said
from revconsole.recording.claimed import WantedRecord, store_folder
from revconsole.recording.handed import offered
from revconsole.recording.recorded_run import RecordedRun
from revconsole.recording.writer import SAID, RecordWriter
from revconsole.records.given import flat
from revconsole.records.logs.events import Scalar

PROGRAM = "revconsole.record"
RANKS = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID", "LOCAL_RANK")
"""Environment variables by which launchers number the processes of one training."""
TASKS = "SLURM_STEP_NUM_TASKS"
"""Environment variable by which srun says how many processes it started."""
LONGEST_COMMAND = 300


def record(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    store: str | os.PathLike[str] | None = None,
    resume: bool | int = False,
    steps: int | None = None,
    facts: Mapping[str, Scalar] | None = None,
    program: str = PROGRAM,
    ranks: Literal["first", "each"] = "first",
) -> RecordedRun:
    """Begin to record a run of this program; use it in a `with`, or end it by `finish`.

    name: need not be unique. settings: of any depth; or what `argparse` gives; a whole number called `seed` is the seed, one called `epochs` the length.
    store: the folder of runs; REVCONSOLE_STORE, else `./runs`. resume: go on with the newest recorded run of that name, or begin
    it if there is none; the first step that is logged then supersedes what was recorded from there on, or a number says
    after which step it goes on. steps: how many there will be, for the time that is left. facts: `parameters`, `device` and
    whatever else is known once. program: who trains, as lists show it. ranks: whether of several processes that a launcher
    numbers only the first records, or each a run of its own.

    Returns at once and never raises: what is wrong is said once on standard error, and the training goes on.
    """
    if ranks == "first" and not _first_rank():
        return RecordedRun(None)
    try:
        wanted = WantedRecord(
            name=str(name).strip() or "run",
            settings=_table(settings, "settings"),
            program=program,
            store=store_folder(store),
            resume=resume is not False,
            offered=offered(None if store is None else store_folder(store)),
        )
        after = _whole(resume)
        return RecordedRun(RecordWriter(wanted, _facts(steps, facts), after))
    except Exception as error:  # noqa: BLE001  nothing of ours may end a training
        _say(f"{said(error)}; the training goes on and is not recorded")
        return RecordedRun(None)


def _first_rank() -> bool:
    numbered = next((name for name in RANKS if os.environ.get(name)), "")
    if os.environ.get(numbered, "0") != "0":
        return False
    if numbered == "SLURM_PROCID" and os.environ.get(TASKS, "1") != "1":
        _say(
            f"this is the first of {os.environ[TASKS]} tasks, and alone is recorded; "
            'where each trains for itself, give record(…, ranks="each")'
        )
    return True


def _table(given: object, what: str) -> dict[str, Any]:
    """A table, also of what `argparse` gives; of anything else nothing, which is said."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    if hasattr(given, "__dict__"):
        return dict(vars(given))
    _say(
        f'{what} are a table, as in {{"lr": 0.1}}, and {type(given).__name__} is none: recorded without them'
    )
    return {}


def _whole(given: object) -> int | None:
    """A whole number, of any library; None for anything else, and for a truth value."""
    with suppress(TypeError):
        return None if isinstance(given, bool) else operator.index(given)  # type: ignore[arg-type]
    return None


def _say(sentence: str) -> None:
    with suppress(Exception):  # standard error may be closed
        sys.stderr.write(SAID.format(sentence))


def _facts(steps: int | None, facts: Mapping[str, Scalar] | None) -> dict[str, Scalar]:
    """What is known at the beginning. Of libraries only the versions of those that are imported already."""
    found: dict[str, Scalar] = {
        "python": platform.python_version(),
        "command": " ".join(sys.argv)[:LONGEST_COMMAND],
    }
    for library in ("torch", "transformers", "lightning", "timm"):
        version = getattr(sys.modules.get(library), "__version__", None)
        found |= {library: str(version)} if version else {}
    length = _whole(steps)
    if length is not None:
        # Its validations take none of the time that is left beside its steps: they are in the pace of these.
        found |= {"steps": length, "image_seconds": 0.0}
    elif steps is not None:
        _say(f"steps is a whole number, and {steps!r} is none: recorded without it")
    return found | flat(_table(facts, "facts"))
