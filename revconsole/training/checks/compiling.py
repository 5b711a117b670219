"""Compiling: the parts of a model's blocks (attention, MLP, …) through `torch.compile`, each by itself.

The blocks are not compiled as a whole, nor is the model: a reversible sequence evaluates each part a second time in the
backward, and has to find the same kernels. Parts that are one layer are left: there is nothing to fuse. The plain
network is compiled the same way, so that arms differ in their scheme and in nothing else.
"""

import os
import shutil
from collections.abc import Iterator

import torch
from torch import nn

from revconsole.errors import ProfileError, RunFailed
from revconsole.reversible import sequences
from revconsole.training.checks import reconstruction
from revconsole.training.setup.rebuilt import rebuilt_stacks
from revconsole.training.setup.training_state import TrainingState

COMPILERS = ("g++", "clang++", "c++")
"""What torch looks for, where the environment names none (CXX)."""
MACHINE = "this machine"


def with_compiled_parts(state: TrainingState) -> TrainingState:
    """The setting, the parts of whose blocks are compiled when they are first used, if the plan says so.

    Raises ProfileError where this machine cannot, or the model has no such parts.
    """
    if not state.plan.train.compile or state.fitted:
        return state
    _refuse_unable(state.device)
    parts = [part for block in _blocks(state.encoder) for part in _parts(block)]
    if not parts:
        raise ProfileError(
            "the plan",
            "train.compile",
            f"the blocks of {type(state.encoder).__name__} have no parts to compile apart, as an attention or an MLP; "
            "leave it out",
        )
    for part in parts:
        part.compile()
    return state


def refuse_inexact(state: TrainingState) -> None:
    """Raise RunFailed where an exact scheme is not exact with what was compiled, found on a few images.

    The compiler makes other kernels where a graph is recorded than where none is, and nobody promises that they agree.
    """
    exact = getattr(state.plan.scheme, "grid_bits", None) is not None
    if not (state.plan.train.compile and exact and rebuilt_stacks(state.encoder)):
        return
    found = reconstruction.measure(state)
    if found.error != 0:
        raise RunFailed(
            f"compiled for {state.device}, block {found.block} is not reconstructed bit for bit (relative error "
            f"{found.error:.1g}), which scheme.grid_bits promises; leave train.compile or scheme.grid_bits out"
        )


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Those of the reversible sequences; of a plain network everything that stands in a row."""
    if stacks := sequences(model):
        yield from (block for stack in stacks for _, block in stack.placed(""))
        return
    for module in model.modules():
        if isinstance(module, nn.Sequential | nn.ModuleList):
            yield from module.children()


def _parts(block: nn.Module) -> Iterator[nn.Module]:
    """What a block is made of, but for single layers."""
    for part in block.children():
        several = any(True for _ in part.children())
        if several and not isinstance(part, nn.ModuleList | nn.ModuleDict):
            yield part


def _refuse_unable(device: torch.device) -> None:
    if device.type != "cpu" or os.environ.get("CXX") or any(map(shutil.which, COMPILERS)):
        return
    raise ProfileError(
        MACHINE,
        "train.compile",
        f"a C++ compiler is needed to compile for the CPU, and there is none ({', '.join(COMPILERS)}): install one, or "
        "leave it out",
    )
