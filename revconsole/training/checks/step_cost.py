"""Step cost: the multiply-adds of a training step, counted while it runs on tensors without numbers.

The step is `compute_gradients` of the training itself, so frozen parts, recomputation, decoders and further views are
counted as they are, not as a multiple of a forward pass. It runs with two numbers of images, and what does not grow with
them is each micro-batch's own. The update of the weights is left out.
"""

from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from revconsole.records.foresight import products
from revconsole.records.foresight.products import StepProducts
from revconsole.records.settings.plan import Plan
from revconsole.reversible.witness import unwatched
from revconsole.training.foresee.shapes import batch_of, refusing, shapes
from revconsole.training.machine.flops import FlopCounter
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.stepping import compute_gradients

IMAGES = (2, 3)
"""Images of the two steps; one image alone is refused by norms over the batch."""


def products_of_step(plan: Plan) -> StepProducts:
    """The multiply-adds of the plan's step, from the cache if they were counted before.

    Raises Untraceable for a step that asks for numbers, and as `build_learner` does. plan: of a network.
    """
    known = products.known(plan)
    if known is None:
        known = _counted(plan)
        products.keep(plan, known)
    return known


def _counted(plan: Plan) -> StepProducts:
    """The multiply-adds of the step of one process that does the work of all ranks."""
    alone = plan.train.model_copy(update={"gpus": 1, "shard": False, "sync_batchnorm": False})
    changes = {"train": alone, "backward": products.counted_backward(plan)}
    alike = plan.model_copy(update=changes)
    with unwatched(), shapes(alike, "cuda") as state, refusing(alike):
        fewer, more = (_of_step(state, images) for images in IMAGES)
    image = (more - fewer) // (IMAGES[1] - IMAGES[0])
    return StepProducts(image=image, micro_batch=fewer - image * IMAGES[0])


def _of_step(state: TrainingState, images: int) -> int:
    """Multiply-adds of one micro-batch of so many images."""
    state.micro_batch = images
    batch, labels = batch_of(state.plan, images)
    with FlopCounter(LEAST) as counter:
        compute_gradients(state, 1, 1, images=batch, labels=labels)
    state.optimizer.zero_grad(set_to_none=True)
    return int(counter.get_total_flops()) // 2


def _of_attention_backward(
    _gradient: object, query: object, key: object, value: object, *_: object, **_out: object
) -> int:
    """Four products, twice those of a forward: kernels that keep no scores compute a fifth, and others need not."""
    return 2 * int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


LEAST = {
    operator: _of_attention_backward
    for operator in flop_registry
    if "scaled_dot_product" in str(operator) and str(operator).endswith("_backward")
}
"""Operators that are counted at the least that they need, for a number that no kernel undercuts."""
