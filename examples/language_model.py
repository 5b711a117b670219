"""A small GPT-2 that learns the next character of a text, plain and as an exact BDIA transformer, each over three seeds.

The text comes with every Python: the help on its language (`pydoc_data.topics`). Zhang et al. 2025 (arXiv 2407.09093) do
this with GPT-2 on a small part of OpenWebText, where BDIA has the higher training and the lower validation loss.

    python examples/language_model.py                                                   # minutes on one CPU core
    python examples/language_model.py --depth 12 --dim 768 --heads 12 --context 512 --steps 20000 --device cuda
    revconsole compare "gpt2-*"

Shapes: B texts at once, T characters of each, D width.
"""

import argparse
import math
import platform
import statistics
from collections.abc import Iterable
from pydoc_data import topics

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import revconsole
from revconsole.reversible import Bdia, rewire
from revconsole.reversible.step_peak import step_peak

SCHEMES = {"plain": None, "bdia": Bdia(grid_bits=9)}
CHARACTERS = 128
"""ASCII; what is not of it is left out."""
HELD_OUT = 0.1


class Block(nn.Module):
    """Causal attention and an MLP, each after a layer norm, as in GPT-2."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def attend(self, x: Tensor) -> Tensor:
        """What attention adds to x (B, T, D): no character sees one behind it."""
        B, T, D = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(B, T, D))

    def think(self, x: Tensor) -> Tensor:
        """What the MLP adds to x."""
        return self.mlp(self.norm2(x))

    def forward(self, x: Tensor) -> Tensor:
        """The stream x (B, T, D) after the block."""
        x = x + self.attend(x)
        return x + self.think(x)


class Gpt2(nn.Module):
    """GPT-2 on characters (B, T) to logits (B, T, 128); the last layer shares the weights of the first."""

    def __init__(self, *, depth: int, dim: int, heads: int, context: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(CHARACTERS, dim), nn.Embedding(context, dim)
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def forward(self, characters: Tensor) -> Tensor:
        """Logits of the character that follows each."""
        places = torch.arange(characters.shape[1], device=characters.device)
        x = self.blocks(self.tokens(characters) + self.positions(places))
        return self.norm(x) @ self.tokens.weight.T


def halves(most: int) -> tuple[Tensor, Tensor]:
    """At most so many characters of the text, and a tenth as many behind them, which nobody trains on."""
    text = "\n".join(topics.topics.values()).encode("ascii", "ignore")
    characters = torch.tensor(list(text))
    train = min(most, int(len(text) * (1 - HELD_OUT)))
    return characters[:train], characters[train : train + int(train * HELD_OUT)]


def loss_of(model: nn.Module, texts: Tensor) -> Tensor:
    """Mean cross-entropy in nats of each next character of texts (B, T + 1)."""
    return F.cross_entropy(model(texts[:, :-1]).flatten(0, 1), texts[:, 1:].flatten())


@torch.no_grad()
def validation_loss(model: nn.Module, characters: Tensor, context: int) -> float:
    """The loss over all whole contexts of a text, without noise: BDIA is then the plain network."""
    model.eval()
    loss = loss_of(model, characters.unfold(0, context + 1, context)).item()
    model.train()
    return loss


def trained(scheme: str, seed: int, given: argparse.Namespace) -> tuple[float, float]:
    """Train one model, recorded; returns its training loss, over the last tenth of the steps, and its validation loss."""
    torch.manual_seed(seed)
    shape = {key: getattr(given, key) for key in ("depth", "dim", "heads", "context")}
    model = Gpt2(**shape).to(given.device)
    if wiring := SCHEMES[scheme]:
        rewire(
            model,
            wiring,
            example=torch.zeros(1, given.context, dtype=torch.long, device=given.device),
        )
    text, held_out = (half.to(given.device) for half in halves(given.characters))
    optimiser = torch.optim.AdamW(model.parameters(), lr=given.lr, betas=(0.9, 0.95))
    settings = {
        "scheme": scheme,
        "seed": seed,
        "dataset": "pydoc topics",
        "lr": given.lr,
        "batch": given.batch,
        **shape,
    }
    losses: list[float] = []
    with revconsole.record(
        f"gpt2-{scheme}-s{seed}",
        settings,
        steps=given.steps,
        facts={"python": platform.python_version()},
    ) as run:
        for step in range(1, given.steps + 1):
            starts = torch.randint(len(text) - given.context, (given.batch, 1))
            texts = text[
                starts.to(text.device) + torch.arange(given.context + 1, device=text.device)
            ]
            if step == 1:
                run.log(0, peak_of_a_step=step_peak(lambda texts=texts: loss_of(model, texts)))
            loss = loss_of(model, texts)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.param_groups[0]["lr"] = given.lr * min(
                step / 50, 0.5 + 0.5 * math.cos(math.pi * step / given.steps)
            )
            optimiser.step()
            losses.append(loss.item())
            run.log(step, loss=losses[-1])
            if step % given.every == 0 or step == given.steps:
                last = validation_loss(model, held_out, given.context)
                run.log(step, validation_loss=last)
            if run.stop_asked():
                break
    return statistics.fmean(losses[-max(1, given.steps // 10) :]), last


def main(words: Iterable[str] = ()) -> dict[str, list[tuple[float, float]]]:
    """Train every scheme over every seed and print a table; returns the training and validation loss of each run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    numbers = {
        "depth": 4, "dim": 64, "heads": 4, "context": 64, "characters": 40_000, "batch": 16, "steps": 600, "every": 100, "seeds": 3,
    }  # fmt: skip
    for name, usual in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args(list(words))
    found = {s: [trained(s, seed, given) for seed in range(given.seeds)] for s in SCHEMES}
    print("scheme    training loss     validation loss (nats a character)")
    for scheme, losses in found.items():
        print(f"{scheme:9}", *(spread(values) for values in zip(*losses, strict=True)), sep=" ")
    return found


def spread(values: Iterable[float]) -> str:
    """Mean and sample deviation."""
    several = list(values)
    deviation = f" ± {statistics.stdev(several):.3f}" if len(several) > 1 else ""
    return f"{statistics.fmean(several):.3f}{deviation}    "


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
