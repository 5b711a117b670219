"""Runs in their folders: who writes one, what is true of one now, and the table of all."""
