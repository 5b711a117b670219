"""Kinds of figures, a file each with `NAME`, `caption(results)` and `draw(results)`, None where it does not apply."""
