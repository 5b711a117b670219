"""The verb export: mistakes are one sentence before anything is computed."""


def test_a_mistake_is_one_sentence(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, code, sentence in (
        (("nothere", "out", "--to", "timm"), 3, "nothere"),
        (("nothere", "out", "--to", "onx"), 2, "did you mean 'onnx'?"),
        (("nothere", "out", "--to", "keras"), 2, "there are: hf, onnx, timm, torch"),
    ):
        said = run("export", *words)
        assert (said.code, said.out, said.err.count("\n")) == (code, "", 1), words
        assert sentence in said.err
    assert run("export", "x", "out").code == 2
    assert not (tmp_path / "out").exists()
