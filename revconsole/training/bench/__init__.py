"""The benchmark: `subject` is what is measured, `timing`, `memory` and `work` measure it, `measure` is the whole course."""
