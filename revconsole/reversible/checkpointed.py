"""The `checkpointed` backward: the streams before a block are kept, and it is evaluated again from them.

As in the `reversible` one, the second evaluation starts from what the block was before the first:
its attributes and what they hold, the random numbers of torch, Python and numpy, the arithmetic.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext

from torch import Tensor
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from revconsole.reversible.coupling import Streams
from revconsole.reversible.extras import Extras
from revconsole.reversible.inventory import Inventory
from revconsole.reversible.past import Past
from revconsole.reversible.replay import (
    Arithmetic,
    Random,
    drawn,
    parameters_replaced,
    random_replayed,
    random_state,
    statistics_kept,
)
from revconsole.reversible.witness import require_same, sample, watched

Through = Callable[[Tensor | None, Streams, Sequence[Tensor]], Streams]


def run_checkpointed(
    through: Through,
    inventory: Inventory,
    index: int,
    draw: Tensor | None,
    streams: Streams,
    *,
    extras: Extras,
    tensors: Sequence[Tensor],
) -> Streams:
    """The streams after the block, with a backward that evaluates it again from those before.

    through: the block under its scheme, of its draw, the streams and the extra tensors. Generator states are kept only
    where the block draws, unlike in torch's own.
    """
    block, device = inventory.block, streams[0].device
    before, draws = random_state(device), list[Random]()
    arithmetic, past = Arithmetic.now(device), Past.now(inventory, extras.leaves)
    hooks, watch = _hooks_on(streams), watched(block)
    at, end = len(streams), len(streams) + len(tensors)
    first: list[Tensor] = []
    calls: list[None] = []

    def run(draw: Tensor | None, *given: Tensor) -> Streams:
        # every call but the first is made by the backward, once for each walk over the graph
        with ExitStack() as stack:
            if calls:
                stack.enter_context(past.again(index))
                stack.enter_context(random_replayed(draws[0], device))
                stack.enter_context(statistics_kept(inventory.norms))
            stack.enter_context(arithmetic())
            stack.enter_context(parameters_replaced(inventory.slots, given[end:]))
            after = through(draw, given[:at], given[at:end])
            if not calls:
                past.seal(index, alone=False)
        if not calls:
            past.require_unhooked(_hooks_on(given[:at]) > hooks, index)
            first.extend([sample(stream) for stream in after] if watch else [])
        elif first:
            require_same(first, after, given[:at], exact=True, block=block, index=index)
        calls.append(None)
        return after

    with set_checkpoint_early_stop(False) if watch else nullcontext():
        given = (draw, *streams, *tensors, *inventory.parameters)
        after: Streams = checkpoint(run, *given, use_reentrant=False, preserve_rng_state=False)
    draws.append(drawn(before, random_state(device)))
    return after


def _hooks_on(streams: Streams) -> int:
    return sum(len(stream._backward_hooks or ()) for stream in streams)  # noqa: SLF001  the only list of them
