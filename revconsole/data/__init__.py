"""Datasets, one file each with its facts. To add one: a file here."""
