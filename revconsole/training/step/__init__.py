"""Steps: a training step, the evaluation, and the memory of both."""
