"""Backward `auto` in a run: what it chooses, says, and remembers; and weights of a scheme that move."""

import pytest

from revconsole.lab.outlook import outlook
from revconsole.records.foresight import chosen as kept
from revconsole.records.logs.events import Advised, Measured
from revconsole.records.sections.scheme import AdditiveSection, CoefficientsSection
from revconsole.reversible import ReversibleSequence
from revconsole.training.checks.facts import facts
from revconsole.training.foresee.choosing import chosen
from revconsole.training.foresee.foresee import foresee, mixture
from revconsole.training.learning.preparing import prepare
from revconsole.training.machine.allocated import allocated
from revconsole.training.memory.budget import backwards, choose_blocks
from revconsole.training.step.footprint import still_to_come
from revconsole.training.step.stepping import compute_gradients, update_weights

MODEL = {"depth": 3, "dim": 32, "patch": 2}
FLOAT32_CURVE = 1e-4  # of a loss near 2, over a few steps of float32 in another order


def test_auto_spends_its_budget_and_trains_as_stored_does(runner, small):
    scheme = AdditiveSection()
    stored = runner(small(backward="stored", scheme=scheme, model=MODEL), "stored")
    plan = small(backward="auto", scheme=scheme, model=MODEL, train={"budget_mib": 2})
    auto = runner(plan, "auto")
    said = [e.text for e in auto.of(Advised) if e.text.startswith("backward auto")]
    assert len(said) == 1
    assert "a stream" in said[0]
    assert "of the budget of 2" in said[0]
    assert "train.budget_mib" in said[0]
    for step, loss in stored.losses.items():
        assert auto.losses[step] == pytest.approx(loss, abs=FLOAT32_CURVE)


def test_without_a_budget_auto_takes_a_share_of_what_is_free(runner, small):
    log = runner(small(backward="auto", scheme=AdditiveSection()))
    assert any("of the free memory" in e.text for e in log.of(Advised))


def test_a_resumed_run_keeps_the_choice_it_began_with(runner, small):
    train = {"budget_mib": 2, "epochs": 2}
    plan = small(backward="auto", scheme=AdditiveSection(), model=MODEL, train=train)
    whole = runner(plan, "whole")
    assert "a stream" in next(
        e.text for e in whole.of(Advised) if e.text.startswith("backward auto")
    )

    class Cut(Exception):  # noqa: N818  how an attempt ends abruptly
        pass

    def cut(event):
        if isinstance(event, Measured) and event.step >= 6:
            raise Cut

    with pytest.raises(Cut):
        runner(plan, "cut", cut)
    resumed = runner(
        plan.model_copy(update={"train": plan.train.model_copy(update={"budget_mib": 999})}), "cut"
    )
    assert not [e for e in resumed.of(Advised) if e.text.startswith("backward auto")]
    for step, loss in resumed.losses.items():
        assert whole.losses[step] == loss


def test_coefficients_move_from_their_start_to_their_end_over_their_share_of_the_steps(
    small, tmp_path
):
    setting = prepare(small(scheme=CoefficientsSection(moving=0.5)), data=tmp_path)
    stack = next(m for m in setting.model.modules() if isinstance(m, ReversibleSequence))
    half = setting.steps // 2
    seen = {}
    for number in (1, 1 + half // 2, 1 + half, setting.steps):
        setting.set_scheme_progress(number)
        seen[number] = stack.scheme.weights
    assert seen[1] == (1.0, 0.0)
    assert seen[1 + half // 2] == pytest.approx((0.65, 0.35))
    assert seen[1 + half] == pytest.approx((0.3, 0.7))
    assert seen[setting.steps] == pytest.approx((0.3, 0.7))


def test_a_run_with_moving_coefficients_begins_as_the_plain_network(runner, small):
    plain = runner(small(), "plain").losses[1]
    moving = runner(small(scheme=CoefficientsSection(), backward="reversible"), "moving").losses[1]
    assert plain == moving


@pytest.mark.parametrize(
    ("optimizer", "times"),
    [
        ({"name": "adamw"}, 3),
        ({"name": "sgd", "momentum": 0.9}, 2),
        ({"name": "sgd", "momentum": 0.0}, 1),
    ],
)
def test_the_budget_of_auto_leaves_room_for_gradients_and_the_optimisers_state(
    realise, optimizer, times
):
    """Both are there from the first step on, after the budget was chosen."""
    setting = realise(optimizer=optimizer, model={"dim": 64})
    weights = sum(p.nbytes for p in setting.model.parameters())

    assert still_to_come(setting) == times * weights
    for number, (images, labels) in enumerate(setting.training_batches(1), start=1):
        update_weights(setting, compute_gradients(setting, number, 1, images=images, labels=labels))
    assert still_to_come(setting) == 0


@pytest.mark.parametrize(
    ("sections", "budget"),
    [
        ({"scheme": {"name": "additive"}}, 3),
        ({"scheme": {"name": "bdia", "grid_bits": 9}}, 3),
    ],
    ids=["additive", "exact bdia"],
)
def test_what_auto_says_is_what_is_foreseen_and_what_the_allocator_holds(realise, sections, budget):
    """The figure of the choice, that of the same blocks foreseen, and the bytes of a real step beside its gradients."""
    train = {"batch": 96, "accumulate": 2, "budget_mib": budget} | sections.get("train", {})
    model = {"depth": 3, "dim": 32, "patch": 2}
    state = realise(model=model, backward="auto", **(sections | {"train": train}))
    images, labels = next(state.training_batches(1))
    said = choose_blocks(state, images, labels)
    words = backwards(state)
    assert len({word for stack in words for word in stack}) > 1, said.text

    above = mixture(state.plan, "cpu", words).above(48)
    assert above <= budget * 2**20
    assert f"{above / 2**20:.1f} MiB at the peak of a step" in said.text
    planned = outlook(state.plan, memory=None)
    assert planned.own is not None
    assert planned.own.peak_bytes == facts(state)["foreseen_peak_bytes"]
    assert planned.choice in said.text
    gradients = sum(weight.nbytes for weight in state.model.parameters())
    held = allocated(lambda: compute_gradients(state, 1, 1, images=images, labels=labels))
    assert above == pytest.approx(held - gradients, rel=0.1)


def test_a_choice_is_made_once_and_read_again_without_a_trace(realise):
    plan = realise(backward="auto", scheme={"name": "additive"}).plan
    made = chosen(plan, "cpu", 16, 10**6)

    assert kept.known(plan, "cpu", 16, 10**6) == made
    assert kept.known(plan, "cpu", 8, 10**6) is None
    assert made.memory.above(16) <= 10**6
    assert chosen(plan, "cpu", 16, 1 << 40).memory == foresee(plan).steps["stored"]
