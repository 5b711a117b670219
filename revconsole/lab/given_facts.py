"""Given facts: what is known of a run that another program trains, as pairs of name and text for `show` and the run screen."""

import time
from collections.abc import Iterator

from revconsole.lab import format as shown
from revconsole.lab.listing.fields import METRIC, named
from revconsole.lab.listing.texts import epochs, text
from revconsole.records.logs.times import FORECAST
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Run

HIDDEN = frozenset({"steps", "parameters", "device", *FORECAST})
"""Facts that are shown in a line of their own."""
MOST_METRICS = 40
MOST_ARTIFACTS = 4
LONGEST = 200


def pairs(run: Run) -> list[tuple[str, str]]:
    """The settings as the program gave them, then what was measured."""
    s = run.summary
    return [
        ("trained by", one_line(s.program)),
        *((one_line(key), one_line(shown.toml(value), LONGEST)) for key, value in s.given.items()),
        ("seed", str(s.plan.seed) if s.plan.seed else shown.UNKNOWN),
        *_known("epoch", epochs(s) if s.epoch or s.epochs else ""),
        ("step", f"{s.step:,}" + (f" of {s.steps:,}" if s.steps else "")),
        *_known("parameters", shown.learnt(s.parameters, s.support_vectors)),
        *_known("device", s.device),
        *_known("peak memory", f"{shown.memory(s.peak_memory_bytes)} {s.peak_memory_of}".strip()),
        *_known("best epoch", shown.count(s.best_epoch)),
        ("time", f"{shown.duration(s.seconds)}, attempt {s.attempt}"),
        ("begun", time.strftime("%Y-%m-%d %H:%M", time.localtime(s.created))),
        *_known("artifacts", _artifacts(run)),
        *_known("damaged lines", str(s.damaged_lines or "")),
        *((name.replace("_", " "), shown.fact(v)) for name, v in run.facts.items() if name not in HIDDEN),
        *_measured(run),
    ]  # fmt: skip


def _known(name: str, value: str) -> list[tuple[str, str]]:
    return [(name, value)] if value not in {"", shown.UNKNOWN} else []


def _artifacts(run: Run) -> str:
    """How many files the program kept, and the newest of them."""
    names = [one_line(each.name, 40) for each in run.artifacts[:MOST_ARTIFACTS]]
    more = len(run.artifacts) - len(names)
    return ", ".join([*names, *([f"{more} more"] if more else [])])


def _measured(run: Run) -> Iterator[tuple[str, str]]:
    """The latest value of each metric, by the names that the program used."""
    names = list(run.summary.metrics)
    for name in names[:MOST_METRICS]:
        field = named(METRIC + name, names)
        yield one_line(field.label), text(field, run.summary)
    if len(names) > MOST_METRICS:
        yield "", f"{len(names) - MOST_METRICS} metrics more"
