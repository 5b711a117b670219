"""The most bytes that a forward and a backward hold at once, and what they compute.

What decides whether a step fits: to what is kept for the backward it adds what is only needed for a
moment, such as a block that is evaluated again. Counted from the tensors, so the same on any device.
"""

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from revconsole.errors import RevconsoleError
from revconsole.reversible.witness import unwatched

ELEMENT = 20
"""Multiply-adds that take as long as writing one element: a few bytes against a few operations on
most devices. It decides between mixtures only where products do not."""
ASIDE, TURN = -2, -1
"""What belongs to no part: while no part keeps anything, and where all do, about the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTrace:
    """What a forward and its backward hold and compute, parts of the model told apart by their weights.

    peak: the most bytes. most_forward: by part, the most in its forward. at_backward, most_backward: bytes when the
    backward reaches a part, and the most until it reaches another. at_turn: the most between the last part's forward
    and the first backward of one. aside: the most before and after. work: multiply-adds of a part in both.
    """

    peak: int
    most_forward: Mapping[int, int]
    at_backward: Mapping[int, int]
    most_backward: Mapping[int, int]
    at_turn: int
    aside: int
    work: Mapping[int, int]


def step_peak(forward: Callable[[], Any]) -> int:
    """Run `forward` and the backward of what it returns; the most bytes that live meanwhile.

    Counted are all storages made meanwhile, each once and whole; not what was there before (weights, images), nor what a
    kernel or a CUDA library needs for itself. A gradient of a weight counts until it is finished, as it then has a place
    of its own: so this is what a step adds to weights, gradients and optimiser state.
    forward: returns its loss, or its output in any structure, whose sum is then differentiated. Gradients are not kept;
    hooks on a weight's gradient run. Raises RevconsoleError if nothing that it returns has a gradient.
    """
    return traced(forward, {}).peak


def traced(forward: Callable[[], Any], parts: Mapping[int, Sequence[Tensor]]) -> StepTrace:
    """Trace a training step in full. parts: the weights of each part, which no other part has; weights of no part count under TURN."""
    owners = {_address(w): part for part, weights in parts.items() for w in weights}
    with unwatched(), Living(owners) as living:  # as in all passes but the first
        outputs = [t for t in tree_leaves(forward()) if isinstance(t, Tensor) and t.requires_grad]
        if not outputs:
            raise RevconsoleError(
                "what `forward` returned has no gradient, so there is no backward to measure: let it "
                "return the loss or the model's output, of a model in training mode"
            )
        living.turn()
        leaves = list(_leaves(outputs))
        hooks = [leaf.register_hook(living.forget) for leaf in leaves]  # type: ignore[no-untyped-call]  # torch's is untyped
        try:
            ones = [torch.ones_like(output) for output in outputs]
            torch.autograd.grad(outputs, leaves, ones, allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()
    seen: StepTrace = living.trace()
    return seen


class Living(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's is untyped
    """Counts the bytes of the storages that operations within it make, from their making to their end.

    owners: the part of the model that a storage of weights belongs to. An operation belongs to the
    part whose weights were used last.
    """

    def __init__(self, owners: Mapping[int, int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._seen: dict[int, tuple[int, Any]] = {}  # by the storage's address: bytes, and its end
        self._owners = owners
        self._part, self._back = ASIDE, False
        self._highs: dict[tuple[bool, int], int] = defaultdict(int)
        self._entries: dict[int, int] = {}
        self._work: dict[int, int] = defaultdict(int)

    def turn(self) -> None:
        """The backward begins."""
        self._part, self._back = TURN, True

    def trace(self) -> StepTrace:
        """What was seen."""
        highs = self._highs
        return StepTrace(
            peak=self.most,
            most_forward={part: high for (back, part), high in highs.items() if not back},
            at_backward=self._entries,
            most_backward={part: high for (back, part), high in highs.items() if back},
            at_turn=max(highs[False, TURN], highs[True, TURN]),
            aside=max(highs[False, ASIDE], highs[True, ASIDE]),
            work=self._work,
        )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for each in chain(tree_leaves(args), tree_leaves(kwargs)):
            if isinstance(each, Tensor):
                self._see(each, counted=False)  # if it is new here, it was there before
                self._reach(self._owners.get(_address(each)))
        result = func(*args, **kwargs)
        written = 0
        for each in tree_leaves(result):
            if isinstance(each, Tensor):
                written += each.numel() * self._see(each, counted=True)
        count = flop_registry.get(func.overloadpacket)
        work = count(*args, **kwargs, out_val=result) // 2 if count else ELEMENT * written
        self._work[self._part] += work
        return result

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, so torch need not wrap every call to keep its compiler out."""
        return False

    def forget(self, tensor: Tensor) -> None:
        """Count the storage of this tensor no longer."""
        at = _address(tensor)
        nbytes, end = self._seen.get(at, (0, None))
        self.now -= nbytes
        if end is not None:
            self._seen[at] = (0, end)

    def _reach(self, part: int | None) -> None:
        if part is None:
            return
        if part == TURN and self._part != TURN:
            met = self._entries or any(known >= 0 for _, known in self._highs)
            part = TURN if bool(met) != self._back else ASIDE
        if part != self._part:
            self._part = part
            self._highs[self._back, part] = max(self._highs[self._back, part], self.now)
            if self._back and part >= 0:
                self._entries.setdefault(part, self.now)

    def _see(self, tensor: Tensor, *, counted: bool) -> bool:
        """Whether its storage is new."""
        storage, at = tensor.untyped_storage(), _address(tensor)
        new = at not in self._seen
        if new:
            nbytes = storage.nbytes() if counted else 0
            self._seen[at] = (nbytes, weakref.ref(storage, partial(self._ended, at)))
            self.now += nbytes
            self.most = max(self.most, self.now)
            where = (self._back, self._part)
            self._highs[where] = max(self._highs[where], self.now)
        return new

    def _ended(self, at: int, _: Any) -> None:
        nbytes, _end = self._seen.pop(at)
        self.now -= nbytes


def _address(tensor: Tensor) -> int:
    """The address of the tensor's storage, the same for every tensor on that storage."""
    address: int = tensor.untyped_storage()._cdata  # noqa: SLF001  no other way to tell storages apart
    return address


def _leaves(outputs: Sequence[Tensor]) -> Iterator[Tensor]:
    """The tensors at the ends of the graph of these outputs, whose gradients a backward would add to."""
    waiting, met = [output.grad_fn for output in outputs], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in met:
            continue
        met.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        waiting += [each for each, _ in node.next_functions]
