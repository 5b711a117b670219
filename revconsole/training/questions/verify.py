"""Verify: a plan or a user's own model, realised and audited on one batch of its data.

`revconsole.reversible.audit` defines the checks. A light form runs at launch and warns.

Shapes: B images, C channels, S pixels of height and width.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from revconsole.data import batches, dominant, open_data, resized
from revconsole.errors import ProfileError, RevconsoleError
from revconsole.models._own import WHERE, blamed, made, working_folder_importable
from revconsole.records.keys import key
from revconsole.records.logs.events import Advised, Audited
from revconsole.records.sections.objective import ClassificationSection
from revconsole.records.settings.plan import Plan
from revconsole.reversible.audit import FROZEN, LOSS, RUN, Check, checks
from revconsole.training.learning.preparing import prepare
from revconsole.training.machine import devices, precision
from revconsole.training.machine.shortage import ran_out, release_memory
from revconsole.training.setup.training_state import TrainingState

MOST_IMAGES = 64
"""Images of the audited batch; enough for every check."""
LAUNCH_SECONDS = 2.0
"""Seconds of work after which a launch starts no further check; a large model gets only the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Random images for a model without data: side in pixels, channels, classes."""

    size: int
    channels: int
    classes: int


def verify(plan: Plan, *, data: Path, light: bool = False) -> Iterator[Check]:
    """Realise a plan and audit its model in the plan's precision, on the first batch of its first epoch.

    For a plan without labels the network is checked as a classifier, its later use. data: folder of the datasets.
    Raises as `prepare` does, and ProfileError for a fitted model.
    """
    if plan.fitted:
        raise ProfileError(
            plan.name,
            "model.architecture",
            "svm is fitted and has no gradient, so there is nothing here to verify; name another architecture",
        )
    with devices.threads(plan.train.threads):
        state = prepare(plan.model_copy(update={"objective": ClassificationSection()}), data=data)
        yield from _checks(state, light=light)


def at_launch(
    state: TrainingState, note: Callable[[Check], object] = lambda _: None
) -> Iterator[Advised]:
    """Advice from the light audit, for the log of a run; none if the plan turns it off. note: receives every check.

    The run is left unchanged to the bit and goes on in any case. Findings that the probe of a reversible run reports
    itself are omitted, as are parameters frozen by `train.freeze`. The checks apply to classifiers, so a learner
    without labels is skipped.
    """
    weighty = any(
        True for _ in state.model.parameters()
    )  # without weights there is no gradient to check
    if not (weighty and state.plan.train.audit and state.objective.labelled):
        return
    try:
        for check in _checks(state, light=True, seconds=LAUNCH_SECONDS):
            note(check)
            probed = check.name == RUN and state.plan.train.probe_epochs
            asked_for = check.name == FROZEN and state.plan.train.freeze
            if check.level in {"failed", "note"} and not probed and not asked_for:
                yield _advised(check)
    except (RevconsoleError, RuntimeError, MemoryError) as error:
        reason = "memory ran out" if ran_out(error) else str(error).partition("\n")[0]
    else:
        return
    release_memory(state.optimizer)
    yield Advised(level="note", text=f"the model was not checked before training: {reason}")


def audited(found: Sequence[Check]) -> Audited:
    """The checks as an event of the log."""
    return Audited(
        checks=[
            {"name": c.name, "level": c.level, "figure": c.figure, "advice": c.advice}
            for c in found
        ]
    )


def verify_own(
    source: str, plan: Plan, *, data: Path, shape: Shape | None = None, light: bool = False
) -> Iterator[Check]:
    """Audit the model that `python:package.module:function` returns.

    plan: source of data, seed, precision, device and threads. shape: of random images to use instead. Raises
    ProfileError or UnknownName for a source that names no model, and RevconsoleError, with the place, for errors in
    the user's code; the traceback is then in a file.
    """
    with devices.threads(plan.train.threads), working_folder_importable(), blamed(source):
        device = devices.choose(plan.train.device)
        arithmetic = precision.prepare(plan.train.precision, device)
        images, labels, classes = (
            _batch(plan, device, data) if shape is None else _random(plan, device, shape)
        )
        channels, size = images.shape[1:3]
        model = load_own(source, size=size, channels=channels, classes=classes).to(device)
        yield from checks(model, images, labels, light=light, autocast=arithmetic.autocast)


def load_own(source: str, **offered: int) -> nn.Module:
    """The model returned by a user's function, called with those of the `offered` arguments that it accepts."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key(0, "init"))
        return made(source, where=WHERE, key="", **offered)


def _checks(state: TrainingState, *, light: bool, seconds: float = math.inf) -> Iterator[Check]:
    images, labels = next(state.training_batches(1))
    return checks(
        state.model,
        images[:MOST_IMAGES],
        dominant(labels)[:MOST_IMAGES],
        light=light,
        autocast=state.precision.autocast,
        seconds=seconds,
    )


def _advised(check: Check) -> Advised:
    """Advice for a failed check: a high first loss is a warning, any other failure an alarm."""
    if check.level == "note":
        return Advised(level="note", text=f"{check.name}: {check.figure}; {check.advice}")
    return Advised(
        level="warning" if check.name == LOSS else "alarm",
        text=f"check failed, {check.name}: {check.advice} ({check.figure})",
        rule=f"failed check: {check.name}",
    )


def _batch(plan: Plan, device: torch.device, data: Path) -> tuple[Tensor, Tensor, int]:
    """The first images of the plan's data as a run sees them, (B, C, S, S), their labels, and the number of classes."""
    opened = open_data(plan.data, folder=data, device=device)
    order = batches(opened.train, batch=plan.train.batch, seed=plan.seed, epoch=0, first=0)
    _, images, labels = next(iter(order))
    images, labels = images[:MOST_IMAGES], dominant(labels)[:MOST_IMAGES]
    return resized(images, plan.image_shape), labels, opened.train.classes


def _random(plan: Plan, device: torch.device, shape: Shape) -> tuple[Tensor, Tensor, int]:
    generator = torch.Generator().manual_seed(key(plan.seed, "images"))
    size = (MOST_IMAGES, shape.channels, shape.size, shape.size)
    images = torch.randn(size, generator=generator)
    labels = torch.arange(MOST_IMAGES) % shape.classes
    return images.to(device), labels.to(device), shape.classes
