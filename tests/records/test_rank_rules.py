"""`train.gpus`: what it makes of the other settings, and what it refuses."""

import pytest
from pydantic import ValidationError

from revconsole.errors import ProfileError
from revconsole.records import devices, ranks
from revconsole.records.runs.identity import mine
from revconsole.records.runs.store import RunStore
from revconsole.records.sections.rule import Rule
from revconsole.records.settings import rank_rules
from revconsole.records.settings.changes import changed, check_keys
from revconsole.records.settings.plan import Plan


def planned(**train):
    return Plan.model_validate({"name": "x", "train": {"batch": 96, **train}})


def test_ranks_are_micro_batches_and_the_result_is_that_of_accumulation():
    ranked, alone = planned(gpus=4), planned(accumulate=4)
    assert (ranked.train.accumulate, ranked.train.micro_batch) == (4, 24)
    assert ranked.digest() == alone.digest() != planned().digest()
    assert ranked.past_digest() == alone.past_digest()
    assert ranked.where != alone.where
    assert planned(gpus=4, accumulate=8).train.accumulate == 8
    shared = planned(gpus=4, shard=True)
    assert (shared.digest(), shared.past_digest()) == (alone.digest(), alone.past_digest())


@pytest.mark.parametrize(
    ("train", "key", "words"),
    [
        ({"gpus": 5}, "train.batch", "batch 96 does not divide into 5 micro-batches for 5 ranks (train.gpus): set it to 95 or 100"),
        ({"gpus": 2, "accumulate": 3}, "train.accumulate", "set it to 2 or 4"),
        ({"gpus": 4, "accumulate": 2}, "train.accumulate", "set it to 4"),
        ({"gpus": 2, "device": "cuda:1"}, "train.device", "cuda:1 is one device"),
        ({"gpus": 2, "device": "mps"}, "train.device", "mps is one device"),
        ({"gpus": "all", "device": "cpu"}, "train.gpus", "set a number of processes"),
        ({"gpus": 128, "batch": 100}, "train.batch", "set it to 128"),
        ({"sync_batchnorm": True, "accumulate": 4}, "train.sync_batchnorm", "not 4 micro-batches of a step on 1 rank: set train.gpus=4"),
        ({"sync_batchnorm": True, "gpus": 2, "on_oom": "shrink"}, "train.sync_batchnorm", "train.on_oom=shrink"),
        ({"shard": True}, "train.shard", "set train.gpus too"),
        ({"shard": True, "gpus": 2, "average": 0.9}, "train.shard", "does not go with train.average"),
        ({"shard": True, "gpus": 2, "compile": True}, "train.shard", "does not go with train.compile"),
        ({"shard": True, "gpus": 2, "precision": "fp16"}, "train.shard", "bf16 does"),
        ({"shard": True, "gpus": 2, "on_oom": "shrink"}, "train.shard", "does not go with train.on_oom=shrink"),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_is_refused_with_what_can(train, key, words):
    with pytest.raises(ValidationError) as refused:
        planned(**train)
    rule = refused.value.errors()[0]["ctx"]["error"]
    assert isinstance(rule, Rule)
    assert rule.key == key
    assert words in str(rule)


def test_a_model_that_is_fitted_has_no_ranks():
    with pytest.raises(ValidationError, match="fitted in one process"):
        Plan.model_validate({"name": "x", "model": {"architecture": "svm"}, "train": {"gpus": 2}})


def test_all_are_the_gpus_that_there_are(monkeypatch):
    cards = {"auto": ("cuda:0", "cuda:1"), "cuda": ("cuda:0",)}
    monkeypatch.setattr(devices, "candidates", cards.get)
    assert [rank_rules.counted(planned(gpus="all", device=name)) for name in cards] == [2, 2]
    monkeypatch.setattr(devices, "candidates", lambda _: ("cpu",))
    with pytest.raises(Rule, match="no GPU"):
        rank_rules.counted(planned(gpus="all"))


def test_a_run_goes_on_with_as_many_ranks_as_divide_its_micro_batches(tmp_path):
    plan = planned(gpus=4)
    check_keys(plan, {"train.gpus": 2, "train.shard": True})
    assert changed(plan, {"train.gpus": 2}).train.accumulate == 4
    for wanted, words in ((3, "set it to 3 or 6"), (8, "set it to 8"), ("all", "divides the 4")):
        with pytest.raises(ProfileError, match=words):
            changed(plan, {"train.gpus": wanted})
    store = RunStore(tmp_path)
    run = store.create(plan, {})
    assert ranks.count(store, run) == 4
    store.queue(run, 1, mine(), "process", {"train.gpus": 2})
    assert ranks.count(store, run) == 2


def test_a_model_without_wired_blocks_has_nothing_to_share():
    with pytest.raises(ValidationError, match="no blocks that a scheme wires"):
        Plan.model_validate(
            {"name": "x", "model": {"architecture": "cnn"}, "train": {"gpus": 2, "shard": True}}
        )


def test_batch_norms_are_shared_only_by_a_model_that_has_some():
    def made(**model):
        train = {"gpus": 2, "sync_batchnorm": True}
        return Plan.model_validate({"name": "x", "model": model, "train": train})

    assert made(architecture="vit", stem="conv").train.sync_batchnorm
    assert made(architecture="cnn", batch_norm=True).train.sync_batchnorm
    assert made(architecture="timm", name="resnet18").train.sync_batchnorm
    for model in ({"architecture": "vit"}, {"architecture": "cnn"}, {"architecture": "swin"}):
        with pytest.raises(ValidationError, match="has no BatchNorm whose statistics"):
            made(**model)
