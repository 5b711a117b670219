"""Budget of backward `auto`: which blocks keep activations or streams, chosen once at the first step of a run.

The choice is stored in every checkpoint, so that a resumed run sums its gradients in the same order.
"""

from collections.abc import Sequence

from torch import Tensor

from revconsole.data import unused
from revconsole.records.logs.events import Advised
from revconsole.reversible import Backward, BudgetChoice, keep_within, sequences
from revconsole.reversible.replay import generators_kept
from revconsole.training.setup.draws import seed_generators
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import still_to_come
from revconsole.training.step.stepping import loss_of, micro_batches

MEBIBYTE = 2**20
SHARE_OF_FREE = 0.7
"""Fraction of the free memory that a step's peak may take if no budget is set; see `free_budget`."""


def choose_blocks(state: TrainingState, images: Tensor, labels: Tensor) -> Advised | None:
    """With backward `auto`, choose the blocks that store most within the budget; returns a note about it."""
    if state.plan.backward != "auto":
        return None
    budget_mib = state.plan.train.budget_mib
    budget = budget_mib * MEBIBYTE if budget_mib else free_budget(state)
    choice = _kept_within(state, images, labels, budget)
    whose = "train.budget_mib" if budget_mib else f"{SHARE_OF_FREE:.0%} of the free memory"
    text = f"backward auto: {choice} ({whose})"
    return Advised(level="warning" if choice.least > choice.budget else "note", text=text)


def backwards(state: TrainingState) -> list[list[Backward]]:
    """The backward of each block of each sequence, for a checkpoint."""
    return [list(stack.backwards) for stack in sequences(state.encoder)]


def restore_backwards(state: TrainingState, words: Sequence[Sequence[Backward]]) -> None:
    """Restore the result of `backwards`. Raises ValueError if the sequences differ."""
    for stack, stack_words in zip(sequences(state.encoder), words, strict=True):
        stack.backward = tuple(stack_words)


def _kept_within(state: TrainingState, images: Tensor, labels: Tensor, budget: int) -> BudgetChoice:
    part = next(micro_batches(state, state.inputs(images, labels, 0)))

    def forward() -> Tensor:
        seed_generators(state.plan.seed, step=0, micro=0)
        state.signs.at_step(step=0, batch=len(labels), first=0)
        return loss_of(state, part, 0).mean

    before = backwards(state)
    try:
        with generators_kept(state.device):
            return keep_within(state.encoder, forward, budget)
    except BaseException:
        restore_backwards(state, before)  # a retry starts from the plan's choice
        raise


def free_budget(state: TrainingState) -> int:
    """Bytes that a step's peak may take: a share of the free memory, minus gradients and optimiser state.

    Before the first step those do not exist yet. Memory reserved by torch counts as free.
    """
    free = unused(state.device) - still_to_come(state)
    return max(1, int(SHARE_OF_FREE * free))
