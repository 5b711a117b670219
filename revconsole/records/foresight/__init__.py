"""Foresight: the memory of a training step before it runs. Torch-free; see `foresight` for the interface."""
