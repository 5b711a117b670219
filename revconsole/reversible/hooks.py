"""Hooks on modules that a scheme calls in its own way.

A wired block is not called: its branches are, or its forward. Hooks on it would not run, and a
forward that somebody puts in place later may not either, so both are refused. Hooks on modules
inside a block run as ever, and those of a container go over to the sequence that takes its place.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any

from torch import nn
from torch.nn.modules import module as all_modules

from revconsole.errors import RevconsoleError
from revconsole.reversible.scheme import Scheme

KINDS = {
    "_forward_hooks": "forward hook",
    "_forward_pre_hooks": "forward pre-hook",
    "_backward_hooks": "backward hook",
    "_backward_pre_hooks": "backward pre-hook",
}
BACKWARD = {place: kind for place, kind in KINDS.items() if "backward" in place}
OTHERS = (
    "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs",
    "_is_full_backward_hook", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip
RECORDING = "transformers.utils.output_capturing"
OWN = ("revconsole.", "torch.distributed.")
"""Ours look on, and sharded weights have their own sentence."""


def foreign_hook(block: nn.Module, kinds: Mapping[str, str] = KINDS) -> str:
    """The kind of hook, among these, that the block has and a scheme would not run; empty if it has none.

    torch's own for all modules count modules or time them, and may miss a block. Hugging Face's models put hooks on their blocks for good once somebody has asked for hidden states
    or attentions; these count only while somebody asks.
    """
    for place, kind in kinds.items():
        for hook in getattr(block, place).values():
            where = getattr(hook, "__module__", None) or ""
            if where == RECORDING and not _recording():
                continue
            if not where.startswith(OWN):
                asked = " that records hidden states or attentions" if where == RECORDING else ""
                return kind + asked
        for hook in vars(all_modules)[f"_global{place}"].values():
            if not (getattr(hook, "__module__", None) or "").startswith((*OWN, "torch.")):
                return f"{kind} that is registered for all modules"
    return ""


def _recording() -> bool:
    """Whether the model that runs just now was asked for hidden states or attentions."""
    library = sys.modules.get(RECORDING)
    collector = getattr(library, "_active_collector", None)
    return collector is None or bool(collector.get())


def own_forward(block: nn.Module) -> Any:
    """The forward that was put on the block itself, in place of its class's; None if there is none."""
    put = vars(block).get("forward")
    if isinstance(put, MethodType) and put.__self__ is block:
        return None if put.__func__ is type(block).forward else put
    return put


def require_as_rewired(block: nn.Module, name: str, forward: Any) -> None:
    """Raise RevconsoleError if the block has got hooks, or another forward than when it was wired."""
    if kind := foreign_hook(block):
        raise RevconsoleError(
            f"block {name} ({type(block).__name__}) has a {kind}, which does not run in a wired "
            "block: remove it or ask for none in training, or register it on a module inside the block "
            "or on the whole sequence"
        )
    if own_forward(block) is not forward:
        raise RevconsoleError(
            f"the forward of block {name} ({type(block).__name__}) was replaced after the block was "
            "wired, as libraries do to record hidden states: switch that off in training, or rewire "
            "a model that has the new forward already"
        )


def hand_over(hooks_of: nn.Module, to: nn.Module) -> None:
    """Give the hooks of a module to the one that takes its place; their handles stay good."""
    for name in (*KINDS, *OTHERS):
        if name in vars(hooks_of):
            vars(to)[name] = vars(hooks_of)[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A block's forward hook that refuses calls around its sequence which would not be the scheme's.

    timm walks over the blocks itself for attention masks, intermediate features and its own
    gradient checkpointing; under most schemes that would silently compute another network.
    forward: what was put on the block in place of its class's forward before it was wired.
    """

    scheme: Scheme
    name: str
    forward: Any = None

    def __call__(self, block: nn.Module, given: tuple[object, ...]) -> None:
        """Raise RevconsoleError unless a plain call of the block is what the scheme does too."""
        del given
        plain = self.scheme.plain
        if plain == "always" or (plain == "in evaluation" and not block.training):
            return
        raise RevconsoleError(
            f"block {self.name} is wired by the scheme {self.scheme.name} and cannot be called by "
            "itself: call the whole sequence, without attention masks, intermediate features or "
            "timm's own gradient checkpointing (backward='checkpointed' is ours)"
        )


def guard(block: nn.Module, wanted: Guard) -> None:
    """Put the guard on the block, in place of one that an earlier sequence left there."""
    hooks = block._forward_pre_hooks  # noqa: SLF001  handles do not survive a copy of the model
    for key, hook in list(hooks.items()):
        if isinstance(hook, Guard):
            # The forward as it was when the block was first wired.
            wanted = replace(wanted, forward=hook.forward)
            del hooks[key]
    block.register_forward_pre_hook(wanted)
