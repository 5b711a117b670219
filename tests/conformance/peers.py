"""The same network by other libraries for reversible training, of those that are installed here.

Two streams of full width, x₁ ← x₁ + attention(x₂), x₂ ← x₂ + mlp(x₁), from the blocks of a timm ViT. None of
these libraries is a dependency: `costs.py --peers` measures what it finds.
"""

from importlib.util import find_spec

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Branch(nn.Module):
    """A norm and what follows it in a block."""

    def __init__(self, norm, layer):
        super().__init__()
        self.norm, self.layer = norm, layer

    def forward(self, x):
        """x: (B, N, C)."""
        return self.layer(self.norm(x))


class TwoStreams(nn.Module):
    """What takes both streams behind one another along the tokens, in the place of the blocks."""

    def __init__(self, through):
        super().__init__()
        self.through = through

    def forward(self, x):
        """x: (B, N, C); the mean of both streams."""
        after = self.through(torch.cat([x, x], dim=1))
        return sum(after.chunk(2, dim=1)) / 2


class Checkpointed(nn.Module):
    """The plain blocks, each under `torch.utils.checkpoint`."""

    def __init__(self, blocks):
        super().__init__()
        self.blocks = blocks

    def forward(self, x):
        """x: (B, N, C)."""
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False)
        return x


def _memcnn(pairs):
    from memcnn import AdditiveCoupling, InvertibleModuleWrapper

    couplings = [AdditiveCoupling(Fm=f, Gm=g, split_dim=1) for f, g in pairs]
    return nn.Sequential(*(InvertibleModuleWrapper(c, keep_input=False) for c in couplings))


def _revlib(pairs):
    from revlib import ReversibleSequential

    return ReversibleSequential(*(branch for pair in pairs for branch in pair), split_dim=1)


def _revtorch(pairs):
    from revtorch import ReversibleBlock, ReversibleSequence

    return ReversibleSequence(
        nn.ModuleList(ReversibleBlock(f, g, split_along_dim=1) for f, g in pairs)
    )


def peers(make):
    """Name and network of each, `make()` being the plain timm ViT.

    The first is torch's own checkpointing of each block.
    """
    plain = make()
    plain.blocks = Checkpointed(plain.blocks)
    yield "torch checkpoint per block", plain
    for name, build in {"memcnn": _memcnn, "revlib": _revlib, "revtorch": _revtorch}.items():
        if find_spec(name) is None:
            continue
        model = make()
        pairs = [(Branch(b.norm1, b.attn), Branch(b.norm2, b.mlp)) for b in model.blocks]
        model.blocks = TwoStreams(build(pairs))
        yield name, model
