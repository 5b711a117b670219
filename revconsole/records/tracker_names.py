"""Tracker names: the tools of others that runs can be given to; each is what its package is imported as."""

TRACKERS = ("tensorboard", "wandb", "mlflow")
_ANY = f"({'|'.join(TRACKERS)})"
SEVERAL = rf"^{_ANY}(,{_ANY})*$"
"""Pattern of some of them with commas, as `train.track` takes them."""
