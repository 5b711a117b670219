"""Widgets shared by the screens, one file each."""
