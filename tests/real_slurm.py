"""A whole Slurm on the loopback device: munged, slurmctld and slurmd in the foreground, in a folder and on ports of their own.

Needs root and Debian's packages slurmctld, slurmd, slurm-client and munge. Two nodes of one core are pretended on this
machine, each with one GPU that is none, and two partitions, of which `urgent` preempts `main`.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
SBIN = "/usr/sbin"
READY_SECONDS = 60.0
CONF = """\
ClusterName=pretended
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldPort={port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0
JobRequeue=1
KillWait=20
MpiDefault=none
ReturnToService=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=1 RealMemory=1000 Gres=gpu:1 State=UNKNOWN
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=1 RealMemory=1000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=node1,node2 Default=YES MaxTime=60 State=UP PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=node1,node2 MaxTime=60 State=UP PriorityTier=10
"""


def lacking() -> str:
    """Why there can be no Slurm here; empty if there can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=f"{os.defpath}:{SBIN}") is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "only root can start it"


class RealSlurm:
    """The cluster; `end` stops it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.conf = folder, folder / "slurm.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []
        port, first, second = _free_ports(3)
        host = socket.gethostname().partition(".")[0]
        (folder / "state").mkdir()
        self.conf.write_text(
            CONF.format(host=host, folder=folder, port=port, first=first, second=second)
        )
        (folder / "gres.conf").write_text("NodeName=node[1-2] Name=gpu File=/dev/null\n")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        folder.chmod(0o755)

    def start(self) -> None:
        """Start everything, and wait until jobs can run."""
        folder = self.folder
        own = [f"--{n}={folder}/munge.{n}" for n in ("socket", "pid-file", "log-file", "seed-file")]
        self._daemon("munged", "--foreground", "--force", f"--key-file={folder}/munge.key", *own)
        self._until((folder / "munge.socket").exists)
        self._daemon("slurmctld", "-D", "-f", str(self.conf))
        for node in ("node1", "node2"):
            self._daemon("slurmd", "-D", "-f", str(self.conf), "-N", node)
        self._until(lambda: self.ask("sinfo", "--noheader", "--format=%D %T").strip() == "2 idle")

    def ask(self, *command: str) -> str:
        """What a program of Slurm answers."""
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"SLURM_CONF": str(self.conf)}
        )  # fmt: skip
        return done.stdout

    def end(self) -> None:
        """Cancel every job, and stop the daemons."""
        self.ask("scancel", "--signal=KILL", "--full", "--user=root")
        self.ask("scancel", "--user=root")
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _daemon(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.log").open("ab") as log:
            self._daemons.append(
                subprocess.Popen([f"{SBIN}/{command[0]}", *command[1:]], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )  # fmt: skip

    def _until(self, happened) -> None:
        end = time.monotonic() + READY_SECONDS
        while not happened():
            said = [path.read_text(errors="replace")[-500:] for path in self.folder.glob("*.log")]
            assert time.monotonic() < end, said
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
