"""Attention maps: the weights are those of the formula, nothing computed changes, and rollout is a distribution."""

import math

import pytest
import torch
from torch.nn import functional as F

from revconsole.errors import StoreError
from revconsole.models import swin
from revconsole.records.findings.inspection import AttentionRollout, Positions
from revconsole.records.sections.model import Swin
from revconsole.training.questions.attention import Attentions, rollout, softmax_weights
from revconsole.training.questions.inspection import _no_rollout, attention, inspect, positions
from revconsole.training.questions.reopening import reopen
from revconsole.training.step.evaluation import evaluate

ROUNDING = 1e-6
"""Of sums and products of at most 17 float32 numbers below 1."""


@pytest.fixture
def setting(realise):
    return realise(model={"patch": 2})


@pytest.fixture
def images():
    return torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def by_hand(block, x):
    """softmax(Q Kᵀ / √K) of one of timm's blocks, image by image and head by head."""
    normed, heads = block.norm1(x), block.attn.num_heads
    q, k, _ = (normed @ block.attn.qkv.weight.T + block.attn.qkv.bias).chunk(3, dim=-1)
    width = q.shape[-1] // heads
    found = torch.zeros(len(x), heads, x.shape[1], x.shape[1])
    for image in range(len(x)):
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            scores = q[image, :, part] @ k[image, :, part].T / math.sqrt(width)
            exponentials = (scores - scores.max()).exp()
            found[image, head] = exponentials / exponentials.sum(dim=1, keepdim=True)
    return found


@torch.no_grad()
def test_the_weights_are_those_of_the_formula_computed_by_hand(setting, images):
    model = setting.model.eval()
    with Attentions() as seen:
        model(images)

    x = model._pos_embed(model.patch_embed(images))
    assert len(seen.weights) == len(model.blocks) == 3
    for block, weights in zip(model.blocks, seen.weights, strict=True):
        torch.testing.assert_close(weights, by_hand(block, x), atol=ROUNDING, rtol=0)
        x = block(x)


@torch.no_grad()
def test_looking_changes_no_bit_of_what_is_computed(setting, images):
    model = setting.model.eval()
    plain = model(images)
    with Attentions():
        watched = model(images)

    assert torch.equal(plain, watched)
    assert torch.equal(plain, model(images))


@torch.no_grad()
@pytest.mark.parametrize(
    "given", [{}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": "bool"}, {"attn_mask": "sum"}]
)
def test_the_weights_times_the_values_are_what_the_fused_kernel_makes(given):
    draw = torch.Generator().manual_seed(1)
    q, k, v = torch.randn(3, 2, 2, 5, 4, generator=draw)
    masks = {
        "bool": torch.rand(5, 5, generator=draw) < 0.7,
        "sum": torch.randn(5, 5, generator=draw),
    }
    masks["bool"].fill_diagonal_(True)
    arguments = {name: masks.get(value, value) for name, value in given.items()}

    fused = F.scaled_dot_product_attention(q, k, v, **arguments)

    torch.testing.assert_close(softmax_weights(q, k, v, **arguments) @ v, fused, atol=1e-5, rtol=0)


def test_rollout_is_the_product_over_blocks_and_its_rows_sum_to_one():
    draw = torch.Generator().manual_seed(2)
    weights = [torch.rand(2, 3, 6, 6, generator=draw).softmax(dim=-1) for _ in range(4)]

    found = rollout(weights)

    expected = torch.eye(6).repeat(2, 1, 1)
    for each in weights:
        mean = (each[:, 0] + each[:, 1] + each[:, 2]) / 3
        expected = (0.5 * mean + 0.5 * torch.eye(6)) @ expected
    torch.testing.assert_close(found, expected, atol=ROUNDING, rtol=0)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(2, 6), atol=ROUNDING, rtol=0)
    assert (found >= 0).all()


@pytest.mark.parametrize("pool", ["cls", "mean", "sequence"])
def test_a_map_is_of_the_class_token_where_there_is_one_and_sums_to_one(realise, pool):
    setting = realise(model={"patch": 2, "pool": pool})

    found = attention(setting, setting.model.eval(), 4)

    assert isinstance(found, AttentionRollout)
    assert found.of == ("the class token" if pool == "cls" else "the mean over all tokens")
    assert (found.grid, found.blocks) == ((4, 4), 3)
    assert [each.truth for each in found.images] == ["0", "1", "2", "3"]
    for each in found.images:
        assert sum(map(sum, each.shares)) == pytest.approx(1, abs=1e-5)


def test_the_images_are_those_of_the_test_as_the_model_sees_them(setting):
    model, split = setting.model.eval(), setting.data.test
    found = attention(setting, model, 2)

    index = split.labels.tolist().index(1)
    shown = torch.tensor(found.images[1].picture.rows)
    assert torch.equal(shown[..., 0], split.images[index, 0].long())
    with torch.no_grad(), Attentions() as seen:
        logits = model(split.preparation.standardisation(split.images[index : index + 1]))
    row = rollout(seen.weights)[0, 0, 1:]
    assert found.images[1].called == str(logits.argmax().item())
    torch.testing.assert_close(
        torch.tensor(found.images[1].shares).flatten(), row / row.sum(), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"attention": "softmax_free"}, "no softmax attention over the whole image"),
        ({"attention": "linear"}, "no softmax attention over the whole image"),
        ({"token_merging": 2}, "changes from block to block"),
        ({"patch": 8}, "one token"),
    ],
)
def test_what_has_no_map_says_why(realise, model, words):
    setting = realise(model={"patch": 2} | model)

    assert words in attention(setting, setting.model.eval(), 2)


def test_attention_in_windows_has_no_map(realise):
    setting = realise(data={"dataset": "synthetic", "train_limit": 64}, model={"patch": 4})
    windows = swin.build(Swin(variant="mini"), size=32, channels=3, classes=10).eval()

    assert "over the whole image" in attention(setting, windows, 1)
    assert "windows" in _no_rollout([torch.zeros(8, 2, 4, 4)], 2)
    assert "no position encodings" in positions(windows)


def test_every_tile_is_the_cosine_with_every_position(setting):
    found = positions(setting.model)

    table = setting.model.pos_embed[0, 1:].detach()
    assert isinstance(found, Positions)
    assert (found.kind, found.grid) == ("learned", (4, 4))
    for one in (0, 7, 15):
        for other in (0, 3, 15):
            cosine = F.cosine_similarity(table[one], table[other], dim=0).item()
            assert found.similarity[one][other] == pytest.approx(cosine, abs=ROUNDING)


def test_sines_are_fixed_and_no_positions_are_none(realise):
    fixed = positions(realise(model={"patch": 2, "position": "sinusoidal"}).model)

    assert fixed.kind == "fixed"
    assert sorted(fixed.table[0]) == [0.0] * 8 + [1.0] * 8, (
        "sines and cosines of row 0 and column 0"
    )
    assert fixed.similarity[0][1] > fixed.similarity[0][15]
    assert "no position encodings" in positions(realise(model={"position": "none"}).model)


@pytest.mark.parametrize("average", [None, 0.9])
def test_a_run_is_reopened_at_its_best_epoch(runner, small, average):
    plan = small(train={"epochs": 3, "average": average})
    log = runner(plan)
    best = reopen(plan, runner.checkpoints(), data=runner.folder)
    before = sorted(path.name for path in runner.place().rglob("*"))

    scores = evaluate(best.state, best.state.data.test, lambda: None)
    assert best.best
    assert scores.accuracy == log.ending.values["test_accuracy"]
    inspect(plan, runner.checkpoints(), data=runner.folder, images=2)
    assert sorted(path.name for path in runner.place().rglob("*")) == before


def test_a_damaged_best_checkpoint_is_passed_over_and_that_is_said(runner, small):
    plan = small(optimizer={"name": "sgd", "learning_rate": 1e-9}, train={"epochs": 2})
    runner(plan)
    checkpoints = runner.checkpoints()
    best, newest = min(checkpoints.steps()), max(checkpoints.steps())
    assert best < newest, "nothing is learnt, so the first epoch stays the best"
    (checkpoints.path(best) / "model.safetensors").write_bytes(b"")

    found = reopen(plan, checkpoints, data=runner.folder)

    assert (found.step, found.best) == (newest, False)
    assert checkpoints.path(best).is_dir(), "nothing of the run is changed"


def test_without_checkpoints_there_is_nothing_to_reopen(runner, small):
    with pytest.raises(StoreError, match="no readable checkpoint"):
        reopen(small(), runner.checkpoints("nothing"), data=runner.folder)
