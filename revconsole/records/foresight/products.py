"""Products: the multiply-adds of a training step, in the user's cache beside its memory; read without torch."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from revconsole.records.foresight import cache
from revconsole.records.sections import Backward
from revconsole.records.settings.plan import Plan

FORMAT = 1
"""Number of the way of counting; another number is another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProducts:
    """Multiply-adds of matrix products, convolutions and attention: forward, backward, and what a backward computes again.

    image: of each image of a step. micro_batch: of each micro-batch, however many images it has.
    """

    image: int
    micro_batch: int

    def of_run(self, plan: Plan) -> int | None:
        """Those of all training steps of a run; None for a folder whose images have not been counted."""
        train, steps_of_epoch = plan.train, plan.steps_per_epoch
        if not steps_of_epoch:
            return None
        steps = train.steps or train.epochs * steps_of_epoch
        of_epoch = min(plan.trained_images, steps_of_epoch * train.batch)
        epochs, rest = divmod(steps, steps_of_epoch)
        images = epochs * of_epoch + min(rest * train.batch, of_epoch)
        return self.image * images + self.micro_batch * -(-images // train.micro_batch)


def counted_backward(plan: Plan) -> Backward:
    """The backward whose products are counted: the plan's, or the one with fewest where `auto` chooses block by block."""
    return "stored" if plan.backward == "auto" else plan.backward


def known(plan: Plan) -> StepProducts | None:
    """What `keep` kept of such a plan; None if nothing. Raises DataUnavailable for a missing folder."""
    return cache.read_as(_ADAPTER, _key(plan))


def keep(plan: Plan, counted: StepProducts) -> None:
    """Keep what was counted, unless the model is the user's own or the folder cannot be written."""
    cache.write(_key(plan), _ADAPTER.dump_json(counted))


def _key(plan: Plan) -> str | None:
    memory = cache.key(plan, counted_backward(plan), "cuda")
    return None if memory is None else cache.digest({"products": FORMAT, "of": memory})


_ADAPTER: TypeAdapter[StepProducts] = TypeAdapter(StepProducts)
