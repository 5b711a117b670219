"""Noise: what was random in the training steps, whose losses and accuracies the curves of the training are."""

from revconsole.lab.report import wording
from revconsole.lab.report.alike import Alike
from revconsole.records.runs.run import Run
from revconsole.records.sections.scheme import BdiaSection
from revconsole.records.settings.plan import Plan

UPDATE = "before each update, "
"""Behind these words a run says of its training accuracy what was on; see `training.probes`."""


def sentence(runs: Alike) -> str:
    """How the training's curves were measured, and what of it the validation has not."""
    networks = runs.only(lambda run: not run.plan.fitted)
    if not networks:
        return ""
    return (
        " Training values are means over the steps of an epoch, each before its update, "
        f"{networks.told(_of_run)}; validation is of the whole network after the epoch, evaluated as it is."
    )


def _of_run(run: Run) -> str:
    """The noise as the run recorded it of its model; of older runs, as their settings have it."""
    series = run.series.get("train_accuracy")
    recorded = "" if series is None else series.metric.meaning.partition(UPDATE)[2]
    return recorded.rstrip(".") or _planned(run)


def _planned(run: Run) -> str:
    found = wording.listed(_parts(run.plan))
    return f"with {found}" if found else "with neither augmentation nor dropout"


def _parts(plan: Plan) -> list[str]:
    model, done = plan.model, plan.data.augmentations
    shares = (("dropout", "dropout"), ("drop_path", "stochastic depth"))
    parts = [f"{word} {share:g}" for key, word in shares if (share := getattr(model, key, 0.0))]
    if isinstance(plan.scheme, BdiaSection) and plan.scheme.gamma:
        parts.append(f"random γ = ±{plan.scheme.gamma:g}")
    if done:
        parts.append(f"augmentation{wording.in_brackets(wording.settings(done))}")
    if plan.train.label_smoothing:
        parts.append(f"label smoothing {plan.train.label_smoothing:g} in the loss")
    return parts
