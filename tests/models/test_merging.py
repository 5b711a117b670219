"""Token merging: what is joined is known pair by pair, and what the network computes without it is unchanged."""

import pytest
import torch

from revconsole.models._merging import MergingBlocks, merge
from revconsole.models.vit import build
from revconsole.records.sections.model import Vit


def tokens(count=9, width=4):
    torch.manual_seed(0)
    return torch.randn(2, count, width, dtype=torch.float64)


def joined_by_hand(x, keys, sizes, merged):
    """One image at a time: the list of tokens that are left, each a sum of patches and their number."""
    directions = keys / keys.norm(dim=-1, keepdim=True)
    first, second = list(range(0, len(x), 2)), list(range(1, len(x), 2))
    pairs = []
    for i in first[1:]:
        likeness = {j: float(directions[i] @ directions[j]) for j in second}
        j = max(likeness, key=likeness.get)
        pairs.append((likeness[j], i, j))
    gone = {i: j for _, i, j in sorted(pairs, reverse=True)[:merged]}
    left = {i: (x[i] * sizes[i], sizes[i]) for i in range(len(x)) if i not in gone}
    for i, j in gone.items():
        left[j] = left[j][0] + x[i] * sizes[i], left[j][1] + sizes[i]
    return {round(float((total / size).sum()), 9): float(size) for total, size in left.values()}


@pytest.mark.parametrize("merged", [1, 2, 4])
def test_the_most_alike_pairs_become_their_weighted_mean(merged):
    x, keys = tokens(), tokens().flip(1)
    sizes = torch.arange(1.0, 10.0, dtype=torch.float64).expand(2, -1)[..., None]

    out, counted = merge(x, keys, sizes, merged=merged)

    assert out.shape == (2, 9 - merged, 4)
    for image in range(2):
        found = zip(out[image].sum(-1).tolist(), counted[image, :, 0].tolist(), strict=True)
        wanted = joined_by_hand(x[image], keys[image], sizes[image, :, 0], merged)
        assert {round(total, 9): size for total, size in found} == wanted
    torch.testing.assert_close((out * counted).sum(1), (x * sizes).sum(1))


def test_the_first_token_stays_first_and_itself():
    x = tokens(count=5)
    out, sizes = merge(x, torch.ones_like(x), torch.ones_like(x[..., :1]), merged=99)

    assert out.shape[1] == 3  # half of the four others
    assert torch.equal(out[:, 0], x[:, 0])
    assert (sizes[:, 0] == 1).all()


def test_merging_nothing_is_the_plain_network():
    torch.manual_seed(0)
    plain = build(Vit(patch=2, dim=8, depth=2, heads=2), size=8, channels=1, classes=3).double()
    images = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    expected = plain.eval()(images)
    plain.blocks = MergingBlocks(plain.blocks, merged=0)

    torch.testing.assert_close(plain(images), expected, rtol=1e-12, atol=1e-14)


def test_attention_counts_a_token_as_often_as_it_has_patches():
    """Two equal tokens merged into one of size two leave the attention of the others as it was."""
    torch.manual_seed(0)
    model = build(Vit(patch=2, dim=8, depth=1, heads=2), size=8, channels=1, classes=3).double()
    blocks = MergingBlocks(model.eval().blocks, merged=0)
    twice = torch.randn(1, 4, 8, dtype=torch.float64)[:, [0, 1, 2, 3, 3]]
    once, sizes = twice[:, :4], torch.tensor([1.0, 1, 1, 2], dtype=torch.float64)[None, :, None]

    (block,) = blocks
    out, _ = blocks._through(block, once, sizes)
    torch.testing.assert_close(out, blocks(twice)[:, :4], rtol=1e-10, atol=1e-12)


def test_weights_keep_their_names_and_every_block_has_fewer_tokens():
    plain = build(Vit(patch=2, dim=8, depth=3, heads=2), size=8, channels=1, classes=3)
    merging = build(
        Vit(patch=2, dim=8, depth=3, heads=2, token_merging=5), size=8, channels=1, classes=3
    )
    seen = []
    for block in merging.blocks:
        block.mlp.register_forward_hook(lambda _m, given, _o: seen.append(given[0].shape[1]))
    merging(torch.randn(2, 1, 8, 8)).sum().backward()

    assert merging.state_dict().keys() == plain.state_dict().keys()
    assert seen == [12, 7, 4]  # of 17; half of the last seven but the class token
    assert all(p.grad is not None for p in merging.parameters())
