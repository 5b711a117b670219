"""N ranks compute what one process computes with `train.accumulate` = N: losses, weights and scores, to the bit.

Two and four processes train all cases one after the other, so that each imports torch once.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from revconsole.records.sections import KINDS
from revconsole.training.foresee.foresee import traced
from tests.preloaded import Forked
from tests.training.conftest import TYPICAL, meant, small_plan
from tests.training.together.rank import FILLED, FULL, MEASURED

pytestmark = pytest.mark.slow

SECONDS = 600
SCHEMES = KINDS["scheme"][1] if "REVCONSOLE_FAULTS" in os.environ else TYPICAL
"""The ranks know nothing of a scheme: the gate tries one of each kind, and `make faults` all."""
RANDOM = {"dropout": 0.1, "drop_path": 0.1}
MAE = {"name": "mae", "decoder_dim": 16, "decoder_depth": 1, "decoder_heads": 2}
DINO = {"name": "dino", "output": 24, "hidden": 16, "bottleneck": 8, "local_crops": 1}
FEW = {"test_limit": 40}
MIXED = FEW | {"augment": "crop", "crop_padding": 1, "mixup": 0.2, "train_limit": 64}
RAGGED = FEW | {"train_limit": 80, "validation": 0.2}
"""64 images: a batch of 60 and one of 4, which is less than one micro-batch."""
SYNCED, ORDER = "synced", 1e-5
"""A run with batch norms over all ranks, and what another order of its sums may change."""
COUNTED = 0.07
"""Relative; in so small a model another rank than the one that is traced, the fullest, may lack more of the block at the peak."""
EXACTLY = 0.002
"""Relative; the means of images and the numbers of steps are counted, and not foreseen."""
MOVED, LEFT, STAYED, STEPS = "moved", "left", "stayed", 4
"""A run that goes from two ranks to four and then to one, its copy that goes to one process at once, one that stays in one."""
ASKED = {2: {1: ["pause", "continue"], 2: ["pause", "handover"]}, 4: {3: ["stop"]}, 1: {}}
"""What is asked of the one that moves, by number of ranks and step."""


def changes(world):
    """Schemes with everything random, and each objective and kind of batch once."""
    cases = {name: {**meant(name), "model": RANDOM, "data": MIXED} for name in SCHEMES}
    cases |= {
        "mae": {"objective": MAE, "model": {"patch": 2, "depth": 2}, "data": FEW},
        "dino": {"objective": DINO, "model": {"patch": 2, "depth": 2}, "data": FEW},
        "ragged": {**meant("bdia"), "model": RANDOM, "data": RAGGED, "train": {"batch": 60}},
        "batch norm": {"model": {"stem": "conv"}, "data": RAGGED, "train": {"batch": 60}},
        "short of memory": {"data": FEW, "train": {"on_oom": "shrink"}},
        "several each": {"data": FEW, "train": {"accumulate": 2 * world}},
    }
    few = ("ragged",)
    return cases if world == 2 else {name: cases[name] for name in few}


def synced(world):
    """The plan of a network with batch norms over the whole batch. SGD, as Adam begins with the sign of a gradient."""
    train = {"batch": 60, "steps": 2, "gpus": world, "sync_batchnorm": True, "clip": 0.5}
    sgd = {"name": "sgd", "learning_rate": 0.5}
    return small_plan(model={"stem": "conv"}, data=RAGGED, train=train, optimizer=sgd)


def shared(plan, world):
    """The plan, with its weights shared out among so many ranks."""
    return plan.model_copy(
        update={"train": plan.train.model_copy(update={"gpus": world, "shard": True})}
    )


def shares(world):
    """The cases that are trained with shared weights as well."""
    typical = ("bdia", "mae", "ragged", "several each")
    return [name for name in changes(world) if name in typical]


def plans(world):
    """The plans as for one process; `train.gpus` says nothing of a result."""
    short = {"steps": 2, "accumulate": world, "clip": 0.5}
    return {
        name: small_plan(**{**case, "train": short | case.get("train", {})})
        for name, case in changes(world).items()
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By number of ranks and name what was recorded. One process trains all plans; two also begin a run that the others
    go on with, and one with a copy of it.
    """
    folder = tmp_path_factory.mktemp("ranks")
    whole = {(world, name): plan for world in (2, 4) for name, plan in plans(world).items()}
    every = {}
    for world in (2, 4, 1):
        works = {
            f"{name} {ranks}": (plan, f"{name}-{ranks}-on-{world}", {})
            for (ranks, name), plan in whole.items()
            if world in {1, ranks}
        }
        works |= {
            f"{name} shared": (shared(whole[world, name], world), f"{name}-shared-on-{world}", {})
            for name in (shares(world) if world > 1 else ())
        }
        moved = moving() if world == 1 else shared(moving(), world)
        works[MOVED] = (moved, MOVED, ASKED[world])
        if world < 4:
            works[SYNCED] = (synced(world), f"{SYNCED}-{world}", {})
        if world == 1:
            works |= {name: (moving(), name, {}) for name in (LEFT, STAYED)}
            works["room"] = (filling(), "room", {})
        if world == 2:
            works |= {name: (measured(name), "", {}) for name in MEASURED}
            works |= {name: (shared(filling(), world), name, {}) for name in (FULL, FILLED)}
        every[world] = train_together(folder, world, works)
        if world == 2:
            shutil.copytree(folder / MOVED, folder / LEFT)
    return every


def moving():
    """A run in micro-batches that one, two and four ranks can share, with everything random."""
    train = {"accumulate": 4, "steps": STEPS}
    return small_plan(**meant("bdia"), model=RANDOM, data=MIXED, train=train)


def filling():
    """A run of two epochs, after each of which there is a checkpoint."""
    return small_plan(**meant("bdia"), data=FEW | {"train_limit": 64}, train={"accumulate": 2})


def measured(name):
    """A plan whose weights and activations are both worth counting."""
    train = {"gpus": 2, "shard": name == "shared out", "batch": 8, "clip": 0.5}
    model = {"dim": 64, "depth": 4, "mlp_ratio": 4.0}
    return small_plan(**meant("bdia"), model=model, train=train)


def train_together(folder, world, works):
    """What so many ranks recorded of works: plans, the folders of their runs, and what is asked of them."""
    tables = {
        name: {"plan": plan.model_dump(), "run": run, "asked": asked}
        for name, (plan, run, asked) in works.items()
    }
    Path(folder, f"works-{world}.json").write_text(json.dumps(tables))
    code = "import sys; sys.path.insert(0, ''); from tests.training.together.rank import main; main({}, {}, {!r})"
    start = Forked if sys.platform == "linux" else subprocess.Popen
    ranks = [
        start([sys.executable, "-X", "preloaded", "-c", code.format(rank, world, str(folder))])
        for rank in range(world)
    ]
    try:
        assert [rank.wait(SECONDS) for rank in ranks] == [0] * world
    finally:
        for rank in ranks:
            rank.kill()
    return json.loads(Path(folder, f"found-{world}.json").read_text())


@pytest.mark.parametrize(("world", "name"), [(w, name) for w in (2, 4) for name in changes(w)])
def test_ranks_train_as_one_process_that_accumulates(world, name, found):
    one = found[1][f"{name} {world}"]
    assert len(one["losses"]) == 2
    assert found[world][f"{name} {world}"] == one


@pytest.mark.parametrize(("world", "name"), [(w, name) for w in (2, 4) for name in shares(w)])
def test_ranks_that_share_the_weights_train_as_one_process_that_accumulates(world, name, found):
    many = dict(found[world][f"{name} shared"])
    assert many.pop("held") < 0.85
    one = dict(found[1][f"{name} {world}"])
    assert one.pop("held") == 1
    assert many == one


def test_batch_norms_over_all_ranks_are_those_of_one_process_with_the_whole_batch(found):
    """Each sum has another order; a batch of fewer images than a micro-batch is on one rank alone."""
    many, one = found[2][SYNCED], found[1][SYNCED]
    assert many["losses"] == pytest.approx(one["losses"], rel=ORDER)
    assert many["end"]["test_loss"] == pytest.approx(one["end"]["test_loss"], rel=ORDER)


@pytest.mark.parametrize("name", MEASURED)
def test_the_memory_of_a_rank_is_what_is_foreseen_of_it(name, found):
    """Foreseen of one rank that is traced alone, and counted on real ones, where the fullest counts."""
    plan, real = measured(name), found[2][name]
    step = traced(plan, plan.backward, "cpu")
    if name == "shared out":
        assert step.peak(4, 2).total == pytest.approx(real["step"], rel=COUNTED)
        assert step.collected == pytest.approx(real["checkpoint"], rel=EXACTLY)
        assert step.peak(4, 2).total < 0.5 * found[2][MEASURED[0]]["step"]
    else:
        assert step.peak(4, 2).total == pytest.approx(real["step"], rel=EXACTLY)


def test_a_run_that_is_paused_handed_over_and_stopped_goes_on_with_more_and_with_fewer_ranks(found):
    """Every rank does so after the same step. On two and four the weights are shared out, in one process they are not."""
    expected, *parts = found[1][STAYED], *(found[world][MOVED] for world in (2, 4, 1))
    assert [part["answered"] for part in parts] == [
        ["pause 1", "continue 1", "pause 2", "handover 2"], ["stop 3"], []
    ]  # fmt: skip
    assert len(expected["losses"]) == STEPS
    assert [loss for part in parts for loss in part["losses"]] == expected["losses"]
    assert (parts[-1]["weights"], parts[-1]["end"]) == (expected["weights"], expected["end"])


def test_one_process_goes_on_with_what_two_ranks_handed_over(found):
    expected, half, rest = found[1][STAYED], found[2][MOVED], found[1][LEFT]
    assert half["losses"] + rest["losses"] == expected["losses"]
    assert (rest["weights"], rest["end"]) == (expected["weights"], expected["end"])


def test_on_a_full_disk_ranks_go_on_as_one_process_and_without_any_checkpoint_they_end(found):
    """All of them: a rank that went on would wait for the first one."""
    many, one = found[2][FILLED], found[1]["room"]
    assert "cannot write the checkpoint of step 4" in found[2][FULL]["failed"]
    (warning,) = many["unsaved"]
    assert warning.startswith("the checkpoint of step 4 was not written")
    assert one["unsaved"] == []
    for fact in ("losses", "weights", "end"):
        assert many[fact] == one[fact]
