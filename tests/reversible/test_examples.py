"""Models of any inputs: tokens, dictionaries, several tensors, outputs that are structures."""

import copy
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from revconsole.errors import NotInvertible
from revconsole.reversible import Bdia, rewire, survey

WIDTH, WORDS, SAME = 6, 11, 1e-12
TOKENS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 0]])
TIMES = torch.tensor([0.25, 0.5], dtype=torch.float64)
LATENT = torch.linspace(-1, 1, 2 * 4 * WIDTH, dtype=torch.float64).reshape(2, 4, WIDTH)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x, by=None):
        h = self.linear(self.norm(x).tanh().cumsum(1))
        return x + (h if by is None else h * by)


@dataclass
class Answer:
    logits: Tensor
    pooled: dict[str, Tensor]


class Language(nn.Module):
    """Tokens in, a structure out."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WORDS)
        self.blocks = nn.Sequential(*(Block() for _ in range(3)))

    def forward(self, tokens, keep=None):
        x = self.blocks(self.embedding(tokens))
        x = x if keep is None else x * keep[..., None]
        return Answer(logits=self.head(x), pooled={"mean": x.mean(1)})


class Diffusion(nn.Module):
    """A latent, a time and a label, of which all blocks are given the sum."""

    def __init__(self):
        super().__init__()
        self.time, self.label = nn.Linear(1, WIDTH), nn.Embedding(WORDS, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(3))

    def forward(self, x, t, y):
        by = (self.time(t[:, None]) + self.label(y))[:, None]
        for block in self.blocks:
            x = block(x, by)
        return (x,)


class SequenceFirst(Language):
    def forward(self, tokens):
        return {"x": self.blocks(self.embedding(tokens.t()))}


def tensors(output):
    return output.logits if isinstance(output, Answer) else next(iter(_values(output)))


def _values(output):
    return output.values() if isinstance(output, dict) else output


CASES = {
    "tokens": (Language, TOKENS),
    "named": (Language, {"tokens": TOKENS}),
    "tokens and a mask": (Language, ((TOKENS,), {"keep": TOKENS > 0})),
    "three inputs": (Diffusion, (LATENT, TIMES, torch.tensor([3, 4]))),
    "positional and named": (Diffusion, ((LATENT,), {"t": TIMES, "y": torch.tensor([3, 4])})),
    "the sequence first": (SequenceFirst, TOKENS),
}


def call(model, example):
    if isinstance(example, Tensor):
        return model(example)
    if isinstance(example, dict):
        return model(**example)
    if isinstance(example[0], tuple):
        return model(*example[0], **example[1])
    return model(*example)


def made(kind):
    torch.manual_seed(0)
    return kind().double()


@pytest.mark.parametrize("frozen", [False, True], ids=["trained", "frozen embedding"])
@pytest.mark.parametrize("case", CASES)
def test_a_model_of_any_inputs_is_wired_and_has_the_gradients_of_stored(case, frozen):
    kind, example = CASES[case]
    model, gradients = made(kind), []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not (frozen and "blocks" not in name and "head" not in name))
    assert survey(model, example=example).fit == {"blocks": 3}
    expected = tensors(call(model.eval(), example))
    for backward in ("stored", "reversible"):
        wired = rewire(copy.deepcopy(model), Bdia(), backward, example=example)
        assert torch.equal(tensors(call(wired, example)), expected)
        torch.manual_seed(1)
        tensors(call(wired.train(), example)).square().sum().backward()
        gradients.append({n: p.grad for n, p in wired.named_parameters() if p.grad is not None})
    stored, reversible = gradients
    assert stored.keys() == reversible.keys()
    for name, gradient in stored.items():
        assert (gradient - reversible[name]).abs().max() <= SAME * (1 + gradient.abs().max()), name


def test_an_example_stays_as_it_was_and_so_does_what_is_frozen():
    class InPlace(Language):
        def forward(self, tokens):
            return super().forward(tokens.clamp_(max=3))

    model, tokens = made(InPlace), TOKENS.clone()
    model.embedding.requires_grad_(requires_grad=False)
    survey(model, example=tokens)
    assert torch.equal(tokens, TOKENS)
    assert not model.embedding.weight.requires_grad


def test_what_is_no_example_is_told_what_an_example_is():
    with pytest.raises(NotInvertible, match=r"`example` is a str: give a tensor, a tuple"):
        rewire(made(Language), example="tokens")
    with pytest.raises(NotInvertible, match=r"could not be run .* give an input as `example`"):
        rewire(made(Language))


def test_blocks_of_a_loop_over_a_slice_keep_their_wiring_and_their_modes():
    class Sliced(Diffusion):
        def forward(self, x, t, y):
            by = (self.time(t[:, None]) + self.label(y))[:, None]
            for block in self.blocks[:3]:
                x = block(x, by)
            return x

    example = CASES["three inputs"][1]
    model = rewire(made(Sliced), "momentum", example=example).train()
    model.blocks[1].eval()
    model(*example).sum().backward()
    assert not model.blocks[1].norm.training
    assert all(p.grad is not None for p in model.parameters())
