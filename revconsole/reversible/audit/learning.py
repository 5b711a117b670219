"""Learning: the loss before any, whether every parameter would take part, and whether one batch can be learnt."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import (
    Case,
    Check,
    grouped,
    require_classifier,
    without_dropout,
)
from revconsole.reversible.audit.size import alike_from, loudest, not_finite_in
from revconsole.reversible.audit.twin import twin_of
from revconsole.reversible.rest import evaluating

LOSS = "initial loss"
UNITS = "units differ"
OVERFIT = "one batch overfitted"
HIGH = 1.0  # nats above guessing: what outputs that spread by √2 cost; heads are drawn narrower
LOUD = 20.0  # deviation of images, standardised it is 1
RAISED = 5.0  # times; what a layer makes of its input is about as large
ROUNDS = 5  # steps after which what starts at zero has moved, one layer a step
LOW = 0.5  # of guessing: nothing that was just drawn knows this much
NUDGE = 0.02  # deviation of what replaces zeros, as weights of vision transformers are drawn
STEPS = 150
FAIR_STEPS = 50  # fewer, because time ran out, prove nothing
WARMUP = 10  # steps
RATE = 2e-3  # of Adam
LEARNT = 0.25  # of guessing: no constant answer gets there unless nearly all labels are one
FALLING = 0.95  # of the loss a quarter of the steps before
IMAGES = 32


def initial_loss(case: Case, labels: Tensor) -> list[Check]:
    """The loss in training mode is near that of guessing, ln(classes).

    labels: of the whole batch, of which the case may be a part.
    Raises RevconsoleError if the model is no classifier of these images.
    """
    with torch.no_grad():
        logits = case.logits()
        require_classifier(case, logits, labels)
        loss = float(case.loss_of(logits))
    classes = logits.shape[1]
    guessing = math.log(classes)
    figure = f"{loss:.3f} nats, ln {classes} = {guessing:.3f}"
    advice, passed = "", True
    if not math.isfinite(loss) or loss > guessing + HIGH:
        passed, advice = False, _loud(case)
    elif loss < LOW * guessing:
        advice = (
            "it knows these images already: pretrained on them, or the labels leak into the input?"
        )
    return [Check(name=LOSS, passed=passed, figure=figure, advice=advice)]


def _loud(case: Case) -> str:
    """What makes the first loss as high as it is."""
    if place := not_finite_in(case.few()):
        return f"{place} returns numbers that are not finite"
    if (deviation := float(case.images.std())) > LOUD:
        return f"the images have a deviation of {deviation:.3g}: standardise them, to mean 0 and deviation 1"
    place, times = loudest(case.few())
    if times > RAISED:
        return f"{place} makes its input {times:.0f} times as large: start its weights smaller, or put a norm behind it"
    return "a fresh network should guess, and no single module is the cause: start the head's weights smaller"


def units(case: Case) -> list[Check]:
    """A failure where units of a layer start alike, and so stay alike, or weights at zero keep each other there."""
    alike = [
        f"{name} ({type(module).__name__})"
        for name, module in case.model.named_modules()
        if isinstance(weight := getattr(module, "weight", None), nn.Parameter)
        and weight.requires_grad
        and weight.ndim > 1
        and len(weight) > 1
        and weight.any()
        and (weight == weight[:1]).all()
        and not isinstance(module, nn.Embedding)
    ]
    if alike:
        advice = f"all units of {alike[0]} have the same weights and will always get the same gradient: draw them"
        return [Check.failure(UNITS, f"alike in {len(alike)} layers", advice)]
    if stuck := _stuck(case):
        names = [name for name, _ in case.model.named_parameters()]
        advice = f"{grouped(stuck, names)} start at zero together, so that none of them ever gets a gradient: draw one"
        return [Check.failure(UNITS, f"{len(stuck)} tensors stay zero", advice)]
    return []


def _stuck(case: Case) -> list[str]:
    """Weights that are zero and stay so, when all that get a gradient are moved."""
    moved = replace(case.few(), model=twin_of(case.model))
    parameters = dict(moved.model.named_parameters())
    stuck: list[str] = []
    for _ in range(ROUNDS):
        zero = {n: p for n, p in parameters.items() if p.requires_grad and not p.any()}
        if not any(p.ndim > 1 for p in zero.values()):
            return []
        with evaluating(moved.model):
            gradients = moved.gradients()
        with torch.no_grad():
            for name, parameter in parameters.items():
                if (g := gradients.get(name)) is not None and g.isfinite().all():
                    parameter.sub_(RATE * g.sign())
        stuck = [n for n in zero if (g := gradients[n]) is not None and not g.any()]
        if not stuck:
            return []
    return [name for name in stuck if parameters[name].ndim > 1]


def nudge_zeros(model: nn.Module) -> None:
    """Move trained parameters that are all zero off it, which legitimately stops gradients at the start.

    Zero-initialised heads, gates and last norms of a block do so on purpose; a step later they no longer do.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(noise.to(parameter) * NUDGE)


def overfit(case: Case, *, seconds: float, wrong: Sequence[Check] = ()) -> list[Check]:
    """Up to 32 images can be learnt by heart: Adam, without dropout, in at most 150 steps.

    Passes once the loss is under a quarter of ln(classes), where no constant answer gets unless the labels are nearly all
    one. Not judged if time (seconds of work in this thread) runs out before 50 steps. Changes the weights. wrong: what
    failed before, which is why this does.
    """
    case = case.few(IMAGES)
    without_dropout(case.model)
    trained = [p for p in case.model.parameters() if p.requires_grad]
    if not trained:
        return [Check.unjudged(OVERFIT, "no parameter trains")]
    losses, wanted = _learn(case, trained, seconds)
    best, steps = min(losses), len(losses) - 1
    figure = f"loss {losses[0]:.2f} → {best:.2f} nats in {steps} steps on {len(case.images)} images"
    if best <= wanted:
        return [Check.success(OVERFIT, figure)]
    if steps < FAIR_STEPS and math.isfinite(losses[-1]):
        return [Check.unjudged(OVERFIT, f"{figure}; {seconds:g} s were not enough to judge")]
    return [
        Check.failure(
            OVERFIT,
            f"{figure}; wanted {wanted:.2f}",
            f"it cannot even learn these few by heart: {_why_not(case, losses, wrong)}",
        )
    ]


def _why_not(case: Case, losses: Sequence[float], wrong: Sequence[Check]) -> str:
    """The one cause that shows."""
    if wrong:
        return f"{wrong[0].name!r} failed before, and comes first"
    if place := not_finite_in(case.few()):
        return f"{place} returns numbers that are not finite"
    if place := alike_from(case.few()):
        return f"from {place} on all images look alike"
    if losses[-1] < FALLING * losses[-1 - len(losses) // 4]:
        return "its loss still falls at the end, so it learns, but slowly: give it a larger rate or more width"
    return "every check above passes and the loss stands still: it has too few weights to tell these apart"


def _learn(
    case: Case, trained: Sequence[nn.Parameter], seconds: float
) -> tuple[list[float], float]:
    """The loss before each step and after the last; and the loss that was wanted."""
    optimizer = torch.optim.Adam(trained, lr=RATE)
    losses: list[float] = []
    with torch.no_grad():
        wanted = LEARNT * math.log(case.few(1 + len(case.images) // 2).logits().shape[1])
    end = time.thread_time() + seconds
    for step in range(STEPS + 1):
        loss = case.loss()
        losses.append(loss.item())
        done = losses[-1] <= wanted or not math.isfinite(losses[-1]) or not loss.requires_grad
        if done or step == STEPS or time.thread_time() > end:
            break
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / WARMUP)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
    return losses, wanted
