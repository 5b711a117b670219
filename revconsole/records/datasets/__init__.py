"""What is known about a dataset without opening it, and without torch."""
