"""Cost: what a planned model weighs and computes, known before anything is trained.

The model is built with drawn weights and traced on one image in evaluation, on the CPU.
Operations are multiply-adds (one multiplication and one addition are one) of matrix products, convolutions
and attention in the forward pass; norms, activations and poolings, about one in a hundred, are left out.
Papers and fvcore call this number FLOPs; torch's own counter says twice as many.

Of an objective without labels the weights are those of all that trains or teaches, and the operations those of the
encoder on a whole image: what is hidden from it, its decoder and its further crops are left out.

Only the count of weights depends on the scheme; what a reversible backward computes again is measured by
`revconsole bench`.

Shapes: B images, H heads, N tokens that ask, M tokens that answer, K width per head.
"""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.records.plan import Plan
from revconsole.records.sections import Svm
from revconsole.training.build import build_learner, drawn

FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, AssertionError, IndexError)
COUNTED = ("parameters", "trainable_parameters", "flops_per_image", "seconds_to_build")
LEFT_OUT = (
    "aten::batch_norm", "aten::group_norm", "aten::layer_norm", "aten::instance_norm",
    "aten::upsample_nearest2d", "aten::upsample_bilinear2d", "aten::adaptive_avg_pool2d",
    "aten::grid_sampler",
)  # fmt: skip
"""What fvcore counts besides products, by rules of its own."""


def cost(plan: Plan) -> Mapping[str, int | float | None]:
    """`parameters`, `trainable_parameters`, `flops_per_image` (multiply-adds), `seconds_to_build`.

    None of each for a model that is fitted: it is made of images that nobody has chosen yet.
    Raises what `build_model` raises.
    """
    if isinstance(plan.model, Svm):
        return dict.fromkeys(COUNTED)
    begun = time.perf_counter()
    model = build_learner(drawn(_plain(plan)))
    seconds = time.perf_counter() - begun
    weights = list(model.parameters())
    image = weights[0].new_zeros(1, plan.facts.channels, plan.image_size, plan.image_size)
    return {
        "parameters": sum(weight.numel() for weight in weights),
        "trainable_parameters": sum(w.numel() for w in weights if w.requires_grad),
        "flops_per_image": multiply_adds(model, image),
        "seconds_to_build": round(seconds, 3),
    }


def _plain(plan: Plan) -> Plan:
    """The plan without grid and inverse: neither changes what is counted."""
    scheme = plan.scheme
    if "grid_bits" in type(scheme).model_fields:
        scheme = scheme.model_copy(update={"grid_bits": None})
    return plan.model_copy(update={"scheme": scheme, "backward": "stored"})


def multiply_adds(model: nn.Module, image: Tensor) -> int:
    """Multiply-adds of one forward pass in evaluation; `image` is (1, C, S, S).

    Raises RevconsoleError for a model that torch cannot trace.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad(), _every_product_visible(), _torch_jit_allowed():
            from fvcore.nn import FlopCountAnalysis  # it compiles with torch.jit as it is imported

            counted = FlopCountAnalysis(model.eval(), image)
            counted.set_op_handle("aten::scaled_dot_product_attention", _attention)
            counted.set_op_handle("aten::baddbmm", _batched_product)
            for name in LEFT_OUT:
                counted.set_op_handle(name, _nothing)
            counted.unsupported_ops_warnings(enabled=False)
            counted.uncalled_modules_warnings(enabled=False)
            counted.tracer_warnings("none")
            return int(counted.total())
    except FAILURES as error:
        reason = str(error).partition("\n")[0]
        raise RevconsoleError(
            f"{type(model).__name__} could not be traced to count its operations ({reason})"
        ) from error
    finally:
        for module, mode in modes.items():
            module.training = mode


def _attention(given: list[Any], _: list[Any]) -> int:
    """Queries by keys, and their weights by values, for fused attention, which fvcore does not know."""
    (*outside, N, K), (*_, M, _), (*_, V) = (value.type().sizes() for value in given[:3])
    pairs = N * M
    for size in outside:
        pairs *= size
    return int(pairs * (K + V))


def _nothing(_: list[Any], __: list[Any]) -> int:
    return 0


def _batched_product(given: list[Any], _: list[Any]) -> int:
    """A batch of products, added to something."""
    (B, N, K), (_, _, M) = (value.type().sizes() for value in given[1:3])
    return int(B * N * K * M)


@contextmanager
def _torch_jit_allowed() -> Iterator[None]:
    """Without torch's warning that fvcore's way of tracing is going out of use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        yield


@contextmanager
def _every_product_visible() -> Iterator[None]:
    """Without torch's fused transformer layer for evaluation, one operation that hides its products."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
