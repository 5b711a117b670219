"""Before launch: what an experienced colleague would say of a run before it trains, from its settings alone.

    advise(planned_run(plan))     tuple of Advised, the gravest first
    together(runs)                the same of several runs, each thing said once

A `PlannedRun` is looked up in milliseconds; the rules take microseconds, because a form asks them at every key. No rule
loads torch. To add one, write its file in `rules/` and list it there.
"""

from revconsole.records.prelaunch.asking import advise, together
from revconsole.records.prelaunch.planned_run import PlannedRun, planned_run

__all__ = ["PlannedRun", "advise", "planned_run", "together"]
