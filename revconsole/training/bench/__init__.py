"""Bench: `subject` is what is measured, `timing` and `memory` measure it, `measure` runs the benchmark."""
