"""The verb weights: a file as a table and as JSON, and what is no file of weights in one sentence."""

import json
from pathlib import Path

import timm
import torch


def test_a_file_is_shown_with_how_to_start_from_it(run, tmp_path):
    path = tmp_path / "a file.pth"
    torch.save(timm.create_model("test_vit", num_classes=5).state_dict(), path)
    arguments = ("weights", "show", str(path), "--model", "test_vit", "--classes", "7")

    facts = dict(line.split("\t", 1) for line in run(*arguments).out.splitlines())
    assert facts["fits"] == "test_vit"
    assert facts["renewed"] == "head: 5 classes in the file, 7 here, from zeros"
    assert facts["to start from it"].endswith(f"model.name=test_vit model.weights='{path}'")
    body = json.loads(run(*arguments, "--json").out)
    assert body["loaded"]["renewed"] == {"head": [5, 7]}


def test_of_transformers_the_settings_of_our_own_vit_are_said_and_they_start_a_run(
    run, monkeypatch
):
    monkeypatch.setattr(timm, "list_models", list)
    folder = Path(__file__).parents[1] / "models" / "made" / "vit"

    facts = dict(
        line.split("\t", 1) for line in run("weights", "show", str(folder)).out.splitlines()
    )

    assert facts["format"] == "safetensors, with the names of transformers"
    assert facts["its norms add"] == "1e-12, says config.json"
    settings = facts["fits vit"].split()
    planned = run("plan", "demo", *settings, f"model.weights={folder}")
    assert planned.code == 0


def test_what_is_no_file_of_weights_is_one_sentence(run, tmp_path):
    (tmp_path / "text.pth").write_text("no weights")
    for name, sentence in (
        ("none.pth", "there is no weights file"),
        ("text.pth", "is not a file of weights"),
        (".", "is not a file"),
    ):
        said = run("weights", "show", str(tmp_path / name))
        assert (said.code, said.out, said.err.count("\n")) == (4, "", 1)
        assert sentence in said.err
