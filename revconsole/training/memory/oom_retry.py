"""OomRetry: repeats work with smaller micro-batches when memory runs out, or says what would fit.

With `train.on_oom = "shrink"` the micro-batch is halved and the work repeated; the batch of an optimiser step stays
the same, in more parts. Otherwise, and if a single image is too much, the run ends with suggestions.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from revconsole.records.logs.events import Advised, Event
from revconsole.records.printable import size
from revconsole.records.settings.plan import Plan
from revconsole.training.machine.shortage import (
    OutOfMemory,
    Shortage,
    catching_oom,
    described,
    ran_out,
    release_memory,
)
from revconsole.training.memory.suggestions import (
    Suggestion,
    smaller_sizes,
    suggestions,
)
from revconsole.training.setup.training_state import TrainingState

Result = TypeVar("Result")


class OomRetry:
    """Runs the work of one training, with retries. suggest: (bytes of a step if known, settings that need less)."""

    def __init__(
        self,
        state: TrainingState,
        emit: Callable[[Event], None],
        suggest: Callable[[TrainingState], tuple[int | None, list[Suggestion]]] = suggestions,
    ) -> None:
        self._state, self._emit, self._suggest = state, emit, suggest

    def run(self, work: Callable[[], Result], doing: str) -> Result:
        """The result of `work`, repeated with smaller micro-batches if necessary and allowed by the plan.

        work: changes only gradients and running statistics, which are restored, and reads `state.micro_batch`. doing:
        a name for the work, used in messages. Raises OutOfMemory.
        """
        state = self._state

        def met() -> Result:
            result = work()
            state.together.meet()
            return result

        while True:
            before = self._statistics()
            outcome = catching_oom(met, state.device)
            if not isinstance(outcome, Shortage):
                return outcome
            release_memory(state.optimizer)
            state.precision.reset_unscaling()
            for buffer, was in before:
                buffer.copy_(was)
            # Where the others wait in the midst of a pass, this rank alone says why, and ends the run.
            why = str(outcome) if state.in_step else state.together.short(str(outcome))
            self._shrink(why, doing)

    def _statistics(self) -> list[tuple[Tensor, Tensor]]:
        """Buffers with copies of their values, so that a repeated forward pass does not update them twice."""
        if not self._shrinks:
            return []
        return [(buffer, buffer.clone()) for buffer in self._state.model.buffers()]

    @property
    def _shrinks(self) -> bool:
        return self._state.plan.train.on_oom == "shrink"

    def _shrink(self, shortage: str, doing: str) -> None:
        state = self._state
        sizes = [
            size
            for size in smaller_sizes(state.plan.train.batch, state.micro_batch)
            if size >= state.least_images
        ]
        if not (self._shrinks and sizes):
            present, ways = self._suggest(state)
            now = f", with {_images(state.micro_batch)} at once"
            if present is not None:
                now += f", where it is predicted to need {size(present)}"
            raise OutOfMemory(sentence(state.plan, shortage, doing + now, ways))
        before, state.micro_batch = state.micro_batch, sizes[0]
        self._emit(_shrunk(state, shortage, doing, before))


@contextmanager
def explained(plan: Plan, suggest: Callable[[Plan], list[Suggestion]]) -> Iterator[None]:
    """A context that raises OutOfMemory with suggestions for any other lack of memory."""
    try:
        yield
    except OutOfMemory:
        raise
    except (MemoryError, RuntimeError, OSError) as error:
        if not ran_out(error):
            raise
        shortage = described(error)
        raise OutOfMemory(sentence(plan, shortage, "the run", suggest(plan))) from None


def sentence(
    plan: Plan, shortage: Shortage | str, what: str, suggested: Sequence[Suggestion]
) -> str:
    """What happened, and which settings to add."""
    problem = f"{what}: memory ran out; {shortage}"
    if not suggested:
        return f"{problem}. Nothing but a smaller model or smaller images needs less"
    alternatives = "; or ".join(
        suggestion.settings
        + ("" if suggestion.needed is None else f" (predicted: {size(suggestion.needed)})")
        for suggestion in suggested
    )
    return f"{problem}. Add to `revconsole train {plan.profile or 'PROFILE'}`: {alternatives}"


def _shrunk(state: TrainingState, shortage: str, doing: str, before: int) -> Advised:
    now, batch = state.micro_batch, state.plan.train.batch
    text = (
        f"{doing} ran out of memory with {_images(before)} at once ({shortage}); from here on "
        f"{batch // now} micro-batches of {_images(now)} make the same batch of {batch}, and the bits of what "
        "follows differ from those of an unsplit run"
    )
    if any(isinstance(module, _BatchNorm) for module in state.model.modules()):
        text += f"; BatchNorm now takes its statistics over {_images(now)}, no longer over {before}"
    return Advised(level="warning", text=text, rule="memory ran out")


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
