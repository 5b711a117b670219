"""Build: the model of a plan, as an architecture and then the wiring of its blocks, which are independent.

If an example has several views, the architecture is the trunk that processes each of them (`models/_views`).
"""

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
    Backward,
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
        )
        wired = _wired(model, plan) if views == 1 else _shared(model, plan)
    freeze(wired, plan.train.freeze)
    return wired


def build_learner(plan: Plan) -> nn.Module:
    """The model with the additions of the plan's objective. Raises as `build_model` does."""
    return objective_of(plan).learner(build_model(plan), seed=plan.seed)


def without_memory(plan: Plan) -> nn.Module:
    """The planned learner on the `meta` device: shapes without weights. No file is read, and rewiring logs nothing.

    A user's own model is built on the CPU, because its code may read values. Raises as `build_model` does.
    """
    with unheard(), torch.device("cpu" if isinstance(plan.model, Python) else "meta"):
        return build_learner(drawn(plan))


def drawn(plan: Plan) -> Plan:
    """The plan with random initial weights in place of weights from a file or run."""
    none: dict[str, object] = {"pretrained_sha256": None}
    match plan.model:
        case TimmModel():
            none |= {"pretrained": False, "weights": None}
        case Vit():
            none |= {"pretrained": None}
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


def _wired(model: nn.Module, plan: Plan) -> nn.Module:
    """The model with its stacks rewired; unchanged for the plain network with stored activations."""
    if plan.scheme.name == "residual" and plan.backward == "stored" and not plan.train.shard:
        return model
    backward: Backward = "checkpointed" if plan.backward == "auto" else plan.backward
    wired = rewire(model, scheme=scheme_of(plan), backward=backward, example=_example(model, plan))
    autocast = TYPES.get(plan.train.precision)
    for stack in sequences(wired):
        if plan.backward == "auto":
            _reverse_if_possible(stack, autocast)
        else:
            stack.require_digits(autocast=autocast)
    return wired


def _example(model: nn.Module, plan: Plan) -> Tensor | None:
    """One image (1, C, S, S), or one view, in the model's type and device; None for a model without weights."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weight is None:
        return None
    shape = (1, plan.facts.channels // plan.data.views, plan.image_size, plan.image_size)
    pixels = torch.arange(math.prod(shape), device=weight.device)
    return (pixels * 0.7).sin().reshape(shape).to(weight.dtype)


def _reverse_if_possible(stack: ReversibleSequence, autocast: torch.dtype | None) -> None:
    """The initial choice of `auto`: reverse all blocks if the precision allows it; memory decides later."""
    with suppress(NotInvertible):
        stack.require_digits(["reversible"] * len(stack.backwards), autocast=autocast)
        stack.backward = "reversible"
