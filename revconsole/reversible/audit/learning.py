"""Learning: the loss before any, whether every parameter would take part, and whether one batch can be learnt."""

import math
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import (
    Case,
    Check,
    grouped,
    require_classifier,
    without_dropout,
)

LOSS = "initial loss"
GRADIENTS = "gradient everywhere"
FROZEN = "frozen parameters"
OVERFIT = "one batch overfitted"
HIGH = 1.0  # nats above guessing: what outputs that spread by √2 cost; heads are drawn narrower
LOW = 0.5  # of guessing: nothing that was just drawn knows this much
NUDGE = 0.02  # deviation of what replaces zeros, as weights of vision transformers are drawn
STEPS = 150
FAIR_STEPS = 50  # fewer, because time ran out, prove nothing
WARMUP = 10  # steps
RATE = 2e-3  # of Adam
LEARNT = 0.25  # of guessing: no constant answer gets there unless nearly all labels are one
IMAGES = 32


def initial_loss(case: Case) -> list[Check]:
    """The loss in training mode is near that of guessing, ln(classes).

    Raises RevconsoleError if the model is no classifier of these images.
    """
    with torch.no_grad():
        logits = case.logits()
        require_classifier(case, logits)
        loss = float(case.loss_of(logits))
    classes = logits.shape[1]
    guessing = math.log(classes)
    figure = f"{loss:.3f} nats, ln {classes} = {guessing:.3f}"
    advice, passed = "", True
    if not math.isfinite(loss) or loss > guessing + HIGH:
        passed = False
        advice = (
            "a fresh network should guess: draw the head's weights smaller, scale the images to about "
            "unit deviation, end in a norm"
        )
    elif loss < LOW * guessing:
        advice = (
            "it knows these images already: pretrained on them, or the labels leak into the input?"
        )
    return [Check(name=LOSS, passed=passed, figure=figure, advice=advice)]


def nudge_zeros(model: nn.Module) -> None:
    """Move trained parameters that are all zero off it, which legitimately stops gradients at the start.

    Zero-initialised heads, gates and last norms of a block do so on purpose; a step later they no longer do.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(noise.to(parameter) * NUDGE)


def gradients(case: Case) -> list[Check]:
    """Every parameter that is to train receives a gradient; those that are not are named in a note."""
    names = [name for name, _ in case.model.named_parameters()]
    found = case.few().gradients()
    checks = [] if len(found) == len(names) else [_frozen(case.model, list(found), names)]
    if not found:
        return [
            Check(
                name=GRADIENTS,
                passed=False,
                figure="no parameter trains",
                advice="requires_grad is False everywhere",
            ),
            *checks,
        ]
    broken = [name for name, g in found.items() if g is not None and not g.isfinite().all()]
    without = [name for name, g in found.items() if g is None or not g.any()]
    return [_received(found, broken, without, names), *checks]


def _received(
    found: dict[str, Tensor | None],
    broken: Sequence[str],
    without: Sequence[str],
    names: Sequence[str],
) -> Check:
    if broken:
        return Check(
            name=GRADIENTS,
            passed=False,
            figure=f"not finite in {grouped(broken, names)}",
            advice="look there for a division by zero, a logarithm or root of zero, or an overflow",
        )
    if not without:
        return Check(name=GRADIENTS, passed=True, figure=f"all {len(found)} tensors that train")
    return Check(
        name=GRADIENTS,
        passed=False,
        figure=f"none to {len(without)} of {len(found)} tensors: {grouped(without, names)}",
        advice=_cut(list(found), without),
    )


def _cut(trained: Sequence[str], without: Sequence[str]) -> str:
    """Where the way back is likely to be cut, from the order in which the parameters stand."""
    last = max(trained.index(name) for name in without)
    if len(without) == len(trained):
        return (
            "the loss does not depend on any of them: look for detach(), .data, no_grad() or argmax"
        )
    if last + 1 == len(without):
        after = trained[last + 1].rpartition(".")[0] or trained[last + 1]
        return f"nothing flows back beyond {after}: look there for detach(), .data or no_grad()"
    return (
        "they are to train, but what they compute is not used, or is cut off by detach(), .data or "
        "no_grad()"
    )


def _frozen(model: nn.Module, trained: Sequence[str], names: Sequence[str]) -> Check:
    """Freezing is a choice; but some blocks of a stack that stand behind something that learns are odd."""
    frozen = [name for name in names if name not in set(trained)]
    weights = dict(model.named_parameters())
    share = sum(weights[n].numel() for n in frozen) / max(
        1, sum(p.numel() for p in weights.values())
    )
    odd = [path for stack, path in _stacks(model) for path in _odd(model, stack, path)]
    figure = f"{len(frozen)} of {len(names)} tensors, {share:.1%} of the weights: {grouped(frozen, names)}"
    if odd:
        inside = [n for n in frozen if any(n.startswith(f"{path}.") for path in odd)]
        return Check(
            name=FROZEN,
            passed=False,
            figure=figure,
            advice=f"learning is disabled (requires_grad is False) in {grouped(inside, names)}, and what is "
            "before it learns: a mistake, unless these blocks are meant to stay as they are",
        )
    return Check(
        name=FROZEN, passed=None, figure=figure, advice="requires_grad is False there: deliberate?"
    )


def _stacks(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for path, module in model.named_modules():
        if isinstance(module, nn.Sequential | nn.ModuleList) and len(module) > 1:
            kinds = {type(block) for block in module}
            if len(kinds) == 1 and all(any(True for _ in b.children()) for b in module):
                yield module, path


def _odd(model: nn.Module, stack: nn.Module, path: str) -> list[str]:
    """Blocks that are wholly frozen while one beside them, and a module before them, is not."""
    states = {f"{path}.{n}".lstrip("."): _learns(block) for n, block in stack.named_children()}
    if all(states.values()) or not any(states.values()):
        return []
    found, learning = [], False
    for name, module in model.named_modules():
        own = [p.requires_grad for p in module.parameters(recurse=False)] if name else []
        learning |= any(own)
        if states.get(name) is False and learning:
            found.append(name)
    return found


def _learns(block: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in block.parameters())


def overfit(case: Case, *, seconds: float) -> list[Check]:
    """Up to 32 images can be learnt by heart: Adam, without dropout, in at most 150 steps.

    Passes once the loss is under a quarter of ln(classes), where no constant answer gets unless the labels are
    nearly all one. Changes the weights. Not judged if time runs out before 50 steps; seconds are of work in this thread.
    """
    case = case.few(IMAGES)
    without_dropout(case.model)
    trained = [p for p in case.model.parameters() if p.requires_grad]
    if not trained:
        return [Check(name=OVERFIT, passed=None, figure="no parameter trains")]
    losses, wanted = _learn(case, trained, seconds)
    best, steps = min(losses), len(losses) - 1
    figure = f"loss {losses[0]:.2f} → {best:.2f} nats in {steps} steps on {len(case.images)} images"
    if best <= wanted:
        return [Check(name=OVERFIT, passed=True, figure=figure)]
    if steps < FAIR_STEPS and math.isfinite(losses[-1]):
        return [
            Check(
                name=OVERFIT,
                passed=None,
                figure=f"{figure}; {seconds:g} s were not enough to judge",
            )
        ]
    return [
        Check(
            name=OVERFIT,
            passed=False,
            figure=f"{figure}; wanted {wanted:.2f}",
            advice="it cannot even learn these few by heart: see the checks above, then the capacity, the "
            "labels and the normalisation of the images",
        )
    ]


def _learn(
    case: Case, trained: Sequence[nn.Parameter], seconds: float
) -> tuple[list[float], float]:
    """The loss before each step and after the last; and the loss that was wanted."""
    optimizer = torch.optim.Adam(trained, lr=RATE)
    losses: list[float] = []
    with torch.no_grad():
        wanted = LEARNT * math.log(case.few(1 + len(case.images) // 2).logits().shape[1])
    end = time.thread_time() + seconds
    for step in range(STEPS + 1):
        loss = case.loss()
        losses.append(loss.item())
        done = losses[-1] <= wanted or not math.isfinite(losses[-1]) or not loss.requires_grad
        if done or step == STEPS or time.thread_time() > end:
            break
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, (step + 1) / WARMUP)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
    return losses, wanted
