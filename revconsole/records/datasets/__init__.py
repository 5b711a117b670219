"""Facts about datasets, available without opening data files and without torch."""
