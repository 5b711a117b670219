"""The console over a slow line: `python tests/conformance/slow_line.py [--delay MS] [--rate KB] [--keys N] [--live N]`.

`ssh` and `sshd` on the loopback speak through a relay of this process that holds every byte back for MS milliseconds in either
direction and lets KB kilobytes a second through; a kernel without netem needs no more. Without `sshd` the relay stands between
the console and its pseudo-terminal. Printed are bytes and seconds of the first paint, of keys one by one and in a burst, and
what comes while runs go on. Times are by the clock.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from statistics import median

from pseudo_terminal import PseudoTerminal
from watching import OURS, Viewer, goes_on, written

BLOCK, IN_THE_AIR = 512, 64
"""Bytes that the relay takes at once, and blocks that may be under way in one direction."""
RATE = 5
"""Steps a second of a run that goes on."""
TEXT = "scheme:bdia NOT loss>3 best>0.25 seed=2 "
"""What is typed in a burst: forty keys."""
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
"""


def carry(source: socket.socket, target: socket.socket, delay: float, rate: float) -> None:
    """Pass on what one end says, late and slowly, until it has said everything."""
    under_way: Queue[tuple[float, bytes]] = Queue(IN_THE_AIR)

    def deliver() -> None:
        while block := (arrival := under_way.get())[1]:
            time.sleep(max(0.0, arrival[0] - time.monotonic()))
            try:
                target.sendall(block)
            except OSError:
                return

    threading.Thread(target=deliver, daemon=True).start()
    free = 0.0
    while True:
        try:
            block = source.recv(BLOCK)
        except OSError:
            block = b""
        now = time.monotonic()
        free = max(free, now) + len(block) / rate
        time.sleep(free - now)
        under_way.put((free + delay, block))
        if not block:
            return


@contextmanager
def slow_line(port: int, delay: float, rate: float) -> Iterator[int]:
    """A port that leads to another one of this machine over such a line."""
    with socket.create_server(("127.0.0.1", 0)) as ears:
        ears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def listen() -> None:
            while True:
                try:
                    here, _ = ears.accept()
                except OSError:
                    return
                there = socket.socket()
                there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                there.connect(("127.0.0.1", port))
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=carry, args=(*ends, delay, rate), daemon=True).start()

        threading.Thread(target=listen, daemon=True).start()
        yield ears.getsockname()[1]


@contextmanager
def ssh_server(folder: Path) -> Iterator[int]:
    """The port of an `sshd` of our own, which lets in the key `folder/user`."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([shutil.which("sshd") or "sshd", "-D", "-f", folder / "config"])
    try:
        while True:
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


class Remote(PseudoTerminal):
    """The console at the other end of the line. heard: what has come, in bytes."""

    def __init__(self, port: int, keys: Path, folder: Path) -> None:
        path = os.environ.get("PYTHONPATH", "")
        shell = f"cd {folder} && export HOME={folder} COLORTERM=truecolor PYTHONPATH={path} && exec {sys.executable} -m revconsole"
        command = [
            "ssh", "-tt", "-q", "-F", "none", "-i", str(keys / "user"), "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-p", str(port), "127.0.0.1", shell,
        ]  # fmt: skip
        super().__init__(command, folder, TERM="xterm-256color")
        self.heard = 0

    def read(self, seconds: float) -> bytes:
        """See PseudoTerminal; counts."""
        came = super().read(seconds)
        self.heard += len(came)
        return came


def typed(remote: Remote, keys: int) -> list[float]:
    """Seconds of each key of a filter, one after the other, until the screen shows all that was typed."""
    seconds = []
    for number in range(keys):
        text = "".join("abcdefghij"[n % 10] for n in range(number + 1))
        remote.press(text[-1].encode())
        seconds.append(remote.until_shown(text))
        remote.written(0.2)
    return seconds


def in_words(seconds: list[float]) -> str:
    """Median and worst."""
    return f"median {1000 * median(seconds):.0f} ms, worst {1000 * max(seconds):.0f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=200.0)
    parser.add_argument("--rate", type=float, default=64.0)
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--live", type=int, default=4)
    asked = parser.parse_args()
    print(f"{asked.delay:g} ms either way, {asked.rate:g} kB/s, load {os.getloadavg()[0]:.1f}")
    ours = Viewer(name="revconsole", command=[], writer=OURS)
    with (
        tempfile.TemporaryDirectory() as keys,
        tempfile.TemporaryDirectory() as folder,
        written(ours, Path(folder), max(3, asked.live), 200) as writer,
        ssh_server(Path(keys)) as port,
        slow_line(port, asked.delay / 1000, 1000 * asked.rate) as far,
    ):
        remote = Remote(far, Path(keys), Path(folder))
        try:
            print(
                f"names on the screen after {remote.until_shown('run-'):.2f} s, {remote.heard / 1000:.1f} kB, with the login"
            )
            print(f"states after another {remote.until_shown('running'):.2f} s")
            remote.written(5.0)
            print(f"idle: {remote.written(10.0) / 10:.0f} B/s")
            remote.press(b"/")
            remote.written(2.0)
            before = remote.heard
            print(
                f"a key to the screen: {in_words(typed(remote, asked.keys))}; {(remote.heard - before) / asked.keys:.0f} B a key"
            )
            remote.press(b"\x1b")
            remote.written(2.0)
            remote.press(b"/" + TEXT.encode())
            print(
                f"a burst of {len(TEXT)} keys: on the screen, in order, after {remote.until_shown(TEXT.strip()):.2f} s"
            )
            remote.press(b"\x1b")
            remote.written(3.0)
            goes_on(writer, asked.live, RATE)
            remote.written(5.0)
            print(f"{asked.live} runs go on: {remote.written(20.0) / 20000:.1f} kB/s")
            remote.press(b"/")
            remote.written(2.0)
            print(f"a key to the screen meanwhile: {in_words(typed(remote, asked.keys))}")
        finally:
            remote.close()


if __name__ == "__main__":
    main()
