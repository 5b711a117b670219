"""Which models of the timm library can be rewired, model by model, by family, and why not."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from revconsole.lab.torch_api import training
from revconsole.records.findings import survey
from revconsole.records.findings.survey import Surveyed

SAVE_SECONDS = 10.0
"""So much work at most is lost when the survey is interrupted by force."""

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
    """One family: models, and how many of them can be rewired with which schemes."""

    family: str
    models: int
    any_block: int
    two_branches: int
    joined: int


def surveyed(names: Sequence[str], *, jobs: int, refresh: bool) -> Iterator[Surveyed]:
    """The survey of each model, those that are kept first; new ones are kept as they come.

    Interrupted, it goes on where it stopped when it is asked again.
    """
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


def tallies(found: Sequence[Surveyed]) -> list[FamilyTally]:
    """One row per family, the largest first, and the total."""
    families = [family for family, _ in Counter(each.family for each in found).most_common()]
    rows = [_tally(name, [each for each in found if each.family == name]) for name in families]
    return [*rows, _tally("all", found)]


def reasons(found: Sequence[Surveyed]) -> list[tuple[str, list[str]]]:
    """Why models cannot be rewired, with the models, the commonest first."""
    groups: dict[str, list[str]] = {}
    for each in found:
        if not each.blocks:
            groups.setdefault(reason(each), []).append(each.model)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def reason(model: Surveyed) -> str:
    """The most telling of the reasons that a model's blocks were left for."""
    told = " ".join(model.left.values())
    return next((what for pattern, what in REASONS if re.search(pattern, told)), told[:80])


def _tally(family: str, found: Sequence[Surveyed]) -> FamilyTally:
    return FamilyTally(
        family=family,
        models=len(found),
        any_block=sum(each.blocks > 0 for each in found),
        two_branches=sum(each.blocks_of_two > 0 for each in found),
        joined=sum(each.blocks_joined > 0 for each in found),
    )
