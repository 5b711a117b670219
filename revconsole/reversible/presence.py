"""Presence: where the weights of a block are while it does not compute, which is for others to say.

A run of wired blocks tells a `Presence` before and after each block of a forward pass, and hands it the streams: what it
returns may be part of the graph, so that the same is told in the backward, the other way round. Without one the weights
of every block are here all the time.
"""

from typing import Protocol

from torch import nn

from revconsole.reversible.coupling import Streams


class Presence(Protocol):
    """Brings the weights of a block before it computes, and may take them away afterwards."""

    def arrive(self, block: nn.Module, streams: Streams) -> Streams:
        """The streams, when the block is about to take them; in the backward, when it is done with."""

    def depart(self, block: nn.Module, streams: Streams) -> Streams:
        """The streams, when the block has made them; in the backward, when it is about to be undone."""


class Here:
    """The weights of every block stay."""

    def arrive(self, block: nn.Module, streams: Streams) -> Streams:
        """The streams as they are."""
        del block
        return streams

    depart = arrive


HERE = Here()
