"""Batch: what its images, its labels and the outputs for them say by themselves.

Shapes: B images, C channels, S pixels of height and width, K classes.
"""

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor

from revconsole.errors import RevconsoleError
from revconsole.reversible.audit.check import Case, Check
from revconsole.reversible.audit.record import PassRecord, RecordedCall, recorded
from revconsole.reversible.rest import evaluating
from revconsole.reversible.skips import LAYOUTS, Node

BATCH = "images and labels"
OUTPUTS = "outputs are logits"
LOUD, QUIET = 20.0, 0.01
"""Deviation of what reaches the first weights; standardised it is 1, in [0, 1] about 0.3."""
UNLIKELY = 1e-6  # that a batch misses the upper classes by chance
ONE_CLASS = 8  # images of one class in a row are no accident
ALMOST = 1e-3  # of probabilities' sums, in bf16
MADE = re.compile(r"Div|Mul|Reciprocal|Pow|Clamp")
LAST = (
    ("Softmax", "failed", "is a softmax, and cross-entropy takes another: return what goes into it"),
    ("Sigmoid", "failed", "is a sigmoid, and cross-entropy takes a softmax: return what goes into it"),
    ("Tanh", "failed", "is a tanh, so that no output passes 1 and no class becomes certain: return what goes into it"),
    ("Relu", "note", "is a rectifier: a class with a negative score gets no gradient; return what goes into it"),
)  # fmt: skip


def require_batch(images: Tensor, labels: Tensor) -> None:
    """Raise RevconsoleError unless there is one whole number from 0 for every image (B, C, S, S)."""
    if images.ndim != 4 or not images.is_floating_point() or not len(images):
        raise RevconsoleError(
            f"images are (batch, channels, height, width) in floats; these are {tuple(images.shape)} in "
            f"{str(images.dtype).removeprefix('torch.')}"
        )
    if labels.shape != images.shape[:1] or labels.is_floating_point() or labels.dtype == torch.bool:
        raise RevconsoleError(
            f"labels are one whole number for each of the {len(images)} images; these are "
            f"{tuple(labels.shape)} in {str(labels.dtype).removeprefix('torch.')}"
        )
    if int(labels.min()) < 0:
        raise RevconsoleError(
            f"labels are numbers from 0, and the smallest of these is {int(labels.min())}"
        )


def batch(case: Case) -> list[Check]:
    """Images that differ and are of a size that weights are made for; labels that fit; outputs that are logits."""
    few = case.few()
    with evaluating(few.model), recorded(few.model) as record, torch.enable_grad():
        out = few.logits()
    return [_images(case, record), _outputs(case, out, record)]


def _images(case: Case, record: PassRecord) -> Check:
    images, labels = case.images, case.labels
    figure = f"{len(images)} images, {len(torch.unique(labels))} classes"
    if not images.isfinite().all():
        advice = (
            "there are pixels that are infinite or not a number: look at how the images are read"
        )
        return Check.failure(BATCH, figure, advice)
    if len(images) > 1 and (images == images[:1]).all():
        advice = "all images of the batch are the same, so nothing can be told apart"
        return Check.failure(BATCH, figure, advice)
    doubts = "; ".join([*_doubts(images, labels), *_reaches(record)])
    return Check.success(BATCH, figure, doubts)


def _doubts(images: Tensor, labels: Tensor) -> Iterator[str]:
    if len(labels) >= ONE_CLASS and (labels == labels[0]).all():
        yield f"all labels are {int(labels[0])}: are the images shuffled?"
    flat = images.flatten(1)
    kind: Tensor = torch.unique(flat, dim=0, return_inverse=True)[1]
    same = (kind[:, None] == kind).triu(1)
    odd = (same & (labels[:, None] != labels)).nonzero()
    if len(odd):
        one, other = (int(each) for each in odd[0])
        yield (
            f"images {one} and {other} are equal, and labelled {int(labels[one])} and {int(labels[other])}"
        )
    still = [c for c in range(images.shape[1]) if (images[:, c] == images[0, c, 0, 0]).all()]
    if still and len(still) < images.shape[1]:
        yield f"channel {still[0]} has one value everywhere"


def _reaches(record: PassRecord) -> Iterator[str]:
    """What is wrong with the size of what the first weights are given; a norm takes any."""
    first = _first_weights(record)
    if first is None or "norm" in type(first.module).__name__.lower():
        return
    given = first.given.detach().float()
    deviation, mean = float(given.std()), float(given.mean())
    if deviation > LOUD or deviation < QUIET or abs(mean) > LOUD:
        yield (
            f"what {first.called} is given has mean {mean:.3g} and deviation {deviation:.3g}: standardise the images, "
            "to mean 0 and deviation 1"
        )


def _first_weights(record: PassRecord) -> RecordedCall | None:
    """The first call of a module that has weights itself, and what it was given."""
    layers = (
        call
        for call in record.calls
        if any(True for _ in call.module.parameters(recurse=False))
        and not any(True for _ in call.module.children())
        and isinstance(call.given, Tensor)
        and call.given.is_floating_point()
    )
    return min(layers, key=lambda call: call.start, default=None)


def _outputs(case: Case, out: Tensor, record: PassRecord) -> Check:
    classes = out.shape[1]
    figure = f"{classes} classes"
    last = _last(out.grad_fn)
    rows = out.detach().double()
    probable = bool(((rows.sum(1) - 1).abs() < ALMOST).all() and (rows >= 0).all())
    for kind, level, sentence in LAST:
        if (last is not None and kind in last.name() and "Log" not in last.name()) or (
            probable and kind == "Softmax"
        ):
            place = record.place(last) if last is not None and kind in last.name() else ""
            advice = f"the last thing {place or 'the model'} does {sentence}"
            range_ = (
                "sum to 1 for each image"
                if probable
                else f"lie in {float(rows.min()):.3g} to {float(rows.max()):.3g}"
            )
            verdict = Check.success if level == "note" else Check.failure
            return verdict(OUTPUTS, f"{figure}; outputs {range_}", advice)
    scaled = last is not None and MADE.match(last.name())
    if scaled and classes >= 10 and rows.min() >= 0 and rows.max() <= 1:
        advice = "all of them lie in 0 to 1: cross-entropy wants logits and not probabilities"
        return Check.success(OUTPUTS, figure, advice)
    highest, count = int(case.labels.max()) + 1, len(case.labels)
    if count * math.log(classes / highest) > -math.log(UNLIKELY):
        advice = f"the labels of {count} images go up to {highest - 1} only: are there that many classes?"
        return Check.success(OUTPUTS, figure, advice)
    return Check.success(OUTPUTS, figure)


def _last(node: Node) -> Node:
    """The node that made the outputs, but for changes of their layout."""
    while node is not None and LAYOUTS.fullmatch(node.name()):
        node = node.next_functions[0][0]
    return node
