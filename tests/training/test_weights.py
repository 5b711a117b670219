"""What a file of weights holds, which of timm's models takes it, and what would be renewed."""

from pathlib import Path

import pytest
import timm as library
import torch

from revconsole.errors import DataUnavailable, UnknownName
from revconsole.models import vit
from revconsole.records.sections.model import Vit
from revconsole.training.questions.weights import described

TINY, WIDTH, BLOCKS = "test_vit", 64, 6


def unsaid(_sentence):
    raise AssertionError("three models are no progress")


@pytest.fixture
def few_models(monkeypatch):
    """timm has three models, of which one cannot be built."""
    names = ["test_vit", "test_vit2", "test_convnext"]
    monkeypatch.setattr(library, "list_models", lambda: names)
    real = library.create_model

    def create(name, **arguments):
        if name == "test_vit2":
            raise TypeError(name)
        return real(name, **arguments)

    monkeypatch.setattr(library, "create_model", create)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A teacher as DINO saves it: behind a prefix, without a head, beside one of its own."""
    path = tmp_path_factory.mktemp("weights") / "it's dino.pth"
    names = library.create_model(TINY).state_dict()
    backbone = {f"backbone.{k}": v for k, v in names.items() if not k.startswith("head.")}
    torch.save({"teacher": backbone | {"head.mlp.0.weight": torch.ones(3, 3)}}, path)
    return path


@pytest.mark.usefixtures("few_models")
def test_the_model_that_takes_a_file_is_found_and_what_becomes_of_its_tensors_is_said(teacher):
    found = described(str(teacher), size=32, channels=1, classes=7, say=unsaid)

    assert (found.kind, found.part, found.fits, found.compared) == ("torch", "teacher", (TINY,), 2)
    assert found.looks_like.startswith(
        f"a transformer: width {WIDTH}, {BLOCKS} blocks, patches of 16×16"
    )
    loaded = found.loaded
    assert (loaded.prefix, loaded.left) == ("backbone.", ("head.mlp.0.weight",))
    assert loaded.renewed == {"head": (0, 7)}
    assert loaded.resized == {
        "pos_embed": ("1×101×64", "1×5×64"),
        "patch_embed.proj.weight": ("64×3×16×16", "64×1×16×16"),
    }
    whole = library.create_model(TINY, num_classes=0, img_size=32).state_dict()
    assert loaded.taken == len(whole) == found.tensors - 1


@pytest.mark.usefixtures("few_models")
def test_a_file_that_no_model_takes_is_described_all_the_same(tmp_path):
    weights = library.create_model(TINY, embed_dim=32, num_heads=2, num_classes=5).state_dict()
    torch.save(weights, tmp_path / "w.pth")

    found = described(str(tmp_path / "w.pth"), say=unsaid)

    assert (found.fits, found.loaded) == ((), None)
    assert "width 32, 6 blocks" in found.looks_like
    assert found.looks_like.endswith("5 classes")


def test_the_settings_of_our_own_vit_that_take_a_file_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "list_models", list)
    made = Path(__file__).parents[1] / "models" / "made"

    found = described(str(made / "vit"), say=unsaid)

    assert (found.of, found.epsilon, found.heads_said) == ("transformers", 1e-12, True)
    sizes = {"patch": 4, "dim": 8, "depth": 1, "heads": 2}
    assert found.own == sizes | {"mlp_width": 16, "norm_eps": 1e-12}
    assert described(str(made / "dinov2"), say=unsaid).own["layer_scale"] > 0
    assert described(str(made / "registers"), say=unsaid).own == {}
    model = vit.build(Vit(**found.own, weights=str(made / "vit")), size=8, channels=3, classes=3)
    torch.save(model.state_dict(), tmp_path / "w.pth")
    alone = described(str(tmp_path / "w.pth"), say=unsaid)
    assert (alone.of, alone.epsilon, alone.heads_said, alone.own["heads"]) == ("", None, False, 1)


def test_of_a_named_model_the_reason_is_said_why_it_does_not_fit(teacher):
    with pytest.raises(DataUnavailable, match="does not fit test_resnet: its keys look like"):
        described(str(teacher), model="test_resnet", say=unsaid)
    with pytest.raises(UnknownName, match="did you mean"):
        described(str(teacher), model="test_vitt", say=unsaid)
