"""Configuration of the program for one user: the console's looks and keys, and whom to tell when a run ends. Torch-free."""
