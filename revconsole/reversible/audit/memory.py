"""Memory: the bytes that a reversible sequence keeps, against what its scheme says it should.

Shapes: B images, N tokens, D width.
"""

from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import Case, Check
from revconsole.reversible.coupling import Coupling, Streams, itself
from revconsole.reversible.kept import kept_for_backward
from revconsole.reversible.lossless import STORE_BYTES, Grid
from revconsole.reversible.replay import drawn, random_state
from revconsole.reversible.sequence import ReversibleSequence

KEPT = "bytes kept"
SLACK = 1.02  # of the prediction, for what is kept besides: masks of a sign, scalars
SPARE = 4096  # bytes, likewise
KIB = 1024
BITS = 8  # in a byte


def kept(case: Case) -> list[Check]:
    """Bytes kept by the sequences alone, against the prediction. Only where all their blocks are reversible."""
    if not case.sequences:
        return [Check.unjudged(KEPT, "no block is reversible")]
    case = case.few()
    held = predicted = 0
    for sequence in case.sequences:
        x = _input(case, sequence)
        if x is None or sequence.unwired:
            return [Check.unjudged(KEPT, "predicted for blocks on their own only")]
        with case.autocast():
            held += measured(sequence, x)
            predicted += prediction(sequence, x, draws=_draws(sequence, x))
    shown = f"{held / KIB:,.0f} KiB for {len(case.images)} images"
    if any(set(sequence.backwards) != {"reversible"} for sequence in case.sequences):
        return [Check.unjudged(KEPT, f"{shown}; predicted for backward reversible only")]
    figure = f"{shown}, predicted {predicted / KIB:,.0f} KiB"
    advice = "the blocks keep something of their own for the backward pass"
    return [Check.judged(KEPT, figure, advice, passed=held <= predicted * SLACK + SPARE)]


def prediction(sequence: ReversibleSequence, x: Tensor, *, draws: bool) -> int:
    """Bytes by theory for an input x (B, N, D): the last streams, and per block what cannot be told from them.

    That is: the bits a scaling on the grid drops and streams set aside (none at the first and the last coupling,
    which are not undone), the signs drawn; and, if the blocks draw, a generator state per evaluation.
    """
    scheme, blocks = sequence.scheme, list(sequence.named_blocks.values())
    if scheme.grid is not None:
        x = x.to(scheme.grid.dtype(x.dtype))
    streams = scheme.lift(x)
    total = sum(stream.nbytes for stream in streams)
    sign = x.new_ones(len(x), *[1] * (x.ndim - 1)) if scheme.draws else None
    states = sum(state.nbytes for state in random_state(x.device)) if draws else 0
    for index, block in enumerate(blocks):
        couplings = scheme.couplings(block, index, sign)
        total += states * sum(coupling.residual is not itself for coupling in couplings)
        total += 0 if sign is None else sign.nbytes
        undone = couplings[index == 0 : len(couplings) - (index == len(blocks) - 1)]
        total += sum(_set_aside(coupling, streams, scheme.grid) for coupling in undone)
    return total


def _set_aside(coupling: Coupling, streams: Streams, grid: Grid | None) -> int:
    """Bytes of what the streams after the coupling do not tell of those before."""
    numbers = streams[coupling.target].numel()
    if coupling.parks is not None:
        stored = coupling.parks == coupling.store
        return STORE_BYTES * numbers if stored else streams[coupling.parks].nbytes
    scales = not (coupling.replaces or coupling.adds or coupling.flips)
    if grid is not None and scales and coupling.store is None:
        return -(-numbers * grid.lost // BITS)
    return 0


def _input(case: Case, sequence: nn.Module) -> Tensor | None:
    """What the sequence is given in the model's forward; None if that is not one tensor, once."""
    calls: list[tuple[Any, Any]] = []

    def note(_module: nn.Module, args: Any, kwargs: Any) -> None:
        calls.append((args, kwargs))

    hook = sequence.register_forward_pre_hook(note, with_kwargs=True)
    with torch.no_grad():
        case.logits()
    hook.remove()
    match calls:
        case [((Tensor() as x,), {**more})] if not more:
            return x.detach().clone()
    return None


def measured(sequence: ReversibleSequence, x: Tensor) -> int:
    """x: as the stem of a model that trains gives it."""
    given = x.requires_grad_()
    known = (*sequence.parameters(), *sequence.buffers(), given)
    return kept_for_backward(lambda: sequence(given), exclude=known)


def _draws(sequence: ReversibleSequence, x: Tensor) -> bool:
    """Whether a training forward of the blocks draws random numbers, signs apart."""
    before = random_state(x.device)
    with torch.no_grad():
        sequence(x)
    return any(state is not None for state in drawn(before, random_state(x.device)))
