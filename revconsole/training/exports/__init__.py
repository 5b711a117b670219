"""Exports: a run's network as files that others load without revconsole, one file here for each target."""
