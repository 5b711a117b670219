"""Kinds of figures, one file each with `NAME`, `caption(results)` and `draw(results)`, which is None if the figure does not apply."""
