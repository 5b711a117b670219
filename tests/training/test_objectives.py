"""Pre-training without labels: what is learnt from what, resumed to the bit, and gone on from."""

import pytest
import torch
from pydantic import ValidationError

from revconsole.errors import DataUnavailable, ProfileError
from revconsole.records.logs.events import Advised, Checkpointed, Measured, MetricDeclared
from revconsole.records.runs.starts import resolved
from revconsole.records.settings.model_rules import run_address
from revconsole.training import api
from revconsole.training.checkpoints import starts
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.learning.preparing import prepare
from revconsole.training.setup.build import build_learner
from revconsole.training.step.evaluation import evaluate
from revconsole.training.step.neighbours import vote
from revconsole.training.step.stepping import compute_gradients, update_weights

MAE = {"name": "mae", "decoder_dim": 16, "decoder_depth": 1, "decoder_heads": 2}
DINO = {"name": "dino", "output": 24, "hidden": 16, "bottleneck": 8, "local_crops": 1}
BOTH = pytest.mark.parametrize("objective", [MAE, DINO], ids=["mae", "dino"])
VIT = {"patch": 2, "depth": 2}


@pytest.fixture
def unlabelled(small):
    """A function: the small plan with an objective, a patch of 2 pixels and an audit that is off."""

    def made(objective, **changes):
        train = {"audit": False} | changes.pop("train", {})
        model = VIT | changes.pop("model", {})
        return small(objective=objective, train=train, model=model, **changes)

    return made


def pictures(setting):
    return next(setting.training_batches(1))


def step(setting, number=1):
    images, labels = pictures(setting)
    return compute_gradients(setting, number, 1, images=images, labels=labels)


def gradients(setting):
    return {n: p.grad.clone() for n, p in setting.model.named_parameters() if p.grad is not None}


# The masked autoencoder


def test_the_encoder_sees_a_quarter_of_the_patches(unlabelled, tmp_path):
    setting = prepare(unlabelled(MAE), data=tmp_path)
    seen = []
    setting.encoder.blocks.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    step(setting)

    assert [shape[1] for shape in seen] == [4 + 1]  # of 16, and the class token


def test_only_hidden_patches_are_in_the_loss(unlabelled, tmp_path):
    setting = prepare(unlabelled(MAE), data=tmp_path)
    images, labels = pictures(setting)
    inputs = setting.inputs(images, labels, 1)
    painted = setting.model.paint(images, inputs[1][:, :4])
    cut = torch.nn.functional.unfold(images, 2, stride=2).transpose(1, 2)
    wanted = (cut - cut.mean(-1, keepdim=True)) / (cut.var(-1, keepdim=True) + 1e-6).sqrt()
    by_hand = [
        ((painted[n, k] - wanted[n, k]) ** 2).mean()
        for n in range(len(images))
        for k in inputs[1][n, 4:].tolist()
    ]

    found = setting.objective.loss(setting.model, inputs, progress=0.0)
    assert found.mean.item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-5)


def test_hidden_pixels_do_not_reach_the_encoder(unlabelled, tmp_path):
    setting = prepare(unlabelled(MAE), data=tmp_path)
    images, labels = pictures(setting)
    seen = setting.inputs(images, labels, 1)[1][:, :4]
    leaf = images.clone().requires_grad_()
    setting.model.paint(leaf, seen)[0].sum().backward()

    touched = torch.nn.functional.unfold(leaf.grad[:1], 2, stride=2)[0].abs().sum(0).nonzero()
    assert set(touched.flatten().tolist()) == set(seen[0].tolist())


# Self-distillation


def test_the_teacher_follows_the_student_and_has_no_gradient(unlabelled, tmp_path):
    setting = prepare(unlabelled(DINO | {"momentum": 0.9}), data=tmp_path)
    before = {n: p.clone() for n, p in setting.model.teacher.named_parameters()}
    done = step(setting)
    assert not [n for n in gradients(setting) if n.startswith("teacher.")]
    update_weights(setting, done)

    student = dict(setting.model.named_parameters())
    momentum = setting.objective.momentum(1 / setting.steps)
    assert 0.9 < momentum < 1
    for name, teacher in setting.model.teacher.named_parameters():
        expected = momentum * before[name] + (1 - momentum) * student[name]
        torch.testing.assert_close(teacher, expected)
    assert setting.objective.momentum(1.0) == 1.0


def test_the_centre_follows_the_mean_of_the_teachers_outputs(unlabelled, tmp_path):
    setting = prepare(unlabelled(DINO), data=tmp_path)
    images, labels = pictures(setting)
    crops = setting.inputs(images, labels, 1)
    with torch.no_grad():
        mean = torch.cat([setting.model.teach(large) for large in crops[:2]]).mean(dim=0)
    update_weights(setting, step(setting))

    torch.testing.assert_close(setting.model.centre, 0.1 * mean)


def test_crops_are_two_large_ones_and_the_small_ones(unlabelled, tmp_path):
    setting = prepare(unlabelled(DINO | {"local_crops": 3}), data=tmp_path)
    images, labels = pictures(setting)
    crops = setting.inputs(images, labels, 1)

    assert [c.shape[-1] for c in crops] == [8, 8, 4, 4, 4]
    assert not torch.equal(crops[0], crops[1])
    assert all(map(torch.equal, crops, setting.inputs(images, labels, 1)))


# Both


@BOTH
def test_accumulating_over_micro_batches_changes_no_gradient(unlabelled, tmp_path, objective):
    whole = prepare(unlabelled(objective), data=tmp_path)
    parts = prepare(unlabelled(objective, train={"accumulate": 4}), data=tmp_path)
    one, other = step(whole), step(parts)

    assert other.loss.item() == pytest.approx(one.loss.item(), rel=1e-5)
    assert other.norm.item() == pytest.approx(one.norm.item(), rel=1e-4)
    if one.carried is not None:
        torch.testing.assert_close(other.carried, one.carried)


@BOTH
def test_each_kind_of_scheme_has_the_gradients_of_kept_activations(
    unlabelled, tmp_path, objective, typical_wiring
):
    found = []
    for backward in (
        "stored",
        "checkpointed" if typical_wiring["backward"] == "stored" else "reversible",
    ):
        plan = unlabelled(objective, scheme=typical_wiring["scheme"], backward=backward)
        setting = prepare(plan, data=tmp_path)
        step(setting)
        found.append(gradients(setting))
    kept, other = found

    assert kept.keys() == other.keys()
    total = sum(g.square().sum() for g in kept.values()).sqrt()
    apart = sum((kept[n] - other[n]).square().sum() for n in kept).sqrt()
    assert apart < 1e-3 * total  # rounding of float reconstruction over two blocks


class Killed(BaseException):
    """Not an Exception: nothing in the program may catch it."""


@BOTH
def test_a_run_killed_and_resumed_ends_in_the_same_bits(runner, unlabelled, objective):
    plan = unlabelled(
        objective,
        scheme={"name": "bdia", "grid_bits": 9},
        backward="reversible",
        model={"dropout": 0.1, "drop_path": 0.1},
        data={"augment": "crop", "crop_padding": 1},
        train={"checkpoint_steps": 1, "probe_epochs": 0},
    )
    whole = runner(plan, "whole")

    for step_killed in (2, 5):

        def kill(event, at=step_killed):
            if isinstance(event, Checkpointed) and event.step == at:
                raise Killed

        with pytest.raises(Killed):
            runner(plan, "killed", watch=kill)
    rest = runner(plan, "killed")

    assert rest.losses == {k: v for k, v in whole.losses.items() if k > 5}
    assert rest.ending == whole.ending
    assert len(whole.ending.weights_sha256) == 64


@BOTH
def test_nothing_is_said_of_guessing_nor_of_a_classifiers_accuracy(runner, unlabelled, objective):
    log = runner(unlabelled(objective, train={"audit": True}))
    measured = {name for e in log.of(Measured) for name in e.values} | set(log.ending.values)
    declared = {m.name: m for m in log.of(MetricDeclared)}

    assert not [a for a in log.of(Advised) if "chance" in a.text or "check failed" in a.text]
    assert not {n for n in measured | set(declared) if n.endswith("accuracy") and "knn" not in n}
    assert {"knn_accuracy", "test_knn_accuracy"} <= set(declared)
    assert declared["loss"].unit == {"mae": "squared error", "dino": "nats"}[objective["name"]]


@BOTH
def test_the_best_epoch_is_chosen_as_the_objective_says(store, unlabelled, objective):
    run_id = store.create(unlabelled(objective, train={"epochs": 3}), {})
    assert api.execute(store, run_id, store.claim(run_id, 1)) == "completed"
    run = store.read(run_id)
    losses, accuracies = (run.series[n].values for n in ("validation_loss", "knn_accuracy"))
    best = losses.index(min(losses)) if objective is MAE else accuracies.index(max(accuracies))

    assert run.summary.best_epoch == best + 1
    assert run.summary.best_knn_accuracy == accuracies[best]
    assert run.summary.best_validation_loss == losses[best]
    assert run.summary.best_validation_accuracy is None
    assert store.list()[0] == run.summary  # also from its cached row


@BOTH
def test_epochs_are_judged_by_the_same_masks_and_crops(unlabelled, tmp_path, objective):
    setting = prepare(unlabelled(objective), data=tmp_path)
    first, again = (evaluate(setting, setting.data.validation, lambda: None) for _ in range(2))

    assert first.loss == again.loss
    assert torch.equal(first.confusion, again.confusion)


@BOTH
def test_pre_training_then_fine_tuning(store, unlabelled, small, objective):
    plan = unlabelled(objective)
    source = store.create(plan, {})
    assert api.execute(store, source, store.claim(source, 1)) == "completed"

    tuned = small(model=VIT | {"pretrained": f"run:{plan.name}"}, train={"audit": False})
    tuned = resolved(tuned, store, where="here")
    assert run_address(tuned.model) == source
    assert tuned.model.pretrained_sha256 == store.read(source).summary.weights_sha256
    run_id = store.create(tuned, {})
    assert api.execute(store, run_id, store.claim(run_id, 1)) == "completed"
    run = store.read(run_id)

    assert run.summary.test_accuracy is not None
    assert any(source in line.text for line in run.log)
    assert tuned.digest() != small(model=VIT, train={"audit": False}).digest()


# Starting from a run


@pytest.fixture
def source(store, unlabelled):
    """The id of a finished run without labels."""
    run_id = store.create(unlabelled(MAE, train={"epochs": 1}), {})
    assert api.execute(store, run_id, store.claim(run_id, 1)) == "completed"
    return run_id


def started(runner, store, plan):
    """The weights before the first step."""
    setting = prepare(plan, data=runner.folder)
    starts.begin(setting, store)
    return setting.model.state_dict()


def test_the_encoder_is_taken_and_the_head_is_new(runner, store, small, source):
    weights = started(runner, store, small(model=VIT | {"pretrained": f"run:{source}"}))
    checkpoint = CheckpointStore(store.folder(source))
    there = checkpoint.load(checkpoint.steps()[0]).weights
    fresh = build_learner(small(model=VIT)).state_dict()

    for name, weight in weights.items():
        expected = fresh[name] if name.startswith("head.") else there[f"encoder.{name}"]
        assert torch.equal(weight, expected), name


def test_positions_are_resampled_for_larger_images(runner, store, small, source):
    plan = small(model=VIT | {"pretrained": f"run:{source}"}, data={"image_size": 12})
    weights = started(runner, store, plan)

    assert weights["pos_embed"].shape == (1, 36 + 1, 16)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mlp_ratio": 2.0}, "blocks.0.mlp.fc1.weight is 16×16 there and 32×16 here"),
        ({"pool": "mean"}, "it has no fc_norm.bias"),
    ],
)
def test_a_misfit_is_one_sentence(runner, store, small, source, changes, said):
    plan = small(model=VIT | changes | {"pretrained": f"run:{source}"})
    with pytest.raises(DataUnavailable, match=said):
        started(runner, store, plan)


@pytest.mark.parametrize("address", ["run:../../etc", "run:nosuch", "run:/tmp"])
def test_a_run_that_is_not_there_is_refused_at_planning(store, small, address):
    with pytest.raises(ProfileError, match="answers to"):
        resolved(small(model={"pretrained": address}), store, where="here")


def test_a_run_of_another_shape_or_without_weights_is_refused_at_planning(store, small, source):
    with pytest.raises(ProfileError, match=r"has model\.depth 2 and this model 3"):
        resolved(small(model={"patch": 2, "pretrained": f"run:{source}"}), store, where="here")
    waiting = store.create(small(), {})
    with pytest.raises(ProfileError, match="has no last weights yet"):
        resolved(small(model={"pretrained": f"run:{waiting}"}), store, where="here")


def test_a_run_that_went_on_meanwhile_is_refused(runner, store, small, source):
    plan = small(model=VIT | {"pretrained": f"run:{source}", "pretrained_sha256": "0" * 64})
    with pytest.raises(DataUnavailable, match="was continued after"):
        started(runner, store, plan)


# What cannot be


@pytest.mark.parametrize(
    ("objective", "changes", "key"),
    [
        (MAE, {"model": {"stem": "conv"}}, "'mae' hides patches, and stem 'conv'"),
        (MAE, {"model": {"token_merging": 2}}, "merged tokens are fewer"),
        (MAE, {"model": {"patch": 8}}, "this image is a single patch"),
        (MAE | {"decoder_dim": 6}, {}, "is a multiple of 4"),
        (MAE, {"train": {"freeze": "backbone"}}, "no head to train alone"),
        (DINO | {"local_size": 3}, {}, "a small crop is a multiple of the patch"),
        (DINO | {"local_scale": 0.9}, {}, "a small crop shows less"),
        (DINO, {"train": {"average": 0.9}}, "is a moving average of the weights already"),
        (DINO, {"train": {"label_smoothing": 0.1}}, "reads no labels"),
        (DINO, {"model": {"pretrained": "run:a"}}, "begins with drawn weights"),
        (DINO, {"model": {"weights": "a.pth"}}, "to go on from a file"),
    ],
)
def test_what_an_objective_cannot_do_is_said_at_planning(unlabelled, objective, changes, key):
    with pytest.raises(ValidationError, match=key):
        unlabelled(objective, **changes)


def test_neighbours_vote_by_nearness():
    known = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), dim=1)
    asked = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1], [0.1, 1.0]]), dim=1)

    assert vote(asked, known, torch.tensor([2, 2, 0]), classes=3).tolist() == [2, 0]
