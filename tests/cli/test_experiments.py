"""One kind of experiment file: a profile with `[vary]` is a study, and a study can be trained, planned, benched, verified."""

import json
from pathlib import Path

import pytest

GRID = """
title = "dropout or not?"
seeds = [0, 1]
[model]
patch = 4
dim = 16
depth = 1
heads = 2
[data]
train_limit = 200
[train]
epochs = 1
batch = 512
threads = 1
audit = false
[vary]
"model.dropout" = [0, 0.1]
"""


@pytest.fixture(autouse=True)
def _files(tiny_study):
    Path("mine.toml").write_text(GRID, encoding="utf-8")


def test_a_profile_is_shown_run_and_reported_as_a_study(run):
    shown = run("study", "show", "mine")
    trained = run("train", "mine", "model.dropout=0")
    after = run("study", "show", "mine")
    went_on = run("study", "run", "mine")
    reported = run("report", "mine", "--figures", "none", "--format", "csv", "--no-weights")

    assert "title: dropout or not?" in shown.err
    assert "0 of 4 runs done" in shown.err
    assert trained.code == 0, trained.err
    assert "2 of 4 runs done, 2 to do" in after.err, "what `train` trained is recognised"
    assert went_on.code == 0, went_on.err
    assert len(list(Path("runs").glob("*/plan.json"))) == 4
    assert reported.code == 0, reported.err
    assert [row.split("  ")[0] for row in reported.out.splitlines()[1:]] == [
        "dropout 0", "dropout 0.1",
    ]  # fmt: skip


def test_what_a_profile_launched_is_gone_on_with_as_a_study(run):
    run("train", "mine", "model.dropout=0", "train.epochs=2")

    said = run("study", "resume", "mine")

    assert said.code == 0, said.err
    assert "mine: 2 of 2 runs done" in said.err
    assert "with other settings, 2 finished" in run("study", "show", "mine").err


@pytest.mark.usefixtures("measured_in_one_process")
def test_a_study_is_trained_planned_and_benched_by_the_file_that_runs_it(run):
    trained = run("train", "tiny", "seeds=0")
    listed = json.loads(run("ls", "--json").out)
    planned = run("plan", "tiny", "seeds=0", "--json")
    benched = run("bench", "tiny", "--rounds", "1", "--json")

    assert trained.code == 0, trained.err
    assert {(r["name"], r["study"], r["arm"]) for r in listed} == {
        ("tiny-plain-s0", "tiny", "plain"),
        ("tiny-two-streams-s0", "tiny", "two streams"),
    }
    assert "2 of 4 runs done" in run("study", "show", "tiny").err
    assert [row["scheme"] for row in json.loads(planned.out)] == ["residual", "additive"]
    schemes = {row["scheme"] for row in json.loads(benched.out)["rows"]}
    assert schemes == {"residual", "additive"}


def test_the_profile_kept_with_the_run_of_an_arm_trains_that_run_again(run):
    run("train", "tiny", "seeds=[1]")
    kept = next(iter(Path("runs").glob("*/profile.toml")))
    Path("again.toml").write_text(kept.read_text(encoding="utf-8"), encoding="utf-8")

    (found,) = json.loads(run("study", "show", "again", "--json").out)["runs"]

    assert found["progress"] == "done"


@pytest.mark.parametrize(
    "verb", [["report", "mine"], ["study", "show", "mine"], ["study", "run", "mine"]], ids=" ".join
)
def test_a_baseline_that_is_no_arm_is_an_error_with_the_nearest(run, verb):
    Path("mine.toml").write_text(GRID + '[study]\nbaseline = "dropout 0.3"', encoding="utf-8")

    said = run(*verb)

    assert said.code == 2
    assert "mine.toml: study.baseline: there is no arm 'dropout 0.3'" in said.err
    assert "did you mean 'dropout 0" in said.err
    assert not Path("runs").exists()


def test_lists_say_whose_each_is_and_name_ones_own_first(run):
    for verb in (["profiles"], ["study", "list"]):
        head, *rows = [line.split("\t") for line in run(*verb).out.splitlines()]
        assert head == ["name", "from", "title"]
        own = [row[0] for row in rows if row[1] == "yours"]
        assert own == ["mine", "tiny"] == [row[0] for row in rows[:2]]


def test_a_benchmark_names_the_keys_with_several_values_and_these(run):
    said = run("bench", "mine", "model.dim=[16,32]", "--rounds", "1")

    assert said.code == 2
    assert "here model.dim is 16 or 32; model.dropout is 0.0 or 0.1" in said.err
    assert "give one value of each, e.g. model.dim=16 model.dropout=0.0" in said.err


def test_one_arm_that_cannot_be_built_keeps_no_other_from_being_counted(run):
    said = run("plan", "mine", "model.heads=[2,3]", "seeds=0")

    assert said.code == 2
    head, *rows = [line.split("\t") for line in said.out.partition("\n\n")[0].splitlines()]
    assert head[-1] == "left out because"
    assert ["3 heads do not divide dim" in row[-1] for row in rows] == [False, True, False, True]
    assert [row[1] for row in rows] == ["vit", "–", "vit", "–"]


def test_a_dry_run_says_how_long_from_what_has_run_already(run):
    before = run("train", "mine", "--dry-run")
    other = run("train", "mine", "seed=5", "--dry-run")
    run("train", "mine", "model.dropout=0", "seeds=0")
    after = run("train", "mine", "model.dropout=0", "--dry-run")

    assert "time: unknown" in before.err
    assert "`revconsole study run mine --dry-run` measures a few steps" in before.err
    assert "`revconsole study run mine seed=5 --dry-run` measures a few steps" in other.err
    assert "time: about" in after.err
    assert "2 runs as long as earlier ones took" in after.err


BLOCKS = """
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU())

    def forward(self, x):
        return x + self.layers(x)

class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.blocks = nn.Linear(64, 8), nn.Sequential(Block(), Block())
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x.flatten(1))))
"""
THREE_WAYS = """
title = "a block without two branches, wired in three ways"
[model]
architecture = "python"
function = "own_blocks:Blocks"
[train]
batch = 32
threads = 1
[vary]
scheme = [{ name = "residual" }, { name = "additive" }, { name = "bdia" }]
"""


def test_a_scheme_that_does_not_suit_keeps_no_other_from_being_measured(run):
    Path("own_blocks.py").write_text(BLOCKS, encoding="utf-8")
    Path("own.toml").write_text(THREE_WAYS, encoding="utf-8")

    benched = run("bench", "own", "--rounds", "1", "--json")
    paced = run("data", "throughput", "own", "--seconds", "0.1", "--json")

    rows = json.loads(benched.out)["rows"]
    assert benched.code == 1
    assert {row["scheme"] for row in rows if row["failed"]} == {"additive"}
    assert all("needs two branches" in row["failed"] for row in rows if row["failed"])
    assert {row["scheme"] for row in rows if row["step_seconds"]} == {"residual", "bdia"}
    assert "Traceback" not in benched.err
    assert [bool(row["left_out"]) for row in json.loads(paced.out)] == [False, True, False]
