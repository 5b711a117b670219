"""One training step, its evaluation, and its memory."""
