"""Compiling: passes the parts of a model's blocks (attention, MLP, …) through `torch.compile`, each by itself.

Neither whole blocks nor the model are compiled: a reversible sequence evaluates each part a second time in the
backward and must find the same kernels. Single layers are skipped, because there is nothing to fuse. The plain
network is compiled in the same way, so that arms differ only in their scheme.
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
"""Compilers that torch looks for if the variable CXX is unset."""
MACHINE = "this machine"


def with_compiled_parts(state: TrainingState) -> TrainingState:
    """The training state with block parts that compile at first use, if the plan requests it.

    Raises ProfileError if this machine cannot compile, or if the model has no such parts.
    """
    if not state.plan.train.compile:
        return state
    _refuse_unable(state.device)
    parts = [part for block in _blocks(state.encoder) for part in _parts(block)]
    if not parts:
        raise ProfileError.of_plan(
            "train.compile",
            f"the blocks of {type(state.encoder).__name__} have no parts to compile apart, as an attention or an MLP; "
            "leave it out",
        )
    for part in parts:
        part.compile()
    return state


def refuse_inexact(state: TrainingState) -> None:
    """Raise RunFailed if an exact scheme is not exact with compiled parts, tested on a few images.

    The compiler builds different kernels with and without recording a graph, and does not promise that they agree.
    """
    exact = getattr(state.plan.scheme, "grid_bits", None) is not None
    if not (state.plan.train.compile and exact and rebuilt_stacks(state.encoder)):
        return
    probe = reconstruction.measure(state)
    if probe.error != 0:
        raise RunFailed(
            f"compiled for {state.device}, block {probe.block} is not reconstructed bit for bit (relative error "
            f"{probe.error:.1g}), which scheme.grid_bits promises; leave train.compile or scheme.grid_bits out"
        )


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """The blocks of the reversible sequences; for a plain network, all children of sequences and lists."""
    if stacks := sequences(model):
        yield from (block for stack in stacks for _, block in stack.placed(""))
        return
    for module in model.modules():
        if isinstance(module, nn.Sequential | nn.ModuleList):
            yield from module.children()


def _parts(block: nn.Module) -> Iterator[nn.Module]:
    """The parts of a block, without single layers."""
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
