"""The verb plan: what models would cost, without training and without data files."""

import json


def test_each_model_of_a_grid_is_counted_without_data_files(run, monkeypatch, tmp_path):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "nothing"))
    said = run("plan", "vit-cifar10", "model.depth=[1,2]", "seeds=0", "--json")

    one, two = json.loads(said.out)
    assert said.code == 0
    assert two["parameters"] - one["parameters"] > 0
    assert one["trainable_parameters"] == one["parameters"]
    assert two["flops_per_image"] > one["flops_per_image"] > 0
    assert one["flops_unit"] == "multiply-adds"
    assert not (tmp_path / "nothing").exists()


def test_the_table_names_the_keys_and_the_unit(run):
    said = run("plan", "demo", "seeds=0")

    assert said.out.splitlines()[0].split("\t") == [
        "name", "architecture", "scheme", "parameters", "trainable_parameters", "flops_per_image",
        "seconds_to_build",
    ]  # fmt: skip
    assert len(said.out.splitlines()) == 5
    assert "multiply-adds" in said.err


def test_a_wrong_setting_is_one_sentence(run):
    said = run("plan", "demo", "model.patch=3")

    assert said.code == 2
    assert "patch 3 does not divide" in said.err
