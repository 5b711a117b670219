"""A setting that only some runs of a grid have: it is theirs, and that is said."""

from pathlib import Path


def test_which_runs_a_setting_is_of_is_said_where_some_have_no_use_for_it(run):
    Path("mine.toml").write_text("[model]\npatch = 4\n", encoding="utf-8")
    words = ["scheme.gamma=0.8", "scheme.name=[residual,momentum]", "seeds=[0,1]"]

    partly = run("train", "./mine.toml", *words, "--dry-run")
    fully = run("train", "./mine.toml", "scheme.gamma=0.8", "scheme.name=momentum", "--dry-run")

    assert partly.code == fully.code == 0
    sentence = "scheme.gamma applies to 2 of 4 runs: scheme 'residual' has no gamma; momentum and bdia have it"
    assert sentence in " ".join(partly.err.split())
    assert "scheme.gamma is of" not in fully.err


def test_the_demo_says_so_too(run):
    Path("file").write_text("", encoding="utf-8")

    said = run("--store", "file", "demo", "--headless", "model.depth=[1,2]", "scheme.gamma=0.5")

    assert said.code == 4, "nothing can be trained there"
    assert "scheme.gamma applies to 4 of 8 runs" in " ".join(said.err.split())
