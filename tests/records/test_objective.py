"""Objectives in a plan: old plans stay what they were, and the rows of a run say by what it was judged."""

from revconsole.records.logs.events import EpochFinished, LoggedEvent
from revconsole.records.runs.running import RunningSummary
from revconsole.records.settings import glossary
from revconsole.records.settings.objective_rules import local_size, masked
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import Profile


def plan(**changes):
    return Plan.model_validate({"name": "a", **changes})


def test_each_objective_has_a_digest_of_its_own():
    found = {plan(objective={"name": n}).digest() for n in ("classification", "mae", "dino")}
    ratio = plan(objective={"name": "mae", "mask_ratio": 0.5}).digest()

    assert len(found | {ratio}) == 4


def test_a_profile_may_name_an_objective_and_the_settings_list_it():
    profile = Profile(name="p", where="here", table={"objective": {"name": "dino", "output": 64}})
    (made,) = profile.plans()
    keys = {entry["key"]: entry for entry in glossary.entries()}

    assert made.objective.output == 64
    assert keys["objective.name"]["allowed"] == "classification, mae, dino"
    assert keys["objective.mask_ratio"]["of"] == "mae"


def test_at_least_one_patch_is_hidden_and_one_is_seen():
    assert [masked(16, 0.75), masked(2, 0.01), masked(2, 0.99), masked(49, 0.75)] == [12, 1, 1, 37]


def test_a_small_crop_is_a_multiple_of_the_patch_near_half_the_image():
    data = {"dataset": "fashion_mnist"}
    found = [
        local_size(p := plan(objective={"name": "dino"}, data=data, model={"architecture": "vit", "patch": n}), p.objective)
        for n in (4, 7, 14, 28)
    ]  # fmt: skip

    assert found == [16, 14, 14, 28]


def test_the_best_epoch_is_by_the_objectives_own_measure():
    epochs = [
        EpochFinished(epoch=n, step=n, values={"validation_loss": loss, "knn_accuracy": knn})
        for n, (loss, knn) in enumerate([(0.5, 0.3), (0.4, 0.2), (0.4, 0.3)], start=1)
    ]
    best = {}
    for name in ("mae", "dino"):
        running = RunningSummary(plan(objective={"name": name}).objective.best)
        for epoch in epochs:
            running.add(LoggedEvent(event=epoch, time=0.0, elapsed=0.5, seq=epoch.epoch))
        best[name] = running.best().epoch

    assert best == {"mae": 2, "dino": 1}
