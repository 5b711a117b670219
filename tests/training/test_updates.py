"""Update to weight ratios: those of the weights before and after a step, for every block."""

import numpy as np
import pytest
import torch

from revconsole.records.logs.events import Measured
from revconsole.training.probes import updates
from revconsole.training.probes.updates import BlockUpdates
from revconsole.training.step.stepping import compute_gradients, update_weights


def stepped(state, number, updates=None):
    images, labels = next(state.training_batches(1))
    step = compute_gradients(state, number, 1, images=images, labels=labels)
    if updates is not None:
        updates.begin()
    update_weights(state, step)
    if updates is not None:
        updates.end()


def weights(state, block):
    found = [p.detach().numpy().ravel() for n, p in state.model.named_parameters() if block in n]
    return np.concatenate(found).astype(float)


def expected(state, number):
    """The ratio of each block of the transformer, of whole weights and in float64."""
    before = [weights(state, f"blocks.{n}.") for n in range(3)]
    stepped(state, number)
    after = [weights(state, f"blocks.{n}.") for n in range(3)]
    return [np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in zip(before, after, strict=True)]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_ratio_of_a_block_is_that_of_all_its_weights(realise, optimizer):
    settings = {"name": optimizer, "learning_rate": 0.01}
    one, other = realise(optimizer=settings), realise(optimizer=settings)
    found = BlockUpdates(one)
    for number in (1, 2):
        stepped(one, number, found)
        values = found.values()
        assert list(values.values()) == pytest.approx(expected(other, number), rel=1e-5)
        assert list(values) == [f"update_ratio_of_block_{n}" for n in range(3)]
    assert found.values() == {}


def test_of_large_tensors_a_part_is_read_and_the_generators_stay(realise, monkeypatch):
    monkeypatch.setattr(updates, "SAMPLED", 64)
    one, other = realise(), realise()
    drawn = torch.get_rng_state()
    found = BlockUpdates(one)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert max(len(tensor) for block in found._read() for tensor in block) == 64
    stepped(one, 1, found)
    assert list(found.values().values()) == pytest.approx(expected(other, 1), rel=0.15)


def test_a_run_reports_them_from_the_first_report_after_a_whole_step_on(runner, small):
    log = runner(small())
    every = [e.values for e in log.of(Measured) if "loss" in e.values]
    told = [v for v in every if "update_ratio_of_block_0" in v]
    assert told
    assert not any("update_ratio_of_block_0" in v for v in every[:1])
    assert all(0 < v["update_ratio_of_block_2"] < 1 for v in told)
