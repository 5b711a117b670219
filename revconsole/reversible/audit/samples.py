"""Samples: whether the output for an image depends on that image, and on no other of the batch.

Found out twice, independently: by gradients, which are exactly zero where nothing depends, and by changing one
image and comparing the outputs, which also sees what gradients do not because it was detached.

Shapes: B images, C channels, S pixels of height and width, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.reversible.audit.check import Case, Check, aimed, logits_of, sow
from revconsole.reversible.audit.sight import left_out, seen
from revconsole.reversible.audit.size import not_finite_in
from revconsole.reversible.audit.trace import ROUNDING, MixingFindings, trace
from revconsole.reversible.rest import evaluating

OWN = "uses its input"
OTHERS = "no leak across batch"
MOST = 0.9  # of the pixels: a stride that leaves a border of one or two out is an ordinary convolution's
DRAWS = 12  # of noise at most, until each pixel has counted: of nine, a pool shows one at a time
LEVEL = 1e-12  # of logits that are all alike, to have something to divide by


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How the output for one sample depends on the images of the batch.

    own, others: largest gradient with respect to its own pixels, and to those of all others. moved, carried: how far its
    own output, and any other's, moved when its image was changed, relative to the largest output.
    """

    own: float
    others: float
    moved: float
    carried: float

    @property
    def sees(self) -> bool:
        """Whether its own pixels matter."""
        return self.moved > (0.0 if self.own else ROUNDING)

    @property
    def leaks(self) -> bool:
        """Whether others' pixels matter."""
        return self.others > 0.0 or self.carried > ROUNDING


def samples(case: Case, *, thorough: bool) -> list[Check]:
    """Check in evaluation mode that the output depends on its own image and on no other sample; `thorough` checks three samples, not one."""
    few = case.few()
    count = len(few.images)
    chosen = sorted({0, count // 2, count - 1}) if thorough else [count // 2]
    with evaluating(case.model):
        logits = _logits(few.model, few.images)
        if not logits.isfinite().all():
            advice = f"{not_finite_in(few) or 'the model'} returns numbers that are not finite"
            return [Check.failure(OWN, "outputs in evaluation are not finite", advice)]
        dependences = {sample: _dependence(few, sample) for sample in chosen}
        counts = _counting(few)
        blind = [sample for sample, each in dependences.items() if not each.sees]
        leaky = [sample for sample, each in dependences.items() if each.leaks]
        suspects = (*blind, *leaky)
        where = _traced(few, suspects[0]) if suspects else None
    worst = max(dependences.values(), key=lambda each: max(each.others, each.carried))
    mixes = bool(leaky) or bool(blind and where and where.mixing)
    return [
        _own(dependences[blind[0]] if blind else dependences[chosen[0]], where, counts),
        _others(worst, where if mixes else None, mixes=mixes, alone=count == 1),
        *([] if mixes or not thorough or count == 1 else _in_training(few)),
    ]


def _counting(case: Case) -> Tensor | None:
    """The values of an image that can affect the output, bool (C, S, S), whatever the image; None if this cannot be found out.

    An image of the data may hide some: a pool takes one pixel of a black border and leaves the others.
    """
    count, channels, size, width = case.images.shape
    known: Tensor | None = None
    with case.autocast():
        for draw in range(DRAWS):
            counted = seen(case.model, channels, size, width=width, images=count, draw=draw)
            if counted is None:
                return None
            known = counted if known is None else known | counted
            if known.all():
                break
    return known


def _own(dependence: Dependence, where: MixingFindings | None, counts: Tensor | None) -> Check:
    if not dependence.sees:
        figure = "the output stays the same when the image changes, and its gradient is zero"
        return Check.failure(OWN, figure, _blindness(where))
    if not dependence.own:
        return Check.success(
            OWN,
            "the output follows the image, but no gradient reaches it",
            "a detach() or no_grad() stands in the way: meant, if what is below it is not to learn",
        )
    if counts is None:
        return Check.success(OWN, "the output follows the image")
    figure = f"{_percent(counts)} of its pixels count"
    if missed := left_out(counts):
        advice = (
            f"it sees {missed}: a patch, a stride or a pool drops what does not divide; change it, or the side of the "
            "image"
        )
        verdict = Check.success if float(counts.float().mean()) >= MOST else Check.failure
        return verdict(OWN, figure, advice)
    if not counts.all():
        advice = "the others change nothing in its output, whatever the image: meant?"
        return Check.success(OWN, figure, advice)
    return Check.success(OWN, figure)


def _percent(counts: Tensor) -> str:
    """The share that counts; never 100 % where one does not."""
    share = float(counts.float().mean())
    return f"{share:.0%}" if counts.all() else f"{min(99, int(100 * share))}%"


def _blindness(where: MixingFindings | None) -> str:
    if where is None:
        return ""
    if where.mixing:
        return f"{where.mixing} works across the batch instead of within the image: {where.remedy}"
    if where.blind:
        return f"{where.blind} ignores what it is given: everything the image changes ends there"
    if where.seen:
        return f"the image still counts in what {where.seen} returns; what uses that ignores it"
    return "no module is given anything that depends on the image"


def _others(
    dependence: Dependence, where: MixingFindings | None, *, mixes: bool, alone: bool
) -> Check:
    if alone:
        return Check.unjudged(OTHERS, "the batch has one image")
    if not mixes:
        return Check.success(OTHERS, "gradient to other images 0, output unmoved")
    place = where.mixing if where and where.mixing else "the model"
    remedy = f": {where.remedy}" if where and where.remedy else ""
    if dependence.leaks:
        strength = dependence.others / dependence.own if dependence.own else float("inf")
        figure = (
            f"gradient to other images {strength:.2g} of that to its own, outputs of others move by "
            f"{dependence.carried:.1g}"
        )
    else:
        figure = "tokens of one image reach another inside the model"
    return Check.failure(OTHERS, figure, f"{place} mixes the samples of the batch{remedy}")


def _in_training(case: Case) -> list[Check]:
    """A note where training mixes the batch otherwise than by BatchNorm, which is meant to."""
    if any(isinstance(module, _NormBase) for module in case.model.modules()):
        return []
    with torch.no_grad():
        before = _logits(case.model, case.images)
        after = _logits(case.model, _changed(case.images, 0))
    apart = (before - after).abs().amax(dim=1)[1:].max() / before.abs().max().clamp_min(LEVEL)
    if not apart > ROUNDING:
        return []
    place = _traced(case, 0).mixing or "the model"
    figure = f"outputs of others move by {float(apart):.1g}"
    advice = f"in training {place} mixes the samples of the batch: deliberate?"
    return [Check.unjudged(f"{OTHERS}, training", figure, advice)]


def _dependence(case: Case, sample: int) -> Dependence:
    images = case.images.detach().clone().requires_grad_()
    logits = _logits(case.model, images)
    gradient = _gradient(logits, images, sample)
    others = torch.ones(len(images), dtype=torch.bool, device=images.device)
    others[sample] = False
    # Both passes without gradients: attention may take another kernel there, and round otherwise.
    with torch.no_grad():
        before = _logits(case.model, images.detach())
        after = _logits(case.model, _changed(images.detach(), sample))
        scale = before.abs().max().clamp_min(LEVEL)
        apart = (after - before).abs().amax(dim=1) / scale
    return Dependence(
        own=float(gradient[sample].max()),
        others=float(gradient[others].max()) if others.any() else 0.0,
        moved=float(apart[sample]),
        carried=float(apart[others].max()) if others.any() else 0.0,
    )


def _gradient(logits: Tensor, images: Tensor, sample: int) -> Tensor:
    """|∂/∂images| of one sample's `aimed` outputs, (B, C, S, S)."""
    gradient = None
    if logits.requires_grad:
        (gradient,) = torch.autograd.grad(aimed(logits[sample]), images, allow_unused=True)
    return torch.zeros_like(images) if gradient is None else gradient.abs()


def _changed(images: Tensor, sample: int) -> Tensor:
    """The batch with another image, mirrored, in place of one."""
    other = images[(sample + 1) % len(images)].flip(-1)
    if torch.equal(other, images[sample]):
        other = images[sample] + torch.linspace(-1, 1, other.numel()).to(images).reshape(
            other.shape
        )
    changed = images.clone()
    changed[sample] = other
    return changed


def _traced(case: Case, sample: int) -> MixingFindings:
    return trace(case.model, case.images, _changed(case.images, sample), sample)


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    sow(images.device)
    out = logits_of(model(images))
    return out.float() if out.itemsize < torch.float32.itemsize else out
