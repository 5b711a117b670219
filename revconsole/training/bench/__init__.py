"""Bench: `subject` is what is measured, `timing`, `memory` and `work` measure it, `measure` runs the benchmark."""
