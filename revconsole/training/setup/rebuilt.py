"""Which blocks of a model the backward reconstructs, and how many follow one another."""

import itertools

from torch import nn

from revconsole.reversible import ReversibleSequence, sequences
from revconsole.reversible.scheme import UNDONE
from revconsole.training.setup.training_state import TrainingState


def rebuilt_stacks(model: nn.Module) -> list[ReversibleSequence]:
    """The stacks of which at least one block is reconstructed in the backward."""
    return [stack for stack in sequences(model) if UNDONE.intersection(stack.backwards)]


def error_growth(state: TrainingState) -> float | None:
    """How many roundings the deepest reconstruction carries; None where nothing is reconstructed."""
    stacks = rebuilt_stacks(state.encoder)
    return max((s.scheme.error_growth(_rebuilt_in_a_row(s)) for s in stacks), default=None)


def rebuilt_blocks(state: TrainingState) -> int:
    """The longest stretch of blocks that are reconstructed from one another."""
    return max((_rebuilt_in_a_row(s) for s in rebuilt_stacks(state.encoder)), default=0)


def _rebuilt_in_a_row(stack: ReversibleSequence) -> int:
    """The longest stretch in one stack: a block that is stored or checkpointed starts anew."""
    words = iter(stack.backwards)
    return max(
        len(list(blocks))
        for run in stack.runs
        for word, blocks in itertools.groupby(itertools.islice(words, len(run)))
        if word in UNDONE
    )
