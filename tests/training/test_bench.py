"""The benchmark measures every configuration, leaves the process as it was, and counts what it says it counts."""

import json

import pytest
import torch

from revconsole.lab.bench import WantedBenchmark, bench_of
from revconsole.training.bench import memory, processes
from revconsole.training.bench.measure import measure, operations
from revconsole.training.bench.subject import images_of, realise, share_weights

TINY = {
    "model.dim": 16,
    "model.heads": 2,
    "train.batch": 2,
    "train.threads": 1,
    "train.device": "cpu",
}
VISIBLE = {
    "model.dim": 64,
    "model.heads": 2,
    "train.batch": 16,
    "train.threads": 1,
    "train.device": "cpu",
}
"""Large enough for resident memory to show: its stored peak is 20 MiB."""
ON_A_GRID = 1 + 1 / 16
"""A grid keeps side bits, one for 32 of a stream, and two streams more or less at the ends of a stretch."""


def bench(settings, **changes):
    usual = {"memory_bytes": 2**30, "rounds": 1, "depths": [2]}
    return bench_of(WantedBenchmark(settings=settings, **usual | changes))


def last(wanted):
    *_, update = measure(wanted)
    return update.benchmark


@pytest.mark.usefixtures("measured_in_one_process")
def test_every_configuration_is_measured_and_every_round_is_kept():
    wanted = bench(TINY, schemes=["residual", "bdia:grid_bits=9"], rounds=2)

    updates = list(measure(wanted))

    found = updates[-1].benchmark
    assert [(r.scheme, r.backward) for r in found.rows] == [
        (c.scheme, c.backward) for c in wanted.configurations
    ]
    assert (
        {len(r.seconds) for r in found.rows} == {len(r.forward_seconds) for r in found.rows} == {2}
    )
    assert all(
        0 < f < s for r in found.rows for f, s in zip(r.forward_seconds, r.seconds, strict=True)
    )
    assert all(r.kept_bytes and r.fixed_bytes and r.parameters for r in found.rows)
    assert found.facts["tokens"] == 65
    assert [u.benchmark.complete for u in updates].index(True) == len(updates) - 1
    shares = [u.share for u in updates]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert updates[0].seconds_left > 0


def kept_bytes(wanted) -> dict[tuple[str, int, str], int]:
    cpu = torch.device("cpu")
    return {
        (c.scheme, c.depth, c.backward): memory.kept_bytes(realise(c, cpu), cpu)
        for c in wanted.configurations
    }


def test_what_a_reversed_stack_keeps_does_not_grow_with_its_depth():
    schemes = ["additive", "momentum", "bdia"]

    kept = kept_bytes(bench(TINY, schemes=schemes, backwards=["reversible"], depths=[2, 6]))

    for scheme in schemes:
        assert kept[scheme, 6, "reversible"] <= ON_A_GRID * kept[scheme, 2, "reversible"]
        assert kept[scheme, 6, "stored"] > 2 * kept[scheme, 2, "stored"]


def test_blocks_that_are_kept_cost_memory_one_by_one():
    kept = kept_bytes(bench(TINY, schemes=["additive"], depths=[3], stored_blocks=[1, 2]))

    sizes = [
        kept["additive", 3, backward]
        for backward in ("reversible", "last 1 stored", "last 2 stored", "stored")
    ]
    assert sizes == sorted(set(sizes))


def test_it_is_the_last_blocks_that_are_kept():
    wanted = bench(TINY, schemes=["additive"], backwards=["stored"], depths=[3], stored_blocks=[1])

    model = realise(wanted.configurations[-1], torch.device("cpu")).model

    assert model.blocks.backward == ("reversible", "reversible", "stored")


def operations_of_a_block(plan, images: int) -> tuple[int, int]:
    """By hand, two for each multiplication: of a transformer block's forward, and of its last linear layer."""
    tokens, width = (plan.image_size // plan.model.patch) ** 2 + 1, plan.model.dim
    hidden = round(width * plan.model.mlp_ratio)
    linear = tokens * width * (3 * width + width + 2 * hidden)
    attention = 2 * tokens * tokens * width
    return 2 * images * (linear + attention), 2 * images * tokens * hidden * width


@pytest.mark.parametrize(
    "scheme", ["additive", "momentum", "midpoint", "bdia", "bdia:grid_bits=none"]
)
def test_reversing_computes_every_block_once_more_and_nothing_else(scheme):
    depth, device = 3, torch.device("cpu")
    wanted = bench(TINY, schemes=[scheme], depths=[depth])
    block, last_linear = operations_of_a_block(wanted.configurations[0].plan, images=2)

    counted = {
        c.backward: operations(realise(c, device), device)
        for c in wanted.configurations
        if c.scheme == scheme
    }

    assert counted["reversible"] - counted["stored"] == depth * block
    again = counted["checkpointed"] - counted["stored"]
    assert depth * (block - last_linear) <= again <= depth * block


@pytest.mark.usefixtures("measured_in_one_process")
def test_resident_peaks_lead_to_a_batch_that_the_peaks_agree_with():
    found = last(bench(VISIBLE, schemes=["additive"], backwards=["reversible"]))
    stored, reversed_row = (found.stored("additive", 2), found.rows[-1])

    assert stored is not None
    assert [batch for batch, _ in stored.peaks] == [4, 16]
    assert stored.peak_bytes > reversed_row.peak_bytes
    assert stored.peak_bytes > stored.kept_bytes
    for each in (stored, reversed_row):  # resident memory includes what the C library keeps back
        assert 0.75 < each.foreseen_peak / each.peak_bytes < 1.05
        assert each.foreseen_batch == found.largest_batch(each) > 16
    assert reversed_row.foreseen_batch > stored.foreseen_batch


@pytest.mark.parametrize(
    ("settings", "least", "most"),
    [({"optimizer.name": "sgd", "optimizer.momentum": 0.0}, 4, 4), ({}, 12, 12.5)],
    ids=["sgd", "adamw"],
)
def test_optimiser_state_is_counted_with_the_parameters(settings, least, most):
    wanted = bench(TINY | settings, schemes=["residual"])

    needed = memory.needs(wanted.configurations[0], torch.device("cpu"), ())

    model = realise(wanted.configurations[0], torch.device("cpu")).model
    parameters = sum(p.numel() for p in model.parameters())
    assert least * parameters <= needed.fixed_bytes <= most * parameters


def test_threads_and_generators_are_as_before_also_if_it_is_ended_early():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    updates = measure(bench(TINY | {"train.threads": threads + 1}, schemes=["bdia"]))
    next(updates)
    assert torch.get_num_threads() == threads + 1
    torch.rand(3)

    updates.close()

    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), before)


def test_models_that_are_timed_together_share_the_weights_of_one():
    device = torch.device("cpu")
    subjects = [realise(c, device) for c in bench(TINY, schemes=["additive"]).configurations]
    plain, additive = subjects[0].model, subjects[-1].model
    assert additive.blocks[0].attn.qkv.weight is not plain.blocks[0].attn.qkv.weight

    share_weights(s.model for s in subjects)

    assert additive.blocks[0].attn.qkv.weight is plain.blocks[0].attn.qkv.weight
    assert additive.head.weight.shape == (10, 32)  # twice as wide, so its own
    loss = subjects[-1].loss(*images_of(subjects[-1].configuration, 2, device))
    assert torch.isfinite(loss)


@pytest.mark.usefixtures("measured_in_one_process")
def test_any_model_of_timm_can_be_measured():
    settings = {
        "model.architecture": "timm",
        "model.name": "test_vit",
        "model.patch": 2,
        "train.batch": 1,
    }
    wanted = bench(
        settings | {"train.threads": 1}, depths=[], schemes=["additive"], backwards=["reversible"]
    )

    found = last(wanted)

    assert [r.depth for r in found.rows] == [None] * 3
    assert found.of_plain(found.rows[-1]) is not None
    assert found.rows[-1].kept_bytes < found.rows[0].kept_bytes


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_largest_batch_has_been_tried():
    settings = VISIBLE | {"train.device": "cuda"}
    found = last(bench(settings, schemes=["additive"], memory_bytes=2**28))

    for row in found.rows:
        assert row.peak_bytes > row.kept_bytes
        assert row.verified_batch is not None
        assert 0 < row.verified_batch <= row.largest_batch(2**28)
    assert "tried with a step" in found.how["batch"]


def test_where_no_process_may_fork_memory_is_measured_in_a_new_one(tmp_path):
    """Linux hands the peak of these tests on to the new process, so whether that of the step shows is not asked."""
    (configuration, *_) = bench(TINY, schemes=["residual"]).configurations
    plan = configuration.plan.model_dump(mode="json")
    question = {"plan": plan, "stored_blocks": 0, "batches": [2], "threads": 1}

    with (tmp_path / "answers").open("w") as answers:
        assert processes.anew(json.dumps(question), answers) == 0

    answer = json.loads((tmp_path / "answers").read_text())
    assert answer.keys() == {"fixed_bytes", "peaks"}
    assert answer["fixed_bytes"] > 0
