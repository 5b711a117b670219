"""One step of training, its evaluation, and what it needs of memory."""
