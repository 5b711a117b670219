"""The audit at launch warns and changes nothing; a plan and somebody's own model are audited alike."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from revconsole.errors import ProfileError, RevconsoleError, UnknownName
from revconsole.records.logs.events import Advised, EpochFinished, Started
from revconsole.records.sections.model import Python
from revconsole.records.settings.plan import Plan
from revconsole.training.questions.verify import Shape, at_launch, load_own, verify, verify_own
from tests.training.conftest import meant

BATCH_FIRST = """
import torch
from torch import nn

class Encoder(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 2, 2)
        self.blocks = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 16, dropout=0.1, batch_first=batch_first),
            2,
            enable_nested_tensor=False,
        )
        self.head = nn.Linear(16, 10)

    def forward(self, images):
        tokens = self.stem(images).flatten(2).transpose(1, 2)
        return self.head(self.blocks(tokens).mean(dim=1))

def good():
    return Encoder(True)

def swapped():
    return Encoder(False)

def cut():
    return nn.Sequential(nn.Flatten(), nn.Linear(63, 10))

class Wrong(nn.Module):
    def forward(self, images):
        return images.no_such_thing()

def wrong():
    return Wrong()

def fails():
    return [][1]

def nothing():
    return None

forgotten = 3
"""


@pytest.fixture
def small(small):
    """The small plan with the audit at its launch, and probes."""
    on = {"audit": True, "probe_epochs": 1}
    return lambda **changes: small(**changes | {"train": on | changes.get("train", {})})


@pytest.fixture
def own():
    for name in [name for name in sys.modules if name.partition(".")[0] == "pkg"]:
        del sys.modules[name]
    Path("pkg").mkdir(exist_ok=True)
    Path("pkg/mine.py").write_text(BATCH_FIRST)
    Path("pkg/broken.py").write_text("def good(:\n")
    Path("pkg/needy.py").write_text("import surely_not_installed\n")


@pytest.fixture
def look(small, tmp_path, own):
    """`look("good")`: the audit of a function of pkg.mine, by name of the check."""

    def looked(name, module="pkg.mine", **options):
        plan = small(model={"patch": 1})
        found = verify_own(f"python:{module}:{name}", plan, data=tmp_path, **options)
        return {check.name: check for check in found}

    return looked


def failed(found):
    return {name for name, check in found.items() if check.passed is False}


def test_every_model_of_a_plan_passes(small, typical_wiring, tmp_path):
    found = {check.name: check for check in verify(small(**typical_wiring), data=tmp_path)}

    assert failed(found) == set()
    assert found["bytes kept"].passed is (None if typical_wiring["backward"] == "stored" else True)


@pytest.mark.parametrize("scheme", ["residual", "bdia"])
def test_a_launch_with_the_audit_is_bit_for_bit_one_without(small, runner, scheme):
    wiring = meant(scheme) | {"model": {"dropout": 0.2}}
    with_audit = runner(small(**wiring), "with")
    without = runner(small(**wiring, train={"audit": False}), "without")

    assert with_audit.losses == without.losses
    assert [e.values["validation_loss"] for e in with_audit.of(EpochFinished)] == [
        e.values["validation_loss"] for e in without.of(EpochFinished)
    ]
    assert not [e for e in with_audit.of(Advised) if e.level == "alarm"]


class Transposed(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x, **options):
        return self.inner(x.transpose(0, 1), **options).transpose(0, 1)


def test_a_planted_mistake_is_an_alarm_at_launch(realise):
    setting = realise()
    setting.model.blocks[0].attn = Transposed(setting.model.blocks[0].attn)

    (alarm,) = at_launch(setting)
    assert alarm.level == "alarm"
    assert alarm.text.startswith(
        "check failed, no leak across batch: blocks.0.attn.inner (Attention) mixes the samples of the batch"
    )
    assert alarm.rule == "failed check: no leak across batch", "the record of the run carries it"


@pytest.mark.usefixtures("unjudged")
def test_wrong_gradients_are_said_once_by_the_audit_if_no_probe_says_so(realise):
    steep = {
        "model": {"depth": 12},
        "scheme": {"name": "bdia", "gamma": 0.25, "grid_bits": None},
        "backward": "reversible",
    }
    probed = realise(**steep)
    alone = realise(**steep, train={"probe_epochs": 0})

    assert list(at_launch(probed)) == []
    assert [a.text.partition(":")[0] for a in at_launch(alone)] == [
        "check failed, gradient as stored"
    ]


def test_a_frozen_stem_is_a_note_and_a_high_loss_a_warning_at_launch(realise):
    setting = realise()
    setting.model.patch_embed.requires_grad_(False)
    nn.init.normal_(setting.model.head.weight, std=10.0)

    warning, note = at_launch(setting)
    assert (warning.level, note.level) == ("warning", "note")
    assert warning.text.startswith("check failed, initial loss: head (Linear) makes its input")
    assert "patch_embed; requires_grad is False there: deliberate?" in note.text


def test_the_audit_can_be_turned_off(realise):
    setting = realise(train={"audit": False})
    setting.model.blocks[0].attn = Transposed(setting.model.blocks[0].attn)

    assert list(at_launch(setting)) == []


class Single(nn.Identity):
    def __deepcopy__(self, memo):
        raise TypeError("there is one of these")


def test_a_model_that_cannot_be_looked_at_trains_all_the_same(realise):
    setting = realise()
    setting.model.single = Single()

    (note,) = at_launch(setting)
    assert note.level == "note"
    assert "was not checked before training" in note.text


def test_it_warns_at_the_first_start_only(small, runner):
    def halt(event):
        if isinstance(event, EpochFinished):
            raise KeyboardInterrupt

    def mixing(**train):
        broken = Python(function="revconsole.examples.batch_axis:broken")
        return small(train=train).model_copy(update={"model": broken})

    with pytest.raises(KeyboardInterrupt):
        runner(mixing(checkpoint_epochs=1), watch=halt)
    first = runner(mixing(), "other")
    assert len([e for e in first.of(Advised) if "mixes the samples" in e.text]) == 1

    again = runner(mixing(epochs=3), "other")
    assert again.of(Started)[0].resumed_from
    assert not [e for e in again.of(Advised) if "mixes the samples" in e.text]


@pytest.mark.parametrize("asked", [{"freeze": "backbone"}, {"freeze": "pos_embed"}])
def test_what_was_asked_to_be_frozen_is_not_questioned(small, runner, asked):
    kept = runner(small(train=asked))

    assert kept.events
    assert not [e for e in kept.of(Advised) if "frozen parameters" in e.text]


def test_somebody_elses_good_model_passes(look):
    found = look("good")

    assert failed(found) == set()
    assert found["one batch overfitted"].passed


def test_somebody_elses_swapped_axes_are_named(look):
    check = look("swapped", light=True)["no leak across batch"]

    assert check.passed is False
    assert "blocks.layers.0.self_attn (MultiheadAttention) mixes" in check.advice
    assert "batch_first=True" in check.advice


def test_random_images_of_any_shape_do(look):
    found = look("good", shape=Shape(size=12, channels=1, classes=4), light=True)

    assert failed(found) == set()


def test_attention_over_the_batch_is_named_and_the_repaired_model_passes():
    def failures(function):
        source, shape = (
            f"revconsole.examples.batch_axis:{function}",
            Shape(size=8, channels=1, classes=10),
        )
        found = verify_own(source, Plan(name="own"), data=Path(), shape=shape, light=True)
        return {check.name: check.advice for check in found if check.level == "failed"}

    assert failures("repaired") == {}
    broken = failures("broken")
    assert "mixes the samples of the batch" in broken["no leak across batch"]
    assert "blocks.layers.0.self_attn" in broken["uses its input"]


def test_the_generator_of_the_process_is_left_alone(look):
    before = torch.get_rng_state()
    look("good", light=True)

    assert torch.equal(torch.get_rng_state(), before)


def test_what_their_code_raises_is_a_sentence_with_its_place_and_a_traceback(look):
    with pytest.raises(
        RevconsoleError,
        match=r"pkg.mine:fails raised IndexError: .* \(mine.py, line \d+: return \[\]\[1\]\)",
    ):
        look("fails")
    assert "IndexError" in Path("verify-traceback.txt").read_text()

    with pytest.raises(
        RevconsoleError,
        match=r"no_such_thing.*\(mine.py, line \d+: return images.no_such_thing\(\)\)",
    ):
        look("wrong")
    with pytest.raises(RevconsoleError, match=r"raised RuntimeError: .*mat1 and mat2"):
        look("cut")
    with pytest.raises(RevconsoleError, match=r"SyntaxError.*\(broken.py, line 1\)"):
        look("good", module="pkg.broken")
    with pytest.raises(RevconsoleError, match=r"surely_not_installed.*\(needy.py, line 1"):
        look("good", module="pkg.needy")


def test_a_source_that_names_no_model_is_a_sentence_without_a_traceback(look):
    with pytest.raises(UnknownName, match="did you mean 'swapped'"):
        look("swaped")
    with pytest.raises(UnknownName, match=r"no function of pkg.mine 'forgotten'"):
        look("forgotten")
    with pytest.raises(ProfileError, match=r"there is no module 'pkg.none'"):
        look("good", module="pkg.none")
    with pytest.raises(ProfileError, match="there is no module 'nowhere'"):
        look("good", module="nowhere.at.all")
    with pytest.raises(RevconsoleError, match="returns a NoneType"):
        look("nothing")
    for malformed in ("python:", "python:pkg", "python::good", "python:pkg.mine:"):
        with pytest.raises(ProfileError, match=r"write python:package.module:function"):
            load_own(malformed)
    assert not Path("verify-traceback.txt").exists()
