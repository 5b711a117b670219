"""The machine a run trains on: its devices, their precision, and what is known when memory runs out."""
