"""What every scheme is tried on: small vision transformers from timm, and every file in `schemes/`.

A test that asks for `scheme`, `invertible`, `exact` or `backward` runs once for each variant, one that asks
for `again` once for each backward that evaluates a block a second time. `each` is the first variant of each scheme,
`representative` of each that can be undone: for what surrounds the arithmetic, which is the same in all variants.
A new file in `schemes/` is picked up with its defaults; list variants here to have more of it covered.
"""

import copy
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from torch import nn

from revconsole.reversible import BACKWARDS, make_scheme, rewire, schemes

VARIANTS = {  # the first stand for their schemes: floats and grids, streams, side bits, stores and draws among them
    "additive": {
        "concat": {},
        "mean": {"fuse": "mean"},
        "mean-grid9": {"fuse": "mean", "grid_bits": 9},
    },
    "momentum": {
        "grid9": {"grid_bits": 9},
        "zero": {},
        "first": {"start": "first"},
        "half-first-grid9": {"gamma": 0.5, "start": "first", "grid_bits": 9},
    },
    "bdia": {
        "grid9": {},
        "floats": {"grid_bits": None},
        "quarter-grid9": {"gamma": 0.25, "grid_bits": 9},
        "one-grid9": {"gamma": 1.0, "grid_bits": 9},
    },
    "midpoint": {"floats": {}, "grid9": {"grid_bits": 9}},
    "leapfrog": {"grid9": {"grid_bits": 9}, "floats": {"step": 0.5}},
    "hamiltonian": {"floats": {"step": 0.5}, "grid9": {"grid_bits": 9}},
    "midpoint_a": {"grid9": {"grid_bits": 9}, "floats": {}},
    "coefficients": {
        "moving": {"progress": 0.15},
        "start": {},
        "tiny": {"progress": 0.05},
        "start-grid9": {"progress": 0.001, "grid_bits": 9},
        "end": {"progress": 1.0},
        "middle-grid9": {"progress": 0.3, "grid_bits": 9},
        "end-grid9": {"progress": 1.0, "grid_bits": 9},
    },
}
NAMES = sorted(p.stem for p in Path(schemes.__file__).parent.glob("*.py") if p.stem != "__init__")
WIRED = {}
SCHEMES = {
    f"{name}-{variant}".strip("-"): make_scheme(name, options)
    for name in NAMES
    for variant, options in VARIANTS.get(name, {"": {}}).items()
}
FIRST = {scheme.name: scheme for scheme in reversed(SCHEMES.values())}


def pytest_generate_tests(metafunc):
    groups = {
        "scheme": SCHEMES,
        "invertible": {k: s for k, s in SCHEMES.items() if s.error_growth(2) < float("inf")},
        "each": FIRST,
        "representative": {k: s for k, s in FIRST.items() if s.error_growth(2) < float("inf")},
        "exact": {k: s for k, s in SCHEMES.items() if s.grid is not None},
        "backward": {name: name for name in BACKWARDS},
        "again": {name: name for name in BACKWARDS if name != "stored"},
    }
    for argument, members in groups.items():
        if argument in metafunc.fixturenames:
            quick = metafunc.config.getoption("quick") and argument in {
                "scheme",
                "invertible",
                "exact",
            }
            taken = {k: each for k, each in members.items() if not quick or each in FIRST.values()}
            metafunc.parametrize(argument, list(taken.values()), ids=list(taken))


def small_vit(*, depth=4, seed=0, **options):
    torch.manual_seed(seed)
    return timm.create_model(
        "vit_tiny_patch16_224",
        img_size=8,
        patch_size=2,
        embed_dim=24,
        num_heads=2,
        depth=depth,
        num_classes=5,
        **options,
    )


@pytest.fixture
def vit():
    """`vit(depth=4, **options)`: a ViT of 17 tokens and width 24, the same weights each time."""
    return small_vit


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(3, 3, 8, 8)


class BatchNormBlock(nn.Module):
    """A residual block of two branches that names them itself; one holds a BatchNorm."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def branches(self):
        return (
            lambda x: self.first(self.norm(x.transpose(1, 2)).transpose(1, 2)).tanh(),
            lambda x: self.second(x).tanh(),
        )

    def forward(self, x):
        for branch in self.branches():
            x = x + branch(x)
        return x


@pytest.fixture
def batch_norm_block():
    return BatchNormBlock


def trained(model, images, *, seed=2, autocast=None):
    """One forward and backward; returns the output and the gradients of input and parameters."""
    x = images.clone().requires_grad_()
    torch.manual_seed(seed)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast == "bf16"):
        output = model(x)
    output.float().square().sum().backward() if autocast else output.square().sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return SimpleNamespace(output=output.detach(), gradients={"images": x.grad, **gradients})


@pytest.fixture
def train():
    return trained


@pytest.fixture
def wire():
    """`wire(scheme, backward, **options)`: the model of `vit(**options)` wired so, the same weights each time."""
    return wired


@pytest.fixture
def pair():
    """`pair(scheme, **options)`: the same model with backward `stored` and, if not told, `reversible`."""

    def build(scheme, *, again="reversible", dtype=torch.float64, **options):
        return [
            wired(scheme, backward, dtype=dtype, **options).train()
            for backward in ("stored", again)
        ]

    return build


def wired(scheme, backward, *, dtype=torch.float32, **options):
    """A copy of a model that is wired once for a kind of scheme: wiring takes several times as long as a step.

    The variant, the backward and the dtype are set on the copy, as anybody may.
    """
    key = (type(scheme), getattr(scheme, "fuse", None), *sorted(options.items()))
    if key not in WIRED:
        WIRED[key] = rewire(small_vit(**options), scheme, "stored")
    torch.manual_seed(0)
    model = copy.deepcopy(WIRED[key]).to(dtype)
    model.blocks.scheme, model.blocks.backward = scheme, backward
    return model


def worst(expected, given):
    """The largest difference between two sets of gradients, relative to each tensor's largest."""
    assert expected.keys() == given.keys()
    errors = {}
    for name, left in expected.items():
        right = given[name]
        assert (left is None) == (right is None), f"{name}: one gradient is missing"
        if left is not None:
            scale = left.abs().max().item() + 1e-12
            errors[name] = (left - right).abs().max().item() / scale
    return max(errors.values())


@pytest.fixture
def worst_error():
    return worst


class Witness:
    """Everything the norms of the blocks were given, in order, by module."""

    def __init__(self, model):
        self.seen = {}
        self.dtypes = {}
        for name, module in model.named_modules():
            if name.startswith("blocks.") and name.endswith((".norm1", ".norm2")):
                module.register_forward_pre_hook(self._recorder(name))
            if name.endswith(".mlp.fc1"):
                module.register_forward_hook(self._dtypes(name))

    def _recorder(self, name):
        def record(_module, given):
            self.seen.setdefault(name, []).append(given[0].detach().clone())

        return record

    def _dtypes(self, name):
        def record(_module, _given, output):
            self.dtypes.setdefault(name, []).append(output.dtype)

        return record

    def repeats(self):
        """For each norm, what it was given in the forward and again in the backward."""
        assert self.seen
        for name, given in self.seen.items():
            assert len(given) == 2, f"{name} was evaluated {len(given)} times"
            yield from pairwise(given)


@pytest.fixture
def witness():
    return Witness
