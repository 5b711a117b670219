"""The multiply-adds of a training step: against formulas by hand, for each backward, and for what does not train."""

import pytest

from revconsole.records.foresight import products
from revconsole.records.foresight.products import StepProducts
from revconsole.records.settings.plan import Plan
from revconsole.training.checks.step_cost import products_of_step


def forward(model, size, classes):
    """Multiply-adds of patches, of one block and of its last layer, and of the head, of a ViT with a class token, on grey images."""
    D, patches = model.dim, (size // model.patch) ** 2
    N, hidden = patches + 1, int(D * model.mlp_ratio)
    last = N * D * hidden
    block = 3 * N * D * D + 2 * N * N * D + N * D * D + N * D * hidden + last
    return patches * model.patch**2 * D, block, last, D * classes


AGAIN = {"stored": (0, 0), "checkpointed": (1, -1), "reversible": (1, 0), "auto": (0, 0)}
"""Blocks and last layers that are computed again: to undo a block its result is needed, to differentiate it, it is not."""


@pytest.mark.parametrize("backward", AGAIN)
def test_a_step_computes_what_its_shapes_say(small, backward):
    """A backward is two products for each of a forward, but for the images, whose gradient nobody asks for."""
    plan = small(scheme={"name": "additive"}, backward=backward)
    patches, block, last, head = forward(plan.model, 8, 10)
    wider_head = 2 * head  # its two streams are joined
    blocks, lasts = AGAIN[backward]
    of_blocks = plan.model.depth * (3 * block + blocks * block + lasts * last)
    by_hand = 2 * patches + of_blocks + 3 * wider_head

    assert products_of_step(plan) == StepProducts(image=by_hand, micro_batch=0)


def test_what_is_frozen_has_no_backward(small):
    plan = small(train={"freeze": "backbone"})
    patches, block, _, head = forward(plan.model, 8, 10)

    by_hand = patches + plan.model.depth * block + 2 * head
    assert products_of_step(plan).image == by_hand


def test_ranks_share_the_products_of_one(small):
    alone, shared = small(train={"batch": 64}), small(train={"batch": 64, "gpus": 2})

    assert products_of_step(shared) == products_of_step(alone)


def test_what_was_counted_is_kept(small, monkeypatch):
    plan = small(model={"dim": 24})
    assert products.known(plan) is None
    counted = products_of_step(plan)

    monkeypatch.setattr("revconsole.training.checks.step_cost.compute_gradients", None)
    assert products_of_step(small(model={"dim": 24}, train={"batch": 8})) == counted
    assert products.known(small(model={"dim": 26})) is None


@pytest.mark.parametrize(
    ("changes", "batches"),
    [
        ({"train": {"epochs": 3}}, [100, 100, 61] * 3),
        ({"train": {"epochs": 3}, "data": {"drop_last": True}}, [100, 100] * 3),
        ({"train": {"steps": 5}}, [100, 100, 61, 100, 100]),
        ({"train": {"epochs": 1, "accumulate": 4}}, [100, 100, 61]),
    ],
)
def test_the_products_of_a_run_are_those_of_its_batches(changes, batches):
    plan = Plan(
        name="p",
        data={"dataset": "digits", "train_limit": 290, "validation": 0.1} | changes.get("data", {}),
        train={"batch": 100} | changes["train"],
    )
    assert plan.trained_images == 261

    parts = sum(batches) / plan.train.micro_batch
    counted = StepProducts(image=1000, micro_batch=7).of_run(plan)
    assert 0 <= counted - (1000 * sum(batches) + 7 * parts) < 7
