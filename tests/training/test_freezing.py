"""What is frozen keeps its first values, and the rest trains, under every backward."""

import pytest
import torch

from revconsole.errors import ProfileError
from revconsole.records.sections.model import TimmModel
from revconsole.training.learning.by_gradients import facts
from revconsole.training.setup.build import build_model


def changed(runner, plan):
    """Names of the parameters and buffers that a run has moved."""
    first = build_model(plan).state_dict()
    log = runner(plan)
    last = runner.checkpoints().load(log.ending.step).weights
    return {name for name in first if not torch.equal(first[name], last[name])}


@pytest.mark.parametrize("backward", ["stored", "reversible"])
def test_a_linear_probe_trains_the_head_alone(runner, small, backward):
    plan = small(
        scheme={"name": "additive"}, backward=backward, train={"freeze": "backbone", "epochs": 1}
    )

    assert changed(runner, plan) == {"head.weight", "head.bias"}


def test_patterns_freeze_what_they_fit(realise, runner, small):
    wanted = {"freeze": "patch_embed.*, blocks.0.*", "epochs": 1}

    names = changed(runner, small(train=wanted))

    assert not any(name.startswith(("patch_embed.", "blocks.0.")) for name in names)
    assert {"blocks.1.attn.qkv.weight", "cls_token", "head.weight"} <= names
    found = facts(realise(train=wanted), 0)
    assert 0 < found["trainable_parameters"] < found["parameters"]


def test_a_pattern_that_fits_nothing_is_answered_with_the_nearest(realise):
    with pytest.raises(ProfileError, match=r"no parameter is called 'head.wieght'.*'head.weight'"):
        realise(train={"freeze": "head.wieght"})


def test_nothing_left_to_train_is_refused(realise):
    with pytest.raises(ProfileError, match="freezes everything"):
        realise(train={"freeze": "*"})


def test_a_frozen_batch_norm_keeps_its_statistics_and_normalises_by_them(runner, small):
    probe = small(train={"freeze": "backbone", "epochs": 1})
    probe = probe.model_copy(update={"model": TimmModel(name="resnet10t")})

    assert changed(runner, probe) == {"fc.weight", "fc.bias"}
    model, images = build_model(probe), torch.randn(4, 1, 8, 8)
    in_training = model.train().forward_features(images)
    torch.testing.assert_close(in_training, model.eval().forward_features(images))


def test_a_batch_norm_that_trains_follows_its_batches(runner, small):
    free = small(train={"freeze": "conv1.0.*", "epochs": 1})

    names = changed(runner, free.model_copy(update={"model": TimmModel(name="resnet10t")}))

    assert {"bn1.weight", "bn1.running_mean"} <= names
    assert "conv1.0.weight" not in names
