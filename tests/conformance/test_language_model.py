"""The example of a language model: what it computes, that BDIA's gradient is that of the plain backward, and that it is recorded."""

import copy
import importlib.util
import math
from pathlib import Path
from pydoc_data import topics

import numpy as np
import pytest
import torch

from revconsole.records.runs.store import RunStore
from revconsole.reversible import Bdia, rewire

PATH = Path(__file__).parents[2] / "examples" / "language_model.py"
SPEC = importlib.util.spec_from_file_location("language_model", PATH)
example = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(example)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return example.Gpt2(depth=3, dim=16, heads=2, context=8).double()


@pytest.fixture
def texts():
    return torch.randint(example.CHARACTERS, (4, 9), generator=torch.Generator().manual_seed(0))


def test_a_character_sees_none_behind_it(model, texts):
    other = texts.clone()
    other[:, 5] = (other[:, 5] + 1) % example.CHARACTERS
    first, second = model(texts[:, :8]), model(other[:, :8])

    assert torch.equal(first[:, :5], second[:, :5])
    assert not torch.isclose(first[:, 5:], second[:, 5:]).all(dim=-1).any()


def test_the_loss_is_that_of_the_formula_and_begins_at_chance(model, texts):
    logits = model(texts[:, :-1]).detach().numpy()
    sums = np.log(np.exp(logits).sum(-1))
    chosen = np.take_along_axis(logits, texts[:, 1:].numpy()[..., None], -1)[..., 0]

    loss = example.loss_of(model, texts).item()
    assert loss == pytest.approx((sums - chosen).mean(), rel=1e-12)
    assert loss == pytest.approx(math.log(example.CHARACTERS), rel=0.01)


def test_bdia_finds_the_gradient_of_the_stored_backward_and_is_evaluated_as_the_plain_network(
    model, texts
):
    plain = model(texts[:, :-1])
    of = {}
    for backward in ("stored", "reversible"):
        wired = rewire(
            copy.deepcopy(model), Bdia(grid_bits=20), example=texts[:1, :-1], backward=backward
        )
        torch.manual_seed(1)
        example.loss_of(wired, texts).backward()
        of[backward] = [parameter.grad for parameter in wired.parameters()]
        assert torch.allclose(wired.eval()(texts[:, :-1]), plain, rtol=1e-12, atol=0)

    for stored, rebuilt in zip(of["stored"], of["reversible"], strict=True):
        assert torch.allclose(stored, rebuilt, rtol=1e-9, atol=1e-12)


def test_the_text_is_that_of_python_and_the_held_out_part_is_not_trained_on():
    whole = "\n".join(topics.topics.values())
    train, held_out = example.halves(1000)

    assert (
        bytes(train.tolist() + held_out.tolist()).decode()
        == "".join(c for c in whole if c.isascii())[:1100]
    )
    assert (len(train), len(held_out)) == (1000, 100)


def test_every_scheme_is_a_recorded_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "--steps 2 --seeds 1 --depth 2 --dim 8 --heads 2 --context 8 --batch 2 --characters 200 --every 1"
    found = example.main(words.split())
    runs = RunStore(tmp_path / "runs").list()

    assert {run.name for run in runs} == {"gpt2-plain-s0", "gpt2-bdia-s0"}
    assert {(run.state, run.step) for run in runs} == {("finished", 2)}
    assert f"{found['bdia'][0][1]:.3f}" in capsys.readouterr().out
    assert example.spread([1.0, 2.0, 3.0]).strip() == "2.000 ± 1.000"
    assert all(math.isfinite(loss) for losses in found.values() for pair in losses for loss in pair)
