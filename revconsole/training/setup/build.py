"""Build: the model of a plan, as an architecture and then the wiring of its blocks, which are independent.

If an example has several views, the architecture is the trunk that processes each of them (`models/_views`).
"""

import copy
import math
from contextlib import suppress
from importlib import import_module

import torch
from torch import Tensor, nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.models._views import Views, width_of, without_head
from revconsole.records.keys import key
from revconsole.records.sections.model import Python, TimmModel, Vit
from revconsole.records.settings.plan import Plan
from revconsole.reversible import (
    ReversibleSequence,
    Scheme,
    make_scheme,
    rewire,
    sequences,
)
from revconsole.reversible.ends import joins
from revconsole.reversible.rewire import unheard
from revconsole.training.machine.precision import TYPES
from revconsole.training.objectives import objective_of
from revconsole.training.setup.freezing import freeze

BUILT_BEFORE: dict[str, nn.Module] = {}
"""The last wired learner without memory, by its plan in the backward `checkpointed`: each backward is asked for in turn."""


def build_model(plan: Plan) -> nn.Module:
    """The model with its initial weights, on the default device, in training mode.

    Weights are drawn from (seed, "init") on the CPU, architecture first, so that every scheme starts from the same blocks;
    the generators of the process are left unchanged. Weights of another run are loaded later (`starts`). Raises
    UnknownName, ProfileError or DataUnavailable (see the architecture), and NotInvertible if the scheme does not suit it.
    """
    architecture = import_module(f"revconsole.models.{plan.model.architecture}")
    facts, views = plan.facts, plan.data.views
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key(plan.seed, "init"))
        model: nn.Module = architecture.build(
            plan.model,
            size=plan.image_size,
            channels=facts.channels // views,
            classes=facts.classes,
            **_width(plan),
        )
        wired = _wired(model, plan) if views == 1 else _shared(model, plan)
    freeze(wired, plan.train.freeze)
    return wired


def _width(plan: Plan) -> dict[str, int]:
    """The width of images that are not square, which few architectures take (`model_rules`)."""
    height, width = plan.image_shape
    return {} if height == width else {"width": width}


def build_learner(plan: Plan) -> nn.Module:
    """The model with the additions of the plan's objective. Raises as `build_model` does."""
    return objective_of(plan).learner(build_model(plan), seed=plan.seed)


def without_memory(plan: Plan) -> nn.Module:
    """The planned learner on the `meta` device: shapes without weights. No file is read, and rewiring logs nothing.

    A user's own model is built on the CPU, because its code may read values. Raises as `build_model` does.
    """
    plan = drawn(plan)
    with unheard():
        if isinstance(plan.model, Python):
            with torch.device("cpu"):
                return build_learner(plan)
        with torch.device("meta"):
            return _wired_before(plan) if _has_wires(plan) else build_learner(plan)


def _wired_before(plan: Plan) -> nn.Module:
    """The learner on `meta` in the plan's backward, a copy of one in another if that was the last: wiring takes longest."""
    shape = plan.model_copy(update={"backward": "checkpointed"})
    name = shape.model_dump_json()
    if name not in BUILT_BEFORE:
        learner = build_learner(shape)
        BUILT_BEFORE.clear()
        BUILT_BEFORE[name] = learner
    learner = copy.deepcopy(BUILT_BEFORE[name])
    _set_backward(learner, plan)
    return learner


def drawn(plan: Plan) -> Plan:
    """The plan with random initial weights in place of weights from a file or run."""
    none: dict[str, object] = {"pretrained_sha256": None}
    match plan.model:
        case TimmModel():
            none |= {"pretrained": False, "weights": None}
        case Vit():
            none |= {"pretrained": None, "weights": None}
        case _:
            return plan
    return plan.model_copy(update={"model": plan.model.model_copy(update=none)})


def scheme_of(plan: Plan) -> Scheme:
    """The plan's scheme as an object of the reversible core."""
    return make_scheme(plan.scheme.name, plan.scheme.options())


def _shared(model: nn.Module, plan: Plan) -> nn.Module:
    """The model as a wired trunk for every view, with one head over all."""
    trunk = without_head(model)
    image = _example(trunk, plan)
    if image is None:
        raise RevconsoleError(
            f"{type(model).__name__} has no weights to share; leave data.views at 1"
        )
    width = width_of(trunk, image) * (2 if joins(scheme_of(plan)) else 1)
    with image.device:
        return Views(
            _wired(trunk, plan), views=plan.data.views, width=width, classes=plan.facts.classes
        )


def _has_wires(plan: Plan) -> bool:
    """Whether stacks are rewired: not for the plain network with stored activations."""
    plain = plan.scheme.name == "residual" and plan.backward == "stored"
    return not plain or bool(plan.train.shard)


def _wired(model: nn.Module, plan: Plan) -> nn.Module:
    """The model with its stacks rewired, if they are to be."""
    if not _has_wires(plan):
        return model
    scheme, example = scheme_of(plan), _example(model, plan)
    wired = rewire(model, scheme=scheme, backward="checkpointed", example=example)
    _set_backward(wired, plan)
    return wired


def _set_backward(model: nn.Module, plan: Plan) -> None:
    """Give every sequence the plan's backward. Raises NotInvertible if the scheme or the precision does not allow it."""
    autocast = TYPES.get(plan.train.precision)
    for stack in sequences(model):
        if plan.backward == "auto":
            _reverse_if_possible(stack, autocast)
        else:
            stack.backward = plan.backward
            stack.require_digits(autocast=autocast)


def _example(model: nn.Module, plan: Plan) -> Tensor | None:
    """One image (1, C, S, S), or one view, in the model's type and device; None for a model without weights."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weight is None:
        return None
    shape = (1, plan.facts.channels // plan.data.views, *plan.image_shape)
    pixels = torch.arange(math.prod(shape), device=weight.device)
    return (pixels * 0.7).sin().reshape(shape).to(weight.dtype)


def _reverse_if_possible(stack: ReversibleSequence, autocast: torch.dtype | None) -> None:
    """The initial choice of `auto`: reverse all blocks if the precision allows it; memory decides later."""
    with suppress(NotInvertible):
        stack.require_digits(["reversible"] * len(stack.backwards), autocast=autocast)
        stack.backward = "reversible"
