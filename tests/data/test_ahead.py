"""Batches made ahead: the same ones in the same order, no more than asked for, and nothing left behind."""

import threading
import time

import pytest
import torch
from torchvision.transforms import v2

from revconsole.data import batches
from revconsole.data._ahead import WORTH_SECONDS, ahead
from revconsole.data._augment import erased, mixed
from revconsole.data._opening import OpenedSplit, Preparation
from revconsole.data._standardise import Standardisation
from revconsole.records.sections import Data

EVERYTHING = {
    "augment": "crop-flip", "crop_padding": 2, "rotation": 30.0, "colour_jitter": 0.4, "blur": 1.0,
    "rand_augment": 9, "erasing": 0.9, "mixup": 0.4, "cutmix": 1.0, "repeats": 2,
}  # fmt: skip


@pytest.fixture
def split():
    """A function: forty noisy 3×12×12 images with an augmentation, and so many labels."""

    def made(labels=40, **changes):
        generator = torch.Generator().manual_seed(0)
        return OpenedSplit(
            images=torch.randint(0, 256, (40, 3, 12, 12), generator=generator).to(torch.uint8),
            labels=torch.arange(labels) % 4,
            classes=4,
            preparation=Preparation(
                standardisation=Standardisation(
                    shift=torch.full((1, 1, 1), 100.0), scale=torch.full((1, 1, 1), 50.0)
                ),
                augmentation=Data(**changes),
            ),
        )

    return made


def at_work():
    return [thread for thread in threading.enumerate() if thread.name.startswith("data")]


def burn(seconds):
    """Keep this thread's processor busy."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@pytest.mark.parametrize("prefetch", [1, 3, 64, None])
def test_batches_made_ahead_are_the_same_to_the_bit(split, prefetch):
    """Also beside a step that seeds the global generator and draws from it all the time."""
    data = split(**EVERYTHING)
    plain = list(batches(data, batch=8, seed=3, epoch=2))
    found = []
    for step, images, labels in batches(data, batch=8, seed=3, epoch=2, prefetch=prefetch):
        torch.manual_seed(step)
        torch.rand(10_000)
        found.append((step, images, labels))
    assert [step for step, _, _ in found] == [0, 1, 2, 3, 4]
    for (_, images, labels), (_, wanted, shares) in zip(found, plain, strict=True):
        assert torch.equal(images, wanted)
        assert torch.equal(labels, shares)
    assert at_work() == []


def test_what_is_made_ahead_never_touches_the_global_generator(split):
    torch.manual_seed(5)
    expected = torch.rand(100)
    torch.manual_seed(5)
    drawn = [
        torch.rand(20) for _ in batches(split(**EVERYTHING), batch=8, seed=3, epoch=2, prefetch=3)
    ]
    assert torch.equal(torch.cat(drawn), expected)


def test_the_first_is_made_at_once_and_the_others_in_one_thread():
    where = list(ahead(lambda _: threading.current_thread().name, range(5), most=2))
    assert where[0] == threading.current_thread().name
    assert len(set(where[1:])) == 1
    assert where[1].startswith("data")
    assert at_work() == []


def test_no_more_is_made_than_asked_for():
    taken, most_waiting = 0, 0

    def make(step):
        nonlocal most_waiting
        most_waiting = max(most_waiting, step + 1 - taken)
        return step

    made = ahead(make, range(50), most=3)
    for step in made:
        assert step == taken
        taken += 1
    assert taken == 50
    assert most_waiting <= 3 + 2  # one more is asked for, and one is being made


@pytest.mark.parametrize("most", [0, 2])
def test_an_error_is_raised_when_its_step_is_asked_for(most):
    def make(step):
        if step == 3:
            raise ValueError("the fourth")
        return step

    made = ahead(make, range(9), most=most)
    assert [next(made) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(made)
    assert at_work() == []


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_batch_that_cannot_be_made_ends_the_epoch_with_its_error(split, prefetch):
    with pytest.raises(IndexError):
        list(batches(split(labels=70), batch=8, seed=0, epoch=0, prefetch=prefetch))
    assert at_work() == []


def test_an_iterator_that_is_given_up_ends_its_thread_and_makes_no_more():
    made = []

    def make(step):
        made.append(step)
        return step

    epoch = ahead(make, range(10_000), most=4)
    assert [next(epoch), next(epoch)] == [0, 1]
    assert at_work() != []
    del epoch
    assert at_work() == []
    assert len(made) < 10


def test_by_default_a_thread_is_started_only_where_it_is_worth_it():
    def name(_):
        return threading.current_thread().name

    def slowly(step):
        burn(2 * WORTH_SECONDS)
        return name(step)

    assert {*ahead(name, range(6))} == {threading.current_thread().name}
    assert [n.startswith("data") for n in ahead(slowly, range(6))] == [False] * 2 + [True] * 4


def test_what_is_erased_is_what_torchvision_erases():
    images = torch.rand(30, 3, 12, 12, generator=torch.Generator().manual_seed(0)) + 1
    torch.manual_seed(7)
    theirs = torch.stack([v2.RandomErasing(0.7, value=0)(image) for image in images])
    ours = erased(images.clone(), Data(erasing=0.7), seed=7)
    assert torch.equal(ours, theirs)
    assert (ours == 0).any()


@pytest.mark.parametrize("alphas", [(0.4, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_what_is_mixed_is_what_torchvision_mixes(alphas):
    images = torch.rand(10, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(10) % 4
    kinds = [
        kind(alpha=a, num_classes=4)
        for kind, a in zip((v2.MixUp, v2.CutMix), alphas, strict=True)
        if a
    ]
    for seed in range(20):
        torch.manual_seed(seed)
        theirs, shares = v2.RandomChoice(kinds)(images, labels)
        how = Data(mixup=alphas[0], cutmix=alphas[1])
        ours, ownshares = mixed(images, labels, how, classes=4, seed=seed)
        assert torch.equal(ours, theirs)
        assert torch.equal(ownshares, shares)
