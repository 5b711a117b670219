"""Reversal: whether a backward pass that rebuilds its activations gives what one that kept them gives.

The same weights run twice, once as they are wired and once with everything stored; and modules inside the blocks
say what they were given in the forward and again in the backward.

Shapes: B images.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import Case, Check, words
from revconsole.reversible.audit.twin import twin_of
from revconsole.reversible.replay import random_state
from revconsole.reversible.sequence import ReversibleSequence

DOUBLE = "gradient as stored, float64"
RUN = "gradient as stored"
INVERSE = "inverse error"
REPLAY = "dropout masks repeated"
DOUBLE_ERROR = (
    1e-8  # half the digits of float64: a wrong formula is off by far more, rounding by less
)
SINGLE_ERROR = (
    1e-2  # far below what a batch differs from the next; rounding that does not grow is 1e-6
)
HALF_ERROR = 1e-1  # bf16 itself moves the gradient of some tensors by 2e-2
ROUNDING_SHARE = (
    0.01  # of a limit; steep blocks multiply rounding by no more than the hundred that are left
)
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
        return [Check(name=DOUBLE, passed=None, figure=NOTHING)]
    if case.images.device.type == "mps":
        return [Check(name=DOUBLE, passed=None, figure="mps has no float64")]
    few = case.few()
    double = few.double(twin_of(case.model).double())
    try:
        return [_compared(double, DOUBLE, DOUBLE_ERROR)]
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        return [Check(name=DOUBLE, passed=None, figure=f"does not run in float64: {reason}")]


def _limit(case: Case) -> float:
    """The limit of relative errors in the run's precision."""
    return SINGLE_ERROR if case.computes_in.itemsize >= torch.float32.itemsize else HALF_ERROR


def _remedy(case: Case, limit: float) -> str:
    """What to do about an error: it is either rounding that the scheme multiplies, or a block's doing."""
    growth = max(
        (
            sequence.scheme.error_growth(max(map(len, sequence.runs), default=0))
            for sequence in case.sequences
        ),
        default=0.0,
    )
    if growth * torch.finfo(case.computes_in).eps < ROUNDING_SHARE * limit:
        return UNLIKE
    return (
        f"the scheme multiplies rounding by about {growth:.2g} over this depth: scheme.grid_bits = 9 "
        "reconstructs exactly, backward 'checkpointed' keeps the streams"
    )


def _rebuilds(case: Case) -> bool:
    """Whether any block's activations are not simply kept."""
    return any(words(sequence) != {"stored"} for sequence in case.sequences)


@contextmanager
def everything_stored(case: Case) -> Iterator[None]:
    """Let autograd keep all activations."""
    before = [(sequence, sequence.backward) for sequence in case.sequences]
    try:
        for sequence, _ in before:
            sequence.backward = "stored"
        yield
    finally:
        for sequence, backward in before:
            sequence.backward = backward


def _compared(case: Case, name: str, limit: float) -> Check:
    if not _rebuilds(case):
        return Check(name=name, passed=None, figure=NOTHING)
    rebuilt = case.gradients()
    with everything_stored(case):
        stored = case.gradients()
    error, worst = _worst(stored, rebuilt)
    passed = error <= limit
    place = f" in {worst}" if worst and error else ""
    return Check(
        name=name,
        passed=passed,
        figure=f"relative error {error:.1g}{place}, at most {limit:g}",
        advice="" if passed else _remedy(case, limit),
    )


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

    given: per module, its first input at each call. drew: per module, the states before each draw.
    entered: the states when the modules now at work were called. times: that a run calls the block.
    """

    block: str
    times: int = 1
    entered: dict[str, bytes] = field(default_factory=dict)
    given: dict[str, list[Tensor]] = field(default_factory=dict)
    drew: dict[str, list[bytes]] = field(default_factory=dict)

    def error(self) -> float | None:
        """Largest relative difference of a module's second input from its first; None if none was called twice.

        A block that a run calls several times is evaluated again in the reverse order.
        """
        whole = [given for given in self.given.values() if len(given) == 2 * self.times]
        pairs = [(given[n], given[-1 - n]) for given in whole for n in range(self.times)]
        return max((_relative(*pair) for pair in pairs), default=None)


def _relative(first: Tensor, again: Tensor) -> float:
    first, again = first.double(), again.double()
    return float((first - again).norm() / first.norm().clamp_min(torch.finfo(first.dtype).tiny))


def replay(case: Case) -> list[Check]:
    """In the backward pass every block meets the streams of the forward, and draws what it drew then."""
    if not _rebuilds(case):
        return [Check(name=name, passed=None, figure=NOTHING) for name in (INVERSE, REPLAY)]
    case = case.few()
    with _witnessed(case) as witnesses:
        forward = case.loss()
        drawn = [{name: len(states) for name, states in w.drew.items()} for w in witnesses]
        trained = [p for p in case.model.parameters() if p.requires_grad]
        if forward.requires_grad:
            torch.autograd.grad(forward, trained, allow_unused=True)
    return [_inverse(case, witnesses), _replayed(witnesses, drawn)]


def _inverse(case: Case, witnesses: list[Witness]) -> Check:
    errors = {w.block: error for w in witnesses if (error := w.error()) is not None}
    if not errors:
        return Check(name=INVERSE, passed=None, figure="no block is evaluated a second time")
    worst = max(errors, key=lambda block: errors[block])
    exact = all(sequence.scheme.grid is not None for sequence in case.sequences)
    limit = 0.0 if exact else _limit(case)
    passed = errors[worst] <= limit
    if exact and passed:
        return Check(
            name=INVERSE, passed=True, figure=f"0 in all {len(errors)} blocks, bit for bit"
        )
    figure = f"{errors[worst]:.1g} at worst, in {worst}, of {len(errors)} blocks; at most {limit:g}"
    return Check(
        name=INVERSE, passed=passed, figure=figure, advice="" if passed else _remedy(case, limit)
    )


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
        return Check(name=REPLAY, passed=None, figure="the blocks draw nothing twice")
    figure = f"{right} of {right + wrong} draws repeated"
    if not wrong:
        return Check(name=REPLAY, passed=True, figure=figure)
    return Check(
        name=REPLAY,
        passed=False,
        figure=figure,
        advice=f"{places[0]} drew other numbers in the backward pass: it seeds or skips a generator; "
        "backward 'stored' is right",
    )


@contextmanager
def _witnessed(case: Case) -> Iterator[list[Witness]]:
    """A witness for every block of every reversible sequence, in order."""
    witnesses = []
    with ExitStack() as stack:
        for path, sequence in case.model.named_modules():
            if isinstance(sequence, ReversibleSequence):
                for called, block in sequence.placed(path):
                    times = list(sequence.named_blocks.values()).count(block)
                    witness = Witness(block=called, times=times)
                    witnesses.append(witness)
                    _watch(block, witness, stack)
        yield witnesses


def _watch(block: nn.Module, witness: Witness, stack: ExitStack) -> None:
    direct = dict(block.named_children())
    for name, module in block.named_modules():
        if name:
            label = f"{witness.block}.{name}"
            before = module.register_forward_pre_hook(
                _entering(witness, label, direct=name in direct)
            )
            after = module.register_forward_hook(_leaving(witness, label))
            stack.callback(before.remove)
            stack.callback(after.remove)


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
