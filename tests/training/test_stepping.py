"""One step: micro-batches add up to the batch, and draws belong to the image and not to the micro-batch."""

import pytest
import torch

from revconsole.training.setup.draws import Signs
from revconsole.training.step.stepping import compute_gradients, update_weights

SUMMATION_ORDER = 2e-5  # relative; float32 sums of a batch, taken in parts, differ in the last bits


def gradients(setting, *, number=1):
    images, labels = next(setting.training_batches(1))
    step = compute_gradients(setting, number, 1, images=images, labels=labels)
    return step, {n: p.grad.clone() for n, p in setting.model.named_parameters()}


@pytest.mark.parametrize("accumulate", [3, 30])
def test_accumulated_gradients_are_those_of_the_whole_batch(realise, typical_wiring, accumulate):
    whole = gradients(realise(**typical_wiring, train={"batch": 30}))
    parts = gradients(realise(**typical_wiring, train={"batch": 30, "accumulate": accumulate}))

    assert parts[0].loss.item() == pytest.approx(whole[0].loss.item(), rel=SUMMATION_ORDER)
    assert parts[0].correct.item() == whole[0].correct.item()
    scale = max(g.abs().max() for g in whole[1].values())
    for name, gradient in whole[1].items():
        torch.testing.assert_close(
            parts[1][name], gradient, rtol=SUMMATION_ORDER, atol=SUMMATION_ORDER * float(scale)
        )


def test_a_short_last_micro_batch_weighs_what_it_holds(realise):
    """22 images in micro-batches of 8, 8 and 6: equal weights would be off by a tenth."""
    whole, parts = realise(), realise(train={"accumulate": 4})
    images, labels = next(whole.training_batches(1))
    images, labels = images[:22], labels[:22]

    expected = compute_gradients(whole, 1, 1, images=images, labels=labels)
    found = compute_gradients(parts, 1, 1, images=images, labels=labels)

    assert found.loss.item() == pytest.approx(expected.loss.item(), rel=SUMMATION_ORDER)
    assert found.norm.item() == pytest.approx(expected.norm.item(), rel=SUMMATION_ORDER)


def test_signs_are_the_same_in_parts_as_at_once():
    signs, device = Signs(3), torch.device("cpu")
    signs.at_step(step=7, batch=10, first=0)
    whole = signs(4, 10, device)
    parts = []
    for first, samples in ((0, 4), (4, 4), (8, 2)):
        signs.at_step(step=7, batch=10, first=first)
        parts.append(signs(4, samples, device))

    assert torch.equal(torch.cat(parts, dim=1), whole)
    assert set(whole.unique().tolist()) == {-1.0, 1.0}


def test_each_step_and_each_sequence_of_a_model_has_signs_of_its_own():
    signs, device = Signs(3), torch.device("cpu")
    signs.at_step(step=7, batch=64, first=0)
    first, second = signs(4, 64, device), signs(4, 64, device)
    signs.at_step(step=8, batch=64, first=0)
    later = signs(4, 64, device)

    assert not torch.equal(first, second)
    assert not torch.equal(first, later)


def test_a_step_depends_on_its_number_and_on_nothing_drawn_before(realise):
    """Dropout of step 5 is the same in a fresh process and after four other steps."""
    fresh, used = realise(model={"dropout": 0.5}), realise(model={"dropout": 0.5})
    torch.rand(17)
    for number in (1, 2, 3, 4):
        gradients(used, number=number)

    assert gradients(fresh, number=5)[0].loss.item() == gradients(used, number=5)[0].loss.item()
    assert gradients(fresh, number=6)[0].loss.item() != gradients(used, number=5)[0].loss.item()


def test_the_norm_is_reported_before_clipping_and_the_gradient_is_clipped(realise):
    free, clipped = realise(), realise(train={"clip": 0.01})
    norm, _ = gradients(free)
    step, found = gradients(clipped)

    assert step.norm.item() == norm.norm.item()
    total = torch.linalg.vector_norm(torch.stack([g.norm() for g in found.values()])).item()
    assert total == pytest.approx(0.01, rel=1e-3)


def test_label_smoothing_raises_the_floor_of_the_loss(realise):
    """The loss of a uniform guess is ln 10 whatever the smoothing; a network's own is not."""
    plain, smooth = gradients(realise())[0], gradients(realise(train={"label_smoothing": 0.3}))[0]

    assert plain.loss.item() != smooth.loss.item()


def test_a_step_moves_every_trained_weight_at_the_scheduled_rate(realise):
    setting = realise(schedule={"name": "constant", "warmup_epochs": 1.0})
    before = {n: p.detach().clone() for n, p in setting.model.named_parameters()}
    step, _ = gradients(setting)
    update_weights(setting, step)

    assert step.rate == pytest.approx(0.003 / 4)
    assert {group["lr"] for group in setting.optimizer.param_groups} == {step.rate}
    moved = {n for n, p in setting.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == set(before)
