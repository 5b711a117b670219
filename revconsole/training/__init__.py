"""The only package that runs a model. Read `trainer.py` first."""
