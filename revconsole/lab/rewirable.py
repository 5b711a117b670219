"""Which of timm's models can be rewired, by model and by family, and why others cannot."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from revconsole.lab.torch_api import training
from revconsole.records.findings import survey
from revconsole.records.findings.survey import Surveyed

SAVE_SECONDS = 10.0
"""Seconds between two writes of the cache: the most work lost when the survey is killed."""

REASONS = (
    (r"is not residual", "nothing is added to a block's input"),
    (r"nothing in it", "nothing is added to a block's input"),
    (r"returns a ", "a block returns more than its stream"),
    (r"is not given its stream", "a block takes more than one stream"),
    (r"recurrent layer", "a block has a recurrent layer"),
    (r"changes its input in place", "a block changes its input in place"),
    (r"takes its blocks by index|a way of its own|as a part of itself|takes its blocks from",
     "the model calls its blocks in a way of its own"),
    (r"is called \d+ times|\d+ times in a run", "a block is called more or less than once"),
    (r"than its neighbours", "each block is given arguments of its own"),
    (r"is alone in its row", "no two residual blocks follow one another"),
    (r"could not be (run|built)", "the model could not be run or built"),
    (r"turns ", "every block changes the shape"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyTally:
    """One family: its models, and how many of them can be rewired with each group of schemes."""

    family: str
    models: int
    any_block: int
    two_branches: int
    joined: int


def surveyed(names: Sequence[str], *, jobs: int, refresh: bool) -> Iterator[Surveyed]:
    """Yield the survey of each model, cached ones first; results are cached as they come, so the next call continues."""
    path = survey.kept_file(f"timm-{training.timm_version()}")
    known = {} if refresh else survey.kept(path)
    yield from (known[name] for name in names if name in known)
    saved = time.monotonic()
    try:
        for each in training.survey_models([n for n in names if n not in known], jobs=jobs):
            known[each.model] = each
            if time.monotonic() - saved > SAVE_SECONDS:
                survey.keep(path, list(known.values()))
                saved = time.monotonic()
            yield each
    finally:
        survey.keep(path, list(known.values()))


def tallies(surveyed: Sequence[Surveyed]) -> list[FamilyTally]:
    """One row per family, the largest first, and a last row with the total."""
    families = [family for family, _ in Counter(each.family for each in surveyed).most_common()]
    rows = [_tally(name, [each for each in surveyed if each.family == name]) for name in families]
    return [*rows, _tally("all", surveyed)]


def reasons(surveyed: Sequence[Surveyed]) -> list[tuple[str, list[str]]]:
    """The reasons why models cannot be rewired, each with its models, the most frequent first."""
    groups: dict[str, list[str]] = {}
    for each in surveyed:
        if not each.blocks:
            groups.setdefault(reason(each), []).append(each.model)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def reason(model: Surveyed) -> str:
    """The most informative reason why blocks of a model cannot be rewired."""
    text = " ".join(model.left.values())
    return next((what for pattern, what in REASONS if re.search(pattern, text)), text[:80])


def _tally(family: str, surveyed: Sequence[Surveyed]) -> FamilyTally:
    return FamilyTally(
        family=family,
        models=len(surveyed),
        any_block=sum(each.blocks > 0 for each in surveyed),
        two_branches=sum(each.blocks_of_two > 0 for each in surveyed),
        joined=sum(each.blocks_joined > 0 for each in surveyed),
    )
