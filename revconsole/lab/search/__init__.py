"""Searches: what is drawn next, what the trials gave, and their report."""
