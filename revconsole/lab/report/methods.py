"""Methods: a paragraph that says how the results were obtained, from plans and facts alone.

What all runs have in common is said once; what the arms differ in is said of each arm.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from revconsole.errors import UnknownName
from revconsole.lab.compare import compare
from revconsole.lab.report.results import ArmResult, Results
from revconsole.lab.report.statistics import LEVEL
from revconsole.lab.report.table import QUICK
from revconsole.records import catalogue, sources
from revconsole.records.events import Scalar
from revconsole.records.facts import DatasetFacts
from revconsole.records.plan import Plan
from revconsole.records.sections import KINDS, Data, Section, Train

BOOKKEEPING = frozenset(
    {
        "dataset",
        "fingerprint",
        "train_limit",
        "test_limit",
        "split_seed",
        "validation",
        "image_size",
        "folder",
        "prefetch",
    }
)
"""Keys of the images that have words of their own, or are nobody's business."""
FITTED = "Support vector machines were fitted once to the training images (scikit-learn's SVC, a pair of classes at a time)."
OF_PATCHES = ("source", "patch_side", "gap", "jitter", "cut_seed")
"""Keys that say how `context_patches` were cut, also where they are at their defaults."""


def paragraph(results: Results) -> str:
    """The whole of it, as plain text."""
    differing = set(compare([arm.runs[0].summary for arm in results.arms]).differing)
    plan, facts = results.runs[0].plan, results.runs[0].facts
    sentences = [
        f"{'This is a ' + QUICK + '. ' if results.quick else ''}{_model(plan, differing)}",
        _arms(results, differing),
        _images(results),
        _training(results, differing),
        _seeds(results),
        _tested(results),
        _machine([run.facts for run in results.runs]),
        _software([run.facts for run in results.runs], facts),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _model(plan: Plan, differing: set[str]) -> str:
    words = [plan.model.architecture, _words("model", plan.model, differing)]
    kind = "a vision transformer" if plan.model.architecture == "vit" else "a model"
    return f"We trained {kind}{_in_brackets('; '.join(word for word in words if word))}."


def _arms(results: Results, differing: set[str]) -> str:
    """What tells each arm from the others; with a single arm, how its blocks are wired."""
    plan = results.runs[0].plan
    if len(results.arms) == 1 or not differing & {"scheme", "backward"}:
        scheme = _words("scheme", plan.scheme, differing)
        wired = f"Its blocks were wired by the scheme {plan.scheme.name}{_in_brackets(scheme)}, with the backward pass "
        shared = f"{wired}{plan.backward}."
    else:
        shared = ""
    if len(results.arms) == 1:
        return shared
    compared = compare([arm.runs[0].summary for arm in results.arms])
    told = [
        f"{arm.name} ({_listed(row.settings)})"
        for arm, row in zip(results.arms, compared.rows, strict=True)
    ]
    return f"{shared} The arms were {'; '.join(told)}.".strip()


def _images(results: Results) -> str:
    """One sentence for each set of images that was used."""
    groups: dict[str, ArmResult] = {}
    for arm in results.arms:
        groups.setdefault(str(arm.runs[0].summary.fingerprint), arm)
    sentences = [_set_of_images(arm, several=len(groups) > 1) for arm in groups.values()]
    return " ".join(sentences)


def _set_of_images(arm: ArmResult, *, several: bool) -> str:
    run, plan = arm.runs[0], arm.runs[0].plan
    known, data = _dataset(plan), plan.data
    source = f" ({known.source})" if known else ""
    size = f"{plan.image_size}×{plan.image_size} pixels" if known else "images"
    counts = ", ".join(
        f"{run.facts.get(key):,} {word}"
        for key, word in (
            ("train_images", "training"),
            ("validation_images", "validation"),
            ("test_images", "test"),
        )
        if isinstance(run.facts.get(key), int)
    )
    limit = f", limited to {data.train_limit:,} of them" if data.train_limit else ""
    limit += f", the test images to {data.test_limit:,} of theirs" if data.test_limit else ""
    whose = f"For {arm.name}, the" if several else "The"
    return (
        f"{whose} images were {data.dataset}{source}: {counts} images of {size}, the validation images drawn from "
        f"the training images with split seed {data.split_seed}{limit} (SHA-256 of images, labels and split "
        f"{run.summary.fingerprint}); {_preparation(data)}."
    )


def _preparation(data: Data) -> str:
    """What was done to the images; what was left undone, or meant nothing, is not listed."""
    done = data.model_dump(exclude=set(BOOKKEEPING), exclude_defaults=True)
    done |= {"standardise": data.standardise}
    for names, apply in (
        (("crop_padding",), data.augment != "none"),
        (("crop_most", "crop_ratio"), data.random_resized_crop is not None),
        (("zca_eps",), data.standardise == "zca"),
        (OF_PATCHES, data.dataset == sources.PATCHES),
    ):
        for name in names:
            done.pop(name, None)
        done |= {name: getattr(data, name) for name in names if apply}
    words = _listed(done)
    return words if data.augmentations else f"{words}, without augmentation"


def _length(train: Train) -> str:
    if train.steps is not None:
        return f"for {train.steps:,} optimiser steps"
    return f"for {train.epochs} epoch{'' if train.epochs == 1 else 's'}"


def _training(results: Results, differing: set[str]) -> str:
    plan = next((run.plan for run in results.runs if run.plan.model.architecture != "svm"), None)
    if plan is None:
        return FITTED
    train, optimizer, schedule = plan.train, plan.optimizer, plan.schedule
    parts = [
        ("train.epochs" if train.steps is None else "train.steps", _length(train)),
        ("train.patience", f"ended after {train.patience} epochs without a better validation accuracy" if train.patience else ""),
        ("train.average", f"a moving average of the weights judged (decay {train.average:g})" if train.average else ""),
        ("train.freeze", f"{train.freeze} frozen" if train.freeze else ""),
        ("train.batch", f"with a batch of {train.batch}"),
        ("train.accumulate", f"in {train.accumulate} micro-batches" if train.accumulate > 1 else ""),
        ("train.clip", f"gradients clipped to norm {train.clip:g}" if train.clip else ""),
        ("train.label_smoothing", f"label smoothing {train.label_smoothing:g}" if train.label_smoothing else ""),
        ("train.precision", f"in {train.precision}"),
    ]  # fmt: skip
    fitted = any(arm.runs[0].plan.model.architecture == "svm" for arm in results.arms)
    said = ", ".join(words for key, words in parts if words and key not in differing)
    chosen = [
        f"{noun} {section.name}{_in_brackets(_words(key, section, differing))}"
        for key, noun, section in (
            ("optimizer", "optimiser", optimizer),
            ("schedule", "learning-rate schedule", schedule),
        )
        if key not in differing
    ]
    sentence = f"Training ran {said}; {', '.join(chosen)}." if said else ""
    return f"{sentence} {FITTED}" if fitted else sentence


def _seeds(results: Results) -> str:
    lists = {arm.name: [run.plan.seed for run in arm.runs] for arm in results.arms}
    distinct = {tuple(seeds) for seeds in lists.values()}
    if len(distinct) == 1:
        (seeds,) = distinct
        return f"Each arm was trained once for each of the seeds {_and(seeds)}." if len(seeds) > 1 else (
            f"Each arm was trained once, with seed {seeds[0]}."
        )  # fmt: skip
    return f"Seeds: {'; '.join(f'{name} {_and(seeds)}' for name, seeds in lists.items())}."


def _tested(results: Results) -> str:
    sentence = (
        "The weights of the epoch with the highest validation accuracy were tested once on the test images; "
        "accuracies are means with the sample standard deviation over seeds"
    )
    if len(results.arms) == 1:
        return f"{sentence}."
    return (
        f"{sentence}, and differences to {results.reference.name} were tested with a two-sided paired t-test over seeds "
        f"at {LEVEL * 100:g} %, without correction for several comparisons."
    )


def _machine(facts: Sequence[Mapping[str, Scalar]]) -> str:
    places = dict.fromkeys(
        f"{f.get('device', 'an unknown device')}"
        + (f" ({f['device_name']})" if f.get("device_name") else "")
        + (f" with {f['threads']} threads" if f.get("device") == "cpu" and "threads" in f else "")
        for f in facts
    )
    return f"All runs trained on {_and(list(places))}."


def _software(every: Sequence[Mapping[str, Scalar]], facts: Mapping[str, Scalar]) -> str:
    names = [name for name in ("revconsole", "torch", "timm", "python") if name in facts]
    versions = [
        f"{name} {' and '.join(dict.fromkeys(str(f[name]) for f in every if name in f))}"
        for name in names
    ]
    return f"Software: {', '.join(versions)}." if versions else ""


def _dataset(plan: Plan) -> DatasetFacts | None:
    try:
        return catalogue.dataset(plan.data.dataset)
    except UnknownName:
        return None


def _words(section: str, values: Section, differing: set[str]) -> str:
    """The settings of a section that all arms share, without its kind."""
    if section in differing:
        return ""
    tag = KINDS.get(section, ("",))[0]
    every = values.model_dump().items()
    return _listed({k: v for k, v in every if k != tag and f"{section}.{k}" not in differing})


def _listed(settings: Mapping[str, Any]) -> str:
    """Settings as words; what is unset is left out."""
    words = []
    for key, value in settings.items():
        name = key.rpartition(".")[2].replace("_", " ")
        if isinstance(value, bool):
            words.append(f"{name} on" if value else f"{name} off")
        elif value is not None:
            words.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(words)


def _in_brackets(words: str) -> str:
    return f" ({words})" if words else ""


def _and(items: Sequence[object]) -> str:
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
