"""Lists of runs: what can be said of a run, filters, columns, orders and groups, for the command line and the console."""
