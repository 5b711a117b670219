"""Checkpoints: when they are made, how they are written, and how a run goes on from one."""
