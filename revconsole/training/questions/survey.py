"""Survey: which of timm's models can be rewired; each is built without memory for weights and run once.

Models are independent, so they can be surveyed in several processes.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.context import BaseContext

import timm
import torch
from torch import nn

from revconsole.errors import NotInvertible
from revconsole.models.timm import quietly
from revconsole.records.child import FORKS, safe_pool
from revconsole.records.findings.survey import Surveyed
from revconsole.reversible import SCHEMES, Additive, Bdia, Survey, make_scheme
from revconsole.reversible.branches import WHOLE, note
from revconsole.reversible.ends import joins
from revconsole.reversible.rewire import surveys

# One scheme for each requirement: any block; attention and MLP apart; both streams concatenated.
REQUIREMENTS = (Bdia(), Additive(fuse="mean"), Additive(fuse="concat"))


def survey_models(names: Sequence[str], *, jobs: int) -> Iterator[Surveyed]:
    """The survey of each model, in order of completion. jobs: number of processes; 1 uses this one."""
    if jobs == 1 or len(names) < 2 * jobs:
        yield from map(survey_model, names)
        return
    with safe_pool():
        context = _importing_once()
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_alone)
        try:
            for done in as_completed([pool.submit(survey_model, name) for name in names]):
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def survey_model(name: str) -> Surveyed:
    """The survey of one model."""
    family = timm.models.model_entrypoint(name).__module__.rpartition(".")[2]
    try:
        with quietly(), torch.device("meta"):
            any_block, two_branches, joined = surveys(timm.create_model(name), REQUIREMENTS)
    except Exception as error:  # noqa: BLE001  timm's constructors raise anything; one must not end the list
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        return Surveyed(model=name, family=family, left={"": f"could not be built ({reason})"})
    return Surveyed(
        model=name,
        family=family,
        blocks=_blocks(any_block),
        blocks_of_two=_blocks(two_branches),
        blocks_joined=_blocks(joined),
        stacks=dict(any_block.fit),
        left=dict(any_block.unwired),
    )


def scheme_groups() -> dict[str, list[str]]:
    """Names of the schemes by their requirement: `one` branch, `two`, or both streams `joined`."""
    block = nn.Identity()
    note(block, WHOLE)
    groups: dict[str, list[str]] = {"one": [], "two": []}
    for name in SCHEMES:
        try:
            make_scheme(name).couplings(block, 0, None)
        except NotInvertible:
            groups["two"].append(name)
        else:
            groups["one"].append(name)
    groups["joined"] = [name for name in groups["two"] if joins(make_scheme(name))]
    return groups


def _blocks(one_survey: Survey) -> int:
    return sum(one_survey.fit.values())


def _importing_once() -> BaseContext:
    """How the processes start: forked from one that has imported this module alone, where processes may fork."""
    if not FORKS:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _alone() -> None:
    torch.set_num_threads(1)
