"""Reversal: whether a backward pass that rebuilds its activations gives what one that kept them gives.

The same weights run twice, once as they are wired and once with everything stored; and modules inside the blocks say
what they were given in the forward and again in the backward.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import Case, Check
from revconsole.reversible.audit.twin import twin_of
from revconsole.reversible.replay import random_state
from revconsole.reversible.sequence import temporarily, wired_blocks

DOUBLE = "gradient as stored, float64"
RUN = "gradient as stored"
INVERSE = "inverse error"
REPLAY = "dropout masks repeated"
DOUBLE_ERROR = 1e-8  # half the digits of float64: a wrong formula is off by far more
SINGLE_ERROR = 1e-2  # far below what a batch differs from the next; rounding alone is 1e-6
HALF_ERROR = 1e-1  # bf16 itself moves the gradient of some tensors by 2e-2
ROUNDING_SHARE = 0.01  # of a limit; steep blocks multiply rounding by no more than a hundred
MINOR = 1e-3  # of the whole gradient's norm: tensors with less are compared with this much instead
NOTHING = "nothing is reconstructed"
UNLIKE = (
    "a block does not compute the same twice: it changes something it reads, or draws from a generator of "
    "its own; use backward 'stored'"
)


def against_stored(case: Case) -> list[Check]:
    """The gradient in the run's precision, against everything stored."""
    return [_compared(case.few(), RUN, _limit(case))]


def against_stored_in_double(case: Case) -> list[Check]:
    """The gradient in float64, where rounding excuses nothing."""
    if not _rebuilds(case):
        return [Check.unjudged(DOUBLE, NOTHING)]
    if case.images.device.type == "mps":
        return [Check.unjudged(DOUBLE, "mps has no float64")]
    few = case.few()
    double = few.double(twin_of(case.model).double())
    try:
        return [_compared(double, DOUBLE, DOUBLE_ERROR)]
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        return [Check.unjudged(DOUBLE, f"does not run in float64: {reason}")]


def _limit(case: Case) -> float:
    """The limit of relative errors in the run's precision."""
    return SINGLE_ERROR if case.computes_in.itemsize >= torch.float32.itemsize else HALF_ERROR


def _remedy(case: Case, limit: float) -> str:
    """What to do about an error: it is either rounding that the scheme multiplies, or a block's doing."""
    longest = [(each.scheme, max(map(len, each.runs), default=0)) for each in case.sequences]
    growth = max((scheme.error_growth(blocks) for scheme, blocks in longest), default=0.0)
    if growth * torch.finfo(case.computes_in).eps < ROUNDING_SHARE * limit:
        return UNLIKE
    return (
        f"the scheme multiplies rounding by about {growth:.2g} over this depth: scheme.grid_bits = 9 "
        "reconstructs exactly, backward 'checkpointed' keeps the streams"
    )


def _rebuilds(case: Case) -> bool:
    """Whether any block's activations are not simply kept."""
    return any(set(sequence.backwards) != {"stored"} for sequence in case.sequences)


def everything_stored(case: Case) -> AbstractContextManager[None]:
    """A context in which autograd keeps all activations."""
    return temporarily(case.sequences, "backward", "stored")


def _compared(case: Case, name: str, limit: float) -> Check:
    if not _rebuilds(case):
        return Check.unjudged(name, NOTHING)
    rebuilt = case.gradients()
    with everything_stored(case):
        stored = case.gradients()
    error, worst = _worst(stored, rebuilt)
    place = f" in {worst}" if worst and error else ""
    figure = f"relative error {error:.1g}{place}, at most {limit:g}"
    return Check.judged(name, figure, _remedy(case, limit), passed=error <= limit)


def _worst(
    stored: Mapping[str, Tensor | None], rebuilt: Mapping[str, Tensor | None]
) -> tuple[float, str]:
    """The largest relative difference of a parameter's gradient, and which one; infinite if one is missing."""
    norms = [g.double().norm() for g in stored.values() if g is not None]
    whole = float(torch.stack(norms).norm()) if norms else 0.0
    worst, name = 0.0, ""
    for key, true in stored.items():
        other = rebuilt[key]
        if (true is None) != (other is None):
            return float("inf"), key
        if true is None or other is None:
            continue
        apart = float((true.double() - other.double()).norm())
        error = apart / max(
            float(true.double().norm()), MINOR * whole, torch.finfo(true.dtype).tiny
        )
        if not error <= worst:
            worst, name = error, key
    return worst, name


@dataclass(slots=True)
class Witness:
    """What the modules of one block were given first and again, and the generators when they drew.

    given: per module, its first input at each call. times: per module, how many of these calls the forward made.
    drew: per module, the states before each draw. entered: the states when the modules now at work were called.
    """

    block: str
    times: dict[str, int] = field(default_factory=dict)
    entered: dict[str, bytes] = field(default_factory=dict)
    given: dict[str, list[Tensor]] = field(default_factory=dict)
    drew: dict[str, list[bytes]] = field(default_factory=dict)

    def forward_ends(self) -> None:
        """What is given from now on is given again."""
        self.times = {name: len(given) for name, given in self.given.items()}

    def error(self) -> float | None:
        """Largest relative difference of a module's second input from its first; None if none was called twice.

        Of a module that is called several times in a run, or not again for each of these, each second input is held
        against the first one that it is nearest to.
        """
        errors = []
        for name, given in self.given.items():
            first, again = given[: self.times.get(name, 0)], given[self.times.get(name, 0) :]
            errors += [min(_relative(one, each) for one in first) for each in again if first]
        return max(errors, default=None)


def _relative(first: Tensor, again: Tensor) -> float:
    first, again = first.double(), again.double()
    return float((first - again).norm() / first.norm().clamp_min(torch.finfo(first.dtype).tiny))


def replay(case: Case) -> list[Check]:
    """Check that in the backward pass every block gets the streams of the forward pass and draws the same random numbers."""
    if not _rebuilds(case):
        return [Check.unjudged(name, NOTHING) for name in (INVERSE, REPLAY)]
    case = case.few()
    with _witnessed(case) as witnesses:
        forward = case.loss()
        for witness in witnesses:
            witness.forward_ends()
        drawn = [{name: len(states) for name, states in w.drew.items()} for w in witnesses]
        trained = [p for p in case.model.parameters() if p.requires_grad]
        if forward.requires_grad:
            torch.autograd.grad(forward, trained, allow_unused=True)
    return [_inverse(case, witnesses), _replayed(witnesses, drawn)]


def _inverse(case: Case, witnesses: list[Witness]) -> Check:
    errors = {w.block: error for w in witnesses if (error := w.error()) is not None}
    if not errors:
        return Check.unjudged(INVERSE, "no block is evaluated a second time")
    worst = max(errors, key=lambda block: errors[block])
    exact = all(sequence.scheme.grid is not None for sequence in case.sequences)
    limit = 0.0 if exact else _limit(case)
    passed = errors[worst] <= limit
    if exact and passed:
        return Check.success(INVERSE, f"0 in all {len(errors)} blocks, bit for bit")
    figure = f"{errors[worst]:.1g} at worst, in {worst}, of {len(errors)} blocks; at most {limit:g}"
    return Check.judged(INVERSE, figure, _remedy(case, limit), passed=passed)


def _replayed(witnesses: list[Witness], drawn: list[dict[str, int]]) -> Check:
    right = wrong = 0
    places = []
    for witness, counts in zip(witnesses, drawn, strict=True):
        for name, states in witness.drew.items():
            if any(other.startswith(f"{name}.") for other in witness.drew):
                continue  # it is a module inside that draws
            first, again = states[: counts.get(name, 0)], states[counts.get(name, 0) :]
            strange = sum(state not in first for state in again)
            right, wrong = right + len(again) - strange, wrong + strange
            places += [name] if strange else []
    if not right + wrong:
        return Check.unjudged(REPLAY, "the blocks draw nothing twice")
    figure = f"{right} of {right + wrong} draws repeated"
    if not wrong:
        return Check.success(REPLAY, figure)
    return Check.failure(
        REPLAY,
        figure,
        f"{places[0]} drew other numbers in the backward pass: it seeds or skips a generator; "
        "backward 'stored' is right",
    )


@contextmanager
def _witnessed(case: Case) -> Iterator[list[Witness]]:
    """A witness for every block of every reversible sequence, in order."""
    witnesses = []
    with ExitStack() as stack:
        for called, block in wired_blocks(case.model):
            witness = Witness(block=called)
            witnesses.append(witness)
            _watch(block, witness, stack)
        yield witnesses


def _watch(block: nn.Module, witness: Witness, stack: ExitStack) -> None:
    direct = dict(block.named_children())
    for name, module in block.named_modules():
        if name:
            label = f"{witness.block}.{name}"
            enter = _entering(witness, label, direct=name in direct)
            stack.callback(module.register_forward_pre_hook(enter).remove)
            stack.callback(module.register_forward_hook(_leaving(witness, label)).remove)


def _entering(witness: Witness, label: str, *, direct: bool) -> Any:
    def enter(_module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor):
            if direct:
                witness.given.setdefault(label, []).append(args[0].detach().clone())
            witness.entered[label] = _state(args[0].device)

    return enter


def _leaving(witness: Witness, label: str) -> Any:
    def leave(_module: nn.Module, args: tuple[Any, ...], _output: Any) -> None:
        before = witness.entered.pop(label, None)
        if before is not None and before != _state(args[0].device):
            witness.drew.setdefault(label, []).append(before)

    return leave


def _state(device: torch.device) -> bytes:
    return b"".join(state.cpu().numpy().tobytes() for state in random_state(device))
