"""Norms over the batch: how many images a network needs at once to train, and what that asks of the batches.

A BatchNorm over a map of one pixel takes its statistics over the images alone, and of a single image there are none:
torch refuses to compute it. An epoch whose images do not divide by the batch may end with such a one.
"""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from revconsole.errors import ProfileError
from revconsole.records.settings.plan import Plan
from revconsole.reversible import set_draws
from revconsole.reversible.replay import generators_kept
from revconsole.training.objectives import Objective
from revconsole.training.setup.draws import Signs

REFUSED = ("Expected more than 1 value per channel", "Expected more than 1 spatial element")
"""How torch says that a norm has nothing to normalise."""
FAR = 64
"""How far from the batch asked for another is looked for."""


def refuse_single(plan: Plan, least: int, images: int) -> None:
    """Raise ProfileError where every micro-batch is of fewer images than the network needs."""
    train = plan.train
    if images < least:
        raise ProfileError(
            "the plan",
            "data.train_limit",
            f"there is {images} image to train on, and the norms of the network need {least} at once; take more",
        )
    if train.batch // train.accumulate >= least:
        return
    key, remedy = "batch", f"set it to {least} or more"
    if train.accumulate > 1:
        key, remedy = "accumulate", "lower it"
    raise ProfileError(
        "the plan",
        f"train.{key}",
        f"batch {train.batch} with accumulate {train.accumulate} puts one image through the network at a time, and its "
        f"norms need {least}; {remedy}",
    )


def refuse_rest(plan: Plan, least: int, images: int) -> None:
    """Raise ProfileError where an epoch of so many images ends with fewer than the network needs."""
    if shortest(plan, images, plan.train.batch) >= least:
        return
    raise ProfileError(
        "the plan",
        "train.batch",
        f"{images:,} images to train on in batches of {plan.train.batch} leave one alone at the end of an epoch, and the "
        f"norms of the network need {least} at once; {_remedy(plan, least, images)}",
    )


def least_images(objective: Objective, model: nn.Module, plan: Plan) -> int:
    """1, or 2 where the network cannot train on a single image.

    Tried, with noise of the plan's size, without a gradient; model and generators are left as they were.
    Raises ProfileError where two images are too few as well: a norm over a single number of each.
    """
    if not any(isinstance(module, _NormBase | nn.GroupNorm) for module in model.modules()):
        return 1
    for images in (1, 2):
        if _trains_on(images, objective, model, plan):
            return images
    raise ProfileError(
        "the plan",
        "data.image_size",
        f"images of {plan.image_size} pixels become a single number in front of a norm, which has nothing to "
        "normalise; enlarge them, or take a model that shrinks them less",
    )


def shortest(plan: Plan, images: int, batch: int) -> int:
    """Images of the smallest micro-batch that a run of the plan meets with that batch."""
    micro = max(1, batch // plan.train.accumulate)
    left = images % batch
    cut = plan.train.steps is not None and plan.train.steps < -(-images // batch)
    if not left or cut:
        return min(micro, images)
    return min(left % micro or micro, left, micro)


def part_sizes(images: int, micro_batch: int, least: int) -> list[int]:
    """How many images each micro-batch of a batch has: alike but for the last, which is joined to the one before it
    where it would be fewer than `least`.
    """
    sizes = [micro_batch] * (images // micro_batch)
    left = images % micro_batch
    if left and sizes and left < least:
        sizes[-1] += left
    elif left:
        sizes.append(left)
    return sizes


def normed_over_parts(model: nn.Module) -> bool:
    """Whether the network has norms whose statistics are those of the images that go through at once."""
    return any(isinstance(module, _BatchNorm) and module.training for module in model.modules())


def _remedy(plan: Plan, least: int, images: int) -> str:
    """The nearest batch that leaves no image alone."""
    parts, batch = plan.train.accumulate, plan.train.batch
    near = sorted(range(max(1, batch - FAR), batch + FAR), key=lambda other: abs(other - batch))
    for other in near:
        whole = other % parts == 0 and other // parts >= least
        if whole and shortest(plan, images, other) >= least:
            return f"set train.batch = {other}"
    return "set another train.batch"


def _trains_on(images: int, objective: Objective, model: nn.Module, plan: Plan) -> bool:
    """Whether the loss of so many images can be computed in training mode; what fails otherwise is no matter here."""
    weight = next((each for each in model.parameters() if each.is_floating_point()), None)
    device, kind = (torch.device("cpu"), None) if weight is None else (weight.device, weight.dtype)
    shape = (images, plan.facts.channels, plan.image_size, plan.image_size)
    pixels = torch.zeros(shape, device=device, dtype=kind)
    labels = torch.zeros(images, dtype=torch.int64, device=device)
    buffers, signs = [(buffer, buffer.clone()) for buffer in model.buffers()], Signs(plan.seed)
    set_draws(model, signs)
    signs.at_step(step=0, batch=images, first=0)
    try:
        with generators_kept(device), torch.no_grad():
            objective.loss(model, objective.inputs(pixels, labels, seed=0), progress=0.0)
    except Exception as error:  # noqa: BLE001  what else is wrong shows where it matters
        return not any(text in str(error) for text in REFUSED)
    finally:
        with torch.no_grad():
            for buffer, was in buffers:
                buffer.copy_(was)
    return True
