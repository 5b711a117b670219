"""Choosing: which blocks keep what where backward `auto` has a budget, decided on tensors without numbers.

Peaks are those that `foresee` says of the same blocks, with what kernels take for themselves, so there is one number: what
`plan` says of `auto` is what the run chooses by.
"""

from collections.abc import Sequence

from torch import Tensor
from torch._subclasses.fake_tensor import unset_fake_temporarily

from revconsole.records.foresight import chosen as kept
from revconsole.records.foresight.chosen import ChosenBlocks
from revconsole.records.foresight.foresight import ORDER, Kind, StepMemory
from revconsole.records.settings.plan import Plan
from revconsole.reversible import Backward, BudgetChoice, ReversibleSequence, keep_within, sequences
from revconsole.training.foresee.foresee import foresee, recordings_of, step_memory, threads_of
from revconsole.training.foresee.shapes import batch_of, refusing, shapes
from revconsole.training.machine import devices
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.stepping import loss_of, micro_batches

Blocks = tuple[tuple[Backward, ...], ...]


def chosen(plan: Plan, device: Kind, micro_batch: int, budget: int) -> ChosenBlocks:
    """What the blocks keep, so that a step of such micro-batches is as fast as fits into `budget` bytes; see `keep_within`.

    budget: for what a step takes above weights, gradients, optimiser state and images. It is kept in the user's cache.
    Raises as `foresee` does.
    """
    found = kept.known(plan, device, micro_batch, budget)
    if found is None:
        with shapes(plan, device) as state, refusing(plan):
            state.micro_batch = micro_batch
            found = _Choosing(state, device).within(budget)
        kept.keep(plan, device, micro_batch, budget, found)
    return found


class _Choosing:
    """A choice for a state without numbers."""

    def __init__(self, state: TrainingState, device: Kind) -> None:
        self._state, self._device = state, device
        self._stacks: Sequence[ReversibleSequence] = sequences(state.encoder)
        self._memories: dict[Blocks, StepMemory] = {}

    def within(self, budget: int) -> ChosenBlocks:
        """What is chosen for a budget."""
        choice = self._all_stored(budget) or keep_within(
            self._state.encoder, self._forward, budget, peak=self._peak
        )
        words = self._words()
        return ChosenBlocks(
            words=words,
            memory=self._memories[words],
            text=str(choice),
            fits=choice.peak <= choice.budget,
        )

    def _all_stored(self, budget: int) -> BudgetChoice | None:
        """The choice of storing everything, if that fits."""
        before = [stack.backward for stack in self._stacks]
        for stack in self._stacks:
            stack.backward = "stored"
        peak = self._peak()
        if peak <= budget:
            blocks = sum(len(stack.backwards) for stack in self._stacks)
            return BudgetChoice(
                stored=blocks,
                anchored=0,
                checkpointed=0,
                blocks=blocks,
                peak=peak,
                budget=budget,
                least=None,
            )
        for stack, words in zip(self._stacks, before, strict=True):
            stack.backward = words
        return None

    def _forward(self) -> Tensor:
        state = self._state
        images, labels = batch_of(state.plan, state.micro_batch)
        part = next(micro_batches(state, state.inputs(images, labels, 0)))
        state.signs.at_step(step=0, batch=state.micro_batch, first=0)
        return loss_of(state, part, 0).mean

    def _words(self) -> Blocks:
        return tuple(tuple(stack.backwards) for stack in self._stacks)

    def _peak(self) -> int:
        """What a step takes with the blocks as they are now."""
        words = self._words()
        if words not in self._memories:
            self._memories[words] = self._memory(words)
        return self._memories[words].above(self._state.micro_batch)

    def _memory(self, words: Blocks) -> StepMemory:
        plan, micro_batch = self._state.plan, self._state.micro_batch
        alike = {word for stack in words for word in stack}
        with unset_fake_temporarily():
            for backward in ORDER:
                if alike == {backward}:  # known for every batch and budget
                    return foresee(plan, self._device, backwards=[backward]).steps[backward]
        recordings = recordings_of(self._state, 1)
        self._state.micro_batch = micro_batch
        with unset_fake_temporarily(), devices.threads(threads_of(plan)):
            return step_memory(recordings, self._device)
