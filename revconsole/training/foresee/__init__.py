"""Foreseeing the memory of a step: traces of the product's own step on tensors without numbers; see `foresee`."""
