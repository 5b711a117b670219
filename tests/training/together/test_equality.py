"""N ranks compute what one process computes with `train.accumulate` = N: losses, weights and scores, to the bit.

Two and four processes train all cases one after the other, so that each imports torch once.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from revconsole.records.sections import KINDS
from tests.training.conftest import Runner, meant, small_plan
from tests.training.together.rank import recorded

pytestmark = pytest.mark.slow

SECONDS = 600
RANDOM = {"dropout": 0.1, "drop_path": 0.1}
MAE = {"name": "mae", "decoder_dim": 16, "decoder_depth": 1, "decoder_heads": 2}
DINO = {"name": "dino", "output": 24, "hidden": 16, "bottleneck": 8, "local_crops": 1}
MIXED = {"augment": "crop", "crop_padding": 1, "mixup": 0.2, "train_limit": 64}
RAGGED = {"train_limit": 80, "validation": 0.2}
"""64 images: a batch of 60 and one of 4, which is less than one micro-batch."""
MOVED, LEFT, STOPPED = "moved", "left", 2
"""A run that goes from two ranks to four, its copy that goes to one process, and the step between."""


def changes(world):
    """Every scheme with everything random, and each objective and kind of batch once."""
    cases = {name: {**meant(name), "model": RANDOM, "data": MIXED} for name in KINDS["scheme"][1]}
    cases |= {
        "mae": {"objective": MAE, "model": {"patch": 2, "depth": 2}},
        "dino": {"objective": DINO, "model": {"patch": 2, "depth": 2}},
        "ragged": {**meant("bdia"), "model": RANDOM, "data": RAGGED, "train": {"batch": 60}},
        "batch norm": {"model": {"stem": "conv"}, "data": RAGGED},
        "several each": {"train": {"accumulate": 2 * world}},
    }
    few = ("residual", "ragged")
    return cases if world == 2 else {name: cases[name] for name in few}


def plans(world):
    """The plans as for one process; `train.gpus` says nothing of a result."""
    short = {"steps": 3, "accumulate": world, "clip": 0.5}
    return {
        name: small_plan(**{**case, "train": short | case.get("train", {})})
        for name, case in changes(world).items()
    }


@dataclass
class Found:
    """What two and four ranks recorded of every plan, and the folder of their runs."""

    folder: Path
    of: dict[int, dict[str, dict[str, object]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Both train all plans; the two also stop a run after STOPPED steps, which the four take on."""
    folder = tmp_path_factory.mktemp("ranks")
    every = {}
    for world in (2, 4):
        works = {name: (plan, f"{name}-{world}", None) for name, plan in plans(world).items()}
        works[MOVED] = (moving(), MOVED, STOPPED if world == 2 else None)
        every[world] = train_together(folder, world, works)
        if world == 2:
            shutil.copytree(folder / MOVED, folder / LEFT)
    return Found(folder, every)


def moving():
    """A run in micro-batches that one, two and four ranks can share, with everything random."""
    train = {"accumulate": 4, "steps": 4}
    return small_plan(**meant("bdia"), model=RANDOM, data=MIXED, train=train)


def train_together(folder, world, works):
    """What so many ranks recorded of works: plans, the folders of their runs, and the steps after which they stop."""
    tables = {
        name: {"plan": plan.model_dump(), "run": run, "stop": stop}
        for name, (plan, run, stop) in works.items()
    }
    Path(folder, f"works-{world}.json").write_text(json.dumps(tables))
    code = "from tests.training.together.rank import main; main({}, {}, {!r})"
    ranks = [
        subprocess.Popen(
            [sys.executable, "-X", "preloaded", "-c", code.format(rank, world, str(folder))]
        )
        for rank in range(world)
    ]
    try:
        assert [rank.wait(SECONDS) for rank in ranks] == [0] * world
    finally:
        for rank in ranks:
            rank.kill()
    return json.loads(Path(folder, f"found-{world}.json").read_text())


@pytest.mark.parametrize(("world", "name"), [(w, name) for w in (2, 4) for name in changes(w)])
def test_ranks_train_as_one_process_that_accumulates(world, name, found, runner):
    log = runner(plans(world)[name])
    assert json.loads(json.dumps(recorded(log))) == found.of[world][name]


def test_a_run_goes_on_with_more_or_fewer_ranks_as_if_nothing_had_happened(found, runner):
    """Stopped on two ranks; its second half on four, and in one process."""
    expected = json.loads(json.dumps(recorded(runner(moving()))))
    half = found.of[2][MOVED]
    assert half["losses"] == expected["losses"][:STOPPED]
    more, fewer = found.of[4][MOVED], recorded(Runner(found.folder)(moving(), LEFT))
    for second in (more, json.loads(json.dumps(fewer))):
        assert half["losses"] + second["losses"] == expected["losses"]
        assert (second["weights"], second["end"]) == (expected["weights"], expected["end"])
