"""What only a CUDA device can show: its own kernels, quotients, generator, autocast and memory.

`make accept-gpu` runs these; with DEVICE=cpu it runs them on the CPU, to see that they run at all.
"""

from contextlib import contextmanager

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from revconsole.reversible import Bdia, ReversibleSequence, rewire
from revconsole.reversible.lossless import floored
from revconsole.reversible.switches import put, switches
from tests.conformance.test_emulations import EVERY_EXACT_SCHEME, RANDOM, STEEP

pytestmark = pytest.mark.cuda

SAME_ACTIVATIONS = 1e-4  # gradients summed in another order by kernels that use atomics
FLIPS = 2e-2  # the same where gradients are rounded to few bits on their way, as on the CPU
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WORDS = ["float32", "tf32", "tf32-by-the-new-switch", *TYPES]


@contextmanager
def arithmetic(word, device):
    """Products of float32, or autocast, as that word says."""
    before = switches()
    if word == "tf32":
        torch.set_float32_matmul_precision("high")
    elif word in WORDS[2:3]:
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    kind = torch.device(device).type
    try:
        with torch.autocast(kind, dtype=TYPES.get(word, torch.bfloat16), enabled=word in TYPES):
            yield
    finally:
        put(before)


@pytest.fixture
def same_bits(images, witness, worst_error, gpu):
    """`same_bits(make, word)`: whether both evaluations see equal streams, and the gradient's error.

    make: a function of the backward to the wired model, whose norms are watched.
    """

    def judge(make, word):
        results = []
        for backward in ("stored", "reversible"):
            model = make(backward).to(gpu).train()
            seen = witness(model)
            for block in model.blocks:
                block.mlp.fc1._forward_hooks.clear()  # see `reversible.compiled`
            x = images.to(gpu).requires_grad_()
            torch.manual_seed(2)
            with arithmetic(word, gpu):
                output = model(x)
            output.float().square().sum().backward()
            gradients = {name: weight.grad for name, weight in model.named_parameters()}
            results.append(gradients | {"images": x.grad})
        equal = all(torch.equal(before, again) for before, again in seen.repeats())
        return equal, worst_error(*results)

    return judge


@pytest.mark.parametrize("word", WORDS)
@EVERY_EXACT_SCHEME
def test_every_exact_scheme_restores_each_stream_to_the_bit_in_every_arithmetic(
    wiring, word, same_bits, vit
):
    def make(backward):
        model = rewire(vit(depth=8, **RANDOM), wiring, backward)
        for weight in model.blocks.parameters():
            weight.data *= STEEP
        return model

    equal, error = same_bits(make, word)
    assert equal
    assert error < (SAME_ACTIVATIONS if word == "float32" else FLIPS)


def test_reversible_gradients_under_autocast_and_dropout_are_those_of_stored(
    invertible, same_bits, vit
):
    _, error = same_bits(lambda backward: rewire(vit(**RANDOM), invertible, backward), "bf16")
    assert error < FLIPS


def test_floors_of_quotients_are_those_of_whole_numbers_for_every_whole_number(gpu):
    whole = torch.arange(1 - 2**24, 2**24, 1 if gpu != "cpu" else 997, device=gpu)
    for divisor in (1, 2, 3, 7, 9, 10, 11, 13, 20, 41, 49, 100, 500, 999, 1000):
        expected = whole.div(divisor, rounding_mode="floor")
        assert torch.equal(floored(whole.float(), divisor).long(), expected), divisor


def seen_twice(stack, x, word):
    """For each block what its norm was given in the forward, and again in the backward."""
    seen = [[] for _ in stack]
    for block, given in zip(stack, seen, strict=True):
        block.norm.register_forward_pre_hook(
            lambda _, x, given=given: given.append(x[0].detach().clone())
        )
    with arithmetic(word, x.device):
        stack(x).float().square().sum().backward()
    assert {len(given) for given in seen} == {2}
    return seen


class Attention(nn.Module):
    """A residual block of attention whose heads are as wide as is said."""

    def __init__(self, width, dropout, heads=2):
        super().__init__()
        self.norm, self.dropout, self.heads = nn.LayerNorm(24), dropout, heads
        self.take = nn.Linear(24, 3 * heads * width)
        self.give = nn.Linear(heads * width, 24)

    def forward(self, x):
        parts = self.take(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts, dropout_p=self.dropout)
        return x + self.give(mixed.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("word", ["float32", *TYPES])
@pytest.mark.parametrize("width", [64, 72, 128, 192, 200, 256])
@pytest.mark.parametrize("dropout", [0.0, 0.125])
def test_attention_takes_one_kernel_in_both_evaluations(word, width, dropout, gpu):
    """Which one may depend on whether autograd records, and for wide heads does."""
    torch.manual_seed(0)
    blocks = [Attention(width, dropout) for _ in range(4)]
    stack = ReversibleSequence(*blocks, scheme=Bdia(), backward="reversible").to(gpu).train()
    x = torch.randn(3, 65, 24, device=gpu, requires_grad=True)
    for before, again in seen_twice(stack, x, word):
        assert torch.equal(before, again)


class Convolution(nn.Module):
    """A residual block over (B, C, H, W)."""

    def __init__(self):
        super().__init__()
        self.norm, self.convolution = nn.BatchNorm2d(32), nn.Conv2d(32, 32, 3, padding=1)

    def forward(self, x):
        return x + self.convolution(self.norm(x)).tanh()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("word", ["float32", "tf32", "bf16"])
def test_convolutions_see_the_same_images_twice_in_any_layout(layout, word, gpu):
    torch.manual_seed(0)
    blocks = [Convolution() for _ in range(4)]
    stack = ReversibleSequence(*blocks, scheme=Bdia(), backward="reversible").train()
    stack = stack.to(gpu, memory_format=layout)
    x = torch.randn(4, 32, 14, 14, device=gpu).to(memory_format=layout).requires_grad_()
    for before, again in seen_twice(stack, x, word):
        assert torch.equal(before, again)
        assert before.stride() == again.stride()


@pytest.mark.filterwarnings("ignore")  # the compiler's own, of itself
def test_compiled_branches_stay_exact(same_bits, vit):
    """With the kernels of inductor, which are others where a graph is recorded."""
    torch._dynamo.reset()

    def make(backward):
        model = rewire(vit(depth=4), Bdia(), backward)
        for block in model.blocks:
            block.attn.compile()
            block.mlp.compile()
        return model

    equal, error = same_bits(make, "float32")
    assert equal
    assert error < SAME_ACTIVATIONS


def peak_of_a_step(device, backward, depth):
    """Bytes above what was there before."""
    torch.manual_seed(0)
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=4, depth=depth, num_classes=10
    )
    model = rewire(model, "bdia", backward).to(device).train()
    images = torch.randn(64, 3, 32, 32, device=device)
    for _ in range(2):
        model.zero_grad(set_to_none=True)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        model(images).square().sum().backward()
    return torch.cuda.max_memory_allocated(device) - before


@pytest.mark.usefixtures("only_cuda")
def test_the_peak_of_a_step_hardly_grows_with_depth(gpu):
    grown = {
        backward: peak_of_a_step(gpu, backward, 12) - peak_of_a_step(gpu, backward, 4)
        for backward in ("stored", "reversible")
    }
    assert grown["reversible"] < 0.1 * grown["stored"]
