"""Textual front end: paints runs and spells the verbs of the lab. Never imports torch."""
