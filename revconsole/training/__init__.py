"""Training: the only package that runs a model in order to train it. Read `trainer.py` first."""
