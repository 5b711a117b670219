"""Attention other than softmax: each against its equation written out token by token."""

import math

import pytest
import torch

from revconsole.models._attention import Gaussian, Linear, Local
from revconsole.models.vit import build
from revconsole.records.sections.model import Vit

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


def test_as_many_landmarks_as_tokens_give_the_whole_gaussian_kernel():
    q, _, v = drawn()
    q = 4 * q  # tokens apart, so that the kernel has an inverse within so few iterations

    torch.testing.assert_close(Gaussian(5)(q, q, v), Gaussian()(q, q, v), rtol=1e-6, atol=1e-8)


def test_fewer_landmarks_are_means_of_neighbours_and_give_nystroms_kernel():
    q, _, v = drawn(tokens=6)
    q = 4 * q
    marks = q.unflatten(-2, (3, 2)).mean(-2)

    def kernel(x, y):
        return torch.exp(-torch.cdist(x, y).square() / (2 * math.sqrt(4)))

    S = kernel(q, marks) @ torch.linalg.pinv(kernel(marks, marks)) @ kernel(marks, q)
    D = torch.diag_embed(S.sum(-1).clamp_min(1e-6).rsqrt())
    torch.testing.assert_close(Gaussian(3)(q, q, v), D @ S @ D @ v, rtol=1e-6, atol=1e-8)


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
