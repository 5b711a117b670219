"""Training with a reconstructed backward is training with a stored one, step by step."""

import pytest
import torch

from revconsole.records.sections.model import TimmModel
from revconsole.training.learning.preparing import prepare
from revconsole.training.probes.metrics import kept_for_backward_bytes
from revconsole.training.step.stepping import compute_gradients, update_weights

STEPS = 12
LONG = {"epochs": 3}
# Reconstruction rounds where storing does not; measured 1e-7 over these steps, one float32 rounding.
FLOAT32_CURVE = 2e-6
FLOAT64_CURVE = 1e-9
# On the grid the streams come back bit for bit, and so does everything computed from them.
EXACT_CURVE = 0.0


def curve(setting, *, dtype=torch.float32):
    """Losses of the first steps, and the weights after them."""
    setting.model.to(dtype)
    found = []
    for epoch in (1, 2, 3):
        for images, labels in setting.training_batches(epoch):
            step = compute_gradients(
                setting, len(found) + 1, epoch, images=images.to(dtype), labels=labels
            )
            update_weights(setting, step)
            found.append(step.loss.item())
    return found[:STEPS]


CASES = {
    "additive": ({"name": "additive"}, FLOAT32_CURVE),
    "momentum": ({"name": "momentum"}, FLOAT32_CURVE),
    "bdia": ({"name": "bdia"}, EXACT_CURVE),
    "bdia in floats": ({"name": "bdia", "grid_bits": None}, FLOAT32_CURVE),
}


@pytest.mark.parametrize("name", CASES)
def test_reversible_and_stored_curves_agree_in_float32(realise, name):
    scheme, tolerance = CASES[name]
    model = {"dropout": 0.1, "drop_path": 0.1, "depth": 4}
    stored = curve(realise(scheme=scheme, backward="stored", model=model, train=LONG))
    reversible = curve(realise(scheme=scheme, backward="reversible", model=model, train=LONG))

    assert reversible == pytest.approx(stored, rel=tolerance)
    assert len(set(stored)) == STEPS


@pytest.mark.parametrize("name", ["additive", "momentum", "bdia in floats"])
def test_reversible_and_stored_curves_agree_in_float64(realise, name):
    scheme, _ = CASES[name]
    sgd = {"name": "sgd", "learning_rate": 0.01}
    stored = realise(scheme=scheme, backward="stored", optimizer=sgd, train=LONG)
    reversible = realise(scheme=scheme, backward="reversible", optimizer=sgd, train=LONG)

    expected = curve(stored, dtype=torch.float64)
    assert curve(reversible, dtype=torch.float64) == pytest.approx(expected, rel=FLOAT64_CURVE)


@pytest.mark.parametrize("backward", ["stored", "checkpointed"])
def test_checkpointed_curves_are_stored_ones(realise, backward):
    settings = {"model": {"dropout": 0.2}, "scheme": {"name": "residual"}, "train": LONG}

    assert curve(realise(**settings, backward=backward)) == curve(
        realise(**settings, backward="stored")
    )


def test_every_scheme_starts_from_the_same_blocks(realise, wiring):
    plain = realise().model.state_dict()
    wired = realise(**wiring).model.state_dict()

    shared = [name for name in plain if plain[name].shape == wired[name].shape]
    assert {name for name in plain if name.startswith("blocks.")} <= set(shared)
    assert all(torch.equal(plain[name], wired[name]) for name in shared if "blocks" in name)


BATCH, TOKENS, WIDTH = 32, 5, 16  # the small plan: 8 px images in patches of 4, and a class token


def kept(realise, depth, **changes):
    setting = realise(model={"depth": depth}, **changes)
    return kept_for_backward_bytes(setting, *next(setting.training_batches(1)))


@pytest.mark.parametrize(
    ("scheme", "per_block"),
    [
        ({"name": "additive"}, 0),
        ({"name": "momentum"}, 0),
        # One sign per image, and one bit per activation.
        ({"name": "bdia", "grid_bits": 9}, BATCH * TOKENS * WIDTH / 8),
    ],
)
def test_reversible_keeps_nothing_per_block_but_its_side_bits(realise, scheme, per_block):
    shallow = kept(realise, 4, scheme=scheme, backward="reversible")
    deep = kept(realise, 8, scheme=scheme, backward="reversible")
    signs = 4 * BATCH * 4 if per_block else 0

    assert deep - shallow == 4 * per_block + signs


def test_checkpointed_keeps_one_stream_per_block_exactly(realise):
    """The count agrees with a closed form: it is measured, and it is right."""
    shallow = kept(realise, 4, backward="checkpointed")
    deep = kept(realise, 8, backward="checkpointed")

    assert deep - shallow == 4 * BATCH * TOKENS * WIDTH * 4


def test_stored_keeps_many_activations_per_block(realise):
    shallow, deep = kept(realise, 4), kept(realise, 8)

    assert deep - shallow > 4 * 10 * BATCH * TOKENS * WIDTH * 4


def test_kept_bytes_are_those_of_a_micro_batch(realise):
    """Half the images, half the activations; what does not depend on the batch is next to nothing."""
    whole = kept(realise, 4)
    half = kept(realise, 4, train={"accumulate": 2})

    assert half == pytest.approx(whole / 2, rel=0.01)


def test_kept_bytes_agree_with_an_independent_count(realise):
    """A second count, by what autograd's nodes still hold once the forward is over."""
    setting = realise(model={"dropout": 0.1})
    images, labels = next(setting.training_batches(1))
    counted = kept_for_backward_bytes(setting, images, labels)

    loss = torch.nn.functional.cross_entropy(setting.model(images), labels)
    parameters = {p.untyped_storage().data_ptr() for p in setting.model.parameters()}
    held, seen, nodes = {}, set(), [loss.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [after for after, _ in node.next_functions]
        for name in dir(node):
            value = getattr(node, name) if name.startswith("_saved_") else None
            for tensor in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(tensor, torch.Tensor):
                    held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    outside = parameters | {images.untyped_storage().data_ptr()}

    assert counted == sum(size for pointer, size in held.items() if pointer not in outside)


def test_measuring_leaves_generators_and_gradients_alone(realise):
    setting = realise(model={"dropout": 0.3}, scheme={"name": "bdia"}, backward="reversible")
    images, labels = next(setting.training_batches(1))
    before = torch.get_rng_state()
    kept_for_backward_bytes(setting, images, labels)

    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is None for p in setting.model.parameters())


def test_measuring_leaves_running_statistics_alone(small, tmp_path):
    plan = small().model_copy(update={"model": TimmModel(name="resnet10t")})
    setting = prepare(plan, data=tmp_path)
    before = {name: buffer.clone() for name, buffer in setting.model.named_buffers()}
    kept_for_backward_bytes(setting, *next(setting.training_batches(1)))

    assert any("running_mean" in name for name in before)
    assert all(torch.equal(b, before[name]) for name, b in setting.model.named_buffers())
