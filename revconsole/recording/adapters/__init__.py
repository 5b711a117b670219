"""Adapters: recorded runs in the shape that other programs ask for; each file imports what it adapts to, and nothing here imports it."""
