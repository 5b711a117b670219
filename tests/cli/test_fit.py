"""The verb fit: the largest micro-batch, foreseen and tried with real steps in processes of their own."""

import re
import tomllib
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from revconsole.lab.fitting import FitWanted, fitted_plan, foreseen_batch, judged, real_steps, tries
from revconsole.lab.lab import Lab
from revconsole.lab.solve import foreseen
from revconsole.records.foresight.allowance import allowance
from revconsole.records.sections import Data
from revconsole.records.sections.model import Mlp
from revconsole.records.settings.plan import Plan
from revconsole.records.settings.profile import parse_assignments

SMALL = (
    "vit-mnist", "seeds=0", "data.dataset=digits", "data.augment=none", "model.patch=2", "model.dim=32", "model.depth=1",
    "model.heads=2", "train.device=cpu", "train.batch=8192",
)  # fmt: skip
MIB = 2**20


def planned(**train):
    model = {"architecture": "vit", "patch": 2, "dim": 32, "depth": 1, "heads": 2}
    data = {"dataset": "digits"}
    return Plan.model_validate(
        {"name": "small", "model": model, "data": data, "train": {"device": "cpu"} | train}
    )


@pytest.mark.interpreter  # a fork counts pages of libraries that it touches again: 15 of 267 MiB
def test_what_is_foreseen_is_tried_and_the_profile_that_fits_is_written(run, store):
    (plan,) = Lab(store.root).models(SMALL[0], parse_assignments(SMALL[1:]))
    start = foreseen_batch(plan, FitWanted(memory=300 * MIB, reserve=0.1, ceiling=10_000))
    asked = ("fit", *SMALL, "--memory", "300MiB", "--ceiling", str(start), "--write", "fits.toml")
    said = run(*asked)

    assert said.code == 0
    assert f"{start:,} images are foreseen" in said.err
    (tried,) = re.findall(r"steps of (?:2 × )?([\d,]+) images .*: (\w+)", said.err)
    assert tried == (f"{start:,}", "fits")
    written = tomllib.loads(Path("fits.toml").read_text())["train"]
    assert written["batch"] == 8192
    assert written["accumulate"] == 2
    assert run("train", "fits.toml", "--dry-run").code == 0
    again = run(*asked)
    assert (again.code, "there already" in again.err) == (2, True)


def test_a_tenth_more_is_tried_of_what_fits_and_a_tenth_less_of_what_does_not():
    much, little = (FitWanted(memory=n * MIB, reserve=0.1, ceiling=10_000) for n in (4000, 40))

    more = [(each.micro_batch, each.fits) for each in tries(planned(), much, 20)]
    less = [(each.micro_batch, each.fits) for each in islice(tries(planned(), little, 8192), 2)]
    assert more == [(20, True), (22, True)]
    assert less == [(8192, False), (7372, False)]
    at_most = replace(much, ceiling=20)
    assert [each.micro_batch for each in tries(planned(), at_most, 20)] == [20]


def test_steps_that_run_out_of_memory_end_their_own_process_only():
    wanted = FitWanted(memory=40 * MIB, reserve=0.1, ceiling=10_000)

    tried = real_steps(planned(), 8192, wanted)
    assert (tried.bytes, tried.fits) == (None, False)


def test_where_no_image_fits_the_exit_code_is_3(run):
    said = run("fit", *SMALL, "--memory", "64KiB", "--ceiling", "1")

    assert said.code == 3
    assert "not even one image fits" in said.out


def test_a_batch_of_several_micro_batches_is_foreseen_with_its_gradients_and_all_of_its_images():
    model = {"architecture": "mlp", "width": 1000}
    plan = planned(batch=4096).model_copy(update={"model": Mlp(**model)})
    foresight, allowed = foreseen(plan), allowance(plan, "cpu")
    memory = foresight.bounds("stored", 1024, allowed).high

    wanted = FitWanted(memory=memory, reserve=0.0, ceiling=10_000)
    fits = foreseen_batch(plan, wanted)
    parts = fitted_plan(plan, fits).train.accumulate
    assert parts > 1
    assert foresight.bounds("stored", 4096 // parts, allowed, accumulate=parts).high <= memory
    assert foresight.bounds("stored", 1024, allowed, accumulate=4).high > memory
    assert (
        foreseen_batch(planned(batch=64).model_copy(update={"model": Mlp(**model)}), wanted) >= 1024
    )


def test_the_images_of_the_data_count_which_the_real_steps_do_without():
    plan = planned().model_copy(update={"data": Data(dataset="cifar10")})
    images = 60_000 * 3 * 32 * 32
    wanted = FitWanted(memory=400 * MIB, reserve=0.1, ceiling=100)

    assert judged(plan, 8, wanted.usable - images, wanted).fits
    assert not judged(plan, 8, wanted.usable - images + 1, wanted).fits
    assert judged(plan, 8, MIB, wanted).bytes == MIB + images
    assert judged(plan, 8, None, wanted).bytes is None


def test_the_batch_stays_and_is_made_of_the_fewest_micro_batches_that_fit():
    assert fitted_plan(planned(batch=512), 200).train.accumulate == 4
    assert fitted_plan(planned(batch=512), 512).train.accumulate == 1
    assert fitted_plan(planned(batch=96, accumulate=4), 50).train.accumulate == 2


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (("demo",), "backward=stored scheme.name=residual"),
        (("mnist-patch",), "seeds=0 model.patch=2"),
        (("vit-mnist", "seeds=[4,5]"), "seeds=4"),
    ],
)
def test_of_several_runs_one_is_chosen_by_what_they_differ_in(run, words, chosen):
    said = run("fit", *words)

    assert said.code == 2
    assert said.err.rstrip().endswith(f"as {chosen}")


def test_a_profile_that_cannot_be_written_is_refused_before_any_step(run):
    said = run("fit", *SMALL, "--memory", "64KiB", "--ceiling", "1", "--write", "nofolder/x.toml")

    assert said.code == 4
    assert "there is no folder nofolder" in said.err
    assert "foreseen" not in said.err
