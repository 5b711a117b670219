"""Copies: runs whose seed decided nothing, so that several of them are one answer and not a sample of several.

Such are the runs of a support vector machine, and whatever ended with the very same weights as another run.
"""

from collections.abc import Sequence

from revconsole.records.runs.run import Summary


def originals(runs: Sequence[Summary]) -> tuple[Summary, ...]:
    """Runs of one arm without those that are copies of an earlier one."""
    found: dict[str, Summary] = {}
    for run in runs:
        found.setdefault(_answer(run), run)
    return tuple(found.values())


def _answer(run: Summary) -> str:
    """What two runs have in common only if they are copies."""
    if run.weights_sha256:
        return run.weights_sha256
    return "fitted" if run.plan.fitted else run.id
