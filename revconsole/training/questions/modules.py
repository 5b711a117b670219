"""Modules: parameters, shapes and multiply-adds of every module of a planned model, as fvcore attributes them.

fvcore follows a trace of the network, by formulas of its own. It has none for fused attention and `baddbmm`, which are
added, and counts norms, poolings and interpolation, which the total of `cost` leaves out; so does this table.

The network is the plain one: a scheme runs the same modules in another way, without the calls that a trace follows.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.records.findings.modules import ModuleCost
from revconsole.records.sections.scheme import ResidualSection
from revconsole.records.settings.plan import Plan
from revconsole.training.checks.cost import FITTED, every_product_visible
from revconsole.training.setup.build import build_learner, drawn

Shapes = list[tuple[list[int], list[int]]]
LEFT_OUT = (
    "aten::batch_norm", "aten::group_norm", "aten::layer_norm", "aten::instance_norm", "aten::upsample_nearest2d",
    "aten::upsample_bilinear2d", "aten::adaptive_avg_pool2d", "aten::grid_sampler",
)  # fmt: skip
"""What fvcore counts besides products."""


def modules_of(plan: Plan) -> list[ModuleCost]:
    """Every module of the planned learner that has parameters or computes products itself, in its order.

    Random weights are built on the CPU. Raises what `build_model` raises, and RevconsoleError where fvcore is not
    installed, of a model that is fitted, and of one that cannot be traced.
    """
    if plan.fitted:
        raise RevconsoleError(FITTED)
    plain = plan.model_copy(update={"scheme": ResidualSection(), "backward": "stored"})
    model = build_learner(drawn(plain)).eval()
    image = torch.zeros(1, plan.facts.channels, *plan.image_shape)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), every_product_visible():
            counted = _own(_inclusive(model, image))
            wanted = [
                (name, m) for name, m in model.named_modules() if _has_own(m) or counted[name]
            ]
            with _shapes([module for _, module in wanted]) as shapes:
                model(image)
    except ImportError:
        raise RevconsoleError(
            "a table of modules needs fvcore; `pip install 'revconsole[modules]'`"
        ) from None
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RevconsoleError(
            f"{type(model).__name__} could not be traced module by module ({reason})"
        ) from error
    return [_row(name, module, shapes, counted[name]) for name, module in wanted]


def _has_own(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


def _row(
    name: str,
    module: nn.Module,
    shapes: dict[nn.Module, Shapes],
    multiply_adds: int,
) -> ModuleCost:
    calls = shapes.get(module, [])
    inputs, outputs = calls[0] if calls else ([], [])
    return ModuleCost(
        name=name or type(module).__name__,
        kind=type(module).__name__,
        inputs=inputs,
        outputs=outputs,
        calls=len(calls),
        parameters=sum(p.numel() for p in module.parameters(recurse=False)),
        multiply_adds=multiply_adds,
    )


@contextmanager
def _shapes(modules: Sequence[nn.Module]) -> Iterator[dict[nn.Module, Shapes]]:
    """While it lasts, the shapes that go into each module and come out, call by call."""
    found: dict[nn.Module, Shapes] = {}

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        found.setdefault(module, []).append((_shape(inputs), _shape(output)))

    hooks = [module.register_forward_hook(note) for module in modules]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _shape(value: Any) -> list[int]:
    """The shape of a tensor, or of the first one in a tuple; empty for anything else."""
    first = value[0] if isinstance(value, tuple | list) and value else value
    return list(first.shape) if isinstance(first, Tensor) else []


def _own(inclusive: Counter[str]) -> Counter[str]:
    """Multiply-adds by module without the modules inside; of an inner one fvcore's count is part of its outer's, too."""
    own = Counter(inclusive)
    for name, count in inclusive.items():
        if name:
            outer = name.rpartition(".")[0]
            while outer not in inclusive:
                outer = outer.rpartition(".")[0]
            own[outer] -= count
    return own


def _inclusive(model: nn.Module, image: Tensor) -> Counter[str]:
    """Multiply-adds by module as fvcore counts them, the modules inside it included. Raises ImportError without fvcore."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit, which fvcore needs, is going out of use
        from fvcore.nn import FlopCountAnalysis  # an extra; it compiles as it is imported

        counted = FlopCountAnalysis(model, image)
        handles: dict[str, Callable[..., int]] = dict.fromkeys(LEFT_OUT, _nothing)
        handles["aten::scaled_dot_product_attention"] = _attention
        handles["aten::baddbmm"] = _batched_product
        counted.set_op_handle(**handles)
        counted.unsupported_ops_warnings(enabled=False)
        counted.uncalled_modules_warnings(enabled=False)
        counted.tracer_warnings("none")
        return Counter({name: round(count) for name, count in counted.by_module().items()})


def _nothing(_inputs: Sequence[Any], _outputs: Sequence[Any]) -> int:
    return 0


def _attention(inputs: Sequence[Any], _outputs: Sequence[Any]) -> int:
    """Queries (…, N, K) by keys (…, M, K), and their weights by values (…, M, V)."""
    (*outside, N, K), (*_, M, _), (*_, V) = (value.type().sizes() for value in inputs[:3])
    pairs = N * M
    for size in outside:
        pairs *= size
    return int(pairs * (K + V))


def _batched_product(inputs: Sequence[Any], _outputs: Sequence[Any]) -> int:
    """(B, N, M) by (B, M, P), added to another."""
    (B, N, M), (_, _, P) = (value.type().sizes() for value in inputs[1:3])
    return int(B * N * M * P)
