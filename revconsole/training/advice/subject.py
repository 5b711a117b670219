"""Subject: the facts of a run that the rules need, from its training state."""

import torch
from torch import Tensor

from revconsole.data import OpenedSplit
from revconsole.records.logs.noise import CLEAN
from revconsole.records.sections.optimizer import Sgd
from revconsole.records.sections.schedule import OneCycle
from revconsole.training.advice.seen import WatchedRun
from revconsole.training.setup.blocks import blocks_of
from revconsole.training.setup.noise import noise
from revconsole.training.setup.norms import normed_over_parts
from revconsole.training.setup.training_state import TrainingState


def subject_of(state: TrainingState) -> WatchedRun:
    """Length, optimiser and guessing scores of a run."""
    plan, rates = state.plan, state.rates
    judged = state.data.validation if len(state.data.validation) else state.data.train
    loss, accuracy = guessing(state.data.train, judged, smoothing=plan.train.label_smoothing)
    labelled = state.objective.labelled
    schedule, optimizer = plan.schedule, plan.optimizer
    train, sgd = plan.train, isinstance(optimizer, Sgd)
    return WatchedRun(
        steps=state.steps,
        steps_per_epoch=state.steps_per_epoch,
        images=len(judged),
        guessing_loss=loss if labelled else None,
        guessing_accuracy=accuracy if labelled else None,
        classes=state.data.facts.classes if labelled else 0,
        tested=len(state.data.test),
        batch=train.batch,
        micro_batch=state.micro_batch,
        accumulate=train.accumulate,
        schedule=schedule.name,
        warmup=round(schedule.rise * rates.steps)
        if isinstance(schedule, OneCycle)
        else rates.warmup,
        momentum=optimizer.momentum if isinstance(optimizer, Sgd) else 0.0,
        adaptive=not sgd,
        average=train.average or 0.0,
        clipped=train.clip is not None,
        clip=train.clip or 0.0,
        scaled=state.precision.scaled,
        noisy=noise(state) != CLEAN or train.label_smoothing > 0,
        batch_norm=normed_over_parts(state.model),
        blocks=tuple(blocks_of(state.model)),
        names=state.data.names if labelled else (),
        device=state.device.type,
    )


def guessing(
    train: OpenedSplit, judged: OpenedSplit, *, smoothing: float = 0.0
) -> tuple[float, float]:
    """(loss in nats, accuracy) on the judged images of a prediction by the training labels' frequencies.

    A class without training images counts as half an image. smoothing: label smoothing, which such a prediction would
    adopt; if one class has nearly all images, that costs more than uniform guessing.
    """
    counts = torch.bincount(train.labels.cpu(), minlength=train.classes).double()
    shares: Tensor = counts.clamp(min=0.5) / counts.clamp(min=0.5).sum()
    shares = (1 - smoothing) * shares + smoothing / train.classes
    labels = judged.labels.cpu()
    loss = -shares.log()[labels].mean()
    return float(loss), float((labels == counts.argmax()).double().mean())
