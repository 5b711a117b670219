"""The event log of an attempt: its lines, its columns, and the times in it."""
