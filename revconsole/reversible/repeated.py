"""A wired stack for models that call one block several times: `for _ in range(n): x = self.block(x)`.

A `RepeatedSequence` is in the place of the block and is called as the block was: the first call of a run computes all
of it, the last hands the result on, and what lies between has no values (see `pending`). What a call hands on knows
its run, so nothing is left behind by a forward that raised, and runs may wait for one another. Names, keys, attributes
and mode are the block's (see `proxies`). Where the scheme is the plain network, the block itself is called.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible.branches import rest_of
from revconsole.reversible.hooks import BACKWARD, KINDS, OTHERS, foreign_hook, hand_over
from revconsole.reversible.looped import PassesThrough, RunsAll, Several
from revconsole.reversible.pending import Pending
from revconsole.reversible.proxies import BlockProxy
from revconsole.reversible.scheme import Backward, Scheme
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.transforms import traced


class RepeatedSequence(BlockProxy, ReversibleSequence):
    """A `ReversibleSequence` of one block, so many times, that its model calls so many times in a row.

    A model may do so several times; each row is a run by itself.
    """

    OWN = frozenset(
        {
            *BlockProxy.OWN, "repeated", "unwired", "starts", "batch_axis", "draws", "inventories", "origin", "scheme",
            "_scheme", "backward", "_backward",
        }
    )  # fmt: skip

    def __init__(
        self,
        block: nn.Module,
        times: int,
        *,
        scheme: Scheme,
        backward: Backward | Sequence[Backward] = "reversible",
        batch_axis: int = 0,
    ) -> None:
        self.__dict__["repeated"] = OrderedDict(
            (f"{n + 1} of {times}", block) for n in range(times)
        )
        ReversibleSequence.__init__(self, scheme=scheme, backward=backward, batch_axis=batch_axis)
        self.stand_for(block)

    @property
    def named_blocks(self) -> Mapping[str, nn.Module]:
        """The block by the numbers of its calls."""
        repeated: Mapping[str, nn.Module] = vars(self)["repeated"]
        return repeated

    def placed(self, path: str) -> list[tuple[str, nn.Module]]:
        """The block is where the sequence is."""
        return [(path, self.proxied[0])]

    def __len__(self) -> int:
        return len(self._listed("__len__"))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._listed("__iter__"))

    def __getitem__(self, index: Any) -> Any:
        return self._listed("__getitem__")[index]

    def _listed(self, asked: str) -> Any:
        """The block if it is a list itself, else a list of it: whoever meets an `nn.Sequential` may ask."""
        block = self.proxied[0]
        return block if hasattr(type(block), asked) else list(self.named_blocks.values())

    def _replicate_for_data_parallel(self) -> Any:
        """Raises RevconsoleError: what torch sets on a replica would be set on the block itself."""
        raise RevconsoleError(
            f"a {type(self.proxied[0]).__name__} that is wired to be called {len(self.named_blocks)} times in a row cannot be "
            "replicated by torch.nn.DataParallel: use DistributedDataParallel, one process for each device, or `unwire` it"
        )

    def given_back(self) -> nn.Module:
        """The block, with the hooks that were put on the sequence; their handles stay good."""
        block = self.proxied[0]
        for place in (*KINDS, *OTHERS):
            if isinstance(kept := vars(block).get(place), dict):
                vars(self)[place].update(kept)
        hand_over(self, block)
        return block

    def extra_repr(self) -> str:
        """How often, the scheme and the backward."""
        return f"{len(self.named_blocks)} times, {super().extra_repr()}"

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """What the block returns at this call. Raises RevconsoleError if the calls are not those of a run."""
        if self.called_one_by_one:
            return self.proxied[0](x, *args, **kwargs)
        if kind := foreign_hook(self, BACKWARD):
            raise RevconsoleError(
                f"a {type(self.proxied[0]).__name__} that is called {len(self.named_blocks)} times in a run has a {kind}, which "
                "does not run between its calls in training: remove it, or register it on a module inside"
            )
        if traced():
            raise NotInvertible(
                "torch.jit.trace cannot follow a model that calls a wired block several times: use "
                "`torch.export.export`, or a scheme that is the plain network in evaluation, such as bdia"
            )
        call = self._later(x) if isinstance(x, Pending) else RunsAll(self, list(self.named_blocks))
        rest = rest_of(self.proxied[0])
        whole = call if rest is None else Several(call, rest)
        return whole(x, *args, **kwargs)

    def _later(self, x: Pending) -> PassesThrough:
        """The call after the one that handed this on."""
        names = list(self.named_blocks)
        run: Any = x.run
        if not isinstance(run, RunsAll) or run.sequence is not self or x.block == names[-1]:
            raise RevconsoleError(
                f"a {type(self.proxied[0]).__name__} that is wired to be called {len(names)} times in a row is given what "
                f"block {x.block} of another run hands on, which is not known before that run ends: this cannot be rewired"
            )
        return PassesThrough(run, names[names.index(x.block) + 1])
