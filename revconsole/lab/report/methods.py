"""Methods: a paragraph on how the results were obtained, from plans and facts alone.

What all runs share is stated once; what the arms differ in, for each arm.
"""

import re
from collections.abc import Mapping
from typing import Any

from revconsole.errors import RevconsoleError
from revconsole.lab import format as form
from revconsole.lab.compare import compare
from revconsole.lab.report import other_programs, wording
from revconsole.lab.report.alike import WITHOUT_BLOCKS, Alike, applies
from revconsole.lab.report.notes import QUICK
from revconsole.lab.report.numbers import arm_rows
from revconsole.lab.report.results import Results
from revconsole.lab.report.statistics import LEVEL, MeanDifference
from revconsole.records.datasets import catalogue
from revconsole.records.printable import plural
from revconsole.records.runs.run import Run
from revconsole.records.sections import KINDS, Data, Section, Train

BOOKKEEPING = frozenset({
    "dataset", "fingerprint", "train_limit", "test_limit", "split_seed", "validation", "image_size", "image_width",
    "folder", "place", "prefetch",
})  # fmt: skip
"""Data settings that have sentences of their own, or do not belong in a methods section."""
ALWAYS = frozenset({"standardise", "crop_padding", "crop_most", "crop_ratio", "zca_eps", "source", "patch_side", "gap", "jitter", "cut_seed"})  # fmt: skip
"""Data settings that are stated even at their defaults, if they have a meaning."""
CALLED = {
    "vit": "a vision transformer", "resnet": "a residual network", "cnn": "a convolutional network",
    "mlp": "a perceptron", "svm": "a support vector machine",
}  # fmt: skip
FITTED = "fitted once to the training images (scikit-learn's SVC, a pair of classes at a time)"
COUNTS = {"train_images": "training", "validation_images": "validation", "test_images": "test"}
TRAINING: Mapping[str, str] = {
    "train.patience": "ended after {} epochs without a better validation accuracy",
    "train.average": "a moving average of the weights judged (decay {:g})",
    "train.freeze": "{} frozen",
    "train.batch": "with a batch of {}",
    "train.clip": "gradients clipped to norm {:g}",
    "train.label_smoothing": "label smoothing {:g}",
    "train.precision": "in {}",
    "train.compile": "with compiled blocks",
}
"""Phrases for training settings that are neither unset nor 0."""
OF_PLACES = frozenset({"device", "device_name", "threads", "torch", "revconsole"})
"""Facts that may change the computation if a run continues elsewhere."""
FLOOR = "per-pixel with deviations below a tenth of the channel's counted as that tenth"
"""Phrase for the lower bound of deviations in per-pixel standardisation; see `data`."""


def paragraph(results: Results) -> str:
    """The methods paragraph as plain text."""
    runs = Alike.of(results)
    ours = runs.only(lambda run: run.summary.plan_known)
    sentences = [
        _form(runs),
        *(_of_plans(ours) if ours else ()),
        _arms(results, runs),
        *(_of_training(ours) if ours else ()),
        other_programs.sentence(runs),
        _seeds(results),
        _tested(results) if len(ours.runs) == len(runs.runs) else "",
        _operations(runs),
        f"All runs trained on {place}." if (place := runs.same(_place)) else f"Runs trained on {runs.told(_place)}.",
        _software(runs),
        _interrupted(runs),
    ]  # fmt: skip
    return " ".join(sentence for sentence in sentences if sentence)


def _of_plans(runs: Alike) -> tuple[str, ...]:
    """What was trained. runs: those whose plans are known."""
    wired = runs.only(_has_blocks)
    return _model(runs), _wiring(wired, all_of_them=len(wired.runs) == len(runs.runs))


def _of_training(runs: Alike) -> tuple[str, ...]:
    """On what, and how. runs: those whose plans are known."""
    fitted = runs.only(lambda run: not _trains(run))
    return _images(runs), _training(runs.only(_trains)), _fitting(fitted)


def _trains(run: Run) -> bool:
    return not run.plan.fitted


def _has_blocks(run: Run) -> bool:
    return run.plan.model.architecture not in WITHOUT_BLOCKS


def _form(runs: Alike) -> str:
    quick = runs.only(lambda run: run.plan.quick)
    if not quick:
        return ""
    return (
        f"This is a {QUICK}."
        if len(quick.runs) == len(runs.runs)
        else f"Of {quick.whose}: {QUICK}."
    )


def _model(runs: Alike) -> str:
    architecture = runs.setting("model.architecture")
    if architecture is None:
        return f"We trained several models: {runs.told(lambda run: run.plan.model.architecture)}."
    details = wording.settings(runs.shared("model") | {"architecture": None})
    name = CALLED.get(architecture, "a model")
    return f"We trained {name}{wording.in_brackets(architecture, details, _source(runs, 'model'))}."


def _wiring(runs: Alike, *, all_of_them: bool) -> str:
    """A sentence on the scheme and the backward pass, as far as they are the same for all."""
    scheme, backward = runs.setting("scheme.name"), runs.setting("backward")
    whose = "Its blocks" if all_of_them else f"The blocks of {runs.whose}"
    passed = f"the backward pass {backward}" if backward else ""
    if scheme is None:
        return f"All had {passed}." if passed and all_of_them else ""
    details = wording.settings(runs.shared("scheme") | {"name": None})
    wired = (
        "were left as they are (scheme residual)"
        if scheme == "residual"
        else f"were wired by the scheme {scheme}{wording.in_brackets(details, _source(runs, 'scheme'))}"
    )
    return f"{whose} {wired}{f', with {passed}' if passed else ''}."


def _arms(results: Results, runs: Alike) -> str:
    """A sentence on the settings in which the arms differ."""
    if len(results.arms) == 1:
        return ""
    compared = compare([run.summary for run in runs.runs])
    settings = {row.summary.id: row.settings for row in compared.rows}
    if len(results.arms) * len(compared.differing) > wording.MOST_TOLD:
        names = wording.row([arm.name for arm in results.arms])
        return f"The {len(results.arms)} arms were {names}; the table of settings has what they differ in."
    descriptions = [
        f"{arm.name}{wording.in_brackets(_told(runs.of_arm(arm), compared.differing, settings))}"
        for arm in results.arms
    ]
    return f"The arms were {'; '.join(descriptions)}."


def _told(arm: Alike, differing: tuple[str, ...], settings: Mapping[str, Mapping[str, Any]]) -> str:
    """The arm's value of each differing setting; a value without a meaning is left out if possible."""

    def value(key: str) -> Any:
        return arm.same(lambda run: _kind(run, key) if key in KINDS else settings[run.id].get(key))

    meant = [key for key in differing if arm.every(key)]
    return wording.settings({key: value(key) for key in meant or differing}, unset=True)


def _kind(run: Run, section: str) -> str:
    """A section whose kind differs, with all its settings: `bdia (gamma 0.5, evaluation gamma 0)`."""
    tag, _ = KINDS[section]
    values = getattr(run.plan, section).model_dump()
    kind = values.pop(tag)
    meant = {name: v for name, v in values.items() if applies(run.plan, f"{section}.{name}")}
    return f"{kind}{wording.in_brackets(wording.settings(meant))}"


def _images(runs: Alike) -> str:
    """Yield a sentence for each dataset that was used."""
    groups = runs.each(
        lambda run: (
            run.summary.fingerprint,
            run.plan.data.dataset,
            *(run.facts.get(key) for key in COUNTS),
        )
    )
    return " ".join(_set_of_images(group, several=len(groups) > 1) for _, group in groups)


def _set_of_images(runs: Alike, *, several: bool) -> str:
    dataset = runs.setting("data.dataset")
    shape = runs.same(_shape)
    points = shape == (1, 1)
    noun = "points of the plane" if points else "images"
    counts = ", ".join(
        f"{count:,} {word}"
        for key, word in COUNTS.items()
        if isinstance(count := runs.fact(key), int)
    )
    size = f" of {shape[0]}×{shape[1]} pixels" if shape and not points else ""
    split = runs.setting("data.split_seed")
    drawn = f"the validation {'points' if points else 'images'} drawn from the training ones"
    fingerprint = runs.same(lambda run: run.summary.fingerprint)
    parts = [
        f"{counts + ' ' if counts else ''}{noun}{size}",
        drawn + (f" with split seed {split}" if split is not None else ""),
        _limit(runs),
    ]
    whose = f"For {runs.whose}, the" if several else "The"
    return (
        f"{whose} {'points' if points else 'images'} were {dataset}{wording.in_brackets(_citation(runs))}: "
        f"{', '.join(part for part in parts if part)}"
        + (f" (SHA-256 of images, labels and split {fingerprint})" if fingerprint else "")
        + f"; {_preparation(runs)}."
    )


def _limit(runs: Alike) -> str:
    train, test = runs.setting("data.train_limit"), runs.setting("data.test_limit")
    return ", ".join([
        *([f"limited to {train:,} of them"] if train else []),
        *([f"the test images to {test:,} of theirs"] if test else []),
    ])  # fmt: skip


def _preparation(runs: Alike) -> str:
    """How the images of all runs were prepared; settings that are unset or have no meaning are left out."""
    done = {
        name: value
        for name, value in runs.shared("data").items()
        if name not in BOOKKEEPING and (name in ALWAYS or value != Data.model_fields[name].default)
    }
    words = [wording.settings(done)]
    if runs.same(lambda run: bool(run.plan.data.augmentations)) is False:
        words.append("without augmentation")
    if len(runs.each(_prepared)) > 1:
        words.append("prepared otherwise as each arm says")
    if runs.only(lambda run: run.plan.data.standardise == "per-pixel"):
        words.append(FLOOR)
    return ", ".join(word for word in words if word)


def _prepared(run: Run) -> dict[str, Any]:
    return run.plan.data.model_dump(exclude=set(BOOKKEEPING))


def _shape(run: Run) -> tuple[int, int] | None:
    """Height and width of an image in pixels; 1 for points, None if it is not recorded."""
    try:
        return run.plan.image_shape if run.plan.image_size else None
    except RevconsoleError:
        return None


def _citation(runs: Alike) -> str:
    dataset = runs.setting("data.dataset")
    try:
        return catalogue.dataset(dataset).source if dataset else ""
    except RevconsoleError:
        return ""


def _length(train: Train) -> str:
    most = "at most " if train.patience else ""
    if train.steps is not None:
        return f"for {most}{plural(train.steps, 'optimiser step')}"
    return f"for {most}{plural(train.epochs, 'epoch')}"


def _training(networks: Alike) -> str:
    """Sentences on the training of all networks."""
    if not networks:
        return ""
    length = networks.same(lambda run: _length(run.plan.train))
    micro = networks.setting("train.accumulate")
    phrases = [
        length or "for as long as each arm says",
        *(words.format(value) for key, words in TRAINING.items() if (value := networks.setting(key))),
        *([f"in {micro} micro-batches"] if micro and micro > 1 else []),
    ]  # fmt: skip
    chosen = [
        f"{noun} {name}{wording.in_brackets(wording.settings(networks.shared(section) | {'name': None}), _source(networks, section))}"
        for section, noun in (("optimizer", "optimiser"), ("schedule", "learning-rate schedule"))
        if (name := networks.setting(f"{section}.name")) is not None
    ]
    return (
        f"Training ran {'; '.join([', '.join(phrases), *([', '.join(chosen)] if chosen else [])])}."
    )


def _fitting(machines: Alike) -> str:
    if not machines:
        return ""
    several = len(machines.arms) > 1
    return (
        f"{machines.whose} {'was' if len(machines.runs) == 1 else 'were'} {FITTED}."
        if several
        else f"It was {FITTED}."
    )


def _seeds(results: Results) -> str:
    lists = {arm.name: [run.plan.seed for run in arm.runs] for arm in results.arms}
    distinct = {tuple(seeds) for seeds in lists.values()}
    who = "Each arm" if len(results.arms) > 1 else "It"
    if len(distinct) == 1:
        (seeds,) = distinct
        times = (
            f"for each of the seeds {wording.listed(seeds)}"
            if len(seeds) > 1
            else f"with seed {seeds[0]}"
        )
        text = f"{who} was trained once{'' if len(seeds) > 1 else ','} {times}."
    else:
        text = f"Seeds: {'; '.join(f'{name} {wording.listed(seeds)}' for name, seeds in lists.items())}."
    copied = [arm.name for arm in results.arms if arm.copied]
    if copied:
        text += f" Of {wording.listed(copied)} several seeds gave identical weights and count as one result."
    return text


def _tested(results: Results) -> str:
    text = "The weights of the epoch with the highest validation accuracy were tested once on the test images"
    several = [len(arm.originals) > 1 for arm in results.arms]
    if any(several):
        where = "" if all(several) else "of arms with several seeds "
        text += f"; {where}accuracies are means with the sample standard deviation over seeds"
    others = [arm for arm in results.arms if arm is not results.baseline_of(arm)]
    gains = {row.name: row.gain for row in arm_rows(results) if row.gain is not None}
    tested = [name for name, difference in gains.items() if difference.p is not None]
    if tested:
        whose = "" if len(tested) == len(others) else f" of {wording.listed(tested)}"
        together = f", corrected for {len(tested)} tests (Holm 1979)" if len(tested) > 1 else ""
        text += (
            f". Differences{whose} to {results.baseline_word} were tested with a two-sided paired t-test over seeds at "
            f"{LEVEL * 100:g} %{together}"
        )
    untested = {name: difference for name, difference in gains.items() if difference.p is None}
    return f"{text}.{_untested(untested, results.baseline_word)}"


def _untested(gains: Mapping[str, MeanDifference], reference: str) -> str:
    if not gains:
        return ""
    reasons: dict[str, list[str]] = {}
    for name, difference in gains.items():
        reasons.setdefault(difference.why_untested, []).append(name)
    reasons_by_arm = "; ".join(f"{wording.listed(names)} ({why})" for why, names in reasons.items())
    return f" Not tested against {reference}: {reasons_by_arm}."


def _operations(runs: Alike) -> str:
    counted = runs.only(lambda run: run.summary.multiply_adds_per_image is not None)
    if not counted:
        return ""
    phrase = counted.told(
        lambda run: (
            form.multiply_adds(run.summary.multiply_adds_per_image)
            + wording.in_brackets(str(run.facts.get("multiply_adds_note", "")))
        )
    )
    noun = "point" if runs.same(_shape) == (1, 1) else "image"
    whose = "" if len(counted.runs) == len(runs.runs) else f" through {counted.whose}"
    return f"The forward pass of one {noun}{whose} takes {phrase}."


def _place(run: Run) -> str:
    facts = run.facts
    device, name, threads = facts.get("device"), facts.get("device_name"), facts.get("threads")
    text = str(device or "an unknown device") + wording.in_brackets(str(name or ""))
    if device == "cpu" and isinstance(threads, int):
        text += f" with {plural(threads, 'thread')}"
    return text


def _software(runs: Alike) -> str:
    versions = [_version(runs, name) for name in ("revconsole", "torch", "timm", "python")]
    commits = runs.only(lambda run: bool(run.facts.get("commit")))
    if commits:
        commit = commits.told(lambda run: str(run.facts.get("commit"))[:12])
        versions.append(f"working folder at commit {commit}")
    text = ", ".join(version for version in versions if version)
    return f"Software: {text}." if text else ""


def _version(runs: Alike, name: str) -> str:
    known = any(name in run.facts for run in runs.runs)
    return f"{name} {runs.told(lambda run: str(run.facts.get(name) or ''))}" if known else ""


def _interrupted(runs: Alike) -> str:
    """A sentence on runs with several attempts, and on what the earlier attempts ran on if that differs."""
    resumed = runs.only(lambda run: run.summary.attempt > 1)
    if not resumed:
        return ""
    phrases = [f"{words} ({group.whose})" for words, group in resumed.each(_attempts)]
    return f"Interrupted and resumed from a checkpoint: {'; '.join(phrases)}."


def _attempts(run: Run) -> str:
    before = [
        f"before on {key.replace('_', ' ')} {wording.listed(values)}"
        for key, values in run.earlier.items()
        if key in OF_PLACES
    ]
    return f"in {run.summary.attempt} attempts{wording.in_brackets(', '.join(before))}"


def _source(runs: Alike, section: str) -> str:
    """The paper of a section's kind, if all runs have the same kind."""
    kind: type[Section] | None = runs.same(lambda run: type(getattr(run.plan, section)))
    match = re.search(r"\(([A-Z][^()]*\d{4}[^()]*)\)", (kind.__doc__ or "") if kind else "")
    return match.group(1) if match else ""
