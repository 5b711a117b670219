"""Cost: what a model weighs and computes, known before anything is trained.

Operations are multiply-adds (one multiplication and one addition are one) of matrix products, convolutions and
attention in the forward pass of one image in evaluation, as torch counts them; norms, activations and poolings, about
one in a hundred, are left out. Many papers call this number FLOPs; those that count both operations say twice as many.

A model is run on the `meta` device; one of somebody's own, whose code may look at numbers, as it is. An operator of
which nobody knows whether it multiplies is named, never passed over. Of an objective without labels the weights are
those of all that trains or teaches, and the operations those of the encoder on a whole image. Only the count of
weights depends on the scheme; `revconsole bench` measures what a reversible backward computes again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from revconsole.errors import RevconsoleError
from revconsole.records.logs.events import Scalar
from revconsole.records.sections.model import Python
from revconsole.records.sections.scheme import ResidualSection
from revconsole.records.settings.plan import Plan
from revconsole.reversible.ends import joins
from revconsole.reversible.rest import evaluating
from revconsole.training.machine.flops import KNOWN, FlopCounter
from revconsole.training.setup.build import scheme_of, without_memory

FITTED = (
    "a support vector machine computes with its support vectors, which are known once it is fitted"
)
COUNTED = ("parameters", "trainable_parameters", "multiply_adds_per_image")
NO_PRODUCTS = frozenset({
    "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "zeros", "zeros_like", "new_zeros", "ones",
    "ones_like", "new_ones", "full", "full_like", "new_full", "scalar_tensor", "arange", "linspace", "eye", "tril",
    "triu", "tril_indices", "triu_indices", "rand", "rand_like", "randn", "randn_like", "randint", "randperm", "normal_",
    "uniform_", "bernoulli", "bernoulli_", "multinomial", "lift_fresh", "lift_fresh_copy", "clone", "copy_", "_to_copy",
    "_unsafe_view", "as_strided_", "transpose_", "t_", "squeeze_", "unsqueeze_", "detach_", "resize_", "cat", "stack", "split", "unsafe_split", "unsafe_chunk", "roll", "flip",
    "repeat", "repeat_interleave", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad1d",
    "replication_pad2d", "im2col", "col2im", "pixel_shuffle", "pixel_unshuffle", "index", "_unsafe_index", "index_put", "index_put_",
    "index_select", "index_add", "index_add_", "index_copy", "index_copy_", "index_fill", "index_fill_", "take", "gather",
    "scatter", "scatter_", "scatter_add", "scatter_add_", "scatter_reduce", "scatter_reduce_", "masked_select",
    "masked_scatter", "masked_fill_", "nonzero", "embedding", "one_hot", "sort", "argsort", "topk", "unique", "_unique2",
    "bucketize", "searchsorted", "sum", "mean", "prod", "var", "var_mean", "std", "std_mean", "max", "min", "amax",
    "amin", "aminmax", "argmax", "argmin", "any", "all", "median", "norm", "linalg_vector_norm", "cumsum", "cumprod",
    "logsumexp", "logcumsumexp", "count_nonzero", "_softmax", "_safe_softmax", "_log_softmax", "native_dropout",
    "native_layer_norm", "native_group_norm", "native_batch_norm", "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training", "_native_batch_norm_legit_functional", "cudnn_batch_norm",
    "miopen_batch_norm", "_batch_norm_impl_index", "_fused_rms_norm", "rms_norm", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool2d", "avg_pool3d",
    "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
    "_upsample_nearest_exact2d", "upsample_bilinear2d", "_upsample_bilinear2d_aa", "upsample_bicubic2d",
    "_upsample_bicubic2d_aa", "upsample_linear1d", "upsample_trilinear3d", "grid_sampler_2d", "grid_sampler_3d",
    "hardswish", "hardswish_", "fill_", "zero_", "_local_scalar_dense", "equal", "is_same_size", "set_", "_assert_async",
    "_linalg_check_errors",
    "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell",
})  # fmt: skip
"""torch's operators without products: they move, compare, sum or normalise. Pointwise ones carry a tag instead."""
COUNTED_BEFORE: dict[str, "Operations"] = {}
"""Operation counts already made in this process, by `_shape`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The operations for one image. uncounted: operators that may multiply and have no formula."""

    multiply_adds: int
    uncounted: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What the number leaves out; empty if it is complete."""
        return f"not counted: {', '.join(self.uncounted)}" if self.uncounted else ""


def cost(plan: Plan) -> dict[str, Scalar]:
    """`parameters`, `trainable_parameters`, `multiply_adds_per_image` and the notes of `operations_of`.

    Raises as `build_model` does.
    """
    model = without_memory(_plain(plan))
    return weights_of(model) | operations_of(plan, model)


def weights_of(model: nn.Module) -> dict[str, Scalar]:
    """The number of parameters of a network, and how many of them train."""
    weights = list(model.parameters())
    return {
        "parameters": sum(weight.numel() for weight in weights),
        "trainable_parameters": sum(w.numel() for w in weights if w.requires_grad),
    }


def operations_of(plan: Plan, model: nn.Module) -> dict[str, Scalar]:
    """`multiply_adds_per_image`, and `multiply_adds_note` if it is None or incomplete. Never raises.

    model: the plan's; only a user's own model is run, others are rebuilt without weights.
    """
    try:
        operation_count = _counted(plan, model)
    except RevconsoleError as error:
        return {"multiply_adds_per_image": None, "multiply_adds_note": str(error)}
    noted: dict[str, Scalar] = (
        {"multiply_adds_note": operation_count.note} if operation_count.note else {}
    )
    return {"multiply_adds_per_image": operation_count.multiply_adds} | noted


def _counted(plan: Plan, model: nn.Module) -> Operations:
    """The operation count, cached per model, because building one takes as long as many steps."""
    if isinstance(plan.model, Python):
        return _run_on_one_image(plan, model)
    same_products = _unwired(plan)
    shape = _shape(same_products)
    if shape not in COUNTED_BEFORE:
        COUNTED_BEFORE[shape] = _run_on_one_image(plan, without_memory(same_products))
    return COUNTED_BEFORE[shape]


def _run_on_one_image(plan: Plan, model: nn.Module) -> Operations:
    weight = next(iter(model.parameters()), torch.zeros(()))
    return operations(model, weight.new_zeros(1, plan.facts.channels, *plan.image_shape))


def _shape(plan: Plan) -> str:
    """A key of everything that determines the operations of a built-in model."""
    facts = plan.facts
    sections = plan.model_dump_json(include={"model", "scheme", "objective"})
    return f"{sections} {plan.data.views} {facts.channels} {facts.classes} {plan.image_shape}"


def _unwired(plan: Plan) -> Plan:
    """A plan of the same products whose model need not be wired, which takes longer than the count.

    A scheme evaluates each branch once, as the plain network does; only one that joins streams has a wider head.
    """
    if joins(scheme_of(plan)):
        return _plain(plan)
    return plan.model_copy(update={"scheme": ResidualSection(), "backward": "stored"})


def _plain(plan: Plan) -> Plan:
    """The plan without grid and inverse, which do not affect the count."""
    scheme = plan.scheme
    if "grid_bits" in type(scheme).model_fields:
        scheme = scheme.model_copy(update={"grid_bits": None})
    return plan.model_copy(update={"scheme": scheme, "backward": "stored"})


def operations(model: nn.Module, image: Tensor) -> Operations:
    """The products in one forward pass in evaluation mode; `image` is (1, C, S, S).

    Raises RevconsoleError if the model cannot run on it.
    """
    counter, others = FlopCounter(), _Others()
    try:
        with (
            evaluating(model),
            torch.no_grad(),
            torch.random.fork_rng(devices=[]),
            every_product_visible(),
            others,
            counter,
        ):
            model(image)
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RevconsoleError(
            f"{type(model).__name__} could not be run on one image to count its operations ({reason})"
        ) from error
    multiply_adds = counter.get_total_flops() // 2
    return Operations(multiply_adds=multiply_adds, uncounted=tuple(sorted(others.names)))


class _Others(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Names the operators that torch's counter passes on uncounted and that may multiply.

    Entered before the counter, so it sees what the counter could not take apart.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, operator: Any, _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        packet = operator._overloadpacket  # noqa: SLF001  the key of torch's registry
        name = str(operator._schema.name).removeprefix("aten::")  # noqa: SLF001  the name that torch gave it
        harmless = operator.is_view or torch.Tag.pointwise in operator.tags or name in NO_PRODUCTS
        if packet not in KNOWN and not harmless:
            self.names.add(str(packet))
        return operator(*args, **(kwargs or {}))


@contextmanager
def every_product_visible() -> Iterator[None]:
    """A context without torch's fused transformer layer, which hides its products."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
