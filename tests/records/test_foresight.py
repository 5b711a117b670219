"""Foresight: answers about memory, from lines that were traced once."""

import random
from dataclasses import replace

import pytest

from revconsole.records.foresight import cache
from revconsole.records.foresight.allocator import AllocationLog, replay, replayed
from revconsole.records.foresight.allowance import Allowance, MemoryRange, allowance, data_bytes
from revconsole.records.foresight.checked import (
    CheckedPrediction,
    VerdictCounts,
    errors_of,
    held_out_errors,
    later_errors,
    verdicts,
)
from revconsole.records.foresight.foresight import Foresight, StepMemory, divisors, in_words
from revconsole.records.foresight.parts import MemoryParts, Moment

MIB = 2**20


def moment(operator, *, fixed, kept, temporaries=0.0, batch=0.0):
    return Moment(
        operator=operator,
        fixed=MemoryParts(parameters=fixed / 2, gradients=fixed / 4, optimizer=fixed / 4),
        per_image=MemoryParts(kept=kept, temporaries=temporaries, batch=batch),
    )


def step(*moments, log=None):
    return StepMemory(once=moments, accumulated=moments, log=log)


@pytest.fixture
def foresight():
    return Foresight(
        device="cpu",
        steps={
            "stored": step(
                moment("update fused", fixed=100 * MIB, kept=0),
                moment("backward mm", fixed=60 * MIB, kept=4 * MIB, batch=0.5 * MIB),
            ),
            "checkpointed": step(moment("backward mm", fixed=80 * MIB, kept=2 * MIB)),
            "reversible": step(
                moment("backward sum", fixed=80 * MIB, kept=MIB, temporaries=0.5 * MIB)
            ),
        },
    )


def test_the_peak_is_the_highest_moment_and_its_parts_add_up_to_it(foresight):
    for images in (1, 5, 8, 9, 10, 100):
        by_hand = max(100, 60 + 4.5 * images) * MIB
        peak = foresight.peak("stored", images)

        assert peak.total == round(by_hand)
        assert peak.parts.total == pytest.approx(by_hand)
    assert foresight.peak("stored", 8).operator == "update fused"
    assert foresight.peak("stored", 9).operator == "backward mm"


def test_the_images_of_the_whole_batch_are_there_while_a_part_of_it_is_computed(foresight):
    peak = foresight.peak("stored", 10, accumulate=4)

    assert peak.total == (60 + 4 * 10 + 0.5 * 40) * MIB
    assert peak.parts.batch == 20 * MIB


def test_the_largest_batch_is_the_last_one_whose_peak_fits(foresight):
    for backward in foresight.backwards:
        for memory in (79, 81, 83, 100, 105, 1024):
            for accumulate in (1, 3):
                largest = foresight.largest(backward, memory * MIB, accumulate=accumulate)
                fits = [
                    n
                    for n in range(1, 1000)
                    if foresight.peak(backward, n, accumulate=accumulate).total <= memory * MIB
                ]

                assert largest == max(fits, default=0)


def test_what_kernels_take_with_few_and_with_many_images_is_held_to_the_memory_there():
    few = replace(moment("inside conv", fixed=0, kept=9 * MIB), most=15)
    many = replace(moment("inside conv", fixed=40 * MIB, kept=5 * MIB), least=16)
    always = moment("backward mm", fixed=10 * MIB, kept=4 * MIB)
    for moments in ((few, many, always), (few, always), (many, always)):
        memory_of = step(*moments)
        peaks = {n: memory_of.peak(n).total for n in range(1, 60)}

        assert peaks[15] == (135 if few in moments else 70) * MIB
        assert peaks[16] == (120 if many in moments else 74) * MIB
        for memory in (5, 14, 70, 77, 100, 119, 120, 134, 135, 200):
            fits = [n for n, peak in peaks.items() if peak <= memory * MIB]
            assert memory_of.largest(memory * MIB) == max(fits, default=0)


def test_a_batch_is_made_of_the_fewest_equal_parts_that_fit(foresight):
    ways = foresight.batches(512, 1024 * MIB)

    assert in_words(512, ways) == "512 = 4 × 128 stored, 2 × 256 checkpointed, 1 × 512 reversible"
    assert in_words(512, foresight.batches(512, 10 * MIB)) == "512 does not fit"


def test_a_step_on_ranks_is_in_parts_for_each_of_them_and_its_first_rank_has_room_for_a_checkpoint():
    once = moment("backward mm", fixed=60 * MIB, kept=4 * MIB, batch=0.5 * MIB)
    several = replace(once, fixed=replace(once.fixed, gradients=75 * MIB))
    four = StepMemory(once=(once,), accumulated=(several,), ranks=4, collected=200 * MIB)
    ranked = Foresight(device="cpu", steps={"stored": four})

    assert four.peak(10, 4).total == (60 + 4 * 10 + 0.5 * 40) * MIB, "one micro-batch for each"
    assert four.peak(10, 8).total == (120 + 4 * 10 + 0.5 * 80) * MIB
    assert (ranked.made("stored", 12, 300 * MIB).accumulate, ranked.made("stored", 6, MIB)) == (
        4,
        None,
    )
    assert ranked.bounds("stored", 10, Allowance(), accumulate=4).low == 200 * MIB
    assert ranked.largest("stored", 199 * MIB, accumulate=4) == 0
    assert replace(ranked, device="cuda").largest("stored", 199 * MIB, accumulate=4) > 0
    log = AllocationLog(sizes=((512.0, 0.0, 0.0),), events=(0,), accumulated=(0, 0, 0), ranks=4)
    assert [replay(log, 1, parts).allocated for parts in (4, 8)] == [512, 3 * 512]


def test_auto_stores_what_fits_and_else_saves_most(foresight):
    assert foresight.backwards == ("stored", "checkpointed", "reversible", "auto")
    assert foresight.peak("auto", 100, memory=1024 * MIB) == foresight.peak("stored", 100)
    assert foresight.peak("auto", 100, memory=300 * MIB) == foresight.peak("reversible", 100)
    assert foresight.largest("auto", 1024 * MIB) == foresight.largest("reversible", 1024 * MIB)


def test_the_divisors_of_a_number_come_in_order():
    for number in (1, 2, 12, 36, 97, 512):
        assert list(divisors(number)) == [n for n in range(1, number + 1) if number % n == 0]


@pytest.mark.parametrize(
    ("memory", "word"), [(89, "does not fit"), (100, "uncertain"), (130, "tight"), (150, "fits")]
)
def test_a_verdict_has_four_words(memory, word):
    assert MemoryRange(low=90, high=120).within(memory) == word


def test_the_allowance_counts_as_taken(foresight):
    kept_free = Allowance(low=10 * MIB, high=20 * MIB, inside=0.5)

    assert foresight.bounds("checkpointed", 10, kept_free) == MemoryRange(
        low=110 * MIB, high=170 * MIB
    )
    largest = foresight.largest("checkpointed", 170 * MIB, allowance=kept_free)
    assert largest == 10


def test_images_of_all_splits_are_allowed_for_at_a_byte_a_value(plan):
    facts = plan.shipped
    train = plan.data.train_limit or facts.train_images
    test = plan.data.test_limit or facts.test_images

    assert data_bytes(plan) == (train + test) * facts.channels * facts.size**2
    assert allowance(plan, "cpu").low == data_bytes(plan)
    assert allowance(plan, "cuda").high > 300 * MIB


# The caching allocator, against cases whose answer follows from its rules.


@pytest.mark.parametrize(
    ("sizes", "events", "allocated", "reserved"),
    [
        ([1], [0], 512, 2 * MIB),
        ([MIB, MIB], [0, 1], 2 * MIB, 2 * MIB),
        ([MIB], [0, 0, 0], 3 * MIB, 4 * MIB),
        ([MIB + 1], [0], MIB + 512, 20 * MIB),
        ([10 * MIB], [0], 10 * MIB, 10 * MIB),
        ([11 * MIB], [0], 12 * MIB, 12 * MIB),
        ([0], [0, -1], 0, 0),
        # What would be left of 12 MiB is too little to be split off. A freed block is used again; a larger one needs a segment of its own.
        ([11 * MIB], [0, -1, 0], 12 * MIB, 12 * MIB),
        ([11 * MIB, 13 * MIB], [0, -1, 1], 14 * MIB, 26 * MIB),
        # Neighbours that are free are one block again: three of 4 MiB make room for one of 9.
        ([4 * MIB, 9 * MIB], [0, 0, 0, -1, -3, -2, 1], 12 * MIB, 20 * MIB),
        # Here the middle one is still there, and nine do not fit before or behind it.
        ([4 * MIB, 9 * MIB], [0, 0, 0, -1, 1], 17 * MIB, 40 * MIB),
    ],
)
def test_the_allocator_takes_segments_as_its_rules_say(sizes, events, allocated, reserved):
    bytes_on_device = replayed(sizes, events)

    assert (bytes_on_device.allocated, bytes_on_device.reserved) == (allocated, reserved)


def test_a_log_is_replayed_for_any_number_of_images():
    log = AllocationLog(sizes=((512.0, 1024.0, 0.0), (0.0, 0.0, 2048.0)), events=(0, 1, -1, 0))

    assert replay(log, 4).allocated == 512 + 4 * 1024 + 4 * 2048
    assert replay(log, 4, 3).allocated == 512 + 4 * 1024 + 12 * 2048


def test_no_more_is_allocated_than_reserved_and_no_less_than_was_asked_for():
    draw = random.Random(0)
    sizes = [draw.choice((700, 40_000, 3 * MIB, 12 * MIB)) * draw.randint(1, 5) for _ in range(30)]
    events, alive, count = [], [], 0
    for _ in range(500):
        if alive and draw.random() < 0.5:
            events.append(-1 - alive.pop(draw.randrange(len(alive))))
        else:
            events.append(draw.randrange(len(sizes)))
            alive.append(count)
            count += 1
    device = replayed(sizes, events)

    held, most, made = 0, 0, []
    for event in events:
        made += [sizes[event]] if event >= 0 else []
        held += sizes[event] if event >= 0 else -made[-1 - event]
        most = max(most, held)
    assert most <= device.allocated <= device.reserved


# The cache.


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foresight")
    return tmp_path / "foresight"


def test_what_is_kept_is_read_again_the_same(plan, foresight):
    for backward in ("stored", "checkpointed"):
        cache.keep(cache.key(plan, backward, "cpu"), foresight.steps[backward])
    assert cache.known(plan) is None  # the reversible one has not been traced
    cache.keep(cache.key(plan, "reversible", "cpu"), "has no inverse")

    known = cache.known(plan)
    assert dict(known.steps) == {w: foresight.steps[w] for w in ("stored", "checkpointed")}
    assert known.left_out == {"reversible": "has no inverse"}


def test_a_damaged_file_counts_as_missing_and_is_replaced(plan, foresight, cache_folder):
    name = cache.key(plan, "stored", "cpu")
    cache.keep(name, foresight.steps["stored"])
    file = cache_folder / f"{name}.json"
    for damage in (b"", b"{", file.read_bytes()[:-20], b'{"once": 3}', b"\xff\xfe", b"null"):
        file.write_bytes(damage)
        assert cache.read(name) is None
    cache.keep(name, foresight.steps["stored"])

    assert cache.read(name) == foresight.steps["stored"]
    assert [each.name for each in cache_folder.iterdir()] == [f"{name}.json"]


def with_setting(plan, section, **values):
    inner = getattr(plan, section).model_copy(update=values)
    return plan.model_copy(update={section: inner})


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("train", {"batch": 8}),
        ("train", {"epochs": 77}),
        ("optimizer", {"learning_rate": 0.7}),
        ("optimizer", {"weight_decay": 0.7}),
    ],
)
def test_what_does_not_decide_the_memory_of_a_step_is_not_in_the_key(plan, section, values):
    other = with_setting(plan, section, **values).model_copy(update={"seed": 9, "name": "other"})

    assert cache.key(other, "stored", "cpu") == cache.key(plan, "stored", "cpu")


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("train", {"precision": "bf16"}),
        ("train", {"average": 0.9}),
        ("train", {"clip": 1.0}),
        ("train", {"freeze": "backbone"}),
        ("model", {"depth": 7}),
        ("data", {"mixup": 0.2}),
        ("train", {"threads": 3}),
    ],
)
def test_what_decides_the_memory_of_a_step_is_in_the_key(plan, section, values):
    assert cache.key(with_setting(plan, section, **values), "stored", "cpu") != cache.key(
        plan, "stored", "cpu"
    )


def test_backward_and_device_are_in_the_key(plan):
    keys = {
        cache.key(plan, word, kind) for word in ("stored", "reversible") for kind in ("cpu", "cuda")
    }

    assert len(keys) == 4


def test_errors_are_summed_up_by_their_size():
    summary = errors_of([0.01, -0.14, 0.0, 0.02])

    assert (summary.count, summary.median, summary.worst) == (4, pytest.approx(0.015), 0.14)
    assert summary.mean == pytest.approx(0.17 / 4)


def checked(predicted, resident):
    return CheckedPrediction(
        settings="", backward="stored", micro_batch=1, accumulate=1, predicted=predicted, tracked=predicted,
        resident=resident, operator="", cold_seconds=1.0, cached_seconds=0.1,
    )  # fmt: skip


def test_a_prediction_is_not_judged_by_a_factor_that_it_has_told_itself():
    found = [checked(100, 110), checked(200, 220), checked(100, 110), checked(100, 200)]

    assert held_out_errors(found) == pytest.approx([0.0, 0.0, 0.0, 1.1 / 2 - 1])
    assert later_errors(found, 2) == pytest.approx([0.0, 1.1 / 2 - 1])


def test_wrong_verdicts_are_counted_either_way():
    """Right to the byte: what is allowed for makes those of 1.01 and 1.05 times uncertain, and none wrong."""
    assert verdicts([checked(10**9, 10**9)]) == VerdictCounts(
        asked=8, wrongly_fits=0, wrongly_not=0, uncertain=2
    )
    half, double = verdicts([checked(10**9, 2 * 10**9)]), verdicts([checked(2 * 10**9, 10**9)])
    assert (half.wrongly_fits, half.wrongly_not) == (4, 0)
    assert (double.wrongly_fits, double.wrongly_not) == (0, 4)
