"""Architectures, one file each. To add one: a file here and a section in `records/sections/model.py`."""
