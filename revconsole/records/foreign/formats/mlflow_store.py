"""MLflow's file store (`mlruns`): a folder for each run, in it a file for each metric, parameter and tag.

A metric's file has a line for each value: milliseconds since 1970, value, step. `meta.yaml` has name, times and status.
"""

import math
from pathlib import Path

from revconsole.records.files import bounded
from revconsole.records.foreign.gathered import Ending, Gathered, number
from revconsole.records.foreign.part import Part, Reach, Take
from revconsole.records.foreign.yaml_text import mapping

TOOL = "MLflow"
RECORDS_ENDS = True
META, MODELS = "meta.yaml", "models"
OWN = {"metrics", "params", "tags", "artifacts", "inputs", "outputs"}
"""Folders of a run."""
ENDINGS: dict[object, Ending] = {3: "finished", 4: "failed", 5: "stopped"}
"""By the number of a status: RUNNING is 1, SCHEDULED 2, FINISHED 3, FAILED 4, KILLED 5."""
MOST_FILES, DEEPEST = 2000, 6


def claims(folder: Path, files: frozenset[str]) -> tuple[str, ...]:
    """A folder with `meta.yaml` beside `metrics` or `params` is a run; that of an experiment has neither, and a model is none."""
    if META not in files or folder.parent.name == MODELS:
        return ()
    return ("",) if {"metrics", "params"} & set(bounded.folders(folder)) else ()


def owns(folder: str) -> bool:
    """Whether a folder inside of a run's belongs to that run."""
    return folder in OWN


def parts(folder: Path, name: str) -> list[Part]:
    """The metrics, the parameters, the tags that a user gave, and `meta.yaml`."""
    del name
    found = [Part(folder / META, "settings", _meta(folder))]
    found += [
        Part(folder / "params" / key, "settings", _setting(key))
        for key in _names(folder / "params")
    ]
    found += [
        Part(folder / "metrics" / key, "log", _metric(key)) for key in _names(folder / "metrics")
    ]
    tags = [key for key in _names(folder / "tags") if not key.startswith("mlflow.")]
    return found + [
        Part(folder / "tags" / key, "settings", _setting(f"tags.{key}")) for key in tags
    ]


def take_meta(data: bytes, reach: Reach, into: Gathered) -> int:
    """Take name, times and status of a run."""
    del reach
    meta = mapping(data)
    into.name = str(meta.get("run_name") or "")
    for moment in ("start_time", "end_time"):
        into.moment((number(meta.get(moment)) or 0.0) / 1000)
    into.end(ENDINGS.get(meta.get("status"), ""))
    into.archived = meta.get("lifecycle_stage") == "deleted"  # until MLflow's own `gc`
    return len(data)


def _meta(folder: Path) -> Take:
    """Takes `meta.yaml`, which MLflow writes when a run begins and ends, and counts the files that the run has kept."""

    def take(data: bytes, reach: Reach, into: Gathered) -> int:
        artifacts = len(_names(folder / "artifacts"))
        if artifacts:
            into.left_out["artifact"] = artifacts
        return take_meta(data, reach, into)

    return take


def _setting(key: str) -> Take:
    def take(data: bytes, reach: Reach, into: Gathered) -> int:
        del reach
        into.setting(key, _plain(data.decode(errors="replace")))
        return len(data)

    return take


def _metric(name: str) -> Take:
    def take(data: bytes, reach: Reach, into: Gathered) -> int:
        stop = data.rfind(b"\n") + 1
        for line in data[:stop].splitlines():
            _take_line(name, line, into)
        reach.doubt = ""
        return stop

    return take


def _take_line(name: str, line: bytes, into: Gathered) -> None:
    words = line.decode(errors="replace").split(" ")
    time, value = number(words[0]), number(words[1]) if len(words) > 1 else None
    step = number(words[2]) if len(words) > 2 else 0.0
    if time is None or value is None or step is None:
        into.damage(f"a line of the metric {name} is damaged and left out")
        return
    into.at(step, time / 1000)
    into.point(name, step, value)


def _plain(text: str) -> object:
    """A parameter, which MLflow keeps as text, as the number that it is."""
    size = number(text)
    if size is None or not math.isfinite(size):
        return text
    return int(size) if size.is_integer() and text.lstrip("-").isdecimal() else size


def _names(folder: Path, inside: str = "", depth: int = 0) -> list[str]:
    """Names of the files in a folder and those in it, with slashes; a metric's name may have some."""
    try:
        found = sorted(bounded.files(folder))
        names = [f"{inside}{name}" for name in found]
        for each in sorted(bounded.folders(folder)) if depth < DEEPEST else ():
            names += _names(folder / each, f"{inside}{each}/", depth + 1)
    except FileNotFoundError:
        return []
    return names[:MOST_FILES]
