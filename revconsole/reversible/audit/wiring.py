"""Wiring: whether a rewired model is, without its scheme, the network that it was.

With γ = 0 BDIA is the plain residual network, run by the sequence in training; in evaluation the model runs its
blocks as it always did. What is taken from between the blocks, and hooks on them, are lost only in the former.

Shapes: B images.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import Case, Check, signs
from revconsole.reversible.audit.reversal import everything_stored
from revconsole.reversible.audit.twin import twin_of
from revconsole.reversible.hooks import Guard
from revconsole.reversible.nested import tensors
from revconsole.reversible.rest import evaluating
from revconsole.reversible.schemes.bdia import Bdia
from revconsole.reversible.schemes.residual import Residual
from revconsole.reversible.sequence import ReversibleSequence, temporarily, wired_blocks

PLAIN = "wired as plain"
BEHIND = "nothing left behind"
SIGNS = "a sign per image"
ROUNDING = 1e-9  # of float64, in relation to the largest output


def wiring(case: Case) -> list[Check]:
    """γ = 0 against the plain network; what blocks leave behind; and for how many samples signs are drawn."""
    if not case.sequences:
        return [Check.unjudged(PLAIN, "no block is reversible")]
    few = case.few()
    return [_plain(few), *_left_behind(few), *_signs(few)]


def _plain(case: Case) -> Check:
    twin = twin_of(case.model).double()
    double = case.double(twin)
    try:
        with torch.no_grad(), evaluating(twin):
            plain, wired = _outputs(double, Residual()), _outputs(double, Bdia(gamma=0.0))
    except Exception as error:  # noqa: BLE001  a scheme of two streams may not fit the model's ends
        reason = str(error).partition("\n")[0][:100]
        return Check.unjudged(PLAIN, f"it does not run without its scheme: {reason}")
    apart = float((plain - wired).abs().max() / plain.abs().max().clamp_min(1e-12))
    figure = f"outputs differ by {apart:.1g} with γ = 0, at most {ROUNDING:g}"
    return Check.judged(PLAIN, figure, _lost(twin), passed=apart <= ROUNDING)


def _outputs(case: Case, scheme: Bdia | Residual) -> Tensor:
    """The model's output in evaluation mode, with the sequences as the scheme wires them in training."""
    for sequence in case.sequences:
        sequence.backward = "stored"
        sequence.scheme = scheme
        sequence.training = isinstance(scheme, Bdia)
    return case.logits()


def _lost(model: nn.Module) -> str:
    for called, block in wired_blocks(model):
        before = [h for h in block._forward_pre_hooks.values() if not isinstance(h, Guard)]  # noqa: SLF001
        if before or block._forward_hooks:  # noqa: SLF001  torch has no other list of them
            return f"{called} has a forward hook, which does not run in training: put it on a module inside the block"
    paths = [path for path, m in model.named_modules() if isinstance(m, ReversibleSequence)]
    return (
        f"the model takes or changes something between the blocks of {', '.join(paths)}, which run as one in training: "
        "end the run there, or leave the model unwired"
    )


def _left_behind(case: Case) -> list[Check]:
    """A failure where a block leaves a tensor on itself that has a graph if stored, and none as it is wired."""
    with everything_stored(case):
        case.loss()
        stored = dict(_kept(case.model))
    case.loss()
    wired = dict(_kept(case.model))
    lost = [name for name, grown in stored.items() if grown and not wired.get(name, False)]
    if not lost:
        return []
    return [
        Check.failure(
            BEHIND,
            f"{len(lost)} tensors without the gradient they have if all is stored",
            f"a loss made of {lost[0]} trains nothing: return it from the block, or use backward 'stored'",
        )
    ]


def _kept(model: nn.Module) -> Iterator[tuple[str, bool]]:
    """Tensors in attributes of modules in the sequences' blocks, by name, and whether they have a graph."""
    for called, block in wired_blocks(model):
        for inner, module in block.named_modules(prefix=called):
            for name, value in vars(module).items():
                for tensor in () if name.startswith("_") else tensors(value):
                    yield f"{inner}.{name}", tensor.grad_fn is not None


def _signs(case: Case) -> list[Check]:
    """A failure where the sequences draw for more samples than there are images."""
    asked: list[int] = []

    def counted(blocks: int, samples: int, device: torch.device) -> Tensor:
        asked.append(samples)
        return signs(blocks, samples, device)

    with temporarily(case.sequences, "draws", counted), torch.no_grad():
        case.logits()
    wrong = [samples for samples in asked if samples % len(case.images)]
    if not wrong:
        return []
    return [
        Check.failure(
            SIGNS,
            f"{wrong[0]} signs a block for {len(case.images)} images",
            "the first axis of the stream is not the batch, so a sign is drawn for each token: let the blocks "
            "work on (batch, tokens, width)",
        )
    ]
