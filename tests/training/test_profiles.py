"""Every profile that comes with revconsole says where it is from, and plans runs that can be built."""

import re
from pathlib import Path

import pytest

from revconsole.records.settings import profile, search_path
from revconsole.training import api
from tests.training.conftest import count_parameters

FOLDER = Path(__file__).resolve().parents[2] / "profiles"
PROFILES = sorted(FOLDER.glob("*.toml"))
SETTING = re.compile(r"(vit|revvit|momentum|bdia)-(fashion-mnist|cifar10|cifar100)")
PUBLISHED = {"patch": 4, "dim": 512, "depth": 6, "heads": 8, "mlp_ratio": 1.0, "dropout": 0.1}


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.stem)


@named(PROFILES)
def test_it_begins_with_source_expectation_time_and_hardware(path):
    lines = path.read_text(encoding="utf-8").splitlines()

    marks = [re.match(r"# (\w+): \S.{10,}", line) for line in lines[:4]]
    assert [mark and mark.group(1) for mark in marks] == ["Source", "Expected", "Time", "Hardware"]
    assert lines[4].startswith("title = ")


SMALL = {"circles-mlp": 52, "circles-by-hand": 52, "circles-svm": 0}
"""Parameters of models for points of the plane; a machine that is fitted has none."""


@named(PROFILES)
def test_it_plans_models_that_can_be_built(path):
    plans = profile.load(path).plans()

    least = SMALL.get(path.stem, 10_000)
    models = {
        plan.model_dump_json(include={"model", "scheme", "backward", "objective", "data"}): plan
        for plan in plans
    }
    assert all(count_parameters(plan) >= least for plan in models.values())
    assert len({plan.name for plan in plans}) == len(plans)


@named([path for path in PROFILES if SETTING.fullmatch(path.stem)])
def test_the_published_setting_is_six_blocks_of_width_512(path):
    (plan,) = profile.load(path).plans()
    settings = plan.model.model_dump()

    assert {key: settings[key] for key in PUBLISHED} == PUBLISHED
    assert (plan.train.batch, plan.train.epochs, plan.optimizer.learning_rate) == (128, 400, 1e-4)
    assert plan.data.dataset.replace("_", "-") == path.stem.partition("-")[2]
    scheme = {"vit": "residual", "revvit": "additive"}.get(path.stem.partition("-")[0])
    assert plan.scheme.name == (scheme or path.stem.partition("-")[0])


def test_there_is_one_per_scheme_and_dataset():
    names = {path.stem for path in PROFILES}

    assert {
        f"{scheme}-{dataset}"
        for scheme in ("vit", "revvit", "momentum", "bdia")
        for dataset in ("fashion-mnist", "cifar10", "cifar100")
    } <= names
    assert {"demo", "fashion-small"} <= names


def test_the_demo_has_the_four_schemes_each_with_its_own_backward():
    plans = search_path.find("demo").plans()

    assert [(p.scheme.name, p.backward) for p in plans] == [
        ("residual", "stored"),
        ("additive", "reversible"),
        ("momentum", "reversible"),
        ("bdia", "reversible"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("index", range(4), ids=["residual", "additive", "momentum", "bdia"])
def test_the_demo_learns(store, index):
    """A few of its epochs, at half its depth and with patches of four pixels: far above chance, and far from the end."""
    changes = {
        "train.epochs": 3, "model.depth": 2, "schedule.warmup_epochs": 0.5, "model.patch": 4,
        "train.audit": False, "train.probe_epochs": 0,
    }  # fmt: skip
    short = search_path.find("demo").profile.overridden(changes)
    run_id = store.create(short.plans()[index], {})

    assert api.execute(store, run_id, store.claim(run_id, 1)) == "completed"
    assert store.read(run_id).summary.test_accuracy > 0.6  # guessing is right one time in ten
