"""Launchers: where a run trains, one file per place."""
