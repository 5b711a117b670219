"""Budget of backward `auto`: which blocks keep activations or streams, chosen once at the first step of a run.

The peaks are those that `plan` foresees, with what kernels take for themselves (see `foresee.choosing`), so that nobody is
told two figures. Only where a step cannot be foreseen, because it asks for numbers, real steps are measured.

The choice is stored in every checkpoint, so that a resumed run sums its gradients in the same order.
"""

from collections.abc import Sequence

from torch import Tensor

from revconsole.data import unused
from revconsole.errors import RevconsoleError, RunFailed
from revconsole.records.foresight.chosen import MEBIBYTE, SHARE_OF_FREE, ChosenBlocks
from revconsole.records.foresight.foresight import Kind
from revconsole.records.logs.events import Advised
from revconsole.reversible import Backward, BudgetChoice, keep_within, sequences
from revconsole.reversible.replay import generators_kept
from revconsole.training.foresee.choosing import chosen
from revconsole.training.setup.draws import seed_generators
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import still_to_come
from revconsole.training.step.stepping import loss_of, micro_batches


def choose_blocks(state: TrainingState, images: Tensor, labels: Tensor) -> Advised | None:
    """Choose the blocks that store most within the budget of backward `auto`; returns a note about the choice."""
    if state.plan.backward != "auto" or not state.together.first:
        return None  # the others are told, see `agree_on_blocks`
    budget_mib = state.plan.train.budget_mib
    budget = budget_mib * MEBIBYTE if budget_mib else free_budget(state)
    found = _foreseen(state, budget)
    if found is None and not state.holding.everything:
        raise RunFailed(
            "a step of this model cannot be foreseen, and with train.shard it cannot be measured on one rank: set backward "
            "to one word instead of auto"
        )
    if found is None:
        choice = _measured(state, images, labels, budget)
        text, fits = str(choice), choice.peak <= choice.budget
    else:
        restore_backwards(state, found.words)
        state.foreseen = found.memory
        text, fits = found.text, found.fits
    whose = "train.budget_mib" if budget_mib else f"{SHARE_OF_FREE:.0%} of the free memory"
    return Advised(level="note" if fits else "warning", text=f"backward auto: {text} ({whose})")


def agree_on_blocks(state: TrainingState) -> None:
    """Let every rank have the blocks that the first one has chosen."""
    if state.plan.backward == "auto":
        restore_backwards(state, state.together.told(backwards(state)))


def backwards(state: TrainingState) -> list[list[Backward]]:
    """The backward of each block of each sequence, for a checkpoint."""
    return [list(stack.backwards) for stack in sequences(state.encoder)]


def restore_backwards(state: TrainingState, words: Sequence[Sequence[Backward]]) -> None:
    """Restore the result of `backwards`. Raises ValueError if the sequences differ."""
    for stack, stack_words in zip(sequences(state.encoder), words, strict=True):
        stack.backward = tuple(stack_words)


def _foreseen(state: TrainingState, budget: int) -> ChosenBlocks | None:
    """The choice that `plan` foresees; None where nothing is foreseen."""
    kinds: dict[str, Kind] = {"cpu": "cpu", "cuda": "cuda"}
    kind = kinds.get(state.device.type)
    try:
        images = min(state.micro_batch, state.plan.images_at_once)
        return chosen(state.plan, kind, images, budget) if kind else None
    except RevconsoleError:
        return None


def _measured(state: TrainingState, images: Tensor, labels: Tensor, budget: int) -> BudgetChoice:
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
