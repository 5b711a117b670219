"""The model of a plan: an architecture, then the wiring of its blocks. The two know nothing of each other."""

from importlib import import_module

import torch
from torch import nn

from revconsole.records.keys import key
from revconsole.records.plan import Plan
from revconsole.reversible import Backward, Scheme, make_scheme, rewire, sequences


def build_model(plan: Plan) -> nn.Module:
    """The model with its first weights, on the default device, in training mode.

    Weights are drawn from (seed, "init") on the CPU, architecture first: every scheme starts from the same
    blocks, and the generators of the process are left as they were.
    Raises UnknownName, ProfileError or DataUnavailable (see the architecture), and NotInvertible where the
    scheme does not suit it.
    """
    architecture = import_module(f"revconsole.models.{plan.model.architecture}")
    facts = plan.facts
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key(plan.seed, "init"))
        model: nn.Module = architecture.build(
            plan.model, size=plan.image_size, channels=facts.channels, classes=facts.classes
        )
        return _wired(model, plan)


def scheme_of(plan: Plan) -> Scheme:
    """The plan's scheme, as the reversible core knows it."""
    options = plan.scheme.model_dump(exclude={"name", "moving"})
    return make_scheme(plan.scheme.name, options)


def _wired(model: nn.Module, plan: Plan) -> nn.Module:
    """The model with its stacks rewired; the plain network with everything kept is what it already is."""
    if plan.scheme.name == "residual" and plan.backward == "stored":
        return model
    wired = rewire(model, scheme=scheme_of(plan), backward=_backward(plan))
    for stack in sequences(wired):
        stack.overlap = plan.train.overlap
    return wired


def _backward(plan: Plan) -> Backward:
    """What all blocks do at first; under `auto`, some then keep their streams or activations as memory allows."""
    if plan.backward != "auto":
        return plan.backward
    return "checkpointed" if plan.scheme.name == "residual" else "reversible"
