"""Probes: what is measured while a run trains, and the declaration of each metric."""
