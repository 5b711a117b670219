"""Budgets of memory, ours beside its rivals: `python tests/reversible/budgets.py [--compile] [--depth 12] …`.

One ViT and one batch in one process: step time beside plain training, as a median over rounds in which
all take turns, and the peak of a step by the log of torch's allocator.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate

import timm
import torch
from torch import Tensor, nn
from torch._functorch import config
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from revconsole.reversible import keep_within, rewire, step_peak

SHARES = (0.0, 0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
ATEN = torch.ops.aten
PRODUCTS = [ATEN.addmm.default, ATEN.mm.default, ATEN.bmm.default]
ATTENTION = [ATEN._scaled_dot_product_flash_attention_for_cpu.default]
Step = Callable[[], None]
Row = tuple[str, int, float]  # name, bytes, step time beside plain training


def vit(options: argparse.Namespace) -> nn.Module:
    """The network that all train, the same weights each time."""
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=4, num_classes=10,
        depth=options.depth, embed_dim=options.width, num_heads=options.width // 32,
    )  # fmt: skip
    return model.train()


def through_blocks(model: nn.Module, images: Tensor, run: Callable[..., Tensor]) -> Tensor:
    """The model with each block called by `run`."""
    x = model.norm_pre(model.patch_drop(model._pos_embed(model.patch_embed(images))))
    for block in model.blocks:
        x = run(block, x)
    out: Tensor = model.forward_head(model.norm(x))
    return out


def rivals(options: argparse.Namespace, images: Tensor) -> Iterator[tuple[str, Step]]:
    """Each with a name."""
    plain = vit(options)
    yield "plain", lambda: plain(images).sum().backward()
    full = partial(checkpoint, use_reentrant=False)
    for name, saved in (
        ("full checkpointing", None),
        ("selective: attention", ATTENTION),
        ("selective: products", [*PRODUCTS, *ATTENTION]),
    ):
        context = partial(create_selective_checkpoint_contexts, partial(_policy, saved or []))
        run = full if saved is None else partial(full, context_fn=context)
        yield name, partial(_step, vit(options), images, run)
    stored = step_peak(lambda: plain(images))
    for scheme, start in (("residual", "checkpointed"), ("additive", "reversible")):
        least = step_peak(partial(rewire(vit(options), scheme, start).train(), images))
        for share in SHARES:
            model = rewire(vit(options), scheme, start).train()
            budget = int((least + share * (stored - least)) * 1.005) + 2**15
            choice = keep_within(model, partial(model, images), budget)
            assert choice.peak <= budget
            words = "".join(word[0] for word in model.blocks.backwards)
            yield f"auto, {scheme}, {budget / 2**20:.2f} MiB: {words}", _of(model, images)


def _of(model: nn.Module, images: Tensor) -> Step:
    return lambda: model(images).sum().backward()


def _policy(saved: list[object], ctx: object, op: object, *_: object, **__: object) -> object:
    del ctx
    return CheckpointPolicy.MUST_SAVE if op in saved else CheckpointPolicy.PREFER_RECOMPUTE


def _step(model: nn.Module, images: Tensor, run: Callable[..., Tensor]) -> None:
    through_blocks(model, images, run).sum().backward()


def compiled(options: argparse.Namespace, images: Tensor) -> Iterator[Row]:
    """`torch.compile` with each memory budget, one at a time beside the plain network.

    The compiler keeps what it made by the code of a model and not by the budget, so that it forgets all of
    it in between.
    """
    plain, model = vit(options), vit(options)
    for twentieths in range(21):
        torch._dynamo.reset()
        budget = {"activation_memory_budget": twentieths / 20, "enable_autograd_cache": False}
        with config.patch(**budget):
            step = _of(torch.compile(model), images)
            most = peak(step)
            pair = {"plain": _of(plain, images), "compiled": step}
            times = rounds(pair, options.rounds)
        ratios = [c / p for p, c in zip(times["plain"], times["compiled"], strict=True)]
        yield f"compiled, {twentieths / 20:.2f}", most, statistics.median(ratios)


def rounds(steps: dict[str, Step], count: int) -> dict[str, list[float]]:
    """Seconds of the processor for each in each round."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(count):
        for name, step in steps.items():
            start = time.process_time()
            step()
            times[name].append(time.process_time() - start)
    return times


def peak(step: Step) -> int:
    """By the log of every allocation, with gradients in their places."""
    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("depth", 12), ("width", 192), ("batch", 64), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    images = torch.randn(options.batch, 3, 32, 32)
    steps = dict(rivals(options, images))
    peaks = {name: peak(step) for name, step in steps.items()}
    times = rounds(steps, options.rounds)
    plain = statistics.median(times["plain"])
    rows = [(name, peaks[name], statistics.median(times[name]) / plain) for name in steps]
    for row in sorted(rows, key=lambda row: row[1]):
        _print(row)
    for row in compiled(options, images) if options.compile else ():
        _print(row)


def _print(row: Row) -> None:
    name, most, ratio = row
    sys.stdout.write(f"| {name} | {most / 2**20:.2f} MiB | {ratio:.3f} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
