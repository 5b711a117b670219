"""Giving the plain model back: what `rewire` put in is taken out again.

A sequence remembers the container that it stands for, and the norm and head that were made wider for
it. The blocks are the same modules all along, so the plain model has the weights that were trained;
only the narrow norm and head are those of before, as two streams side by side have no plain head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from revconsole.errors import RevconsoleError
from revconsole.reversible import branches
from revconsole.reversible.ends import EndsGuard
from revconsole.reversible.hooks import Guard
from revconsole.reversible.pairs import BlockList, PairedBlock
from revconsole.reversible.repeated import RepeatedSequence
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.turns import Turns, replaced

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a sequence stands for.

    container: the module in its place before. path: of that in the model that was rewired.
    ends: the norms and the head of that model before they were made wider, by name.
    """

    container: nn.Module
    path: str
    ends: Mapping[str, nn.Module]

    @classmethod
    def of(cls, container: nn.Module, path: str, ends: Mapping[str, nn.Module]) -> "Origin | None":
        """The origin of a sequence made of that container."""
        if isinstance(container, ReversibleSequence):
            kept: Origin | None = container.origin
            return kept
        plain = container.origin[0] if isinstance(container, BlockList) else container
        if isinstance(container, Turns):
            plain = container.proxied[0]
        return cls(container=plain, path=path, ends=ends)


def unwire(model: Model) -> Model:
    """Put the model's own containers back in the place of every `ReversibleSequence`; returns the model.

    The same modules, hooks, classes and keys as before `rewire`, with the weights as they are now. A norm and a head that
    `additive` with `concat` made twice as wide are those of before, with the weights of then: train the head anew. A
    sequence made by hand becomes an `nn.Sequential`. Raises RevconsoleError if the model itself is such a sequence.
    """
    if isinstance(model, ReversibleSequence):
        raise RevconsoleError(
            "the model is a ReversibleSequence itself: nn.Sequential(*model) is the plain one"
        )
    for path, sequence in list(model.named_modules()):
        if not isinstance(sequence, ReversibleSequence):
            continue
        if isinstance(sequence, RepeatedSequence):
            replaced(model, sequence, sequence.given_back())
        else:
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, _plain(sequence))
        if sequence.origin is not None and sequence.origin.ends:
            root = path.removesuffix(sequence.origin.path).rstrip(".")
            _narrowed(model.get_submodule(root), sequence.origin.ends)
    for module in model.modules():
        _freed(module)
    return model


def _plain(sequence: ReversibleSequence) -> nn.Module:
    """The container with the blocks that the sequence has by now."""
    container = nn.Sequential() if sequence.origin is None else sequence.origin.container
    blocks = {
        name: block.origin[0] if isinstance(block, PairedBlock) else block
        for name, block in sequence._modules.items()  # noqa: SLF001  a block used twice is there twice
    }
    container._modules.clear()  # noqa: SLF001  no public way to replace them all
    container._modules.update(blocks)  # noqa: SLF001  as above
    container.training = sequence.training
    return container


def _freed(block: nn.Module) -> None:
    """Take the guards and the notes off a module."""
    hooks = block._forward_pre_hooks  # noqa: SLF001  handles do not survive a copy of the model
    for key in [key for key, hook in hooks.items() if isinstance(hook, Guard | EndsGuard)]:
        del hooks[key]
    for note in (branches.NOTE, branches.REST):
        vars(block).pop(note, None)


def _narrowed(model: nn.Module, ends: Mapping[str, nn.Module]) -> None:
    """Put the narrow ends back where the wide ones are, on their device and in their dtype."""
    for name, narrow in ends.items():
        wide = getattr(model, name)
        weight = next(wide.parameters(), None)
        if weight is not None:
            narrow.to(device=weight.device, dtype=weight.dtype)
        setattr(model, name, narrow.train(wide.training))
