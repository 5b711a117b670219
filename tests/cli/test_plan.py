"""The verb plan: what models would cost, without training and without data files."""

import json


def test_each_model_of_a_grid_is_counted_without_data_files(run, monkeypatch, tmp_path):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path / "nothing"))
    said = run("plan", "vit-cifar10", "model.depth=[1,2]", "seeds=0", "--json")

    one, two = json.loads(said.out)
    assert said.code == 0
    assert two["parameters"] - one["parameters"] > 0
    assert one["trainable_parameters"] == one["parameters"]
    assert two["multiply_adds_per_image"] > one["multiply_adds_per_image"] > 0
    assert one["floating_point_operations_per_image"] == 2 * one["multiply_adds_per_image"]
    assert not (tmp_path / "nothing").exists()


def test_the_table_names_the_keys_and_the_unit(run):
    said = run("plan", "demo", "seeds=0")

    assert said.out.splitlines()[0].split("\t") == [
        "name", "architecture", "scheme", "parameters", "trainable_parameters",
        "multiply_adds_per_image", "operations",
    ]  # fmt: skip
    assert len(said.out.splitlines()) == 5
    assert said.out.splitlines()[1].endswith("\t2.23 M multiply-adds = 4.47 MFLOPs")
    assert "multiply-adds counted once or twice" in said.err


def test_a_wrong_setting_is_one_sentence(run):
    said = run("plan", "demo", "model.patch=3")

    assert said.code == 2
    assert "patch 3 does not divide" in said.err
