"""The vocabulary of a run: profile, plan, events, store, catalogue. Torch-free."""
