"""Mirror: a copy of the logs of a folder on another machine, kept up in the background, for the readers of this one.

Only files that hold runs are copied, and only their new bytes. The copy lies in the user's cache folder and may be deleted.
"""

import atexit
import fcntl
import hashlib
import os
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from revconsole.errors import ProfileError
from revconsole.records.foreign.cache_folder import cache_folder
from revconsole.records.foreign.far.sftp import FarEntry, Sftp, SftpError, command
from revconsole.records.printable import one_line

SCHEME = "ssh://"
LOOK_SECONDS, MOST_SECONDS, SHARE = 3.0, 120.0, 2.0
"""Between two looks: so long, or so many times what the last one took; after failures up to `MOST_SECONDS`."""
FIRST_SECONDS = 60.0
"""How long a command line waits for the first copy."""
STOP_SECONDS = 5.0
MOST_FOLDERS, MOST_BYTES, LARGEST, DEEPEST = 20_000, 1 << 33, 1 << 31, 12
PROBE_BYTES = 1 << 12
"""Bytes before the end of a copy that are compared before it is continued."""
KEPT = re.compile(
    r".*\.tfevents\..*|.*\.(wandb|csv|parquet)|trainer_state\.json|(hparams|args|meta)\.yaml"
    r"|(plan|launch|claim|exit|notebook|whereabouts)\.json|profile\.toml|(events|digest|output)\.(jsonl|bin|log)|crash\.txt"
)
"""Names of the files that are copied, wherever they are."""
KEPT_WHOLE = {"metrics", "params", "tags"}
"""Folders of MLflow whose files have any name."""
SKIPPED = {
    "checkpoints",
    "artifacts",
    "control",
    "files",
    "logs",
    "tmp",
    "node_modules",
    "__pycache__",
}
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@-]*")


@dataclass(frozen=True, slots=True)
class FarFolder:
    """A folder of another machine: host, folder, and what ssh needs beside."""

    text: str
    host: str
    folder: str
    user: str = ""
    port: int | None = None


def far_folder(text: str) -> FarFolder:
    """The folder that `ssh://[USER@]HOST[:PORT]/FOLDER` means; `/~/FOLDER` lies in the home folder. Raises ProfileError."""
    try:
        parts = urlsplit(text)
        user, port = unquote(parts.username or ""), parts.port
        host = (
            parts.netloc.rpartition("@")[2].removesuffix(f":{port}").strip("[]")
        )  # `hostname` is in small letters
        folder = unquote(parts.path)
    except ValueError as error:
        raise ProfileError("--also", text, f"is no address: {error}") from None
    if (
        not HOST.fullmatch(host)
        or (user and not USER.fullmatch(user))
        or parts.password
        or parts.query
        or parts.fragment
    ):
        raise ProfileError(
            "--also",
            text,
            "should be ssh://[USER@]HOST[:PORT]/FOLDER; keys and passwords belong to ssh itself",
        )
    if folder in {"", "/"}:
        raise ProfileError(
            "--also",
            text,
            "names no folder: ssh://HOST/FOLDER, or ssh://HOST/~/FOLDER in the home folder",
        )
    return FarFolder(
        text, host, folder.removeprefix("/~/") if folder.startswith("/~/") else folder, user, port
    )


class Mirror:
    """The copy of one folder, kept up by a thread from `ready` to `stop`. wait: whether `ready` waits for the first copy."""

    def __init__(self, far: FarFolder, *, wait: bool = False) -> None:
        self.far, self._wait = far, wait
        name = hashlib.sha256(far.text.encode(errors="replace")).hexdigest()[:16]
        self.folder = cache_folder() / "far" / f"{far.host.replace(':', '_')}-{name}"
        self.problem = ""
        """Why the copy is not kept up; empty if it is."""
        self._first, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Sftp | None = None

    def ready(self) -> None:
        """Begin to copy; wait for the first copy where that was asked for."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)
            self._thread.start()
            atexit.register(self.stop)
        if self._wait and not self._first.wait(FIRST_SECONDS):
            slow = (
                f"the first copy takes longer than {FIRST_SECONDS:.0f} s; what is there is listed"
            )
            self.problem = self.problem or f"{self.far.text}: {slow}"

    def stop(self) -> None:
        """End the connection and the thread."""
        self._ended.set()
        if (connection := self._connection) is not None:
            connection.end()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
        atexit.unregister(self.stop)

    def _follow(self) -> None:
        rest = LOOK_SECONDS
        while not self._ended.wait(rest if self._first.is_set() else 0):
            try:
                self._keep_up()
            except OSError as error:
                rest = min(MOST_SECONDS, 2 * rest) if self.problem else LOOK_SECONDS
                why = error.strerror or type(error).__name__
                self.problem = f"{self.far.text}: {why}; what was copied before is listed"
            self._first.set()

    def _keep_up(self) -> None:
        """Connect and copy until the connection ends; nothing if another process copies already. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / ".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                empty = len([*self.folder.iterdir()]) == 1  # the lock
                self.problem = f"{self.far.text}: another process makes its first copy" * empty
                return
            connection = self._connection = Sftp(
                command(self.far.host, self.far.user, self.far.port)
            )
            try:
                self._copy(connection)
            finally:
                self._connection = None
                connection.close()

    def _copy(self, connection: Sftp) -> None:
        """Copy what is new, again and again. Raises OSError."""
        top, rest = connection.real(self.far.folder), 0.0
        while not self._ended.wait(rest):
            began = time.monotonic()
            seen = _Pass(connection, self.folder)
            seen.enter(top, self.folder, 0)
            self.problem = f"{self.far.text}: {seen.problem}" if seen.problem else ""
            self._first.set()
            rest = max(LOOK_SECONDS, SHARE * (time.monotonic() - began))


class _Pass:
    """One look at all folders of the other machine."""

    def __init__(self, connection: Sftp, root: Path) -> None:
        self._connection, self._root = connection, root
        self._folders = self._bytes = 0
        self.problem = ""

    def enter(self, far: str, here: Path, depth: int) -> None:
        """Copy what is new in a folder, then in those in it. Raises SftpError for the connection and OSError for this disk."""
        self._folders += 1
        if self._folders > MOST_FOLDERS or depth > DEEPEST:
            self.problem = "too many or too deep folders: the first are listed"
            return
        try:
            entries = self._connection.entries(far)
        except SftpError as error:
            if not depth:
                raise
            self.problem = str(error.strerror)
            return
        whole = here.name in KEPT_WHOLE or bool(
            {"metrics", "params"} & set(here.relative_to(self._root).parts)
        )
        wanted = [each for each in entries if each.regular and (whole or KEPT.fullmatch(each.name))]
        if wanted:
            here.mkdir(mode=0o700, parents=True, exist_ok=True)
        for entry in wanted:
            self._copy(f"{far}/{entry.name}", here / entry.name, entry)
        _forget(here, {entry.name for entry in entries})
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.folder and not entry.name.startswith(".") and entry.name not in SKIPPED:
                self.enter(f"{far}/{entry.name}", here / entry.name, depth + 1)

    def _copy(self, far: str, here: Path, entry: FarEntry) -> None:
        self._bytes += entry.size
        if entry.size > LARGEST or self._bytes > MOST_BYTES:
            self.problem = f"{one_line(far)} is left out: more than {MOST_BYTES >> 30} GiB in all, or {LARGEST >> 30} GiB of one file"
            return
        with suppress(FileNotFoundError):
            status = here.stat()
            if (status.st_size, int(status.st_mtime)) == (entry.size, entry.moved):
                return
        descriptor = os.open(here, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            start = self._continued(far, file, entry.size)
            file.seek(start)
            file.truncate()
            try:
                for data in self._connection.read(far, start, entry.size):
                    file.write(data)
            except SftpError as error:
                if error.errno:  # of this file alone
                    self.problem = str(error.strerror)
                    return
                raise
        os.utime(here, (entry.moved, entry.moved))

    def _continued(self, far: str, file: BinaryIO, size: int) -> int:
        """From where a file has to be copied: from the end of the copy if its last bytes are still those of the file, else from 0."""
        have = file.seek(0, os.SEEK_END)
        start = max(0, have - PROBE_BYTES)
        if not have or have > size:
            return 0
        file.seek(start)
        same = file.read(have - start) == b"".join(self._connection.read(far, start, have))
        return have if same and have < size else 0


def _forget(here: Path, names: set[str]) -> None:
    """Delete copies of files that are gone."""
    with suppress(FileNotFoundError), os.scandir(here) as found:
        for each in found:
            if (
                each.name not in names
                and each.name != ".lock"
                and each.is_file(follow_symlinks=False)
            ):
                Path(each.path).unlink(missing_ok=True)
