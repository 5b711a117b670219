"""Budget: which blocks store their activations or a stream, so that a step is fast and fits into memory.

Undoing a block costs one more evaluation of it. An anchor, one stored stream, saves the end of that evaluation, from
the last operation whose inputs a gradient needs: in a transformer block its last linear layer, a third of the work.
Storing the activations saves the whole evaluation. Any mixture is correct; `keep_within` takes the one that computes
least among those whose peak fits. Schemes without anchors, such as the plain network, mix checkpointed blocks with
blocks that store activations. `mixtures` predicts the peak of a step, and it is measured before a choice is made.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.reversible.mixtures import BlockCosts, Mixture, Words, model_of
from revconsole.reversible.replay import statistics_kept
from revconsole.reversible.scheme import UNDONE
from revconsole.reversible.sequence import ReversibleSequence, sequences
from revconsole.reversible.step_peak import TURN, StepTrace, step_peak, traced

KIBIBYTE, MEBIBYTE = 2**10, 2**20
CLOSE = 0.06
"""Relative error of a predicted peak before any mixture was measured: neighbouring stored blocks share a stream."""
CLOSER = 0.01
"""Relative error after one mixture was measured, which corrects the predictions of the others."""
ALL = 0.1
"""Additional relative error for mixtures in which no block is undone: they do not keep the last streams."""
INSIDE, INSIDE_A_THREAD = 1 / 512, 16 * KIBIBYTE
"""Share of a budget, and bytes per CPU thread, reserved for memory inside operations, which is not counted: attention
on the CPU takes a buffer for each thread.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChoice:
    """The decision of `keep_within`: of `blocks`, how many store activations, store a stream, or are checkpointed.

    peak: peak bytes of a step; see `step_peak`. budget: its limit. least: the peak with every block as it was, or that of
    the choice if it is lower; None if nobody asked, as everything fits.
    """

    stored: int
    anchored: int
    checkpointed: int
    blocks: int
    peak: int
    budget: int
    least: int | None

    def __str__(self) -> str:
        peak, budget, *least = _sizes(
            self.peak, self.budget, *(() if self.least is None else (self.least,))
        )
        mixture = self._mixture()
        if self.peak > self.budget:
            return f"{mixture}: even so a step takes {peak} at its peak, more than the budget of {budget}"
        leanest = "".join(f" (the least: {each})" for each in least)
        return f"{mixture}: {peak} at the peak of a step, of the budget of {budget}{leanest}"

    def _mixture(self) -> str:
        if self.stored == self.blocks:
            return f"all {self.blocks} blocks keep their activations"
        verb = "keep their" if self.stored > 1 else "keeps its"
        mixture = f"{self.stored or 'none'} of {self.blocks} blocks {verb} activations"
        reversed_ = self.blocks - self.stored - self.anchored - self.checkpointed
        if self.anchored:
            mixture += f", {self.anchored} keep{'' if self.anchored > 1 else 's'} a stream"
        if self.checkpointed:
            mixture += f", {_are(self.checkpointed)} checkpointed"
        if self.anchored or self.checkpointed:
            return f"{mixture}, {_are(reversed_)} reversed"
        return f"{mixture}, the others are computed again" if self.stored else mixture


def _are(number: int) -> str:
    return f"{number} are" if number > 1 else f"{number or 'none'} is"


def _sizes(*numbers: int) -> list[str]:
    """Sizes in words, each in its own unit; in bytes if different numbers would look the same."""
    words = [_size(number) for number in numbers]
    if len(set(words)) < len(set(numbers)):
        return [f"{number:,} bytes" for number in numbers]
    return words


def _size(number: int) -> str:
    if number < KIBIBYTE:
        return f"{number} bytes"
    if number < MEBIBYTE:
        return f"{number / KIBIBYTE:.1f} KiB"
    return f"{number / MEBIBYTE:.1f} MiB"


def keep_within(
    model: nn.Module,
    forward: Callable[[], Any],
    budget: int,
    *,
    peak: Callable[[], int] | None = None,
) -> BudgetChoice:
    """Choose what the blocks of the model's sequences store, so that a step is as fast as fits into `budget` bytes.

    budget: for the peak of a forward and backward as `step_peak` counts it, above weights, gradients, optimiser state and
    what else exists before. A small part is reserved for memory inside operations. forward: a training forward pass of a
    batch of the training's size, with its autocast, that returns the loss or output; it and its backward run a few times.
    peak: says what a step takes with the blocks as they are then, memory inside operations included, in place of a
    measurement and the reserve. Blocks that do not fit run as before. A larger budget never means more recomputation.
    Generators, running statistics and gradients are left unchanged. The result is deterministic, because bytes and
    multiply-adds are counted.
    Raises RevconsoleError if nothing that `forward` returns has a gradient.
    """
    stacks = sequences(model)
    parts = _parts(stacks)
    # Memory and work of a step are attributed to the block whose weights an operation uses; weights
    # of no block (embedding, head) belong to TURN, the part between forward and backward.
    shared = {id(w) for part in parts for w in part.weights}
    owned = {number: part.weights for number, part in enumerate(parts)}
    owned[TURN] = tuple(w for w in model.parameters() if id(w) not in shared)
    peaks: dict[Words, int] = {}

    def trace(words: Words) -> StepTrace:
        _take(stacks, words)
        with _undisturbed(model):
            seen = traced(forward, owned)
        if peak is None:
            peaks[words] = seen.peak
        return seen

    def peak_of(words: Words) -> int:
        if words not in peaks:
            _take(stacks, words)
            with _undisturbed(model):
                peaks[words] = step_peak(forward) if peak is None else peak()
        return peaks[words]

    before = tuple(part.word for part in parts)
    mixtures = model_of(parts, trace).mixtures() if parts else []
    peak_of(before)
    counted = budget * (1.0 - INSIDE) - INSIDE_A_THREAD * torch.get_num_threads()
    sure = counted if peak is None else budget
    leanest = [mixture.words for mixture in mixtures[-1:] if peak is not None]
    words = _fitting(mixtures, sure, peak_of) or min([*peaks, *leanest], key=peak_of)
    least = min(peaks[before], peaks[words])
    _take(stacks, words)
    counts = {word: words.count(word) for word in ("stored", "anchored", "checkpointed")}
    blocks, most = len(words), peaks[words]
    return BudgetChoice(**counts, blocks=blocks, peak=most, budget=budget, least=least)


def _parts(stacks: Sequence[ReversibleSequence]) -> list[BlockCosts]:
    """The blocks of all stacks, in order. Blocks of a stack with equal types and weight shapes are of one kind."""
    parts = []
    for number, stack in enumerate(stacks):
        words = iter(stack.backwards)
        for run_number, run in enumerate(stack.runs):
            for index, block in enumerate(run):
                place = index == 0, index == len(run) - 1
                word, weights = next(words), tuple(block.parameters())
                kind = (word, number, type(block), *(tuple(w.shape) for w in weights))
                at = number, run_number
                part = BlockCosts(kind=kind, run=at, place=place, word=word, weights=weights)
                parts.append(part)
    return parts


def _take(stacks: Sequence[ReversibleSequence], words: Words) -> None:
    rest = iter(words)
    for stack in stacks:
        stack.backward = tuple(next(rest) for _ in stack.backwards)


def _fitting(
    mixtures: Sequence[Mixture], sure: float, peak: Callable[[Words], int]
) -> Words | None:
    """The mixture that computes least among those whose peak is at most `sure`; None if none is.

    mixtures: in ascending order of computation, hence of descending predicted peaks.
    """
    # Measure the cheapest mixture whose prediction, less its error, fits. If it fits, only cheaper
    # ones can be better; if not, it is discarded. Each measurement corrects the other predictions
    # by `drift`, its error in bytes per stored block.
    drift, close, best, rest = 0.0, CLOSE, None, list(mixtures)
    while rest:
        foretold = (_foretold(each, drift, close) for each in rest)
        number = next((n for n, least in enumerate(foretold) if least <= sure), None)
        if number is None:
            break
        mixture, measured = rest[number], peak(rest[number].words)
        drift, close = (measured - mixture.peak) / _stored(mixture), CLOSER
        if measured <= sure:
            best, rest = mixture, rest[:number]
        else:
            del rest[number]
    return best.words if best else None


def _foretold(mixture: Mixture, drift: float, close: float) -> float:
    """The least peak that a mixture may have. drift: measured minus predicted bytes per stored block."""
    close += 0.0 if UNDONE.intersection(mixture.words) else ALL
    return (mixture.peak + drift * _stored(mixture)) * (1.0 - close)


def _stored(mixture: Mixture) -> int:
    return max(1, mixture.words.count("stored"))


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    norms = [module for module in model.modules() if isinstance(module, _NormBase)]
    with torch.random.fork_rng(devices=devices), statistics_kept(norms), torch.enable_grad():
        yield
