"""revconsole: train and compare vision transformers, above all reversible ones, from a terminal.

cli         the command line (Typer): spells the verbs of the lab
console     the terminal console (Textual): spells the same verbs
lab         plan, launch, stop, follow, compare; never imports torch
training    the only package that runs a model
models      one file per architecture
data        one file per dataset
reversible  the mathematics: couplings, schemes, rewiring; usable on its own
recording   runs of other programs, recorded by `revconsole.record`; never imports torch
records     the vocabulary: profiles, plans, events, the run store; never imports torch
errors      every exception
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revconsole.recording.recording import record as record

__version__ = "0.2.0"
__all__ = ["record"]


def __getattr__(name: str) -> Any:
    """`record`, imported when it is asked for, so that nothing else waits for it."""
    if name == "record":
        from revconsole.recording.recording import record

        return record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
