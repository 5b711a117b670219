"""Slurm options: the keys of a place where Slurm jobs train, with the values they accept.

`[place.slurm]` is the place `slurm`; `[place.slurm.NAME]` is the place `slurm:NAME`, with the values of `[place.slurm]` where it
has none of its own.
"""

import datetime as dt
import re
from collections.abc import Callable

from revconsole.records.config.accepting import Option, Refused, Value, number, text, words

SECTION = "place.slurm"
OURS = (
    "array", "chdir", "clusters", "error", "job-name", "no-requeue", "open-mode", "output", "parsable",
    "requeue", "signal", "test-only", "wait", "wrap",
)  # fmt: skip
"""Options of sbatch that a submission sets itself, or that would hide the job from it."""
OURS_IN_SHORT = ("-a", "-D", "-M", "-e", "-J", "-o", "-W")
OWN_KEY = {
    "partition": "partition", "account": "account", "time": "time", "gres": "gpus", "gpus": "gpus",
    "nodes": "nodes", "cpus-per-task": "cpus",
}  # fmt: skip
"""Options of sbatch that have a key of their own here."""
TIME = re.compile(
    r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d{1,2}))?(?::(?P<third>\d{1,2}))?"
)
WORD = re.compile(r"[A-Za-z0-9_.,:@+/=-]*")
GPUS = re.compile(r"(?:[A-Za-z0-9_.-]+:)?\d{1,4}")


def seconds(time: str) -> int | None:
    """Seconds of a time as Slurm writes it: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S; None if it is something else."""
    match = TIME.fullmatch(time)
    if match is None:
        return None
    first, second, third = (int(match[name] or 0) for name in ("first", "second", "third"))
    if match["days"] is not None:
        return ((int(match["days"]) * 24 + first) * 60 + second) * 60 + third
    if match["third"] is not None:
        return (first * 60 + second) * 60 + third
    return first * 60 + second


def _word(value: object) -> str:
    if not WORD.fullmatch(text(value)):
        raise Refused("should be a name without spaces")
    return text(value)


def _time(value: object) -> str:
    """A time, also one that TOML reads as a number of minutes or as a time of day."""
    known = isinstance(value, int | dt.time) and not isinstance(value, bool)
    written = str(value) if known else text(value)
    if written and not seconds(written):
        raise Refused('should be a time as sbatch takes it, as "90", "12:00:00" or "2-00:00"')
    return written


def _gpus(value: object) -> str:
    written = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)
    if not GPUS.fullmatch(written):
        raise Refused('should be a number of GPUs, with their type if it matters, as 2 or "a100:2"')
    return written


def _lines(value: object) -> tuple[str, ...]:
    found = words(value)
    if any("\n" in line or "\r" in line for line in found):
        raise Refused("should be a list with a text for each line")
    return found


def _options(value: object) -> tuple[str, ...]:
    """Options of sbatch, one a text; those that are set elsewhere are refused with the place where."""
    for option in (found := _lines(value)):
        name = option.removeprefix("--").partition("=")[0].split(" ")[0]
        if not option.startswith("-") or option.startswith("#"):
            raise Refused('should be a list of options, as ["--mem=32G", "--constraint=a100"]')
        if name in OWN_KEY:
            raise Refused(f"should not hold --{name}, which has the key {OWN_KEY[name]} of its own")
        if name in OURS or option.startswith(OURS_IN_SHORT):
            raise Refused(f"should not hold {option.split('=')[0]}, which revconsole sets itself")
    return found


def _option(
    name: str, default: Value, read: Callable[[object], Value], allowed: str, meaning: str
) -> Option:
    return Option(f"{SECTION}.{name}", default, read, allowed, meaning, private=True)


SLURM_OPTIONS = (
    _option("partition", "", _word, "a partition, or several with commas", "Partition of the jobs; empty for the cluster's default."),
    _option("account", "", _word, "an account", "Account that the jobs are charged to; empty for yours by default."),
    _option("time", "", _time, 'a time of Slurm, as "90", "12:00:00", "2-00:00"',
        "Time limit of a job; empty for the partition's own. A run that is longer is requeued at the limit and goes on from its last step."),
    _option("gpus", "1", _gpus, 'a number, or type:number as "a100:2"', "GPUs of a job on each node; 0 trains on CPUs."),
    _option("nodes", 1, number(1, 1024, whole=True), "1 to 1024", "Nodes of a job."),
    _option("cpus", 0, number(0, 1024, whole=True), "0 to 1024", "CPU cores of a job on each node; 0 for the cluster's default."),
    _option("at_once", 0, number(0, 10_000, whole=True), "0 to 10000", "Most jobs of a study that run at once; 0 for no limit."),
    _option("signal_seconds", 120, number(10, 3600, whole=True), "10 to 3600",
        "Seconds before the time limit at which a run saves itself and is requeued; Slurm may be a minute early."),
    _option("setup", (), _lines, "a list of lines", "Lines of shell before the training: modules to load, an environment to activate."),
    _option("python", "", text, "a program", "Python of the jobs; empty for the one that submits, by its path."),
    _option("options", (), _options, 'a list, as ["--mem=32G"]', "Further options of sbatch, each a text of its own."),
)  # fmt: skip
NAMED = re.compile(rf"{re.escape(SECTION)}\.(?P<place>[A-Za-z0-9_-]+)\.(?P<key>[a-z_]+)")
"""A key of a place with a name of its own."""


def unnamed(key: str) -> str:
    """The key of the option that a key of a named place sets; any other key itself."""
    match = NAMED.fullmatch(key)
    return f"{SECTION}.{match['key']}" if match else key
