"""Room on a grid is looked at in time: no gradient leaves a backward pass through a stream that has outgrown it."""

import pytest
import torch

from revconsole.errors import RevconsoleError
from revconsole.reversible.lossless import Grid, peak
from revconsole.reversible.room import at_the_end_of_the_backward, require_room


def lacks_room():
    Grid(fraction=9).require_room([torch.tensor(1e6)], torch.float32)


def test_what_is_looked_at_last_raises_out_of_backward_as_it_is():
    weight = torch.ones(3, requires_grad=True)
    after = (2 * weight).exp()
    at_the_end_of_the_backward(after, lacks_room)

    with pytest.raises(RevconsoleError, match=r"at the first block's input reaches 1e\+06"):
        (after * after).sum().backward(retain_graph=True)
    with pytest.raises(RevconsoleError, match="holds magnitudes below 32768"):
        torch.autograd.grad((after * after).sum(), weight)


def test_it_is_looked_at_once_in_each_pass_and_after_everything_else():
    weight, order = torch.ones(3, requires_grad=True), []
    weight.register_hook(lambda _: order.append("gradient"))
    after = 2 * weight
    at_the_end_of_the_backward(after, lambda: order.append("looked"))

    after.sum().backward(retain_graph=True)
    after.sum().backward()

    assert order == ["gradient", "looked"] * 2


def test_within_a_backward_pass_it_is_of_the_pass_of_its_own_graph():
    """As where a block of a reversible sequence holds another sequence."""
    order = []

    class Outer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            with torch.enable_grad():
                inner = torch.ones(3, requires_grad=True)
                after = inner * 2
                at_the_end_of_the_backward(after, lambda: order.append("looked"))
                torch.autograd.grad(after.sum(), inner)
            order.append("outer")
            return gradient * 2

    Outer.apply(torch.ones(3, requires_grad=True)).sum().backward()
    assert order == ["looked", "outer"]


@pytest.mark.parametrize("recorded", [True, False])
def test_the_cpu_looks_at_once(recorded):
    after = torch.full((2,), 1e6, requires_grad=recorded)
    with pytest.raises(RevconsoleError):
        require_room(Grid(fraction=9), [peak(after)], torch.float32, after)


@pytest.mark.cuda
@pytest.mark.usefixtures("only_cuda")
def test_a_gpu_is_not_waited_for_and_no_gradient_is_given(gpu):
    weight = torch.full((2,), 1e6, device=gpu, requires_grad=True)
    after = weight * 1
    torch.cuda.set_sync_debug_mode("error")
    try:
        require_room(Grid(fraction=9), [peak(after)], torch.float32, after)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    with pytest.raises(RevconsoleError, match="reaches 1e"):
        after.sum().backward()
    with torch.no_grad(), pytest.raises(RevconsoleError):
        require_room(Grid(fraction=9), [peak(after)], torch.float32, weight.detach())
