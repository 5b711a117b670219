"""Where datasets are looked for, and downloads: from a server in this process, never from the network."""

import functools
import hashlib
import http.server
import threading
from pathlib import Path

import pytest

from revconsole.data import cifar10, fashion_mnist, mnist
from revconsole.data._files import download_files
from revconsole.errors import DataUnavailable
from revconsole.records.datasets.facts import data_folder, found, how_to_get, present

CONTENT = b"sixty images" * 5000


class Shelf(http.server.SimpleHTTPRequestHandler):
    """Serves a folder in silence; a file named `short` ends before its announced length."""

    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        content = source.read()
        outputfile.write(content[:100] if self.path.endswith("short") else content)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Address of a server of `tmp_path/served`, reached without any proxy."""
    monkeypatch.setenv("no_proxy", "*")
    served = tmp_path / "served"
    served.mkdir()
    for name in ("whole", "short"):
        (served / name).write_bytes(CONTENT)
    handler = functools.partial(Shelf, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


@pytest.fixture
def no_network(monkeypatch):
    """Every connection goes to a port of this machine where nobody listens."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")


def md5(content):
    return hashlib.md5(content).hexdigest()


def test_a_download_with_the_right_checksum_arrives(server, tmp_path):
    download_files([server], [("whole", md5(CONTENT))], into=tmp_path / "data")
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["whole"]
    assert (tmp_path / "data" / "whole").read_bytes() == CONTENT


def test_the_next_mirror_is_asked_when_one_fails(server, tmp_path):
    mirrors = [f"{server}nowhere/", server]
    download_files(mirrors, [("whole", md5(CONTENT))], into=tmp_path / "data")
    assert (tmp_path / "data" / "whole").read_bytes() == CONTENT


@pytest.mark.parametrize(("name", "checksum"), [("short", md5(CONTENT)), ("whole", md5(b"other"))])
def test_a_truncated_or_different_download_leaves_nothing(server, tmp_path, name, checksum):
    with pytest.raises(OSError, match="sent a truncated file or another one"):
        download_files([server], [(name, checksum)], into=tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_file_that_is_already_right_is_not_fetched_again(tmp_path, no_network):
    (tmp_path / "whole").write_bytes(CONTENT)
    download_files(["http://mirror.invalid/"], [("whole", md5(CONTENT))], into=tmp_path)
    with pytest.raises(OSError, match="refused"):
        download_files(["http://mirror.invalid/"], [("whole", md5(b"new"))], into=tmp_path)


def test_without_network_one_sentence_says_where_to_put_which_file(tmp_path, no_network):
    with pytest.raises(DataUnavailable) as caught:
        mnist.read(tmp_path)
    assert str(caught.value) == (
        "MNIST is not on this machine and could not be downloaded (Connection refused); "
        "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, "
        f"t10k-labels-idx1-ubyte.gz in {tmp_path}/MNIST/raw"
    )
    with pytest.raises(DataUnavailable) as caught:
        cifar10.read(tmp_path)
    assert str(caught.value) == (
        "CIFAR-10 is not on this machine and could not be downloaded (Connection refused); "
        f"put cifar-10-python.tar.gz in {tmp_path}"
    )


def test_fashion_mnist_names_the_debian_package(tmp_path):
    sentence = how_to_get(fashion_mnist.FACTS, tmp_path)
    assert sentence.startswith("`apt-get install dataset-fashion-mnist`, or put train-images")


def test_a_data_folder_that_is_a_file_gets_a_sentence(tmp_path, no_network):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(DataUnavailable, match=r"could not be downloaded \(Not a directory\)"):
        mnist.read(tmp_path / "data")


def test_the_data_folder_is_the_cache_unless_the_environment_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("REVCONSOLE_DATA", "~/images")
    assert data_folder() == Path.home() / "images"
    monkeypatch.delenv("REVCONSOLE_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_folder().parts[-2:] == ("revconsole", "data")
    assert not data_folder().exists()


def test_files_count_as_present_only_when_all_are_there(tmp_path):
    (_, _, names), *_ = cifar10.FACTS.layouts
    place = tmp_path / "cifar10"
    place.mkdir()
    for name in names[:-1]:
        (place / name).touch()
    assert present(cifar10.FACTS, tmp_path) is None
    (place / names[-1]).touch()
    assert present(cifar10.FACTS, tmp_path) == place


def test_files_and_folders_of_one_name_are_told_apart(tmp_path):
    from revconsole.data.cifar100 import FACTS

    for name in ("train", "test"):
        (tmp_path / "cifar100" / name).mkdir(parents=True)
    assert found(FACTS, tmp_path).layout == "folders"
