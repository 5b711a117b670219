"""Folders of another machine, over one connection of the `ssh` program: files are copied as they grow, nothing is mounted."""
