"""Making a run fit: what a step would need, which blocks keep their activations, and smaller micro-batches."""
