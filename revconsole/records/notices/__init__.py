"""Notices: who is told of the end of a run, and how."""
