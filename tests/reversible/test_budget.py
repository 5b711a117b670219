"""A budget of bytes decides how many blocks keep their activations; gradients do not notice."""

import pytest
import timm
import torch

from revconsole.reversible import Additive, Bdia, keep_within, kept_for_backward, rewire

DEPTH = 6
FLOAT64_GRADIENT = 1e-10  # reconstruction in float64, amplified over a few blocks


def wired(scheme=None, backward="reversible"):
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=2, embed_dim=24, num_heads=2, depth=DEPTH,
        num_classes=5, proj_drop_rate=0.1,
    )  # fmt: skip
    return rewire(model.double(), scheme or Additive(fuse="mean"), backward).train()


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(3, 3, 8, 8, dtype=torch.float64)


def measured(model, images):
    return kept_for_backward(lambda: model(images), [*model.parameters(), *model.buffers(), images])


def gradients(model, images):
    torch.manual_seed(2)
    model(images).square().sum().backward()
    return [p.grad for p in model.parameters()]


def test_more_memory_keeps_more_blocks_and_never_exceeds_the_budget(images):
    model = wired()
    least, most = measured(wired(), images), measured(wired(backward="stored"), images)
    stored = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        budget = int(least + share * (most - least))
        choice = keep_within(wired_again(model), lambda: model(images), budget, exclude=[images])
        assert choice.kept == measured(model, images) <= max(budget, least)
        assert model.blocks.backward.count("stored") == choice.stored
        stored.append(choice.stored)
    assert stored == sorted(stored)
    assert stored[0] == 0
    assert stored[-1] == DEPTH
    assert len(set(stored)) >= 4


def wired_again(model):
    model.blocks.backward = "reversible"
    return model


@pytest.mark.parametrize("scheme", [Additive(fuse="mean"), Bdia(grid_bits=9)], ids=lambda s: s.name)
@pytest.mark.parametrize("kept", [(0,), (DEPTH - 1,), (1, 3), (2, 3, 4), (0, 1, 4, 5)], ids=str)
def test_any_subset_of_blocks_gives_the_same_gradients(kept, scheme, images):
    expected = gradients(wired(scheme, "stored"), images)
    for word in ("stored", "checkpointed"):
        model = wired(scheme)
        model.blocks.backward = tuple(word if i in kept else "reversible" for i in range(DEPTH))
        for left, right in zip(expected, gradients(model, images), strict=True):
            assert (left - right).abs().max() <= FLOAT64_GRADIENT * left.abs().max()


def test_of_equal_blocks_the_last_keep_theirs(images):
    model = wired()
    least, most = measured(wired(), images), measured(wired(backward="stored"), images)
    keep_within(model, lambda: model(images), (least + most) // 2, exclude=[images])
    first = model.blocks.backward.index("stored")
    assert 0 < first < DEPTH
    assert model.blocks.backward[first:] == ("stored",) * (DEPTH - first)


def test_a_budget_below_the_least_keeps_none_and_says_so(images):
    model = wired()
    choice = keep_within(model, lambda: model(images), 1000, exclude=[images])
    assert choice.stored == 0
    assert "more than the budget of 0.0 MiB" in str(choice)


def test_choosing_leaves_the_generator_where_it_was(images):
    model = wired(Bdia())
    before = torch.get_rng_state()
    keep_within(model, lambda: model(images), 10**9, exclude=[images])
    assert torch.equal(torch.get_rng_state(), before)


def test_without_an_inverse_the_other_blocks_stay_checkpointed(images):
    model = wired("residual", "checkpointed")
    stored = measured(wired("residual", "stored"), images)
    keep_within(model, lambda: model(images), stored // 2, exclude=[images])
    assert {"stored", "checkpointed"} == set(model.blocks.backward)
