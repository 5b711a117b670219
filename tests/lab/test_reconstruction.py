"""Reconstruction in words: before the run from its settings, and from what its probes found."""

import math

import pytest

from revconsole.lab import reconstruction
from revconsole.records.logs.events import MetricDeclared
from revconsole.records.runs.run import Run, Series, Summary
from revconsole.records.settings import growth
from revconsole.records.settings.plan import Plan


def plan(label="a", *, depth=48, backward="reversible", precision="float32", **scheme):
    return Plan.model_validate({
        "name": label,
        "model": {"architecture": "vit", "depth": depth},
        "scheme": scheme,
        "backward": backward,
        "train": {"precision": precision},
    })  # fmt: skip


def run(asked, facts=None, **last):
    summary = Summary(id="aaaaaaaa", name="a", state="running", plan=asked, created=0.0)
    series = {}
    for name, value in last.items():
        metric = MetricDeclared(name=name, unit="", per="epoch", direction="down", meaning="")
        series[name] = Series(metric, [0], [value], 1)
    return Run(summary=summary, facts=facts or {}, series=series)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (plan(name="residual", backward="stored"), ""),
        (plan(name="momentum", backward="checkpointed"), ""),
        (plan(name="residual", backward="auto"), ""),
        (plan(name="momentum", gamma=0.5, grid_bits=9), "exact, bit for bit"),
        (
            plan(name="bdia", backward="auto", grid_bits=9),
            "with every block reversed, exact, bit for bit",
        ),
        (
            plan(name="additive"),
            "error grows to about 4e-07 of the activations over 48 blocks (additive, float32); gradients may suffer from 1e-03 on",
        ),
        (
            plan(name="additive", precision="bf16"),
            "error grows to between 4e-07 and 3e-02 of the activations over 48 blocks (additive, bf16); gradients may suffer from 1e-03 on",
        ),
    ],
)
def test_what_to_expect_is_said_in_one_sentence(asked, said):
    assert growth.predicted(asked) == said


def test_a_stack_that_loses_its_activations_is_said_to_with_what_to_use_instead():
    said = growth.predicted(plan(name="momentum", gamma=0.5))

    for part in (
        "the activations are lost",
        "3.3e+14 times over 48 blocks",
        "gradients will be wrong",
    ):
        assert part in said
    assert said.endswith("use scheme.grid_bits=9 (exact, bit for bit) or backward=checkpointed")


def test_a_model_whose_depth_is_not_known_says_so_unless_it_is_exact():
    timm = {"name": "a", "model": {"architecture": "timm"}, "backward": "reversible"}
    floats = Plan.model_validate(timm | {"scheme": {"name": "momentum"}})
    exact = Plan.model_validate(timm | {"scheme": {"name": "momentum", "grid_bits": 9}})

    assert growth.predicted(floats) == "its error is measured when the model is built"
    assert growth.predicted(exact) == "exact, bit for bit"
    built = run(floats, {"error_growth": 12.0, "rebuilt_blocks": 12})
    assert "over 12 blocks" in reconstruction.expected(built)


def test_a_run_that_turned_out_to_keep_every_block_expects_nothing():
    asked = plan(name="additive", backward="auto")

    assert reconstruction.expected(run(asked, {"steps": 7})) == ""
    assert reconstruction.expected(run(asked)) != ""


def test_the_worst_of_several_plans_is_found():
    plans = [
        plan("exact", name="bdia", grid_bits=9),
        plan("lost", name="momentum", gamma=0.5),
        plan("fine", name="additive"),
        plan("plain", name="residual", backward="stored"),
    ]

    assert growth.worst(plans).name == "lost"
    assert growth.worst(plans[3:]) is None


def test_forecasts_name_the_run_or_count_those_of_whom_the_same_is_expected():
    plans = [
        plan("a", name="additive"),
        plan("b", name="additive"),
        plan("c", name="bdia", grid_bits=9),
        plan("d", name="residual", backward="stored"),
    ]
    first, second = reconstruction.forecasts(plans)

    assert first.startswith("2 runs: reconstruction: error grows")
    assert second == "c: reconstruction: exact, bit for bit"


def test_what_probes_found_is_said_with_its_cost():
    asked = plan(name="bdia", grid_bits=9)
    found = run(
        asked,
        reconstruction_error=0.0, reconstruction_worst_block=5.0, gradient_error=3e-8,
        side_bit_mean=0.4987, probe_seconds=0.25,
    )  # fmt: skip
    noisy = run(
        asked, reconstruction_error=math.inf, reconstruction_worst_block=2.0, gradient_error=0.7
    )

    assert reconstruction.measured(found) == (
        "activations exact, gradients 3e-08, side bits 0.499, probed in 0.2 s"
    )
    assert reconstruction.measured(noisy) == "activations ∞ (block 2), gradients 7e-01"
    assert reconstruction.measured(run(asked)) == ""
