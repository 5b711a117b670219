"""Copies: runs of one result: of a support vector machine, whose seed decides nothing, or with identical weights."""

from collections.abc import Sequence

from revconsole.records.runs.run import Summary


def originals(runs: Sequence[Summary]) -> tuple[Summary, ...]:
    """The runs of one arm without copies of an earlier run."""
    firsts: dict[str, Summary] = {}
    for run in runs:
        firsts.setdefault(_answer(run), run)
    return tuple(firsts.values())


def _answer(run: Summary) -> str:
    """A key that two runs share only if one is a copy of the other."""
    if run.weights_sha256:
        return run.weights_sha256
    return "fitted" if run.plan.fitted else run.id
