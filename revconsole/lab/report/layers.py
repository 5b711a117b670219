"""Layers: the appendix of a report with the layers of every model in it."""

from revconsole.lab.layer_files import layer_tables
from revconsole.lab.report.results import Results
from revconsole.lab.report.shown_table import Table
from revconsole.lab.report.wording import row
from revconsole.lab.torch_api import training
from revconsole.records.findings.modules import ModuleCost


def layers(results: Results) -> tuple[Table, ...]:
    """A table for each model, named after the arms that have it; imports torch, and trains nothing.

    Left out are models of other programs, of which no plan is known, and those that are fitted, which have no layers. Raises RevconsoleError if a model cannot be built.
    """
    models: list[list[ModuleCost]] = []
    names: list[list[str]] = []
    for arm in results.arms:
        run = arm.runs[0]
        if run.summary.plan_known and not run.plan.fitted:
            modules = training.modules_of(run.plan)
            if modules not in models:
                models.append(modules)
                names.append([])
            names[models.index(modules)].append(arm.name)
    return tuple(layer_tables([*map(row, names)], models))
