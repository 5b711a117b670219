"""Curves on a terminal: decimation, axes, colours, and drawing as text."""
