"""The benchmark: `subject` is what is measured, `timing` and `memory` measure it, `measure` is the whole course."""
