"""Products: what a pass computes below Python, for attention that is averaged over the wrong axis and for dropout.

Attention is a product whose left factor is not negative and sums to 1 along an axis. If that is not the axis that the
product sums over, its output is no mean of the values. Dropout is a product with something drawn, mostly zeros.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from revconsole.reversible.audit.record import PassRecord, note_dropped

ROUNDING = 1e-2  # of a sum of weights: bf16 has three digits
PRODUCTS = {"bmm", "mm"}
SOFTMAXES = {"_softmax", "_safe_softmax"}
MASK = 64  # numbers of a mask at least, before the share of its zeros says anything
SURE = 0.999  # of an attention weight that leaves the others nothing


@dataclass(slots=True)
class AttentionSeen:
    """What was seen of one module's attention, over all its calls.

    wrong: the weights sum to 1, but not over what they are multiplied with. causal: no token attends to a later one.
    tokens: how many there are to attend to.
    """

    wrong: bool = False
    causal: bool = True
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomTensor:
    """A tensor made of random numbers alone. keeps: the share of ones, where it was asked for."""

    tensor: Tensor
    keeps: float | None


@dataclass(slots=True)
class AttentionProducts:
    """The attention of each module by its path, and the share of softmaxes that give all weight to one token."""

    attention: dict[str, AttentionSeen] = field(default_factory=dict)
    certain: dict[str, float] = field(default_factory=dict)


class Products(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Looks at every product of a pass. attention: look for it (in evaluation); otherwise for dropout."""

    def __init__(self, record: PassRecord, model: nn.Module, *, attention: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.held = {
            t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())
        }
        self.record, self.attention, self.seen = record, attention, AttentionProducts()
        self.drawn: dict[int, RandomTensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")  # noqa: SLF001  an overload's only name
        if self.attention:
            self._attend(name, args, result)
        else:
            self._drop(func, name, (*args, *(kwargs or {}).values()), result)
        return result

    def _attend(self, name: str, args: Any, result: Any) -> None:
        if name in SOFTMAXES:
            self._doubt(result.detach(), args[1])
        elif name in PRODUCTS:
            for factor, over in ((args[0], -1), (args[1], -2)):
                self._weigh(factor.detach(), over)

    def _doubt(self, weights: Tensor, axis: int) -> None:
        if weights.shape[axis] > 1:
            share = float((weights.amax(axis) > SURE).float().mean())
            before = self.seen.certain.get(self.record.now(), 1.0)
            self.seen.certain[self.record.now()] = min(share, before)

    def _weigh(self, factor: Tensor, over: int) -> None:
        """Judge a factor of a product that sums over that axis."""
        small = min(factor.shape[-2:]) < 2
        if small or factor.untyped_storage().data_ptr() in self.held or not _weights(factor):
            return
        right, other = _sums(factor, over), _sums(factor, -3 - over)
        if not right and not other:
            return
        attention = self.seen.attention.setdefault(self.record.now(), AttentionSeen())
        attention.wrong |= other and not right
        rows = factor if over == -1 else factor.transpose(-1, -2)
        if right:
            square = rows.shape[-1] == rows.shape[-2]
            attention.causal &= square and not rows.triu(1).any()
            attention.tokens = max(attention.tokens, rows.shape[-1])

    def _drop(self, func: Any, name: str, args: Any, result: Any) -> None:
        given = [each for each in args if isinstance(each, Tensor)]
        drawn = [self.drawn[id(each)] for each in given if id(each) in self.drawn]
        if name == "native_dropout":
            note_dropped(self.record, float(args[1]))
        elif torch.Tag.nondeterministic_seeded in func.tags and isinstance(result, Tensor):
            keeps = next((a for a in args if isinstance(a, float)), None)
            keeps = keeps if name == "bernoulli_" else None
            self.drawn[id(result)] = RandomTensor(tensor=result, keeps=keeps)
        elif name in {"mul", "masked_fill", "where"} and drawn and len(drawn) < len(given):
            self._kept(drawn[0], result, [each for each in given if id(each) not in self.drawn])
        elif drawn and len(drawn) == len(given) and isinstance(result, Tensor):
            self.drawn[id(result)] = RandomTensor(tensor=result, keeps=drawn[0].keeps)

    def _kept(self, mask: RandomTensor, result: Tensor, data: list[Tensor]) -> None:
        before = max(float((each != 0).float().mean()) for each in data)
        if mask.keeps is not None:
            note_dropped(self.record, 1 - mask.keeps)
        elif mask.tensor.numel() >= MASK and before > 0.5:
            note_dropped(self.record, 1 - float((result != 0).float().mean()) / before)


def _weights(factor: Tensor) -> bool:
    return bool(
        factor.is_floating_point() and (factor >= 0).all() and (factor <= 1 + ROUNDING).all()
    )


def _sums(factor: Tensor, axis: int) -> bool:
    return bool(((factor.sum(axis, dtype=torch.float32) - 1).abs() < ROUNDING).all())
