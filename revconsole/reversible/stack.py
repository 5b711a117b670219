"""A container in which blocks in a row were found."""

from dataclasses import dataclass, replace

from torch import nn

from revconsole.reversible.sequence import ReversibleSequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A container with runs of blocks.

    path: in the model. runs: names of its children that are wired, run by run; the others are left.
    looped: whether the model walks over the container instead of calling it. batch_axis: of streams.
    """

    path: str
    container: nn.Module
    runs: tuple[tuple[str, ...], ...]
    looped: bool
    batch_axis: int | None = None

    @property
    def blocks(self) -> int:
        """How many blocks are wired."""
        return sum(len(run) for run in self.runs)

    @property
    def longest(self) -> int:
        """How many blocks the longest run has."""
        return max(len(run) for run in self.runs)

    def block(self, name: str) -> nn.Module:
        """The block of that name."""
        if isinstance(self.container, ReversibleSequence):
            return self.container.named_blocks[name]
        return self.container.get_submodule(name)

    @property
    def first(self) -> nn.Module:
        """The first block of the stack."""
        return self.block(self.runs[0][0])

    def under(self, name: str) -> "Stack":
        """The stack in a model that holds this one under a name."""
        return replace(self, path=f"{name}.{self.path}" if self.path else name)
