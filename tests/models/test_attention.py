"""Attention other than softmax: each against its equation written out token by token."""

import math

import pytest
import torch

from revconsole.models._attention import Gaussian, Linear, Local
from revconsole.models.vit import build
from revconsole.records.sections import Vit

KINDS = ("local", "softmax_free", "linear")
CLOSE = {"rtol": 1e-10, "atol": 1e-12}  # float64, some tens of roundings


def drawn(tokens=5, width=4):
    torch.manual_seed(0)
    return torch.randn(3, 2, 2, tokens, width, dtype=torch.float64)


def weighed(weights, v):
    """Σⱼ wᵢⱼ vⱼ / Σⱼ wᵢⱼ, one pair of tokens after the other."""
    mixed = torch.zeros_like(v)
    for i in range(v.shape[-2]):
        total = sum(weights(i, j) for j in range(v.shape[-2]))
        for j in range(v.shape[-2]):
            mixed[..., i, :] += weights(i, j)[..., None] * v[..., j, :] / total[..., None]
    return mixed


def test_local_attention_has_its_own_temperature_and_no_token_sees_itself():
    q, k, v = drawn()
    local = Local(2, 4).double()
    with torch.no_grad():
        local.scale.copy_(torch.tensor([0.3, 2.0]))

    def weights(i, j):
        if i == j:
            return torch.zeros(q.shape[:2], dtype=q.dtype)
        return torch.exp((q[..., i, :] * k[..., j, :]).sum(-1) * local.scale)

    torch.testing.assert_close(local(q, k, v), weighed(weights, v), **CLOSE)
    assert Local(2, 16).scale.tolist() == [0.25, 0.25]


def test_linear_attention_is_the_kernel_summed_pair_by_pair():
    q, k, v = drawn()

    def feature(x):
        return torch.where(x > 0, x + 1, x.exp())

    def weights(i, j):
        return (feature(q[..., i, :]) * feature(k[..., j, :])).sum(-1)

    torch.testing.assert_close(Linear()(q, k, v), weighed(weights, v), **CLOSE)


def test_the_gaussian_kernel_is_that_of_distances_scaled_on_both_sides():
    q, _, v = drawn()
    S = torch.exp(-torch.cdist(q, q).square() / (2 * math.sqrt(4)))
    D = torch.diag_embed(S.sum(-1).rsqrt())

    torch.testing.assert_close(Gaussian()(q, q, v), D @ S @ D @ v, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_with_other_attention_can_be_wired_by_every_scheme(kind, wires):
    settings = Vit(patch=4, dim=8, depth=3, heads=2, mlp_ratio=1.0, attention=kind, drop_path=0.2)
    torch.manual_seed(0)

    wires(build(settings, size=8, channels=1, classes=3), torch.randn(2, 1, 8, 8))


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_learns_from_every_other(kind):
    model = build(
        Vit(patch=2, dim=8, depth=1, heads=2, attention=kind), size=8, channels=1, classes=3
    )
    image = torch.randn(1, 1, 8, 8, requires_grad=True)
    model(image)[0, 0].backward()

    assert (image.grad != 0).all()
