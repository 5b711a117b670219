"""Compiled branches of an exact scheme are evaluated twice with the same code, or the backward raises."""

import pytest
import torch
from torch import nn

from revconsole.errors import RevconsoleError
from revconsole.reversible import Bdia, ReversibleSequence

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),
]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x):
        return x + self.mlp(self.norm(x)).tanh()


@pytest.fixture
def stack():
    """`stack(scheme)`: blocks of which a part is compiled, in its tracing only, which needs no C compiler."""
    torch._dynamo.reset()

    def made(scheme, *, compiled=True):
        torch.manual_seed(0)
        sequence = ReversibleSequence(Block(), Block(), Block(), scheme=scheme)
        for block in sequence if compiled else ():
            block.mlp.compile(backend="aot_eager")
        return sequence

    yield made
    torch._dynamo.reset()


def test_several_sizes_wait_for_their_backward_and_find_the_code_of_their_forward(stack):
    sequence, uncompiled = stack(Bdia()), stack(Bdia(), compiled=False)
    for model in (sequence, uncompiled):
        torch.manual_seed(1)
        outputs = [model(torch.randn(n, 3, 4, requires_grad=True)) for n in (2, 5, 7, 2)]
        for output in outputs:
            output.square().sum().backward()

    torch.testing.assert_close(gradients(sequence), gradients(uncompiled))


def gradients(sequence):
    return {name: weight.grad for name, weight in sequence.named_parameters()}


def counting(sequence):
    """A hook that counts is code that the compiler makes anew for each number."""
    for block in sequence:
        block.mlp.register_forward_hook(lambda *_, seen=[]: seen.append(len(seen)))
    torch.manual_seed(1)
    return sequence(torch.randn(2, 3, 4, requires_grad=True)).sum()


def test_what_would_be_compiled_anew_is_refused_on_a_grid_with_the_block_and_the_way_out(stack):
    with pytest.raises(
        RevconsoleError, match=r"block 2 would be compiled anew .* \(grid_bits=None\)"
    ):
        counting(stack(Bdia())).backward()
    assert torch._dynamo.eval_frame._stance.stance == "default"


def test_in_floats_it_is_compiled_anew(stack):
    sequence = stack(Bdia(grid_bits=None))
    uncompiled = stack(Bdia(grid_bits=None), compiled=False)
    for model in (sequence, uncompiled):
        counting(model).backward()

    torch.testing.assert_close(gradients(sequence), gradients(uncompiled))
