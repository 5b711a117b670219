"""A pretended Slurm: its programs as scripts in a folder of PATH, which write down what they are asked and answer as told."""

from pathlib import Path

SCRIPTS = {
    "sbatch": 'case "$*" in *--test-only*) cat >/dev/null; cat "$here/expected" >&2 2>/dev/null; exit 0;; esac\nif [ -s "$here/refusal" ]; then cat "$here/refusal" >&2; exit 1; fi\ncat "$here/job"',
    "squeue": '[ -e "$here/silent" ] && { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }\n'
    'cat "$here/squeue.txt" 2>/dev/null || { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }',
    "scancel": "",
    "sinfo": 'printf "main*\\nurgent\\n"',
    "sacct": 'cat "$here/sacct.txt" 2>/dev/null || { echo "Slurm accounting storage is disabled" >&2; exit 1; }',
    "scontrol": 'cat "$here/scontrol.txt" 2>/dev/null',
}


class FakeSlurm:
    """What the programs answer, and what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.job = "71"
        for name, body in SCRIPTS.items():
            path = folder / name
            head = f'#!/bin/sh\nhere={folder}\necho "{name} $*" >> "$here/asked"\n'
            path.write_text(f"{head}{body}\n")
            path.chmod(0o755)

    @property
    def job(self) -> str:
        """The id that the next job gets."""
        return (self.folder / "job").read_text().strip()

    @job.setter
    def job(self, job: str) -> None:
        (self.folder / "job").write_text(f"{job}\n")

    def expects(self, text: str) -> None:
        """The answer of sbatch to the question when a job would begin."""
        (self.folder / "expected").write_text(text)

    def refuse(self, text: str) -> None:
        """Let sbatch refuse every job."""
        (self.folder / "refusal").write_text(text)

    def says(self, *rows: str) -> None:
        """The answer of squeue: job|STATE|Reason|node each; without any, it has forgotten the jobs."""
        path = self.folder / "squeue.txt"
        if rows:
            path.write_text("".join(f"{row}\n" for row in rows))
        else:
            path.unlink(missing_ok=True)

    def accounts(self, *rows: str) -> None:
        """The answer of sacct, in the same form."""
        (self.folder / "sacct.txt").write_text("".join(f"{row}\n" for row in rows))

    def controls(self, text: str) -> None:
        """The answer of scontrol."""
        (self.folder / "scontrol.txt").write_text(text)

    def be_silent(self, silent: bool = True) -> None:
        """Let the controller be out of reach of squeue, or not."""
        (self.folder / "silent").touch() if silent else (self.folder / "silent").unlink()

    def asked(self, program: str = "") -> list[str]:
        """What was asked so far, of one program or of all."""
        try:
            lines = (self.folder / "asked").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if line.startswith(program)]
