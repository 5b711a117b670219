"""Noise: the randomness in training steps that affects the training curves but not the validation curves."""

from revconsole.lab.report.alike import Alike
from revconsole.records.logs.noise import BEFORE
from revconsole.records.runs.run import Run


def sentence(runs: Alike) -> str:
    """A sentence on how the training curves were measured, and how that differs from validation; empty for fitted models."""
    measured = runs.only(lambda run: bool(_of_run(run)))
    if not measured:
        return ""
    return (
        " Training values are means over the steps of an epoch, each before its update, "
        f"{measured.told(_of_run)}; validation is of the whole network after the epoch, evaluated as it is."
    )


def _of_run(run: Run) -> str:
    """The noise that the run recorded; empty if its training accuracy was measured after the training."""
    series = run.series.get("train_accuracy")
    return "" if series is None else series.metric.meaning.partition(BEFORE)[2].rstrip(".")
