"""The command line (Typer): one file for each group of verbs. Arguments are parsed and results printed here; the work is done by `lab`."""
