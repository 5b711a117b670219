"""Screens, one file each: runs, run, launch, compare."""
