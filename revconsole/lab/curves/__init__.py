"""Curves for a terminal: which points of a series are drawn, on which axes, in which colours, and as which text."""
