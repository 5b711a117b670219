"""Resuming: what may change of a run that has begun, who may be taken for gone, and whether it began."""

import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from revconsole.errors import AlreadyClaimed, ProfileError, RevconsoleError, StoreError
from revconsole.lab import resuming
from revconsole.lab.lab import Lab
from revconsole.records.logs.events import Finished, Measured, Started
from revconsole.records.runs import attempt as attempts
from revconsole.records.runs.identity import mine
from revconsole.records.settings.changes import check_keys
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import Profile
from revconsole.training.setup.schedules import Rates

SECONDS = 180.0
PROFILE = """
title = "a network that trains in a second"
[model]
patch = 4
dim = 16
depth = 1
heads = 2
[data]
train_limit = 256
[train]
epochs = 2
batch = 128
threads = 1
device = "cpu"
audit = false
probe_epochs = 0
"""


@pytest.fixture
def lab(tmp_path):
    Path("tiny.toml").write_text(PROFILE, encoding="utf-8")
    return Lab(tmp_path / "runs")


def trained(lab, **settings):
    (run_id,) = lab.launch(lab.plan("tiny", {k.replace("__", "."): v for k, v in settings.items()}))
    assert lab.wait(SECONDS)
    return lab.store.read(run_id)


def resumed(lab, run_id, **settings):
    said = lab.resume(run_id, settings={k.replace("__", "."): v for k, v in settings.items()})
    assert lab.wait(SECONDS)
    return lab.store.read(run_id), said


def test_a_finished_run_is_lengthened_and_nothing_of_its_past_changes(lab):
    short = trained(lab)
    plan_file = lab.store.folder(short.id) / "plan.json"
    before = plan_file.read_bytes()

    long, said = resumed(lab, short.id, train__epochs=4)

    assert "train.epochs was 2, is 4" in said
    assert "up to epoch 2 nothing changes" in said
    assert (long.summary.state, long.summary.epoch, long.summary.attempt) == ("finished", 4, 2)
    steps = short.summary.step
    assert long.series["loss"].steps == list(range(1, 2 * steps + 1))
    for name in ("loss", "gradient_norm", "learning_rate", "validation_accuracy"):
        known = short.series[name]
        assert long.series[name].values[: known.length] == known.values, name
    peak = long.plan.optimizer.learning_rate
    beyond = long.series["learning_rate"].values[steps:]
    cosine = [peak * (1 + math.cos(math.pi * s / (2 * steps))) / 2 for s in range(steps, 2 * steps)]
    assert beyond == pytest.approx(cosine, rel=1e-6), "of the new length, with no warm-up here"
    assert plan_file.read_bytes() == before
    assert any(line.text.startswith("lengthened from") for line in long.log)


def test_every_reader_sees_that_a_run_was_lengthened(lab):
    run = trained(lab)
    was = run.plan.digest()
    lab.resume(run.id, settings={"train.epochs": 3})
    assert lab.wait(SECONDS)

    rows = (
        lab.store.list()[0],
        lab.summary(run.id),
        lab.store.read(run.id).summary,
        Lab(lab.store.root).store.list()[0],
    )
    assert {(row.plan.train.epochs, tuple(row.plan.lengthened)) for row in rows} == {(3, (2,))}
    straight = lab.plan("tiny", {"train.epochs": 3}).plans[0].digest()
    assert len({was, straight, rows[0].plan.digest()}) == 3, "it is the same as neither"
    with pytest.raises(RevconsoleError, match="is finished"):
        lab.resume(run.id)
    with pytest.raises(ProfileError, match="cannot be changed after a run has begun"):
        lab.resume(run.id, settings={"model.depth": 2})


def test_a_lengthened_run_that_is_interrupted_goes_on_to_its_new_end(lab):
    run = trained(lab)
    lab.resume(run.id, settings={"train.epochs": 100_000})
    tail = lab.store.follow(run.id)
    while tail.summary().step < run.summary.step + 4:
        assert lab.busy()
        time.sleep(0.02)
    lab.stop(run.id)
    assert lab.wait(SECONDS)
    assert lab.summary(run.id).state == "stopped"
    assert lab.summary(run.id).test_accuracy is None, (
        "that of the old end is none of a run under way"
    )

    stopped = lab.summary(run.id).step
    lab.resume(run.id)
    while tail.summary().step < stopped + 4:
        assert lab.busy()
        time.sleep(0.02)
    lab.stop(run.id)
    assert lab.wait(SECONDS)
    assert (lab.summary(run.id).plan.train.epochs, lab.store.read(run.id).plan.lengthened) == (
        100_000,
        [2],
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model.depth": 2}, "model.depth: cannot be changed after a run has begun"),
        ({"optimizer.learning_rate": 1.0}, "cannot be changed after a run has begun"),
        ({"train.batch": 1}, "cannot be changed after a run has begun"),
        ({"train.epochs": 2}, "2 is not beyond the 2 of this run"),
        ({"train.epochs": "many"}, "many is not beyond the 2 of this run"),
        ({"train.steps": 100}, "counts train.epochs .2.; lengthen it with train.epochs"),
        ({"train.device": "tpu"}, "train.device: should be auto, cpu"),
        ({"data.folder": "/elsewhere"}, "only imagefolder reads a folder"),
        ({"model.weights": "/elsewhere"}, "this run began without a file of weights"),
    ],
)
def test_what_would_change_the_past_is_refused_before_anything_is_written(lab, settings, sentence):
    run_id = lab.store.create(lab.plan("tiny").plans[0], {})
    lab.store.stop_queued(run_id, 1)
    with pytest.raises(ProfileError, match=sentence):
        lab.resume(run_id, settings=settings)
    assert lab.store.next_attempt(run_id) == 2
    assert not (lab.store.folder(run_id) / "launch.json").exists()


def test_a_run_that_ended_within_an_epoch_is_not_lengthened(lab):
    run_id = lab.store.create(lab.plan("tiny", {"train.steps": 3}).plans[0], {})
    attempt = lab.store.claim(run_id, 1)
    attempt.emit(Finished(outcome="completed", step=3))
    attempt.close()
    with pytest.raises(ProfileError, match=r"ended (within an epoch|before its last epoch)"):
        lab.resume(run_id, settings={"train.steps": 8})


def test_a_change_that_was_edited_damages_the_run(lab):
    run = trained(lab)
    resumed(lab, run.id, train__epochs=3, train__device="auto")
    path = lab.store.folder(run.id) / "attempts" / "0002" / "changes.json"
    body = json.loads(path.read_text())
    attempts.write_json(path, body | {"changes": {"optimizer.learning_rate": 9.0}})
    assert Lab(lab.store.root).summary(run.id).state == "damaged"


def folder_of_images(root):
    for number, name in enumerate(("cats", "dogs")):
        (root / name).mkdir(parents=True)
        for index in range(20):
            picture = Image.new("L", (8, 8), 40 + 100 * number + index)
            picture.putpixel((index % 8, index // 8), 255)
            picture.save(root / name / f"{index}.png")
    return root


def test_the_data_of_a_run_may_have_moved_and_its_fingerprint_proves_it(lab, tmp_path):
    images = folder_of_images(tmp_path / "images")
    settings = {
        "data.dataset": "imagefolder", "data.folder": str(images), "data.image_size": 8,
        "data.train_limit": 16, "train.batch": 8,
    }  # fmt: skip
    (run_id,) = lab.launch(lab.plan("tiny", settings))
    assert lab.wait(SECONDS)
    assert lab.summary(run_id).state == "finished", lab.summary(run_id).reason
    moved = images.rename(tmp_path / "elsewhere")
    other = folder_of_images(tmp_path / "other")
    Image.new("L", (8, 8), 1).save(other / "cats" / "0.png")

    wrong = {"data.folder": str(other), "train.epochs": 3}
    lab.resume(run_id, settings=wrong)
    assert lab.wait(SECONDS)
    assert "its fingerprint was" in lab.summary(run_id).reason

    lab.resume(run_id, settings={"data.folder": str(moved)})
    assert lab.wait(SECONDS)
    row = lab.summary(run_id)
    assert (row.state, row.epoch, row.plan.data.folder) == ("finished", 3, str(moved))


@pytest.fixture
def abroad(lab):
    """A function: a run that a process wrote which cannot be asked from here."""

    def made(**who):
        run_id = lab.store.create(lab.plan("tiny").plans[0], {})
        attempt = lab.store.claim(run_id, 1)
        attempt.emit(Started(facts={"steps": 100}))
        attempt.emit(Measured(step=7, epoch=1, values={"loss": 1.0}))
        claim = attempt.folder / "claim.json"
        attempts.write_json(claim, replace(mine(), **who).to_dict())
        return run_id

    return made


@pytest.mark.parametrize("silent", [0.0, 7200.0])
@pytest.mark.parametrize(
    ("who", "words"),
    [
        ({"host": "docker-3f2a", "boot": "b"}, "of another host, docker-3f2a"),
        ({"host": "docker-3f2a"}, "docker-3f2a, which is this machine under another name"),
        ({"namespace": "pid:[1]"}, "of another pid namespace of this machine"),
    ],
)
def test_a_process_that_cannot_be_asked_is_taken_for_gone_only_on_somebodys_word(
    lab, abroad, who, words, silent
):
    run_id = abroad(**who)
    log = attempts.log_path(lab.store.folder(run_id), 1)
    then = log.stat().st_mtime - silent
    os.utime(log, (then, then))

    with pytest.raises(RevconsoleError, match=words) as refused:
        lab.resume(run_id)
    assert "at step 7" in str(refused.value)
    assert f"`revconsole resume {run_id} --take-over`" in str(refused.value)
    assert lab.store.next_attempt(run_id) == 2

    resuming.prepare(lab.store, lab.summary(run_id), {}, take_over=True)
    row = lab.summary(run_id)
    assert row.state == "lost"
    assert row.reason.startswith("declared gone after step 7 by ")
    lab.store.claim(run_id, 2).close()


def test_a_living_process_is_not_taken_over_on_anybodys_word(lab, abroad):
    run_id = abroad()
    with pytest.raises(RevconsoleError, match="stop it first"):
        lab.resume(run_id, take_over=True)


def test_a_resume_that_another_one_forestalled_says_so(lab, monkeypatch):
    """Of two at once one begins nothing, and must not say that it did."""
    run_id = lab.store.create(lab.plan("tiny").plans[0], {})
    lab.store.stop_queued(run_id, 1)
    real_queue = lab.store.queue

    def queue_then_lose(*arguments, **named):
        real_queue(*arguments, **named)
        if lab.store.next_attempt(run_id) == 2:
            lab.store.claim(run_id, 2, "process")

    monkeypatch.setattr(lab.store, "queue", queue_then_lose)
    with pytest.raises(AlreadyClaimed, match="this command began nothing"):
        lab.resume(run_id, "process")


def test_a_resume_in_the_background_that_cannot_begin_says_why(lab):
    run_id = lab.store.create(lab.plan("tiny").plans[0], {})
    lab.store.stop_queued(run_id, 1)
    (lab.store.folder(run_id) / "attempts" / "0001").rename(lab.store.folder(run_id) / "kept")
    (lab.store.folder(run_id) / "attempts").rmdir()
    (lab.store.folder(run_id) / "attempts").symlink_to("nowhere")
    with pytest.raises(StoreError):
        lab.resume(run_id, "process")


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant", "step", "exponential"])
def test_the_rate_of_a_step_is_that_of_the_length_when_it_was_planned(schedule):
    (plan,) = Profile(name="p", where="here", table={"schedule": {"name": schedule}}).plans()
    rates = Rates(schedule=plan.schedule, peak=1.0, steps_per_epoch=5, steps=40, earlier=(10, 20))
    for step in range(1, 41):
        steps = 10 if step <= 10 else 20 if step <= 20 else 40
        assert rates.at(step) == replace(rates, steps=steps, earlier=()).at(step)


def test_weights_are_no_setting_of_a_model_that_takes_none():
    plan = Plan.model_validate({"name": "a", "model": {"architecture": "cnn"}})
    with pytest.raises(ProfileError, match="is no setting of this run's model"):
        check_keys(plan, {"model.weights": "/elsewhere"})
