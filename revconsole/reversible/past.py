"""What a block is beside its weights, as it stood before an evaluation: for the second one to start from.

Whatever a module holds as an attribute is put back for the second evaluation and is afterwards again what it was by
then; so are the contents of what it holds and of what it is given (see `contents`), and the states of Python's and
numpy's random numbers. What hooks keep is not put back: they may be there to watch. A tensor that is changed in place
cannot be put back and is refused, as is one with a graph that a block leaves behind: its gradient would be lost.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet, ref

from torch import Tensor, nn

from revconsole.errors import NotInvertible
from revconsole.reversible.held import Held
from revconsole.reversible.inventory import Holdings, Inventory
from revconsole.reversible.outside import Outside, outside_state, put_outside, same_outside

_cyclic: WeakSet[nn.Module] = WeakSet()


@dataclass(slots=True)
class Past:
    """A block as it stood before an evaluation.

    outside: where the random numbers of Python and numpy stood; None if nothing was drawn. stood:
    whether the evaluation left all that is held as it was.
    """

    holdings: Holdings
    outside: Outside | None
    stood: bool = True

    @classmethod
    def now(
        cls, inventory: Inventory, given: Sequence[Any] = (), outside: Outside | None = None
    ) -> "Past":
        """The block's state now. given: its arguments that are no tensors. outside: the random state, if known."""
        return cls(inventory.now(given), outside or outside_state())

    def after(self, outside: Outside) -> "Past":
        """The block's state after an evaluation that did not change it; nothing is inspected again."""
        return Past(self.holdings, outside)

    @property
    def block(self) -> nn.Module:
        """The block."""
        return self.holdings.inventory.block

    def seal(self, index: int, *, alone: bool = True) -> Outside:
        """End the first evaluation: raise for what a second evaluation cannot repeat, and forget what is not needed.

        alone: whether its output alone has a gradient. Returns the random state. Raises NotInvertible for what was
        changed in place, and if so for tensors with a graph left behind.
        """
        for each in self.holdings.suspects():
            if each.untouched():
                continue
            self.stood = False
            name = each.changed_in_place()
            if name is not None:
                self._refuse(index, each.module, f"changes its {name!r} in place while it computes")
            if each.replaced():
                self._refuse(index, each.module, "gets other weights while it computes")
            name = each.left_behind() if alone else None
            if name is not None:
                what = (
                    f"leaves a tensor with a graph behind in {name!r}, whose gradient would be lost"
                )
                self._refuse(index, each.module, what)
            if each.simple:
                self.holdings.inventory.stir(each.module)
        now = outside_state(self.outside)
        if self.outside is not None and same_outside(now, self.outside):
            self.outside = None
        return now

    def require_unhooked(self, hooked: bool, index: int) -> None:
        """Raise NotInvertible where hooks are on the stream, as the gradient there is not this block's alone."""
        if hooked:
            what = "puts a hook on its stream, through which gradients of other blocks pass too"
            self._refuse(index, self.block, what)

    def require_free(self, source: "ref[Tensor]", index: int) -> None:
        """Raise NotInvertible if somebody holds on to what was made of a leaf that the caller let go of."""
        block = self.block
        if source() is None or block in _cyclic:
            return
        gc.collect()
        if source() is None:
            _cyclic.add(block)  # its graph is part of a cycle, now as ever
            return
        what = (
            "leaves a tensor with a graph behind, in a hook or outside of the model, whose gradient "
            "would be lost (keep `tensor.detach()` where none is needed)"
        )
        self._refuse(index, block, what)

    @contextmanager
    def again(self, index: int) -> Iterator[None]:
        """Let the block be as it was for a `with`, and afterwards as it is now.

        Raises NotInvertible for what was changed in place since.
        """
        holdings, drawn = self.holdings, None
        if not holdings.inventory.assembled():
            self._refuse(index, self.block, "has had modules put in or taken out since the forward")
        present = holdings.suspects()
        for each in present:
            name = each.changed_in_place()
            if name is not None:
                what = f"has had its {name!r} changed in place since the forward"
                self._refuse(index, each.module, what)
        now = [self._now(each) for each in present]
        for each in present:
            each.put()
        if self.outside is not None:
            drawn = outside_state()
            put_outside(self.outside)
        try:
            yield
        finally:
            if drawn is not None:
                put_outside(drawn)
            for each in reversed(now):
                each.put()
            if present is holdings.moving:
                holdings.inventory.put()

    @staticmethod
    def _now(held: Held) -> Held:
        """The module and the things it holds, as they are now."""
        things = [thing._replace(before=thing.kind.read(thing.itself)) for thing in held.things]
        return Held(held.module, held.module.__dict__.copy(), held.weights, [], things, [])

    @staticmethod
    def _refuse(index: int, module: nn.Module, what: str) -> None:
        raise NotInvertible(
            f"block {index} ({type(module).__name__}) {what}, so that it cannot be evaluated twice "
            "alike: choose backward='stored'"
        )
