"""Folders of another machine: the copy is that of the folder, follows it, and nothing there leads out of it."""

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from revconsole.errors import ProfileError
from revconsole.records.foreign.far import mirror, sftp
from revconsole.records.foreign.far.mirror import Mirror, far_folder
from revconsole.records.foreign.far.sftp import SftpError, command

from .conftest import read_all

PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ssh"
    server = Path(__file__).parent / "fake_sftp.py"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{server}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("REVCONSOLE_SSH", str(program))
    monkeypatch.setattr(mirror, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(sftp, "CHUNK", 1500)  # more than the server sends at once


@pytest.fixture
def mirrored() -> Iterator[Callable[[str], Mirror]]:
    """The copy of an address after its first look; it is stopped when the test ends."""
    begun: list[Mirror] = []

    def begin(text: str) -> Mirror:
        begun.append(Mirror(far_folder(text), wait=True))
        begun[-1].ready()
        return begun[-1]

    yield begin
    for each in begun:
        each.stop()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_runs_of_another_machine_are_those_that_are_there(
    made: Path, mirrored: Callable[[str], Mirror]
) -> None:
    (made / "secret.txt").write_text("not a run")
    (made / "weights.safetensors").write_bytes(b"x" * 100)
    (made / "linked.csv").symlink_to("/etc/passwd")
    copy = mirrored(f"ssh://host{made}")

    assert copy.problem == ""
    here, there = read_all(copy.folder), read_all(made)
    assert here.keys() == there.keys()
    for name, run in here.items():
        assert run.summary.metrics == pytest.approx(there[name].summary.metrics, nan_ok=True)
        assert run.summary.state == there[name].summary.state
    files = {path.name for path in copy.folder.rglob("*")}
    assert not {"secret.txt", "weights.safetensors", "linked.csv", "evil.csv", "b.csv"} & files

    growing = made / "keras" / "training.csv"
    with growing.open("a") as file:
        file.write("6,0.5,0.25,0.5,0.75\n")
    (made / "timm" / "20240101-101010-vit_tiny" / "summary.csv").unlink()
    until(lambda: (copy.folder / "keras" / "training.csv").read_bytes() == growing.read_bytes())
    until(lambda: not list(copy.folder.rglob("summary.csv")))


def test_a_machine_that_cannot_be_reached_is_said_with_the_words_of_ssh(
    mirrored: Callable[[str], Mirror],
) -> None:
    copy = mirrored("ssh://refused/tmp")

    assert copy.problem == (
        "ssh://refused/tmp: ssh: connect to host refused port 22: Connection refused; what was copied before is listed"
    )


def test_a_folder_that_is_not_there_is_said(
    tmp_path: Path, mirrored: Callable[[str], Mirror]
) -> None:
    copy = mirrored(f"ssh://host{tmp_path}/none")

    assert copy.problem.endswith(
        "/none: there is no such file or folder; what was copied before is listed"
    )


def test_of_two_processes_one_copies(made: Path, mirrored: Callable[[str], Mirror]) -> None:
    text = f"ssh://host{made}"
    folder = Mirror(far_folder(text)).folder
    folder.mkdir(parents=True)
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        copy = mirrored(text)
        assert copy.problem == f"{text}: another process makes its first copy"
        (folder / "metrics.csv").write_text("step,loss\n")
        until(lambda: copy.problem == "")
        assert sorted(path.name for path in folder.iterdir()) == [".lock", "metrics.csv"]
    until((folder / "keras").is_dir)


def test_a_disk_that_is_full_is_said(
    made: Path, monkeypatch: pytest.MonkeyPatch, mirrored: Callable[[str], Mirror]
) -> None:
    def full(path: object, *_: object, **__: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(mirror._Pass, "_copy", full)
    copy = mirrored(f"ssh://host{made}")

    assert "No space left on device" in copy.problem


@pytest.mark.parametrize(
    "text",
    [
        "ssh://", "ssh:///folder", "ssh://host", "ssh://host/", "ssh://-oProxyCommand=x/tmp", "ssh://a b/tmp",
        "ssh://user:secret@host/tmp", "ssh://-l@host/tmp", "ssh://host:99999/tmp", "ssh://host:x/tmp", "ssh://ho$(x)st/tmp",
        "ssh://host/tmp?x=1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ProfileError, match="--also"):
        far_folder(text)


def test_ssh_is_given_the_address_and_may_neither_ask_nor_forward() -> None:
    far = far_folder("ssh://Ada@Cluster:2222/~/logs")
    words = command(far.host, far.user, far.port)

    assert (far.host, far.user, far.port, far.folder) == ("Cluster", "Ada", 2222, "logs")
    assert words[-4:] == ["-s", "--", "Cluster", "sftp"]
    assert {"BatchMode=yes", "ClearAllForwardings=yes"} <= set(words)
    assert {"-a", "-x", "-T"} <= set(words)
    assert issubclass(SftpError, OSError)
