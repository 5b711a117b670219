"""A server of SFTP in a few lines, which speaks as OpenSSH's does, in short pieces; started in place of `ssh`."""

import os
import stat
import struct
import sys
from pathlib import Path

PIECE = 1000
"""Bytes of one answer; a server may send fewer than it was asked for."""


def text(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def take(body: bytes) -> tuple[bytes, bytes]:
    (size,) = struct.unpack_from(">I", body)
    return body[4 : 4 + size], body[4 + size :]


def entry(name: bytes, path: Path) -> bytes:
    status = path.lstat()
    times = int(status.st_mtime)
    attributes = struct.pack(">IQIIIII", 15, status.st_size, 0, 0, status.st_mode, times, times)
    return text(name) + text(b"-") + attributes


class Server:
    """Answers one request after the other."""

    def __init__(self) -> None:
        self.open: dict[bytes, object] = {}

    def answer(self, kind: int, body: bytes) -> tuple[int, bytes]:
        try:
            return getattr(self, f"_{kind}")(body)
        except FileNotFoundError:
            return 101, struct.pack(">I", 2) + text(b"no such file") + text(b"")

    def _16(self, body: bytes) -> tuple[int, bytes]:
        path = Path(os.fsdecode(take(body)[0])).resolve(strict=True)
        return 104, struct.pack(">I", 1) + entry(os.fsencode(path), path)

    def _11(self, body: bytes) -> tuple[int, bytes]:
        folder = Path(os.fsdecode(take(body)[0]))
        found = [entry(os.fsencode(path.name), path) for path in folder.iterdir()]
        found += [entry(name, folder) for name in (b".", b"..", b"../evil.csv", b"a/b.csv", b"")]
        return self._opened(found)

    def _12(self, body: bytes) -> tuple[int, bytes]:
        left = self.open[take(body)[0]]
        assert isinstance(left, list)
        if not left:
            return 101, struct.pack(">I", 1) + text(b"end") + text(b"")
        some = [left.pop() for _ in range(min(2, len(left)))]
        return 104, struct.pack(">I", len(some)) + b"".join(some)

    def _3(self, body: bytes) -> tuple[int, bytes]:
        path, rest = take(body)
        assert struct.unpack(">II", rest) == (1, 0), "only what reads is asked for"
        return self._opened(Path(os.fsdecode(path)).read_bytes())

    def _5(self, body: bytes) -> tuple[int, bytes]:
        handle, rest = take(body)
        start, size = struct.unpack(">QI", rest)
        content = self.open[handle]
        assert isinstance(content, bytes)
        data = content[start : start + min(size, PIECE)]
        return (103, text(data)) if data else (101, struct.pack(">I", 1) + text(b"") + text(b""))

    def _4(self, body: bytes) -> tuple[int, bytes]:
        del self.open[take(body)[0]]
        return 101, struct.pack(">I", 0) + text(b"") + text(b"")

    def _opened(self, what: object) -> tuple[int, bytes]:
        handle = b"%d" % len(self.open)
        self.open[handle] = what
        return 102, text(handle)


def main() -> None:
    if "refused" in sys.argv:
        sys.exit("ssh: connect to host refused port 22: Connection refused")
    assert stat.S_ISFIFO(os.fstat(0).st_mode)
    server = Server()
    with os.fdopen(0, "rb") as source, os.fdopen(1, "wb") as sink:
        while head := source.read(5):
            size, kind = struct.unpack(">IB", head)
            body = source.read(size - 1)
            if kind == 1:
                got, answer = 2, struct.pack(">I", 3)
            else:
                got, answer = server.answer(kind, body[4:])
                answer = body[:4] + answer
            sink.write(struct.pack(">IB", len(answer) + 1, got) + answer)
            sink.flush()


main()
