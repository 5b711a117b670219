"""Other programs: the sentences of a report on runs that revconsole recorded or read and did not train."""

from revconsole.lab.report import wording
from revconsole.lab.report.alike import Alike


def of_other_programs(runs: Alike) -> Alike:
    """Those of the runs that another program trained."""
    return runs.only(lambda run: bool(run.summary.program))


def sentence(runs: Alike) -> str:
    """What the methods say of them, with the settings that are the same for all; empty if there are none."""
    others = of_other_programs(runs)
    if not others:
        return ""
    by = wording.listed(list(dict.fromkeys(run.summary.program for run in others.runs)))
    settings = wording.settings({k: v for k, v in others.settings().items() if v is not None})
    same = f"; all were given {settings}" if settings else ""
    return (
        f"Other programs trained {others.whose}, and recorded the results themselves ({by}){same}."
    )


def note(runs: Alike) -> str:
    """What stands below the table; empty if there are none."""
    others = of_other_programs(runs)
    if not others:
        return ""
    return (
        f"{others.whose}: trained by another program, whose figures these are; which weights were tested, and on which images, "
        "is not known here."
    )
