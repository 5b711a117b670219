"""revconsole: train and compare vision transformers, above all reversible ones, from a terminal.

cli         the command line (Typer): spells the verbs of the lab
console     the terminal console (Textual): spells the same verbs
lab         plan, launch, stop, follow, compare; never imports torch
training    the only package that runs a model
models      one file per architecture
data        one file per dataset
reversible  the mathematics: couplings, schemes, rewiring; usable on its own
records     the vocabulary: profiles, plans, events, the run store; never imports torch
errors      every exception
"""

__version__ = "0.2.0"
