"""What each scheme and backward costs beside the plain network: times, work, passes over memory, peaks.

    python tests/conformance/costs.py 4 16 32 --dim 192 --batch 64 --rounds 7

Times are of a forward and backward, interleaved with the plain network's, as the median of the ratios
of each round: by the clock, and of the processor, which other processes disturb less. Work (operations
of products, convolutions and attention) and passes (operators that touch at least a bit for each
number of a stream, beyond the plain network's, per block) are counted and the same at any load. Peaks
are the most that is allocated at once in such a step, with the gradients of weights and without these.
"""

import argparse
import statistics
import time

import timm
import torch
from peers import peers
from test_cost import FlopCounter, Passes
from torch.nn import functional as F

from revconsole.errors import NotInvertible
from revconsole.reversible import make_scheme, rewire
from revconsole.training.machine.allocated import allocated

PLAIN = "plain, stored"
ROWS = {
    "plain, checkpointed": ("residual", {}, "checkpointed"),
    "additive, stored": ("additive", {}, "stored"),
    "additive, reversible": ("additive", {}, "reversible"),
    "hamiltonian, reversible": ("hamiltonian", {}, "reversible"),
    "midpoint, reversible": ("midpoint", {}, "reversible"),
    "leapfrog, reversible": ("leapfrog", {}, "reversible"),
    "momentum in floats, reversible": ("momentum", {}, "reversible"),
    "momentum, exact, reversible": ("momentum", {"grid_bits": 9}, "reversible"),
    "bdia in floats, reversible": ("bdia", {"grid_bits": None}, "reversible"),
    "bdia, exact, stored": ("bdia", {}, "stored"),
    "bdia, exact, checkpointed": ("bdia", {}, "checkpointed"),
    "bdia, exact, reversible": ("bdia", {}, "reversible"),
}
TOKENS = 65


def model(depth, dim, wiring=None):
    """A ViT for images of 32 × 32, of the same weights each time."""
    torch.manual_seed(0)
    vit = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=4, embed_dim=dim, num_heads=max(dim // 64, 1),
        depth=depth, num_classes=10,
    ).train()  # fmt: skip
    return vit if wiring is None else rewire(vit, make_scheme(wiring[0], wiring[1]), wiring[2])


def step(network, images, labels):
    """One forward and backward, with the gradients made anew."""
    network.zero_grad(set_to_none=True)
    F.cross_entropy(network(images), labels).backward()


def counted(network, images, labels):
    """Operations, and passes over memory."""
    with FlopCounter() as work, Passes(len(images) * TOKENS * network.embed_dim) as passes:
        step(network, images, labels)
    return work.get_total_flops(), sum(passes.count.values())


def ratios(networks, images, labels, rounds):
    """By the clock and of the processor, the ratios to the plain network in each round."""
    clocks = (time.perf_counter, time.process_time)
    found = {name: ([], []) for name in networks}
    for _ in range(rounds):
        plain = None
        for name, network in networks.items():
            before = [clock() for clock in clocks]
            step(network, images, labels)
            took = [clock() - start for clock, start in zip(clocks, before, strict=True)]
            plain = plain or took
            for ratio, one, other in zip(found[name], took, plain, strict=True):
                ratio.append(one / other)
    return found


def table(depth, dim, batch, rounds, *, beside):
    """Print the rows of one depth."""
    images, labels = torch.randn(batch, 3, 32, 32), torch.randint(0, 10, (batch,))
    networks = {PLAIN: model(depth, dim)}
    for name, wiring in ROWS.items():
        try:
            networks[name] = model(depth, dim, wiring)
        except NotInvertible as refusal:
            print(f"| {depth} | {name} | refused: {refusal} | | | | |", flush=True)
    networks |= dict(peers(lambda: model(depth, dim)) if beside else ())
    peaks, counts = {}, {}
    for name, network in networks.items():
        step(network, images, labels)
        network.zero_grad(set_to_none=True)
        peaks[name] = allocated(lambda network=network: step(network, images, labels))
        counts[name] = counted(network, images, labels)
    times = ratios(networks, images, labels, rounds)
    operations, passes = counts[PLAIN]
    for name, (clock, processor) in times.items():
        work, more = counts[name][0] / operations, (counts[name][1] - passes) / depth
        by_clock, of_processor = statistics.median(clock), statistics.median(processor)
        print(
            f"| {depth} | {name} | {by_clock:.3f} | {of_processor:.3f} "
            f"[{min(processor):.2f}–{max(processor):.2f}] | {work:.3f} | {more:+.1f} "
            f"| {peaks[name] / 2**20:.1f} |",
            flush=True,
        )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("depths", nargs="*", type=int, default=[4, 16, 32])
    for name, default in {"dim": 192, "batch": 64, "rounds": 7}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument(
        "--peers", action="store_true", help="other libraries beside, of those installed"
    )
    words = parser.parse_args()
    torch.set_num_threads(1)
    print("| depth | wiring | step / plain | its CPU time | work | passes a block | peak MiB |")
    print("|---" * 7 + "|")
    for depth in words.depths:
        table(depth, words.dim, words.batch, words.rounds, beside=words.peers)


if __name__ == "__main__":
    main()
