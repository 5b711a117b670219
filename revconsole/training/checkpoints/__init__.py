"""Checkpoints: when they are written, how they are stored, and how a run continues from one."""
