"""One import line moves a script over; timm's train.py needs none."""

import argparse

import pytest

from revconsole.recording import verbs
from revconsole.recording.adapters import timm_train
from revconsole.records.runs.store import RunStore

TRAIN = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--log-wandb", action="store_true")
args = parser.parse_args()
assert args.log_wandb
import wandb
wandb.init(project=None, name="tiny", config=args, tags=[], resume=None, id=None)
for epoch in range(2):
    wandb.log({"epoch": epoch, "train_loss": 2.0 - epoch, "eval_loss": 1.0, "eval_top1": 50.0 + epoch, "lr": args.lr})
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "REVCONSOLE_STORE", "WANDB_NAME"):
        monkeypatch.delenv(name, raising=False)
    yield
    verbs.finish()


def only(tmp_path):
    store = RunStore(tmp_path / "runs")
    (row,) = store.list()
    return store.read(row.id)


def test_the_verbs_that_people_know_record_a_run(tmp_path, capsys):
    run = verbs.init(
        "project", config=argparse.Namespace(lr=0.5, seed=3), entity="me", mode="offline"
    )
    assert (verbs.config.lr, verbs.config["seed"], run.name) == (0.5, 3, "project")
    verbs.watch(object())
    verbs.watch(object())
    run.define_metric("loss")
    for step in range(3):
        verbs.log({"loss": 1.0, "val": {"acc": step / 10}, "epoch": step}, step=step)
    run.summary["best"] = 7.0
    verbs.finish()

    found = only(tmp_path)
    assert (found.summary.name, found.summary.state, found.plan.seed) == ("project", "finished", 3)
    assert found.series["validation_accuracy"].values == [0.0, 0.1, 0.2]
    assert found.series["best"].last == 7.0
    told = capsys.readouterr().err
    assert told.count("watch does nothing here") == told.count("define_metric does nothing") == 1


def test_an_exit_code_says_that_it_failed(tmp_path):
    with pytest.raises(ZeroDivisionError), verbs.init("a"):
        raise ZeroDivisionError
    verbs.init("b")
    verbs.log({"loss": 1.0})
    verbs.finish(exit_code=1)

    rows = RunStore(tmp_path / "runs").list()
    assert {row.name: row.state for row in rows} == {"a": "failed", "b": "failed"}


def test_the_script_of_timm_is_recorded_unchanged(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    timm_train.main([str(script), "--lr", "0.1"])

    found = only(tmp_path)
    assert (found.summary.name, found.summary.state, found.summary.epoch) == ("tiny", "finished", 2)
    assert found.summary.best_validation_accuracy == pytest.approx(0.51)
    assert found.series["loss"].values == [2.0, 1.0]
    assert found.summary.given["lr"] == 0.1


def test_without_a_script_it_says_how_it_is_used():
    with pytest.raises(SystemExit, match=r"usage: .* TRAIN.PY"):
        timm_train.main([])
