"""The page of full forms: what each shipped study would take on a GPU. `make full-forms` writes it, in ten minutes.

Unlike the pages of `pages.py` it needs torch, which counts each arm's step once and keeps it in the user's cache. Nothing is
trained, no data file is read.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pages import DOCS, joined, table

from revconsole.lab import format as form
from revconsole.lab.at_peak import LeastTime, card_named, least_time
from revconsole.lab.outlook import Outlook, outlook
from revconsole.lab.planning import models
from revconsole.records.runs.store import RunStore
from revconsole.records.settings import search_path
from revconsole.records.settings.plan import Plan

CARDS = ("RTX 4090", "A100", "H100 SXM")
PAGE = DOCS / "full-forms.md"
INTRODUCTION = (
    ("What the full form of each study that comes with the program would take, foreseen; none of it was measured on a GPU, and "
    "none of these forms was trained here. [The experiments](../profiles/README.md) has what was run."),
    ("**Memory** is the most that the training of any arm takes on a CUDA device, allowance included; see "
    "[Foresight](foresight.md). **At least** is the time of all runs one after the other at the card's documented peak in the study's "
    "precision: forward, backward and recomputation of all training steps. Evaluation, data and everything that is no product come "
    "on top, and small networks stay far below the peak, so real runs take several times as long, those of a few thousand "
    "parameters many times. What your own runs reach is their MFU ([Metrics](metrics.md)); "
    "`revconsole plan STUDY --card NAME --utilisation SHARE` says the time at such a share, and each run by itself."),
)  # fmt: skip
HEADINGS = (
    "study", "runs", "parameters", "precision", "multiply-adds of training", "memory", *(f"at least, {card}" for card in CARDS)
)  # fmt: skip


def row(name: str, outlooks: Sequence[Outlook], every: Sequence[Plan]) -> list[str]:
    """A study's row. outlooks: of the runs of its first seed. every: the runs of all seeds, which train."""
    seeds = len(every) // len(outlooks)
    times = [[least_time(each.plan, card_named(card)) for each in outlooks] for card in CARDS]
    parameters = [each.counts["parameters"] for each in outlooks if each.counts["parameters"]]
    most = [each.own.bounds.high for each in outlooks if each.own]
    in_all = seeds * sum(time.multiply_adds or 0 for time in times[0])
    return [
        f"`{name}`", str(len(every)), between(sorted({int(p) for p in parameters if p})),
        ", ".join(dict.fromkeys(each.plan.train.precision for each in outlooks)),
        form.both_counts(in_all), form.gibibytes(max(most)) if most else form.UNKNOWN,
        *(in_words(seeds, each) for each in times),
    ]  # fmt: skip


def between(counts: Sequence[int]) -> str:
    """The smallest and the largest number."""
    return " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))


def in_words(seeds: int, times: Sequence[LeastTime]) -> str:
    """The time of so many seeds of these runs."""
    return form.duration(seeds * sum(time.seconds() or 0.0 for time in times))


def of_study(name: str, store: RunStore) -> list[str]:
    """The row of a study by name. Raises RevconsoleError for an arm that could not be trained as shipped."""
    every, first = plans(name, {}, store), plans(name, {"seeds": [0]}, store)
    on_cuda = plans(name, {"seeds": [0], "train.device": "cuda"}, store)
    if len(every) % len(first):
        raise SystemExit(f"{name}: its arms have different seeds")
    found = [outlook(each, memory=None, runs=()) for each in on_cuda]
    for each in found:
        if each.own is None and not each.plan.fitted:
            raise SystemExit(f"{each.plan.name} cannot be trained as it is: {each.why_not}")
    return row(name, found, every)


def plans(name: str, settings: dict[str, object], store: RunStore) -> list[Plan]:
    """The runs of a study with these settings."""
    found = models(name, settings, store)
    return [each for each in found if isinstance(each, Plan)]


def studies() -> list[str]:
    """The names of the shipped studies; a search draws its runs, and so has no full form to foresee."""
    names = sorted(path.stem for path in (DOCS.parent / "profiles" / "studies").glob("*.toml"))
    return [name for name in names if search_path.find(name).search is None]


def page(rows: Sequence[Sequence[str]]) -> str:
    """The page with these rows."""
    return joined(
        ["# The studies' full forms", *INTRODUCTION, table(HEADINGS, rows)], target="full-forms"
    )


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as empty:
        store = RunStore(Path(empty))
        rows = [of_study(name, store) for name in studies()]
    PAGE.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
