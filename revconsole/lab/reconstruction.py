"""Reconstruction in words: what is expected of a run's backward pass before it begins, and what probes found."""

from collections.abc import Sequence

from revconsole.lab import format as form
from revconsole.records.runs.run import Run
from revconsole.records.settings import growth
from revconsole.records.settings.plan import Plan


def expected(run: Run) -> str:
    """What to expect of the reconstruction; empty where nothing is reconstructed.

    Once the run has begun its facts say, which know what the plan could not: the blocks of a timm model, and
    those that backward `auto` keeps.
    """
    carried, blocks = run.facts.get("error_growth"), run.facts.get("rebuilt_blocks")
    if isinstance(carried, int | float) and isinstance(blocks, int):
        return growth.sentence(run.plan, carried, blocks)
    return "" if run.facts else growth.predicted(run.plan)


def measured(run: Run) -> str:
    """What the last probe found, and what it cost; empty before the first."""
    last = {name: series.last for name, series in run.series.items()}
    error, gradient = last.get("reconstruction_error"), last.get("gradient_error")
    if error is None:
        return ""
    parts = ["activations exact" if error == 0 else f"activations {form.small(error)}"]
    if error and (block := last.get("reconstruction_worst_block")) is not None:
        parts[0] += f" (block {block:.0f})"
    parts += [f"gradients {form.small(gradient)}"] if gradient is not None else []
    bits, seconds = last.get("side_bit_mean"), last.get("probe_seconds")
    parts += [f"side bits {bits:.3f}"] if bits is not None else []
    parts += [f"probed in {form.duration(seconds)}"] if seconds is not None else []
    return ", ".join(parts)


def forecasts(plans: Sequence[Plan]) -> list[str]:
    """A line for each thing to expect, with the run that it is expected of, or how many."""
    names: dict[str, list[str]] = {}
    for plan in plans:
        if sentence := growth.predicted(plan):
            names.setdefault(sentence, []).append(plan.name)
    return [
        f"{found[0] if len(found) == 1 else f'{len(found)} runs'}: reconstruction: {sentence}"
        for sentence, found in names.items()
    ]
