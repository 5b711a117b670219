"""Reconstruction error in words: the expected error of a run, and the measured one."""

from collections.abc import Sequence

from revconsole.lab import format as form
from revconsole.records.runs.run import Run
from revconsole.records.settings import growth
from revconsole.records.settings.plan import Plan


def expected(run: Run) -> str:
    """A sentence on the expected error; empty if nothing is reconstructed.

    Once the run has begun, its facts are used, which also know the blocks of a timm model and those that backward `auto` keeps.
    """
    carried, blocks = run.facts.get("error_growth"), run.facts.get("rebuilt_blocks")
    if isinstance(carried, int | float) and isinstance(blocks, int):
        return growth.sentence(run.plan, carried, blocks)
    return "" if run.facts else growth.predicted(run.plan)


def measured(run: Run) -> str:
    """The errors found by the last probe, and its duration; empty before the first probe."""
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


def known(run: Run) -> list[tuple[str, str]]:
    """What is expected and what was measured, as far as there is something to say, each under its name."""
    pairs = [("reconstruction", expected(run)), ("measured error", measured(run))]
    return [(name, text) for name, text in pairs if text]


def forecasts(plans: Sequence[Plan]) -> list[str]:
    """A line for each expectation, with the run, or the number of runs, it applies to."""
    names: dict[str, list[str]] = {}
    for plan in plans:
        if sentence := growth.predicted(plan):
            names.setdefault(sentence, []).append(plan.name)
    return [
        f"{runs[0] if len(runs) == 1 else f'{len(runs)} runs'}: reconstruction: {sentence}"
        for sentence, runs in names.items()
    ]
