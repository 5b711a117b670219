"""Typer front end: spells the verbs of the lab. One file per group of verbs."""
