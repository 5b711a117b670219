"""The model of a plan: an architecture, then the wiring of its blocks. The two know nothing of each other.

Where an example has several views, the architecture is the trunk that sees each of them (`models/_views`).
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
from revconsole.training.machine.precision import TYPES
from revconsole.training.objectives import objective_of
from revconsole.training.setup.freezing import freeze


def build_model(plan: Plan) -> nn.Module:
    """The model with its first weights, on the default device, in training mode; a head reads its features.

    Weights of a run that it is to start from are loaded later, where the store is known (`starts`).
    Weights are drawn from (seed, "init") on the CPU, architecture first: every scheme starts from the same
    blocks, and the generators of the process are left as they were.
    Raises UnknownName, ProfileError or DataUnavailable (see the architecture), and NotInvertible where the
    scheme does not suit it.
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
    """The model with whatever the plan's objective adds to it. Raises what `build_model` raises."""
    return objective_of(plan).learner(build_model(plan), seed=plan.seed)


def without_memory(plan: Plan) -> nn.Module:
    """The planned learner with its shapes and without its weights, on the `meta` device; no file is read.

    A model of somebody's own is built as it is: their code may look at values.
    Raises what `build_model` raises.
    """
    with torch.device("cpu" if isinstance(plan.model, Python) else "meta"):
        return build_learner(drawn(plan))


def drawn(plan: Plan) -> Plan:
    """The plan with drawn weights, where it would read them from a file or a run."""
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
    """The plan's scheme, as the reversible core knows it."""
    options = plan.scheme.model_dump(exclude={"name", "moving"})
    return make_scheme(plan.scheme.name, options)


def _shared(model: nn.Module, plan: Plan) -> nn.Module:
    """The model as a trunk for every view, wired, with one head over all."""
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
    """The model with its stacks rewired; the plain network with everything kept is what it already is."""
    if plan.scheme.name == "residual" and plan.backward == "stored":
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
    """One image (1, C, S, S), or one view, of the run's size, of the model's type and device; None without weights."""
    weight = next((each for each in model.parameters() if each.is_floating_point()), None)
    if weight is None:
        return None
    shape = (1, plan.facts.channels // plan.data.views, plan.image_size, plan.image_size)
    pixels = torch.arange(math.prod(shape), device=weight.device)
    return (pixels * 0.7).sin().reshape(shape).to(weight.dtype)


def _reverse_if_possible(stack: ReversibleSequence, autocast: torch.dtype | None) -> None:
    """What all blocks do at first under `auto`; some then keep their streams or activations as memory allows."""
    with suppress(NotInvertible):
        stack.require_digits(["reversible"] * len(stack.backwards), autocast=autocast)
        stack.backward = "reversible"
