"""What only a CUDA device can show: its own generator, its own autocast."""

import pytest
import torch

from revconsole.reversible import rewire

RANDOM = {"proj_drop_rate": 0.1, "attn_drop_rate": 0.1, "drop_path_rate": 0.3}
SAME_ACTIVATIONS = 1e-4  # gradients summed in another order by kernels that use atomics
BF16_FLIPS = 2e-2  # as on the CPU
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.mark.cuda
@needs_cuda
def test_reversible_gradients_under_autocast_and_dropout_are_those_of_stored(
    invertible, vit, images, worst_error
):
    gradients, outputs = [], []
    for backward in ("stored", "reversible"):
        model = rewire(vit(**RANDOM).cuda(), invertible, backward).train()
        torch.manual_seed(0)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            outputs.append(model(images.cuda()))
        outputs[-1].float().square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert torch.equal(*outputs)
    assert worst_error(*gradients) < (SAME_ACTIVATIONS if invertible.grid else BF16_FLIPS)
