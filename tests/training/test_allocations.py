"""The memory of a step by part: what torch's allocator did in it, beside what was foreseen and what is there."""

from dataclasses import asdict

import pytest
import torch

from revconsole.records.foresight import cache
from revconsole.records.logs.events import Apportioned, Measured, Started
from revconsole.training.foresee.foresee import foresee
from revconsole.training.probes.allocations import Block, highest, parts_of

BATCH, TOLERANCE, OF_A_PART = 32, 0.05, 0.15
WAYS = [("residual", "stored"), ("bdia", "reversible")]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foresight")


def measured(log):
    (found,) = (e for e in log.of(Apportioned) if e.of == "measured")
    return found.parts


@pytest.mark.parametrize(("scheme", "backward"), WAYS)
def test_every_part_is_what_was_foreseen_of_it(runner, small, scheme, backward, capfd):
    """Two accounts that share nothing: the allocator's of a real step, and that of tensors without numbers."""
    wiring = {"scheme": {"name": scheme}, "backward": backward}
    plan = small(**wiring, model={"depth": 4, "dim": 64}, train={"batch": BATCH, "epochs": 1})
    foreseen = foresee(plan, backwards=[plan.backward]).peak(plan.backward, BATCH)
    log = runner(plan)
    found = measured(log)
    assert sum(found.values()) == pytest.approx(foreseen.total, rel=TOLERANCE)
    for part in ("parameters", "optimizer", "kept", "side_bits", "gradients"):
        expected = getattr(foreseen.parts, part)
        assert found.get(part, 0.0) == pytest.approx(expected, abs=OF_A_PART * foreseen.total)
    (recorded,) = (e for e in log.of(Apportioned) if e.of == "foreseen")
    assert (recorded.backward, recorded.parts) == (backward, asdict(foreseen.parts))
    told = [e.values["step_peak_bytes"] for e in log.of(Measured) if "step_peak_bytes" in e.values]
    assert told == [sum(found.values())]
    assert capfd.readouterr().err == ""


def test_what_stands_is_counted_to_the_byte(runner, small):
    log = runner(small())
    weights = 4 * log.of(Started)[0].facts["parameters"]
    parts = measured(log)
    assert parts["parameters"] == weights  # no buffers in this model
    assert parts["batch"] == 32 * (8 * 8 * 4 + 8)
    assert parts["optimizer"] == pytest.approx(2 * weights, rel=0.01)  # and a count of steps


def test_a_run_computes_the_same_bits_whether_it_is_measured_or_not(runner, small, monkeypatch):
    losses = runner(small()).losses
    monkeypatch.setattr("revconsole.training.probes.allocations.WATCHED", 0)
    assert runner(small(), "unmeasured").losses == losses


def test_a_block_is_kept_if_it_is_there_when_its_backward_begins():
    blocks = [
        Block(1, 100, born=0),  # there at the end, and a gradient
        Block(2, 10, born=1, end=9),  # across the turn at 5
        Block(3, 20, born=2, end=4),  # gone before it
        Block(5, 7, born=3, end=6),  # across it, of the size of side bits
        Block(6, 7, born=4, end=6),  # as large, but there is only one such
        Block(4, 30, born=6, end=8),  # made in the backward
    ]
    parts = parts_of(blocks, [5], {1}, {7: 1})
    assert parts == ["gradients", "kept", "temporaries", "side_bits", "kept", "temporaries"]
    most = highest({"parameters": 1000.0}, zip(blocks, parts, strict=True))
    assert sum(most.values()) == 1000 + 100 + 10 + 30


def test_side_bits_are_counted_among_what_is_kept(runner, small):
    """One bit for each number of a stream, for every block whose input has to be rebuilt from two others; the states of
    generators, which a block with dropout needs, are none.
    """
    wiring = {"scheme": {"name": "bdia"}, "backward": "reversible"}
    log = runner(small(**wiring, model={"dropout": 0.2}, train={"epochs": 1}))
    (first,) = (e.values for e in log.of(Measured) if "kept_for_backward_bytes" in e.values)
    assert 0 < first["side_bits_bytes"] < first["kept_for_backward_bytes"]
    one_block = BATCH * 5 * 16 / 8  # tokens, width
    assert first["side_bits_bytes"] % one_block == 0


def test_a_process_that_somebody_profiles_already_is_not_measured(runner, small):
    """torch has one profiler; half a measurement would be a wrong one."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]):
        log = runner(small())
    assert [e for e in log.of(Apportioned) if e.of == "measured"] == []
    assert len(log.losses) == 8
