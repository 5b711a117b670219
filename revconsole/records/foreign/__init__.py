"""Runs that other tools recorded, read where they lie and never changed: formats, what was read, its cache, its rows."""
