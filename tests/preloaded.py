"""A preloaded interpreter, from which the processes that tests start are forked.

Importing torch and timm takes seconds, and the tests start hundreds of processes that do nothing else for so long.
`Forked` therefore takes the place of `subprocess.Popen`. It starts everything as ever, but for `python -m revconsole…`
and `python -X preloaded -c …` (an option that Python ignores): one process has imported all of that once, and forks for
each, also where a forked process asks. The new process has the arguments, working
folder, environment, descriptors, session and command line that it was to have, and is a child of the process that asked.
What interpreter it runs in is the only thing that such a test does not show; those that do are marked `interpreter`.

The processes in which pytest-xdist runs the tests are forked likewise, from the one of the process that shares the tests
out. Before it does anything else, each forks the process that it will ask itself: so all import once.

Linux only: nothing else hands a process to another parent. Elsewhere every process is started as ever.
"""

import atexit
import ctypes
import gc
import inspect
import json
import os
import resource
import runpy
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

PRELOADED = ("torch", "timm", "revconsole.training.api")
ROOM = 4096
"""Characters that a command line may have."""
DECIDED_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "OMP_", "MKL_", "CUDA")
"""Variables that an interpreter or a library reads once: a process that is to have others is started as ever."""
LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)
PR_SET_CHILD_SUBREAPER = 36

Popen = subprocess.Popen[Any]
_start = inspect.signature(subprocess.Popen._execute_child)
_asking = threading.Lock()


class Preloaded:
    """The process that has imported everything; it starts with the first request and ends with this process."""

    environment: Mapping[str, str] = MappingProxyType({})
    """The variables that it was started with."""
    address = ""
    """Where it is asked; in the processes that it forks, too."""
    more: tuple[str, ...] = ()
    """Modules that it imports besides."""
    wait: Callable[..., object] | None = None
    """Waits until it has ended; None in the processes that it forks."""
    ours = -1

    def fork(self, request: dict[str, Any], descriptors: list[int]) -> int:
        """The pid of a new process: a child of the tests' process, or where such a child asked, of none."""
        data = json.dumps(request).encode()
        libc = ctypes.CDLL(None)
        with _asking, socket.socket(socket.AF_UNIX) as asked:
            if not self.address:
                self._start()
            asked.connect(f"\0{self.address}")
            libc.prctl(PR_SET_CHILD_SUBREAPER, int(self.wait is not None), 0, 0, 0)
            try:
                socket.send_fds(asked, [len(data).to_bytes(8)], descriptors)
                asked.sendall(data)
                return int.from_bytes(asked.recv(8, socket.MSG_WAITALL))
            finally:
                libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def end(self) -> None:
        """End the process; what it forked goes on."""
        if self.wait is not None:
            os.close(self.ours)
            self.wait()

    def divide(self) -> list[str]:
        """Fork the process that this one is to ask. Returns nothing here, and in what that forks its command line."""
        server, theirs = self._address()
        pid = os.fork()
        if pid:
            server.close()
            os.close(theirs)
            self.wait = partial(os.waitpid, pid, 0)
            return []
        os.close(self.ours)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)  # its own are the pipes by which the other is told what to run
        os.dup2(nothing, 1)
        return serve(server, theirs)

    def _start(self) -> None:
        server, theirs = self._address()
        with server:
            numbers = (theirs, server.fileno())
            modules = ",".join(PRELOADED + self.more)
            command = [sys.executable, "-P", __file__, self.address, *map(str, numbers), modules]
            command.append("-" * ROOM)
            self.wait = Popen(command, cwd="/", env=self.environment, pass_fds=numbers).wait
        os.close(theirs)

    def _address(self) -> tuple[socket.socket, int]:
        """Where the process will be asked from now on, and the end of a pipe that tells it when this one has ended."""
        self.address = f"preloaded-{secrets.token_hex(8)}"
        theirs, self.ours = os.pipe()
        server = socket.socket(socket.AF_UNIX)
        server.bind(f"\0{self.address}")
        server.listen(64)
        return server, theirs


preloaded = Preloaded()


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """`subprocess.Popen`, but for the modules of this package."""

    def _execute_child(self, *given: Any) -> None:
        wanted = _start.bind(self, *given).arguments
        if not _may_be_forked(wanted) or not Path(wanted["cwd"] or ".").is_dir():
            super()._execute_child(*given)
            return
        ends = [wanted[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        request = {
            "arguments": wanted["args"],
            "folder": str(Path(wanted["cwd"] or ".").absolute()),
            "environment": dict(wanted["env"] if wanted["env"] is not None else os.environ),
            "session": wanted["start_new_session"],
            "mask": _mask(),
            "limits": [[number, resource.getrlimit(number)] for number in LIMITS],
        }
        sys.stdout.flush()
        try:
            self.pid = preloaded.fork(
                request, [n if end == -1 else end for n, end in enumerate(ends)]
            )
        except ConnectionRefusedError:  # the preloaded interpreter was killed, or could not start
            super()._execute_child(*given)
            return
        if not self.pid:
            raise OSError(f"{request['folder']} is gone, or has no room for a process")
        self._child_created = True
        names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(wanted[name] for name in names))

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        """None as long as the process runs, even where it is no child of this one."""
        nobodys = preloaded.wait is None and bool(preloaded.address)
        if nobodys and self.returncode is None and Path(f"/proc/{self.pid}").exists():
            return None
        return super()._internal_poll(*given, **named)


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _may_be_forked(wanted: dict[str, Any]) -> bool:
    environment = wanted["env"] if wanted["env"] is not None else os.environ
    match wanted["args"]:
        case [sys.executable, "-P", "-m", module, *_] | [sys.executable, "-m", module, *_]:
            ours = module.partition(".")[0] == "revconsole"
        case [sys.executable, "-X", "preloaded", "-c", *_] | [sys.executable, "-u", "-c", *_]:
            ours = True
        case _:
            return False
    simple = not any(wanted[name] for name in ("shell", "pass_fds", "preexec_fn", "executable"))
    fits = len("\0".join(wanted["args"]).encode()) < ROOM
    same = _decided(environment) == _decided(preloaded.environment)
    asked_here = preloaded.wait is not None or not preloaded.address
    return ours and simple and fits and same and (asked_here or wanted["start_new_session"])


def _decided(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(DECIDED_AT_START) and name != "PYTHONSAFEPATH"
    }


def serve(server: socket.socket, end: int) -> list[str]:
    """Fork for every request. Returns in each new process, with the command line that it is to run."""
    while True:
        try:
            ended = end in select.select([server, end], [], [])[0]
        except KeyboardInterrupt:  # Ctrl-C comes to all the processes of a terminal
            ended = True
        if ended:
            os._exit(0)
        asked, _ = server.accept()
        with asked, suppress(OSError, ValueError):  # whoever asked may have been killed meanwhile
            header, descriptors, _, _ = socket.recv_fds(asked, 8, 3)
            try:
                request = json.loads(asked.recv(int.from_bytes(header), socket.MSG_WAITALL))
                pid = _forked(request, descriptors)
                if pid is None:
                    server.detach()
                    asked.detach()
                    descriptors.clear()
                    os.closerange(3, 256)
                    return request["arguments"]
                asked.sendall(pid)
            finally:
                for each in descriptors:
                    os.close(each)


def _forked(request: dict[str, Any], descriptors: list[int]) -> bytes | None:
    """The pid of the new process, which is a child of no other; empty if it could not be made, None in that process."""
    reader, writer = os.pipe()
    between = os.fork()
    if between:
        os.close(writer)
        pid = os.read(reader, 8)
        os.waitpid(between, 0)
        os.close(reader)
        return pid
    if os.fork() != 0:
        os._exit(0)  # the process that asked becomes the parent
    try:
        _become(request, descriptors)
        os.write(writer, os.getpid().to_bytes(8))
    except OSError:
        os._exit(1)
    return None


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Take over what another process is given when it starts."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    if request["session"]:
        os.setsid()
    os.umask(request["mask"])
    for limited, most in request["limits"]:
        resource.setrlimit(limited, tuple(most))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        known = getattr(sys, name)
        stream = open(  # noqa: SIM115  open as long as the process
            number, "w" if number else "r", closefd=False, encoding=known.encoding, errors=known.errors
        )  # fmt: skip
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.stderr.reconfigure(line_buffering=True)
    numbers = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(numbers[45]), int(numbers[46])
    said = "\0".join(request["arguments"]).encode()
    ctypes.memmove(begin, said.ljust(end - begin, b"\0"), end - begin)


def _run(command: list[str]) -> int:
    """Run a command line to its end and return the exit status. What was imported is not taken apart, which takes long."""
    code = command.index("-c") if command[1] in {"-X", "-u"} else 0
    sys.argv = command[code:] if code else command[command.index("-m") + 1 :]
    status: Any = 0
    try:
        if code:
            sys.modules["__main__"] = main = ModuleType("__main__")
            exec(sys.argv.pop(1), vars(main))
        else:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001  as the interpreter does
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    if isinstance(status, str):
        print(status, file=sys.stderr)  # noqa: T201  as the interpreter does
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = 120
    return status if isinstance(status, int) else int(status is not None)


if __name__ == "__main__":
    with warnings.catch_warnings(action="error"):  # as where a test imports it
        for name in sys.argv[4].split(","):
            __import__(name)
    assert len([*Path("/proc/self/task").iterdir()]) == 1, "only a process of one thread may fork"
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    gc.collect()
    gc.freeze()
    preloaded.environment, preloaded.address = dict(os.environ), sys.argv[1]
    command = serve(socket.socket(fileno=int(sys.argv[3])), int(sys.argv[2]))
    while command[1] == "-u" and (asked := preloaded.divide()):  # as pytest-xdist starts its own
        command = asked
    if command[1] == "-u":
        sys.modules["tests.preloaded"] = sys.modules["__main__"]
    else:
        subprocess.Popen = Forked  # type: ignore[misc]
    sys.orig_argv = command
    os._exit(_run(command))
