"""Memory: forecasts of a step's memory, the choice of stored blocks, and retries with smaller micro-batches."""
