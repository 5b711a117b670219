"""Slurm's programs: sbatch, squeue, scancel, sinfo and sacct, with what they say as values or one sentence."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from revconsole.errors import NotSubmitted
from revconsole.records import child

SUBMIT_SECONDS, ASK_SECONDS = 60, 5
OVERRIDES = {
    "--partition": "PARTITION", "--account": "ACCOUNT", "--time": "TIMELIMIT", "--gres": "GRES",
    "--array": "ARRAY_INX", "--job-name": "JOB_NAME", "--open-mode": "OPEN_MODE", "--output": "OUTPUT",
    "--signal": "SIGNAL", "--requeue": "REQUEUE", "--nodes": "NODES",
}  # fmt: skip
"""Environment variables SBATCH_… that would override an option of the script, by option."""
NO_SUCH_JOB = "Invalid job id"
OVER = frozenset({
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
    "REVOKED", "TIMEOUT", "GONE",
})  # fmt: skip
"""Slurm's words for jobs that will not run again, and ours for one that Slurm knows no more."""


class JobState(NamedTuple):
    """What Slurm says of a job, in its own words."""

    state: str
    reason: str = ""
    node: str = ""


GONE = JobState("GONE")


def here() -> bool:
    """Whether jobs can be submitted from this machine."""
    return shutil.which("sbatch") is not None


def refuse_without_slurm() -> None:
    """Raise NotSubmitted if jobs cannot be submitted from this machine."""
    if not here():
        raise NotSubmitted(
            "there is no sbatch here: --on slurm works on a login node of a cluster with Slurm; without --on the runs "
            "train on this machine"
        )


def submit(script: Path) -> str:
    """Submit a script; returns the id of the job. Raises NotSubmitted with what sbatch says."""
    refuse_without_slurm()
    lines = script.read_text(encoding="utf-8").splitlines()
    given = {line.removeprefix("#SBATCH ").partition("=")[0] for line in lines}
    environment = child.environment()
    for option, name in OVERRIDES.items():
        if option in given:
            environment.pop(f"SBATCH_{name}", None)
    answer = _run(["sbatch", "--parsable", str(script)], SUBMIT_SECONDS, environment)
    *_, last = answer.stdout.split() or [""]  # a site may greet before
    job = last.partition(";")[0]
    if answer.returncode or not job.isdecimal():
        raise NotSubmitted(_refusal(answer.stderr or answer.stdout))
    return job


def expected(script: str) -> str:
    """When Slurm would let a script begin if it were submitted now, or why it would refuse it; empty if it does not say."""
    try:
        answer = _run(["sbatch", "--test-only"], ASK_SECONDS, given=script)
    except NotSubmitted:
        return ""
    if answer.returncode:
        return f"sbatch would refuse it: {_said(answer.stderr)}"
    found = re.search(r"to start at (\S+)", answer.stderr)
    return (
        f"as things are, Slurm expects it to begin at {found[1].replace('T', ' ')}" if found else ""
    )


def partitions() -> list[str]:
    """The partitions of the cluster; empty if it cannot be asked."""
    try:
        answer = _run(["sinfo", "--noheader", "--format=%P"], ASK_SECONDS)
    except NotSubmitted:
        return []
    return [line.strip().rstrip("*") for line in answer.stdout.splitlines() if line.strip()]


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs, with one call. Raises NotSubmitted."""
    answer = _run(["scancel", *jobs], ASK_SECONDS)
    if answer.returncode and NO_SUCH_JOB not in answer.stderr:
        which = f"job{'s' * (len(jobs) > 1)} {', '.join(jobs)}"
        raise NotSubmitted(f"scancel refused to cancel {which}: {_said(answer.stderr)}")


def jobs(ids: Iterable[str]) -> dict[str, JobState]:
    """What Slurm says of these jobs and of all tasks of their arrays; those that it has forgotten are GONE.

    Raises NotSubmitted if it cannot be asked.
    """
    wanted = list(ids)
    arrays = ",".join(dict.fromkeys(job.partition("_")[0] for job in wanted))
    form = "--format=%i|%T|%r|%N"
    answer = _run(["squeue", "--noheader", "--array", "--states=all", f"--jobs={arrays}", form], ASK_SECONDS)  # fmt: skip
    if answer.returncode and NO_SUCH_JOB not in answer.stderr:
        raise NotSubmitted(f"squeue cannot be asked: {_said(answer.stderr)}")
    found = _rows(answer.stdout)
    lost = [job for job in wanted if job not in found]
    return found | dict.fromkeys(lost, GONE) | (_accounted(lost) if lost else {})


def _accounted(ids: Sequence[str]) -> dict[str, JobState]:
    """What the accounting knows of jobs that have left the queue; nothing on a cluster without one."""
    form = "--format=JobID,State,ExitCode,NodeList"
    command = ["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={','.join(ids)}", form]  # fmt: skip
    try:
        answer = _run(command, ASK_SECONDS)
    except NotSubmitted:
        return {}
    found = _rows(answer.stdout) if not answer.returncode else {}
    return {job: state for job, state in found.items() if job in ids and state.state in OVER}


def _rows(text: str) -> dict[str, JobState]:
    """The states by job, of lines `job|state|reason|node`; of "CANCELLED by 1000" the first word counts."""
    rows = [line.strip().split("|") for line in text.splitlines() if line.count("|") == 3]
    return {
        job: JobState(state.split(" ")[0].rstrip("+"), reason, node)
        for job, state, reason, node in rows
    }


def _run(
    command: Sequence[str],
    limit: float,
    environment: Mapping[str, str] | None = None,
    given: str = "",
) -> "subprocess.CompletedProcess[str]":
    """Run a program of Slurm. given: what it reads. Raises NotSubmitted if there is none or it does not answer."""
    try:
        return subprocess.run(  # noqa: S603  Slurm's own programs, no shell
            command, capture_output=True, text=True, errors="replace", timeout=limit, check=False,
            input=given, env=dict(environment or os.environ),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotSubmitted(
            f"{command[0]} has not answered in {limit:.0f} s; is Slurm's controller up?"
        ) from None
    except OSError as error:
        raise NotSubmitted(f"{command[0]} cannot be started: {error.strerror}") from None


def _refusal(text: str) -> str:
    """What sbatch says in one sentence, with the partitions that there are where it is about one."""
    known = partitions() if "partition" in text.lower() else []
    there = f"; the partitions here are {', '.join(known)}" if known else ""
    return f"sbatch refused: {_said(text)}{there}"


def _said(text: str) -> str:
    """What a program of Slurm wrote on stderr, in one line, without its name before each part."""
    parts = [re.sub(r"^\w+: (?:error: )?", "", line.strip()) for line in text.splitlines()]
    return "; ".join(dict.fromkeys(part.rstrip(".") for part in parts if part))[:400] or "nothing"
