"""Sftp: reads folders and files of another machine through the file transfer of OpenSSH, which is asked for nothing else.

Version 3 of the protocol (draft-ietf-secsh-filexfer-02), as every server speaks it: a packet is its length, a type, and for
all but the first a number by which its answer is known. Only what reads is spoken here. The `ssh` program connects, so that
addresses, keys, agents and jumps are those of the user's own configuration; it may ask nothing on the terminal.
"""

import os
import stat
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from revconsole.records.printable import one_line

INIT, VERSION, OPEN, CLOSE, READ, OPENDIR, READDIR, REALPATH = 1, 2, 3, 4, 5, 11, 12, 16
STATUS, HANDLE, DATA, NAME = 101, 102, 103, 104
"""Types of packets."""
OK, END, ABSENT, DENIED = 0, 1, 2, 3
"""Codes of a status."""
SIZE, OWNERS, MODE, TIMES, EXTENDED = 1, 2, 4, 8, 1 << 31
"""Flags that say which attributes follow."""
SPOKEN = 3
CHUNK, AHEAD = 1 << 15, 32
"""Bytes of one read, and reads that are under way at once: else every one would wait for the way there and back."""
MOST_PACKET = 1 << 22
MOST_ENTRIES = 100_000
LAST_WORDS_SECONDS = 2.0
"""How long ssh may take to say why it ends."""
OPTIONS = (
    "-T", "-a", "-x", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15",
    "-o", "ServerAliveCountMax=3", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no",
)  # fmt: skip
"""No terminal, no agent, no display, no question, no forwarding."""


class SftpError(OSError):
    """The other machine cannot be reached, or refuses; `strerror` says what it said."""


@dataclass(frozen=True, slots=True)
class FarEntry:
    """One name in a folder. moved: seconds since 1970 of its last change."""

    name: str
    folder: bool
    regular: bool
    size: int
    moved: int


class Sftp:
    """One connection. Not thread-safe; every method raises SftpError."""

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603  the user's ssh, with a checked address
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise SftpError(
                error.errno, f"{command[0]} cannot be started: {error.strerror}"
            ) from None
        self._out, self._in = (
            cast("BinaryIO", self._process.stdin),
            cast("BinaryIO", self._process.stdout),
        )
        self._asked = 0
        try:
            self._greet()
        except SftpError:
            self.close()
            raise

    def _greet(self) -> None:
        self._send(struct.pack(">BI", INIT, SPOKEN))
        if self._receive()[0] != VERSION:
            raise SftpError(0, "it does not speak SFTP")

    def end(self) -> None:
        """Let whoever waits for an answer wait no more; for another thread."""
        self._process.terminate()

    def close(self) -> None:
        """End the connection."""
        self._process.terminate()
        for pipe in (self._out, self._in, self._process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be sent
                    continue
        self._process.wait()

    def real(self, path: str) -> str:
        """A path without links and dots; "." is the home folder."""
        kind, body = self._ask(REALPATH, _text(path))
        entries = list(_entries(body)) if kind == NAME else []
        if not entries:
            raise _refusal(kind, body, path)
        return entries[0].name

    def entries(self, folder: str) -> list[FarEntry]:
        """What is in a folder, in no order; names that are no names of files are left out."""
        handle = self._handle(OPENDIR, _text(folder), folder)
        found: list[FarEntry] = []
        while len(found) < MOST_ENTRIES:
            kind, body = self._ask(READDIR, handle)
            if kind != NAME:
                break
            found += [entry for entry in _entries(body) if _is_plain(entry.name)]
        self._ask(CLOSE, handle)
        return found

    def read(self, path: str, start: int, stop: int) -> Iterator[bytes]:
        """The bytes of a file from `start` on, up to `stop` or its end."""
        handle = self._handle(OPEN, _text(path) + struct.pack(">II", 1, 0), path)
        at = start
        while at < stop:
            offsets = range(at, min(stop, at + AHEAD * CHUNK), CHUNK)
            for offset in offsets:
                self._request(READ, handle + struct.pack(">QI", offset, min(CHUNK, stop - offset)))
            answers = [
                self._receive() for _ in offsets
            ]  # all of them, or the next answer would be of one of these
            before = at
            for offset, (kind, body) in zip(offsets, answers, strict=True):
                if offset != at:  # the one before was short
                    break
                data = _string(body, 4)[0] if kind == DATA else b""
                yield data
                at += len(data)
            if at == before:
                break
        self._ask(CLOSE, handle)

    def _handle(self, kind: int, body: bytes, path: str) -> bytes:
        got, answer = self._ask(kind, body)
        if got != HANDLE:
            raise _refusal(got, answer, path)
        return answer[4:]

    def _ask(self, kind: int, body: bytes) -> tuple[int, bytes]:
        self._request(kind, body)
        return self._receive()

    def _request(self, kind: int, body: bytes) -> None:
        self._asked = (self._asked + 1) & 0xFFFFFFFF
        self._send(struct.pack(">BI", kind, self._asked) + body)

    def _send(self, packet: bytes) -> None:
        try:
            self._out.write(struct.pack(">I", len(packet)) + packet)
            self._out.flush()
        except (OSError, ValueError):
            raise self._gone() from None

    def _receive(self) -> tuple[int, bytes]:
        """Type and content of the next packet; the content begins with the number of what it answers."""
        try:
            head = self._in.read(5)
            if len(head) == 5:
                size, kind = struct.unpack(">IB", head)
                if 0 < size <= MOST_PACKET:
                    body = self._in.read(size - 1)
                    if len(body) == size - 1:
                        return kind, body
        except (OSError, ValueError):
            pass
        raise self._gone()

    def _gone(self) -> SftpError:
        """What ssh said before it ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_WORDS_SECONDS)
        self._process.terminate()
        said = (
            self._process.stderr.read(4096).decode(errors="replace") if self._process.stderr else ""
        )
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return SftpError(0, one_line(lines[-1]) if lines else "the connection ended")


def command(host: str, user: str = "", port: int | None = None) -> list[str]:
    """How to start a connection. REVCONSOLE_SSH names another program than `ssh`."""
    program = os.environ.get("REVCONSOLE_SSH") or "ssh"
    options = [*OPTIONS, *(("-l", user) if user else ()), *(("-p", str(port)) if port else ())]
    return [program, *options, "-s", "--", host, "sftp"]


def _text(text: str) -> bytes:
    raw = os.fsencode(text)
    return struct.pack(">I", len(raw)) + raw


def _string(body: bytes, place: int) -> tuple[bytes, int]:
    """The string at a place, and where it ends."""
    (size,) = struct.unpack_from(">I", body, place)
    return body[place + 4 : place + 4 + size], place + 4 + size


def _entries(body: bytes) -> Iterator[FarEntry]:
    """The entries of a NAME packet. Raises SftpError for another."""
    try:
        (count,) = struct.unpack_from(">I", body, 4)
        place = 8
        for _ in range(min(count, MOST_ENTRIES)):
            name, place = _string(body, place)
            _, place = _string(body, place)  # as `ls -l` has it
            size, mode, moved, place = _attributes(body, place)
            yield FarEntry(os.fsdecode(name), stat.S_ISDIR(mode), stat.S_ISREG(mode), size, moved)
    except struct.error:
        raise SftpError(0, "an answer that is no list of names") from None


def _attributes(body: bytes, place: int) -> tuple[int, int, int, int]:
    """Size, mode and time of change, each 0 if it is not told, and where they end."""
    (flags,) = struct.unpack_from(">I", body, place)
    place += 4
    size = mode = moved = 0
    if flags & SIZE:
        (size,) = struct.unpack_from(">Q", body, place)
        place += 8
    place += 8 if flags & OWNERS else 0
    if flags & MODE:
        (mode,) = struct.unpack_from(">I", body, place)
        place += 4
    if flags & TIMES:
        (moved,) = struct.unpack_from(">I", body, place + 4)
        place += 8
    if flags & EXTENDED:
        (pairs,) = struct.unpack_from(">I", body, place)
        place += 4
        for _ in range(2 * min(pairs, 100)):
            _, place = _string(body, place)
    return size, mode, moved, place


def _is_plain(name: str) -> bool:
    """Whether a name can be that of a file in its folder, here too."""
    return (
        name not in {"", ".", ".."} and not set(name) & {"/", "\0"} and len(os.fsencode(name)) < 256
    )


def _refusal(kind: int, body: bytes, path: str) -> SftpError:
    code = struct.unpack_from(">I", body, 4)[0] if kind == STATUS and len(body) >= 8 else OK
    why = {ABSENT: "there is no such file or folder", DENIED: "permission denied"}.get(
        code, "refused"
    )
    return SftpError(code, f"{one_line(path)}: {why}")
