"""The event log of one attempt: encoding and reading lines, metric columns, and training times."""
