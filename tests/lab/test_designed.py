"""Searches that a form makes of a profile, of ranges and of lists."""

import tomllib
from pathlib import Path

import pytest

from revconsole.errors import ProfileError, StoreError
from revconsole.lab import again
from revconsole.lab.search.designed import asks, designed, free_name, save, text
from revconsole.records.runs.store import RunStore
from revconsole.records.search.planned_search import planned_search
from revconsole.records.settings import ranges, search_path
from revconsole.records.settings.profile import parse_assignments
from revconsole.records.settings.search import MOST_CORNERS, of_table

GRID = """
title = "a grid"
[model]
depth = 2
heads = 2
[data]
dataset = "digits"
[train]
epochs = 9
[vary]
"model.dim" = [16, 32]
scheme = ["residual", "additive", { name = "momentum", gamma = 0.5 }]
"""


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("grid.toml").write_text(GRID)
    return search_path.find("grid")


def made(base, store, *words):
    return designed(base, parse_assignments(words), store)


def test_ranges_and_lists_are_drawn_from_and_what_is_saved_is_the_same_search(base, store):
    found = made(
        base, store, "lr=1e-4..1e-1 log", "model.depth=2..8 step 2", "scheme.name=[residual,additive]",
        "train.batch=32", "search.trials=12",
    )  # fmt: skip
    written = tomllib.loads(text(found))
    space = written["search"]["space"]
    assert space["optimizer"]["learning_rate"] == {"from": 1e-4, "to": 1e-1, "log": True}
    assert space["model"] == {"depth": {"from": 2, "to": 8, "step": 2}, "dim": [16, 32]}
    assert space["scheme"]["name"] == ["residual", "additive"]
    assert (written["train"]["batch"], written["search"]["trials"]) == (32, 12)
    assert "vary" not in written

    name = free_name(found)
    read = planned_search(save(found, name), {}, store)
    assert (name, free_name(read)) == ("grid-search", "grid-search-2")
    assert read.like == found.like
    with pytest.raises(ProfileError, match="exists"):
        save(found, name)


def test_a_search_is_begun_with_and_a_single_value_takes_a_setting_out_of_it(base, store):
    read = search_path.find(
        save(made(base, store, "scheme.name=additive", "lr=1e-4..1e-1 log"), "one")
    )
    assert asks(read, {})
    assert not asks(base, parse_assignments(["model.depth=[1,2]"]))
    changed = made(read, store, "model.dim=64", "search.method=random", "model.dropout=0..0.3")
    assert [each.key for each in changed.search.space] == [
        "optimizer.learning_rate",
        "model.dropout",
    ]
    assert {plan.model.dim for plan in changed.extremes} == {64}
    assert changed.search.method == "random"
    assert changed.study.facts.title == "a grid, searched"


@pytest.mark.parametrize(
    ("words", "key", "reason"),
    [
        ("lr=1e-4..", "search.space.optimizer.learning_rate", "a range is LOW..HIGH"),
        ("lr=1e-4..1e-1 lgo", "search.space.optimizer.learning_rate", "a range is LOW..HIGH"),
        ("lr=1e-4..1e-1 step x", "search.space.optimizer.learning_rate", "a range is LOW..HIGH"),
        (f"lr=0..{'9' * 400}", "search.space.optimizer.learning_rate", "a range is LOW..HIGH"),
        ("lr=1..1e-3", "search.space.optimizer.learning_rate", "from (1) should be less than to (0.001)"),
        ("lr=0..1 log", "search.space.optimizer.learning_rate", "log needs a from above 0"),
        ("lr=1e-4..1e9", "search.space.optimizer.learning_rate", "at most 100"),
        ("model.depth=1.5..4", "search.space.model.depth", "is a whole number"),
        ("model.depth=1..2; search.method=none", "model.depth", "choose bayes or random"),
        ("model.depth=1..2; model.dim=16", "search.trials", "only 2 combinations"),
        ("lr=0.1..1; search.trials=2", "search.trials", "too few"),
        ("lr=0.1..1; seeds=[0,1]", "seeds", "a trial is one run"),
        ("lr=0.1..1; scheme.name=[residual,momentum]", "scheme.name", "momentum has gamma 0.5 in the profile"),
        ("lr=0.1..1; scheme.gamma=0.5", "scheme.gamma", "additive"),
        ("lr=0.1..1; nothing=1", "nothing", "unknown key"),
        ("lr=0.1..1; model.dpeth=3", "model.dpeth", "did you mean 'depth'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_at_its_key(base, store, words, key, reason):
    settings = {"scheme.name": "additive"} | parse_assignments(words.split("; "))
    with pytest.raises(ProfileError) as caught:
        designed(base, settings, store)
    assert caught.value.key == key
    assert reason in caught.value.reason
    assert "\n" not in caught.value.reason


def test_what_is_drawn_is_shown_as_it_was_typed(base, store):
    typed = {
        "optimizer.learning_rate": "0.0001..0.1 log",
        "model.depth": "2..8 step 2",
        "model.dropout": "0..0.5",
        "model.dim": "[16, 32]",
    }
    words = [f"{key}={value}" for key, value in typed.items()]
    found = made(base, store, "scheme.name=additive", *words)
    assert {each.key: ranges.typed(each) for each in found.search.space} == typed


def test_only_a_number_has_a_range():
    assert ranges.is_range("data.folder", "../data") is False
    assert ranges.is_range("lr", "1..2")


def test_a_full_disk_leaves_no_half_written_study(base, store, monkeypatch):
    real = Path.open

    def full(path, *arguments, **named):
        file = real(path, *arguments, **named)
        monkeypatch.setattr(
            file, "flush", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        return file

    found = made(base, store, "scheme.name=additive", "lr=1e-4..1e-1 log")
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreError, match="cannot be written: No space left"):
        save(found, "full")
    monkeypatch.undo()
    assert not Path(base.where).with_name("profiles").joinpath("studies", "full.toml").exists()


def test_a_search_like_a_run_is_called_after_its_profile(base, store):
    run = base.plans({"scheme.name": "additive", "model.dim": 16})[0]
    found = made(again.experiment(run, {}), store, "lr=1e-4..1e-1 log")
    assert free_name(found) == "grid-search"
    assert found.study.facts.title == f"{run.name}, searched"


def test_of_many_combinations_so_many_are_tried_that_each_end_is_among_them():
    lists = {
        "model.depth": [1, 2, 3, 4], "model.dim": [16, 32, 48, 64], "train.batch": [16, 32, 64], "model.heads": [1, 2, 4],
        "optimizer.name": ["adamw", "sgd"], "model.dropout": [0.0, 0.1, 0.2, 0.3], "model.mlp_ratio": [1.0, 2.0],
    }  # fmt: skip
    space = lists | {"optimizer.learning_rate": {"from": 1e-4, "to": 1e-1, "log": True}}
    tried = list(of_table({"space": space}, "here").corners())
    assert len(tried) == MOST_CORNERS < 4 * 4 * 3 * 3 * 2 * 4 * 2 * 2
    assert len({tuple(each.values()) for each in tried}) == MOST_CORNERS
    for key, values in (lists | {"optimizer.learning_rate": [1e-4, 1e-1]}).items():
        assert {each[key] for each in tried} == set(values)
