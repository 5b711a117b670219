"""Probes of the reversible backward: true to it, cheap to have, and without a trace in the run."""

import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from revconsole.arithmetic import SINGLE
from revconsole.errors import RevconsoleError
from revconsole.records.logs.events import Advised, EpochFinished, Measured, MetricDeclared
from revconsole.records.settings import growth
from revconsole.training.checks.reconstruction import PROBE_IMAGES, ReversibleProbe, measure
from revconsole.training.setup.draws import seed_generators
from revconsole.training.setup.rebuilt import rebuilt_blocks, rebuilt_stacks
from revconsole.training.step.footprint import Footprint
from revconsole.training.step.progress import Progress
from tests.training.conftest import meant

FLOAT32_GRADIENT = 1e-6
"""Two orders of summation in float32 differ by less, relatively, in models this small."""
MEAN_OF_BITS = 0.03
"""Six deviations of the mean of some tens of thousands of fair bits."""
FACTOR = 20
"""Roundings cancel or are steepened by blocks: a foretold error is one of magnitude."""
SAME = 1e-6
"""Relatively; the same numbers, but for the order in which norms are summed."""
SLOW_PROBE_SECONDS = 3600.0
"""Many times what an epoch of one small step takes on any machine; the clock is put forward by so much."""
NOISY = {
    "scheme": {"name": "momentum", "gamma": 0.25},
    "backward": "reversible",
    "model": {"depth": 14},
}
"""Rounding that is four times as large a block before: 2²⁸ times at the first."""
EXACT = [
    {"name": "additive", "grid_bits": 9},
    {"name": "momentum", "grid_bits": 9},
    {"name": "bdia", "grid_bits": 9},
    {"name": "bdia", "gamma": 0.25, "grid_bits": 9},
    {"name": "leapfrog", "grid_bits": 9},
]


@pytest.fixture
def small(small):
    """The small plan with a probe after every epoch."""
    return lambda **changes: small(
        **changes | {"train": {"probe_epochs": 1} | changes.get("train", {})}
    )


def probed(log):
    return [e for e in log.of(Measured) if "gradient_error" in e.values]


@pytest.mark.parametrize("scheme", EXACT, ids=lambda s: f"{s['name']}{s.get('gamma', '')}")
def test_an_exact_scheme_is_measured_to_be_exact(realise, scheme):
    found = measure(
        realise(scheme=scheme, backward="reversible", model={"dropout": 0.2, "depth": 8})
    )

    assert found.error == 0.0
    assert found.gradient_error < FLOAT32_GRADIENT


def test_side_bits_are_as_often_one_as_zero_and_only_where_bits_are_kept(realise):
    setting = realise(
        scheme={"name": "bdia", "grid_bits": 9},
        backward="reversible",
        model={"depth": 16, "dim": 32},
    )
    assert measure(setting).side_bit_mean == pytest.approx(0.5, abs=MEAN_OF_BITS)
    assert (
        measure(realise(scheme={"name": "additive"}, backward="reversible")).side_bit_mean is None
    )


def test_the_error_found_is_that_of_the_true_backward(realise):
    """Of an additive block, what enters its two norms are the two streams: watched here by hooks."""
    setting = realise(scheme={"name": "additive"}, backward="reversible", model={"depth": 6})
    seen: dict[nn.Module, list[torch.Tensor]] = {}
    for block in rebuilt_stacks(setting.model)[0]:
        for norm in (block.norm1, block.norm2):
            norm.register_forward_pre_hook(
                lambda module, given: seen.setdefault(module, []).append(given[0].detach().clone())
            )
    images, labels = next(setting.training_batches(1))
    seed_generators(0, step=0, micro=0)
    F.cross_entropy(setting.model(images[:PROBE_IMAGES]), labels[:PROBE_IMAGES]).backward()
    errors = [((now - then).abs().max() / then.abs().max()).item() for then, now in seen.values()]
    seen.clear()

    assert len(errors) == 12
    assert 0 < measure(setting).error == pytest.approx(max(errors), rel=SAME)


@pytest.mark.usefixtures("unjudged")
def test_the_gradient_error_is_that_of_the_two_gradients(realise):
    def gradient(backward):
        setting = realise(**NOISY | {"backward": backward})
        images, labels = next(setting.training_batches(1))
        loss = F.cross_entropy(setting.model(images[:PROBE_IMAGES]), labels[:PROBE_IMAGES])
        return torch.cat(
            [g.flatten() for g in torch.autograd.grad(loss, setting.model.parameters())]
        )

    truth = gradient("stored")
    expected = ((gradient("reversible") - truth).norm() / truth.norm()).item()

    assert measure(realise(**NOISY)).gradient_error == pytest.approx(expected, rel=1e-4)
    assert expected > 0.01  # noise by far, on any processor


@pytest.mark.usefixtures("unjudged")
def test_every_probe_of_the_same_weights_finds_the_same_whatever_was_drawn_before(realise):
    setting = realise(**NOISY | {"model": {"depth": 14, "dropout": 0.3}})
    first = measure(setting)
    torch.manual_seed(7)
    again = measure(setting)

    assert (first.error, first.gradient_error) == (again.error, again.gradient_error)


@pytest.mark.parametrize(
    "scheme",
    [
        {"name": "additive"},
        {"name": "momentum"},
        {"name": "momentum", "gamma": 0.5},
        {"name": "bdia", "grid_bits": None},
        {"name": "midpoint"},
        {"name": "leapfrog"},
        {"name": "hamiltonian"},
        {"name": "midpoint_a"},
        {"name": "coefficients", "alpha": 0.3, "beta": 0.7},
    ],
    ids=str,
)
def test_the_error_measured_is_of_the_size_foretold(realise, scheme):
    setting = realise(scheme=scheme, backward="reversible", model={"depth": 12})
    foretold = growth.carried(setting.plan) * SINGLE

    assert foretold / FACTOR < measure(setting).error < foretold * FACTOR


@pytest.mark.usefixtures("unjudged")
def test_the_worst_block_is_the_first_where_errors_grow_on_the_way_back(realise):
    found = measure(realise(**NOISY))

    assert found.block == 0
    assert found.error > 1.0
    assert found.by_block[0] == max(found.by_block.values()) == found.error


def test_a_probe_leaves_no_trace_in_the_model(realise):
    scheme = {"name": "bdia", "grid_bits": 9}
    setting = realise(scheme=scheme, backward="reversible", model={"dropout": 0.2})
    setting.model.register_buffer("mark", torch.ones(1))
    stack = rebuilt_stacks(setting.model)[0]
    stack[1].norm1 = nn.Sequential(Channels(), nn.BatchNorm1d(16), Channels())
    for parameter in setting.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state = {name: tensor.clone() for name, tensor in setting.model.state_dict().items()}
    before, generator = (stack.scheme, stack.backward), torch.get_rng_state()

    measure(setting)

    assert (stack.scheme, stack.backward) == before
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(t, state[name]) for name, t in setting.model.state_dict().items())
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in setting.model.parameters())
    assert setting.model.training


class Channels(nn.Module):
    """Exchanges tokens and channels, as BatchNorm1d wants them."""

    def forward(self, x):
        return x.transpose(1, 2)


@pytest.mark.parametrize("scheme", ["residual", "coefficients"])
def test_a_run_with_probes_computes_what_it_computes_without(runner, small, scheme):
    """Of the plain network, which has none, and of one whose weights move and whose streams are on a grid."""
    wiring, model = meant(scheme), {"dropout": 0.2, "drop_path": 0.1}
    measured = runner(small(**wiring, model=model), "on")
    plain = runner(small(**wiring, model=model, train={"probe_epochs": 0}), "off")

    assert measured.losses == plain.losses
    on, off = (runner.checkpoints(name).load(8) for name in ("on", "off"))
    assert all(torch.equal(tensor, off.weights[name]) for name, tensor in on.weights.items())
    assert probed(plain) == []
    assert (probed(measured) == []) == (scheme == "residual")


@pytest.mark.parametrize(("every", "epochs"), [(1, [0, 1, 2, 3]), (2, [0, 2]), (0, [])])
def test_the_model_is_probed_before_the_first_step_and_every_so_many_epochs(
    runner, small, every, epochs
):
    log = runner(
        small(
            scheme={"name": "additive"},
            backward="reversible",
            train={"epochs": 3, "probe_epochs": every},
        )
    )
    declared = {metric.name for metric in log.of(MetricDeclared)}

    assert [(e.epoch, e.step) for e in probed(log)] == [(n, 4 * n) for n in epochs]
    assert ("gradient_error" in declared) == bool(epochs)
    assert "side_bit_mean" not in declared


def test_side_bits_are_declared_where_they_are_measured(runner, small):
    log = runner(small(scheme={"name": "bdia", "grid_bits": 9}, backward="reversible"))
    declared = {metric.name for metric in log.of(MetricDeclared)}

    assert {name for e in probed(log) for name in e.values} <= declared
    assert all("side_bit_mean" in e.values for e in probed(log))


def test_a_resumed_run_probes_every_epoch_once(runner, small):
    plan = small(scheme={"name": "additive"}, backward="reversible", train={"epochs": 3})

    def end(event):
        if isinstance(event, Measured) and event.step == 6 and "loss" in event.values:
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        runner(plan, watch=end)
    log = runner(plan)

    assert [e.epoch for e in probed(log)] == [2, 3]


@pytest.mark.usefixtures("unjudged")
def test_wrong_gradients_raise_one_alarm_that_says_what_to_use_instead(runner, small):
    said = runner(small(**NOISY)).of(Advised)
    alarms = [a.text for a in said if a.level == "alarm" and "of this run" in a.text]

    assert len(alarms) == 1
    for part in ("the gradients of this run are wrong", "block 0", "scheme.grid_bits=9", "stop it"):
        assert part in alarms[0]


def test_good_gradients_raise_none(runner, small):
    log = runner(small(scheme={"name": "momentum"}, backward="reversible"))

    assert [a for a in log.of(Advised) if a.level == "alarm"] == []


@pytest.mark.usefixtures("unjudged")
def test_the_seconds_of_a_probe_are_in_no_epoch(runner, small, monkeypatch):
    look, clock, ahead = ReversibleProbe.measure_if_due, time.perf_counter, [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + ahead[0])

    def slowly(probe, progress):
        ahead[0] += SLOW_PROBE_SECONDS
        look(probe, progress)

    monkeypatch.setattr(ReversibleProbe, "measure_if_due", slowly)
    log = runner(
        small(
            scheme={"name": "additive"},
            backward="reversible",
            data={"train_limit": 16, "validation": 0.5},
            train={"epochs": 3, "batch": 8},
        )
    )
    assert ahead[0] >= 3 * SLOW_PROBE_SECONDS
    assert max(e.values["epoch_seconds"] for e in log.of(EpochFinished)) < SLOW_PROBE_SECONDS


def test_a_probe_that_fails_is_the_last_and_leaves_the_model_as_it_was(realise):
    setting = realise(scheme={"name": "additive"}, backward="reversible")
    stack = rebuilt_stacks(setting.model)[0]
    before, said = (stack.scheme, stack.backward), []
    probe = ReversibleProbe(setting, said.append, Footprint(setting))
    failing = stack[0].register_forward_pre_hook(refuse)
    stack[0].norm1.register_forward_pre_hook(refuse)

    probe.measure_if_due(Progress())
    failing.remove()
    probe.measure_if_due(Progress(epoch=1))

    assert len(said) == 1
    assert "could not measure" in said[0].text
    assert (stack.scheme, stack.backward) == before


def refuse(_module, _given):
    raise RevconsoleError("no room")


def test_a_stored_block_starts_the_growth_anew(realise):
    setting = realise(scheme={"name": "additive"}, backward="reversible", model={"depth": 6})
    stack = rebuilt_stacks(setting.model)[0]
    stack.backward = ("reversible", "stored", "stored", "stored", "reversible", "reversible")

    assert rebuilt_blocks(setting) == 2
    assert measure(setting).gradient_error < FLOAT32_GRADIENT
    assert stack.backward[1] == "stored"
