"""Rebuilt: the blocks that the backward reconstructs, and the longest chain of them."""

import itertools

from torch import nn

from revconsole.reversible import ReversibleSequence, sequences
from revconsole.reversible.scheme import UNDONE
from revconsole.training.setup.training_state import TrainingState


def rebuilt_stacks(model: nn.Module) -> list[ReversibleSequence]:
    """The stacks with at least one reconstructed block."""
    return [stack for stack in sequences(model) if UNDONE.intersection(stack.backwards)]


def error_growth(state: TrainingState) -> float | None:
    """Number of roundings that the longest reconstruction accumulates; None if nothing is reconstructed."""
    stacks = rebuilt_stacks(state.encoder)
    return max((s.scheme.error_growth(_rebuilt_in_a_row(s)) for s in stacks), default=None)


def rebuilt_blocks(state: TrainingState) -> int:
    """Length of the longest chain of blocks that are reconstructed from one another."""
    return max((_rebuilt_in_a_row(s) for s in rebuilt_stacks(state.encoder)), default=0)


def _rebuilt_in_a_row(stack: ReversibleSequence) -> int:
    """Length of the longest chain in one stack; a stored or checkpointed block starts a new one."""
    words = iter(stack.backwards)
    return max(
        len(list(blocks))
        for run in stack.runs
        for word, blocks in itertools.groupby(itertools.islice(words, len(run)))
        if word in UNDONE
    )
