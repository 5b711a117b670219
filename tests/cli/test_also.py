"""`--also`: runs of other tools and of other stores stand beside those of the store, and nothing changes them."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from revconsole.records.logs.events import Finished, Measured, Started
from revconsole.records.runs.store import RunStore

MADE = Path(__file__).parent.parent / "records" / "foreign" / "made"


@pytest.fixture
def also(tmp_path, monkeypatch):
    """A folder with runs of TensorBoard, W&B and MLflow, and a store with a run of ours."""
    monkeypatch.setenv("REVCONSOLE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "others"
    for name in ("tensorboard", "wandb", "mlruns"):
        shutil.copytree(MADE / name, folder / name)
    then = time.time() - 3600
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    os.utime(next(folder.glob("tensorboard/newer-api/*")))
    return folder


@pytest.fixture
def ours(store, plan, monkeypatch):
    """A finished run of the store."""
    monkeypatch.setenv("REVCONSOLE_STORE", str(store.root))
    run_id = store.create(plan, {})
    attempt = store.claim(run_id, 1)
    attempt.emit(Started(facts={"steps": 2}))
    attempt.emit(Measured(step=1, epoch=1, values={"loss": 2.0}))
    attempt.emit(Finished(outcome="completed", step=2))
    attempt.close()
    return run_id


def content(folder):
    """Every file of a folder with its bytes and its time."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_ls_lists_them_beside_ours_and_says_what_recorded_them(run, also, ours):
    said = run("--also", str(also), "ls", "--columns", "state,program,lr,loss")
    rows = {line.split("\t")[1]: line.split("\t")[2:] for line in said.out.splitlines()}

    assert said.err == ""
    assert rows["vit-small"][-3:] == ["W&B", "0.0003", "0.2845"]
    assert rows["svm-like"][-3:-1] == ["MLflow", "0.01"]
    assert rows["tensorboard:newer-api"][0] == "running"
    assert len(rows) == 7
    assert "recorded by" in run("--also", str(also), "ls").out.splitlines()[0]
    assert "recorded by" not in run("ls").out


def test_filters_groups_json_and_the_configuration_know_them(run, also, ours, tmp_path):
    (tmp_path / "config.toml").write_text(f"also = [{json.dumps(str(also))}]\n")
    filtered = run("ls", "--json", "--where", "program=MLflow lr<1")

    (row,) = json.loads(filtered.out)
    assert row["name"] == "svm-like"
    assert row["beside"].startswith(str(also))
    assert "vit-small" in run("ls", "--groups").out


def test_show_compare_report_and_watch_take_them(run, also, ours):
    beside = ("--also", str(also))

    assert "trained by\tW&B" in run(*beside, "show", "vit-small").out
    assert run(*beside, "show", "svm-like", "--metric", "loss").out.splitlines()[0] == "0\t1.0"
    assert "svm-like\tfinished\t0.01" in run(*beside, "compare", "vit-small", "svm-like", ours).out
    assert run(*beside, "watch", "svm-like").code == 0
    said = run(*beside, "report", "vit-small", "svm-like", "--format", "md", "--figures", "none")
    assert "vit-small" in said.out
    assert said.code == 0


@pytest.mark.parametrize(
    "verb",
    [
        ["stop"], ["stop", "--now"], ["pause"], ["hand-over"], ["resume"], ["note", "--name", "x"], ["note", "--tag", "x"],
        ["archive"], ["rm", "--yes"], ["queue", "--now"],
    ],
)  # fmt: skip
def test_no_verb_changes_them(run, also, ours, verb):
    before = content(also)

    for name in ("tensorboard:newer-api", "vit-small"):
        said = run("--also", str(also), verb[0], name, *verb[1:])
        assert said.code in {1, 2}
        assert said.err.count("\n") == 1
        assert "Traceback" not in said.err
    assert content(also) == before


def test_another_store_is_listed_and_only_read(run, also, ours, tmp_path, plan):
    other = RunStore(also / "store")
    there = other.create(plan.model_copy(update={"name": "theirs"}), {})
    attempt = other.claim(there, 1)
    attempt.emit(Started(facts={"steps": 2}))
    attempt.emit(Finished(outcome="completed", step=2))
    attempt.close()
    before = content(also)

    assert "theirs\tfinished" in run("--also", str(also), "ls").out
    for verb in (["rm", "--yes"], ["archive"], ["note", "--tag", "x"], ["resume"]):
        said = run("--also", str(also), verb[0], there, *verb[1:])
        assert said.code != 0
        assert f"is in another store: change it there, with --store {also / 'store'}" in said.err
    assert content(also) == before


def test_the_store_itself_may_be_among_them(run, store, ours):
    said = run("--also", str(store.root.parent), "ls", "--json")

    assert [row["id"] for row in json.loads(said.out)] == [ours]
    assert run("--also", str(store.root.parent), "note", ours, "--tag", "x").code == 0


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("none", "none: is not there; name a folder with runs, of this or another tool"),
        ("file", "file: is no folder; name a folder with runs, of this or another tool"),
        ("http://host/x", "http://host/x: should be a folder, or ssh://HOST/FOLDER"),
        ("ssh://host", "ssh://host: names no folder"),
    ],
)
def test_a_folder_that_is_none_is_refused_in_a_sentence(run, ours, folder, why):
    Path("file").write_text("")

    said = run("--also", folder, "ls")

    assert (said.code, said.out) == (2, "")
    assert why in said.err


@pytest.mark.parametrize("verb", ["watch", "show"])
def test_of_a_run_that_may_be_where_nothing_could_be_searched_that_is_said(
    run, ours, monkeypatch, verb
):
    monkeypatch.setenv("REVCONSOLE_SSH", "false")

    said = run("--also", "ssh://host/logs", verb, "theirs")

    assert said.code == 3
    assert "; ssh://host/logs: the connection ended" in said.err


def test_a_folder_of_a_project_cannot_make_connections(run, ours):
    Path("revconsole.toml").write_text('also = ["ssh://host/tmp"]\n')

    assert "also: belongs in your own file" in run("config", "validate").err


def test_what_counts_the_runs_that_train_counts_none_of_them(run, also, ours):
    beside = ("--also", str(also))

    assert run(*beside, "system").code == 0
    assert "nothing trains or waits" in run(*beside, "queue").out + run(*beside, "queue").err
    assert "nothing to resume" in run(*beside, "resume").err
    assert run(*beside, "watch").code == 0  # the newest of the store, which has ended
