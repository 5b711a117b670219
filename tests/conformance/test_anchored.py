"""Blocks that keep the stream their last residual is added to: gradients as by ordinary autograd."""

import pytest
import torch

from revconsole.reversible import Additive, ReversibleSequence, rewire, sequences

FLOAT64_GRADIENT = 1e-10
WORDS = ("anchored", "reversible", "anchored", "anchored")


@pytest.mark.parametrize("words", [WORDS, "anchored"], ids=["mixed", "all"])
def test_gradients_are_those_of_autograd(words, representative, wire, images, train):
    found = []
    for backward in ("stored", words):
        rates = {"proj_drop_rate": 0.1, "drop_path_rate": 0.3}
        model = wire(representative, "stored", dtype=torch.float64, **rates)
        for stack in sequences(model.train()):
            stack.backward = backward
        found.append(train(model, images.double()))
    expected, got = found
    assert torch.equal(got.output, expected.output)
    for name, gradient in expected.gradients.items():
        difference = (got.gradients[name] - gradient).abs().max()
        assert difference <= FLOAT64_GRADIENT * gradient.abs().max()


def test_batch_norm_statistics_update_once(batch_norm_block):
    blocks = [batch_norm_block(4) for _ in range(3)]
    model = ReversibleSequence(*blocks, scheme=Additive(), backward="anchored").train()
    model(torch.randn(5, 6, 4)).sum().backward()
    assert [int(block.norm.num_batches_tracked) for block in blocks] == [1, 1, 1]


def test_a_frozen_block_is_anchored_too(vit, images, train):
    found = []
    for backward in ("stored", "anchored"):
        model = rewire(vit().double(), "additive", "stored").train()
        model.blocks[1].requires_grad_(False)
        model.blocks.backward = backward
        found.append(train(model, images.double()))
    for name, gradient in found[0].gradients.items():
        if gradient is not None:
            assert torch.allclose(found[1].gradients[name], gradient, rtol=1e-9, atol=1e-12)
