"""sysctl: what macOS and the BSDs say of themselves, where Linux has files in /proc."""

import subprocess

ASKING_SECONDS = 5.0


def sysctl(name: str) -> str:
    """The value of a name such as `machdep.cpu.brand_string`; empty where the system has no such name."""
    try:
        answer = subprocess.run(  # noqa: S603  fixed words, no shell
            ["sysctl", "-n", name],  # noqa: S607  in /usr/sbin or /sbin, by system
            capture_output=True, text=True, timeout=ASKING_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
