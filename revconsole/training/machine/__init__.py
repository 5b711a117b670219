"""The machine a run trains on: devices, precision, and what is known when memory runs out."""
